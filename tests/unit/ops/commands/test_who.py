"""Who acts."""

import os
import pwd
from types import SimpleNamespace

import pytest

from ops.commands.who import acting_user


def test_the_user_is_who_the_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not who the environment says; a user without an entry has a number."""
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setenv("USER", "somebody-else")
    assert acting_user() == pwd.getpwuid(os.getuid()).pw_name
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    assert acting_user() == "user 4000000000"


def test_root_is_told_with_who_became_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of who called sudo it says the name; nobody but root is believed."""
    monkeypatch.setenv("SUDO_USER", "anna")
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwuid", lambda _uid: SimpleNamespace(pw_name="root"))
    assert acting_user() == "anna as root"
    monkeypatch.setenv("SUDO_USER", "anna\n2026 forged line")
    assert acting_user() == "root"
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr(pwd, "getpwuid", lambda _uid: SimpleNamespace(pw_name="ben"))
    monkeypatch.setenv("SUDO_USER", "anna")
    assert acting_user() == "ben"
