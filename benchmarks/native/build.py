"""Compile an instrument once: gcc, and pkg-config for its libraries. What was built is kept in build/native."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.record import ROOT
from server.errors import BacklineError

SOURCES = Path(__file__).parent
BUILT = ROOT / "build" / "native"
DPF_HEADERS = Path("/usr/share/dpf/distrho/src")  # Debian's dpf-source carries the CLAP headers
FLAGS = ("-O2", "-std=c11", "-D_DEFAULT_SOURCE", "-Wall", "-Wextra")


class BuildError(BacklineError):
    """An instrument cannot be compiled here; the text says what is missing."""


def build(name: str) -> Path:
    """Return the program made of NAME.c, newer than every source beside it. Raises BuildError."""
    program, sources = BUILT / name, [SOURCES / f"{name}.c", *SOURCES.glob("*.h")]
    if program.is_file() and program.stat().st_mtime > max(source.stat().st_mtime for source in sources):
        return program
    if shutil.which("gcc") is None:
        raise BuildError(f"{name} is compiled with gcc, which is not installed")
    BUILT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILT) as folder:
        made = Path(folder) / name
        done = _call(["gcc", *FLAGS, "-o", str(made), str(sources[0]), *_libraries(name), "-lm", "-lpthread", "-ldl"])
        if done.returncode:
            raise BuildError(f"gcc does not compile {sources[0].name}: {done.stderr.strip()[:500]}")
        made.replace(program)  # two test runs may build at once
    return program


def _libraries(name: str) -> list[str]:
    """Return what the compiler must be told beyond the source."""
    if name == "clap_host":
        if not (DPF_HEADERS / "clap" / "entry.h").is_file():
            raise BuildError("clap_host needs the CLAP headers, which Debian's package dpf-source carries")
        return [f"-I{DPF_HEADERS}"]
    if name in ("hiccup", "stream_client"):  # sockets and libm are all they need
        return []
    try:
        done = _call(["pkg-config", "--cflags", "--libs", "jack"])
    except FileNotFoundError as error:
        raise BuildError(f"{name} finds JACK by pkg-config, which is not installed") from error
    if done.returncode:
        raise BuildError(f"{name} needs JACK's headers, which Debian's package libjack-jackd2-dev carries")
    return done.stdout.split()


def _call(words: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
