"""A TorchScript file is a program: it runs in a process of its own, and a bad one is refused and ends nothing else."""

from pathlib import Path

import pytest

from models.errors import RuntimeFailed, WeightsRefused
from models.importing import torchscript_child
from models.importing.import_kinds import import_from
from tests.importing import wishes
from tests.optional import need
from tests.unit.models.importing.test_import_torch import VOLUME, card_file


@pytest.fixture(autouse=True)
def _with_torch() -> None:
    """All of this needs torch."""
    need("torch")


ENDLESS = """
def forward(self, value):
    while bool((value <= value).all()):
        value = value + 0.0
    return value
"""
#: 16 GiB, of which nothing is touched.
GREEDY = """
def forward(self, value):
    return value + torch.empty([4294967296])[0]
"""
#: A script may make files: this one would have 16 GiB.
FILLING = """
def forward(self, value):
    return value + torch.from_file("filled", True, 4294967296)[0]
"""
RUDE = """
def forward(self, value):
    if bool((value <= value).all()):
        raise Exception("\x1b[2J\x1b[31mall is well" + WORDS)
    return value
""".replace("WORDS", repr("!" * 1000))
HARMLESS = """
def forward(self, value):
    return torch.cat([value, value], 1)
"""


def a_script(source: str, folder: Path) -> Path:
    """Save a script of this source as a TorchScript file."""
    torch = need("torch")
    # A class of its own: a scripted class has its methods for good.
    module = torch.jit.script(type("Script", (torch.nn.Module,), {})())
    module.define(source)
    module.save(str(folder / "net.pt"))
    return folder / "net.pt"


def refused(source: str, folder: Path) -> str:
    """Return the words with which a script is refused; nothing of a model may be left behind."""
    file = a_script(source, folder)
    with pytest.raises(WeightsRefused) as refusal:
        import_from("torchscript", file, card_file(folder, wishes() | VOLUME), folder / "models")
    assert not list((folder / "models").glob("*/*"))
    return str(refusal.value)


def test_a_script_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time it is killed, and the importer says why."""
    monkeypatch.setattr("models.importing.import_torchscript._TIME_LIMIT_S", 6.0)
    said = refused(ENDLESS, tmp_path)
    assert "took longer than its 6 s and was ended" in said
    assert "does not end" in said


def test_a_script_that_wants_too_much_memory_gets_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The allocation fails there, whatever the machine has."""
    monkeypatch.setattr("models.importing.import_torchscript._MEMORY_BYTES", 6 << 30)
    assert "allocate memory" in refused(GREEDY, tmp_path)


def test_a_script_that_fills_the_disk_cannot(tmp_path: Path) -> None:
    """A file that it makes ends at a limit, and goes with its folder."""
    assert "cannot be written as ONNX" in refused(FILLING, tmp_path)
    assert not Path("filled").exists()


def test_a_scripts_words_do_not_reach_the_terminal_as_they_are(tmp_path: Path) -> None:
    """Letters only, and not many."""
    said = refused(RUDE, tmp_path)
    assert "all is well!" in said
    assert said.isprintable()
    assert len(said) < 500 + len(str(tmp_path))


def test_a_file_that_crashes_its_process_crashes_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ends by a signal is refused with it, and with the remedy."""
    crashing = tmp_path / "child.py"
    crashing.write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    monkeypatch.setattr("models.importing.import_torchscript._SCRIPT", crashing)
    assert "ended the process that loaded it (signal 11)" in refused(GREEDY, tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK nothing", b"\x80\x02cos\nsystem\n"])
def test_what_is_no_torchscript_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file that torch cannot load is named, with the remedy."""
    (tmp_path / "net.pt").write_bytes(content)
    with pytest.raises(WeightsRefused, match=r"is no TorchScript file; save it with torch\.jit\.save"):
        import_from("torchscript", tmp_path / "net.pt", card_file(tmp_path, wishes() | VOLUME), tmp_path / "models")


def test_an_answer_that_is_no_array_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the process leaves is read within limits, and never as a pickle."""
    monkeypatch.setattr("models.importing.import_torchscript._LARGEST_ANSWER", 1000)
    file = a_script(HARMLESS, tmp_path)
    with pytest.raises(RuntimeFailed, match="answers more than"):
        import_from(
            "torchscript",
            file,
            card_file(tmp_path, wishes(labels=wishes()["labels"][:1]) | VOLUME),
            tmp_path / "models",
        )


def test_the_statuses_of_the_process_are_all_explained() -> None:
    """Each that it may end with has words."""
    from models.importing.import_torchscript import _WHAT  # noqa: PLC0415  # needs torch

    statuses = {value for name, value in vars(torchscript_child).items() if name.startswith("NO_")}
    assert set(_WHAT) == statuses
