"""An LV2 plug-in at JACK, in jalv: started, asked for its controls, told to change them, ended.

    probe -> NAME:lv2_audio_in_1 | the plug-in | NAME:lv2_audio_out_1, NAME:lv2_events_out -> probe

jalv 1.6 shows a plug-in's latency to JACK on the ports that it must pass, not on those behind it: its audio input declares
what is connected to it plus the plug-in's own latency. With a probe connected, whose port declares nothing, that is what the
plug-in reports. stdbuf has it say each line when it is said: into a pipe it would keep 4 KiB to itself.
"""

import os
import select
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from benchmarks.native.jackd import Jackd
from server.child_process import end_process
from server.errors import BacklineError

PATIENCE_SECONDS = 20.0
ASK_SECONDS = 0.05
SYSTEM_PLUGINS = "/usr/lib/lv2"  # where the standard's own vocabulary lies


class Jalv:
    """A running jalv; a context manager."""

    def __init__(
        self, server: Jackd, bundles: Path, uri: str, name: str = "plugin", settings: Mapping[str, float] | None = None,
        load: Path | None = None, environment: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """Start it; `bundles` is the folder with the plug-in's bundle, `load` a folder with a saved state. Raises BacklineError."""
        if shutil.which("jalv") is None:
            raise BacklineError("jalv is not installed")
        words = ["stdbuf", "-oL", "jalv", "-n", name, "-x", *(("-l", str(load)) if load else ())]
        for symbol, value in (settings or {}).items():
            words += ["-c", f"{symbol}={value}"]
        around = server.environment | dict(environment or {}) | {"LV2_PATH": f"{bundles}{os.pathsep}{SYSTEM_PLUGINS}"}
        self.process = subprocess.Popen(
            [*words, uri], env=around, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
        self.name, self._text = name, ""
        self._wait_until_active()

    def __enter__(self) -> "Jalv":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it as a person would, by the end of its input; kill it where that does not work."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(PATIENCE_SECONDS / 4)
        except subprocess.TimeoutExpired:
            end_process(self.process, 1.0)
        self._read(0.0)
        self.process.stdout.close()

    def set(self, symbol: str, value: float) -> None:
        """Change a control."""
        self._say(f"set {symbol} {value}")

    def value(self, symbol: str) -> float:
        """Return what a control, or an output control, shows. Raises BacklineError where there is none of this name."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            seen = len(self._text)
            self._say("controls")
            self._say("monitors")
            self._read(ASK_SECONDS)
            for line in reversed(self._text[seen:].splitlines()):
                name, _, shown = line.removeprefix("> ").partition(" = ")
                if name == symbol and shown:
                    return float(shown)
        raise BacklineError(f"jalv shows no control {symbol}: {self._text[-300:]}")

    def wait_for(self, symbol: str, *values: float, seconds: float = PATIENCE_SECONDS) -> None:
        """Return once a control shows one of `values`. Raises BacklineError after `seconds`."""
        deadline = time.monotonic() + seconds
        while (shown := self.value(symbol)) not in values:
            if time.monotonic() > deadline:
                raise BacklineError(f"{symbol} is {shown:g} after {seconds:g} s; one of {values} was due")

    def _say(self, line: str) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError as error:
            self._read(0.0)
            raise BacklineError(f"jalv ended: {self._text[-500:]}") from error

    def _read(self, seconds: float) -> None:
        """Take what it says until it is silent for `seconds`."""
        assert self.process.stdout is not None
        while select.select([self.process.stdout], [], [], seconds)[0]:
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            if not data:
                return
            self._text += data.decode(errors="replace")

    def _wait_until_active(self) -> None:
        """Return once it obeys: its ports are there earlier, but cannot be connected yet."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        try:
            self._say("controls")
            while " = " not in self._text:
                self._read(ASK_SECONDS)
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise BacklineError(f"jalv does not start: {self._text[-500:]}")
        except BacklineError:
            self.close()
            raise
