"""Where a site keeps a secret that it must not write into its settings."""

from pathlib import Path

from pydantic import Field, model_validator

from worker.settings import Section


class Secret(Section):
    """Where a secret is kept; it is never in the settings, the log or the ledger, and is read when it is needed."""

    file: Path | None = Field(default=None, description="a file that only this user may read")
    env: str = Field(default="", description="name of an environment variable")

    @model_validator(mode="after")
    def _one_place(self) -> "Secret":
        if (self.file is None) == (not self.env):
            raise ValueError(
                'needs either file, such as { file = "/run/secrets/pager" }, or env, such as { env = "PAGER" }'
            )
        if self.env.startswith("WETREAD_"):
            raise ValueError("names that begin with WETREAD_ are settings; choose another name for the variable")
        return self
