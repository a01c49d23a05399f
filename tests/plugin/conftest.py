"""The plug-ins as `make plugin` builds them, and the checks of their core, built once a session where Debian's packages are there."""

import fcntl
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NATIVE = ROOT / "plugin_bridge" / "native"
BUILD_SECONDS = 900  # half a minute on a core of its own


@pytest.fixture(scope="session")
def native_build() -> "NativeBuild":
    """The build folder and what makes it; skips where a package is missing."""
    for program in ("make", "g++", "patch"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    return NativeBuild(ROOT / "build" / "plugin")


class NativeBuild:
    """What the plug-ins' Makefile makes. Nothing is made again that is there and newer than its sources."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def make(self, target: str) -> None:
        """Make a target; two sessions that run at once wait for each other."""
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            words = ["make", "-s", "-C", str(NATIVE), f"OUT={self.folder}", target]
            done = subprocess.run(words, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
        assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="session")
def plugins(native_build: NativeBuild) -> Path:
    """The folder with lv2, vst3, clap and jack."""
    if not Path("/usr/share/dpf").is_dir():
        pytest.skip("dpf-source is not installed")
    native_build.make("all")
    return native_build.folder


@pytest.fixture(scope="session")
def checks(native_build: NativeBuild) -> Path:
    """The folder with the programs that check the core: units, property, session."""
    native_build.make("checks")
    return native_build.folder / "work" / "checks"


@pytest.fixture(scope="session")
def backline_command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that does what `backline` does, as BACKLINE_COMMAND names it."""
    command = tmp_path_factory.mktemp("command") / "backline"
    words = [sys.executable, "-P", "-c", "import sys; from server.cli import main; sys.exit(main())"]
    paths = os.pathsep.join(filter(None, sys.path))
    command.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(paths)} exec {shlex.join(words)} "$@"\n')
    command.chmod(0o700)
    return command


@pytest.fixture(scope="module")
def port(start_server) -> Iterator[int]:
    """The port of a server whose engines are warm."""
    with start_server() as server:
        server.client.load("probe")
        server.client.load("transcriber")
        yield server.port
