"""A real container engine, podman, with images of its own in a folder; nothing is pulled."""

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.optional import missing

#: podman asks cgroups for version 2 alone; where a machine mounts both, it gets a view of its own.
_OWN_CGROUPS = """#!/bin/sh
exec unshare --mount sh -c '
umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && exec "$@"' sh {podman} "$@"
"""
#: What a machine without its own limits on processes and files lets a container have.
_RUN = ("run", "--rm", "--network=none", "--cgroups=disabled", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1000:1000")


class Engine:
    """podman, as a card would call it."""

    def __init__(self, folder: Path) -> None:
        """Find a way to run a container here; skip the test where there is none, and say why."""
        podman, compiler = shutil.which("podman"), shutil.which("gcc")
        if podman is None or compiler is None:
            missing("podman or gcc is not installed")
        self._folder = folder
        self._compiler = compiler
        places = [f"--{name}={folder / name}" for name in ("root", "runroot", "tmpdir")]
        self._options = (*places, "--storage-driver=vfs", "--cgroup-manager=cgroupfs", "--log-level=error")
        wrapped = folder / "podman"
        wrapped.write_text(_OWN_CGROUPS.format(podman=podman))
        wrapped.chmod(wrapped.stat().st_mode | stat.S_IXUSR)
        image = self._made(podman, "nothing", "int main(void) { return 0; }")
        said = []
        for self._program in (podman, str(wrapped)):
            tried = self._do(*_RUN, image)
            if tried.returncode == 0:
                return
            said.append(tried.stderr.strip().splitlines()[-1:])
        pytest.skip(f"no container can be run here: {said}")

    def image(self, name: str, program: str) -> str:
        """Make an image of one static C program; return its name with its digest."""
        return self._made(self._program, name, program)

    def argv(self, image: str, *options: str) -> list[str]:
        """Return what a card's `argv` would be."""
        volumes = ("--volume={input}:/in:ro", "--volume={output}:/out")
        return [self._program, *self._options, *_RUN, *options, *volumes, image]

    def containers(self) -> list[str]:
        """Return those that there are, whether or not they run."""
        return self._do("ps", "--all", "--quiet").stdout.split()

    def _made(self, podman: str, name: str, program: str) -> str:
        source, root = self._folder / f"{name}.c", self._folder / name
        source.write_text(program)
        root.mkdir()
        subprocess.run([self._compiler, "-static", "-O1", "-o", root / "program", source], check=True)
        archive = shutil.make_archive(str(root), "tar", root)
        self._program = podman
        made = self._do("import", '--change=ENTRYPOINT ["/program"]', archive, f"localhost/{name}:1")
        if made.returncode:
            pytest.skip(f"no image can be made here: {made.stderr.strip()[-300:]}")
        digest = self._do("image", "inspect", "--format={{.Digest}}", f"localhost/{name}:1").stdout.strip()
        return f"localhost/{name}@{digest}"

    def _do(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self._program, *self._options, *arguments], capture_output=True, text=True, timeout=120, check=False
        )
