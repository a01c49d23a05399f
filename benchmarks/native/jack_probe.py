"""Run jack_probe: known material into JACK ports, and the frames at which it came back.

    with JackProbe(server, connect, impulses=[4801, ...]) as probe:   # connect: ("play:out", "backline:audio_in"), ...
        probe.say("start")
        take = probe.finish()
    take.delays(take.impulses, take.onsets)

Every wait has an end.
"""

import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any  # Any: lines are JSON

import numpy as np
import soundfile
from numpy.typing import NDArray

from benchmarks.native.build import build
from benchmarks.native.jackd import Jackd
from benchmarks.native.take import Message, Take, write_plan
from server.child_process import end_process
from server.errors import BacklineError

PATIENCE_SECONDS = 15.0


class JackProbe:
    """A running probe; a context manager."""

    def __init__(
        self, server: Jackd, connect: Sequence[tuple[str, str]], impulses: Sequence[int] = (), notes: Sequence[Message] = (),
        sound: NDArray[np.float32] | None = None, frames: int | None = None, capture: Path | None = None, threshold: float = 0.4,
        reach: int = 200,
    ) -> None:  # fmt: skip
        """Start it and wait until it is connected. Raises BacklineError.

        impulses, notes: frames after the start, notes with their MIDI bytes. sound: (n,) float32, repeated under the
        impulses. frames: how long the take is; None until told to end. capture: what is heard, as raw float32.
        threshold, reach: an impulse heard is the largest of `reach` samples from where the level passed `threshold`.
        """
        self._folder = tempfile.TemporaryDirectory()
        plan, words = Path(self._folder.name) / "plan", ["-s", server.name, "-t", str(threshold), "-r", str(reach)]
        write_plan(plan, impulses, notes)
        if sound is not None:
            soundfile.write(plan.with_suffix(".wav"), sound, server.rate, subtype="FLOAT")
            words += ["-w", str(plan.with_suffix(".wav"))]
        for option, value in (("-f", frames), ("-o", capture)):
            words += [option, str(value)] if value is not None else []
        for source, destination in connect:
            words += ["-c", f"{source}={destination}"]
        self.process = subprocess.Popen(
            [str(build("jack_probe")), *words, "-p", str(plan)], env=server.environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
        self._rest = b""
        self.take = Take(server.rate, server.period)
        try:
            ready = self.line(time.monotonic() + PATIENCE_SECONDS)
        except BacklineError:
            self.close()
            raise
        self.player, self.recorder = ready["play"], ready["record"]

    def __enter__(self) -> "JackProbe":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it. A JACK client that is killed can take its server with it into a hanging end, so it is asked first."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self.process.wait(3.0)
        except subprocess.TimeoutExpired:
            end_process(self.process, 1.0)
        self.process.stdout.close()
        self.process.stderr.close()
        self._folder.cleanup()

    def say(self, word: str) -> None:
        """Tell it: start, play, stop, locate N, fast, slow, end."""
        assert self.process.stdin is not None
        self.process.stdin.write(word.encode() + b"\n")
        self.process.stdin.flush()

    def latency(self, port: str) -> dict[str, list[int]]:
        """Return what a port declares: {"capture": [least, most], "playback": ...} in frames."""
        self.say(f"latency {port}")
        found: dict[str, list[int]] | None = self.until(lambda line: "latency" in line)["latency"]
        if found is None:
            raise BacklineError(f"JACK has no port {port}")
        return found

    def until(self, wanted: Callable[[dict[str, Any]], bool], seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Return the first line that is wanted; all others are kept in `take`. Raises BacklineError after `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            line = self.line(deadline)
            self.take.take(line)
            if wanted(line):
                return line

    def finish(self, seconds: float = PATIENCE_SECONDS) -> Take:
        """Wait for the end of the take, at most `seconds`, and return it."""
        self.until(lambda line: "end" in line, seconds)
        if self.take.totals["lost"]:
            raise BacklineError(
                f"jack_probe lost {self.take.totals['lost']} words; the machine was too busy to measure"
            )
        return self.take

    def end(self) -> Take:
        """End the take now and return it."""
        self.say("end")
        return self.finish()

    def line(self, deadline: float) -> dict[str, Any]:
        """Return the next line. Raises BacklineError where none comes until `deadline`, on time.monotonic."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        while b"\n" not in self._rest:
            if not select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise BacklineError("jack_probe says nothing; does the JACK server still run?")
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            if not data:
                raise BacklineError(f"jack_probe ended: {self.process.stderr.read().decode().strip()}")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found
