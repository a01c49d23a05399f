"""Run clap_host: a CLAP plug-in in blocks of any sizes, fed known material; see its source for what it does."""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from benchmarks.native.build import build
from benchmarks.native.take import Message, Take, write_plan
from server.errors import BacklineError

PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ClapRun:
    """How a plug-in is run.

    blocks: sizes taken in turn. most: the largest that it is told of; 0: the largest of `blocks`. settings: parameters by
    name, before activation. until: a parameter and the value it must have, at least, before the take begins. load, save: files of
    its state. free: no pace. rolling: the transport plays.
    """

    plugin: Path
    name: str = ""
    rate: int = 48_000
    blocks: Sequence[int] = (256,)
    most: int = 0
    settings: Mapping[str, float] | None = None
    until: tuple[str, float] | None = None
    load: Path | None = None
    save: Path | None = None
    free: bool = False
    rolling: bool = False

    def words(self) -> list[str]:
        """Return the command line without the material."""
        words = ["-r", str(self.rate), "-b", ",".join(map(str, self.blocks)), "-m", str(self.most)]
        for option, value in (("-i", self.name), ("-L", self.load), ("-O", self.save)):
            words += [option, str(value)] if value else []
        for name, number in (self.settings or {}).items():
            words += ["-S", f"{name}={number}"]
        if self.until is not None:
            words += ["-W", "{}={}".format(*self.until)]
        return [*words, *(("-P", "free") if self.free else ()), *(("-T",) if self.rolling else ())]


def run_clap(
    run: ClapRun, frames: int, impulses: Sequence[int] = (), notes: Sequence[Message] = (),
    sound: NDArray[np.float32] | None = None, environment: Mapping[str, str] | None = None,
) -> Take:  # fmt: skip
    """Play a take of `frames` frames and return what came out. Raises BacklineError with the host's reason."""
    with tempfile.TemporaryDirectory() as folder:
        plan, words = Path(folder) / "plan", []
        write_plan(plan, impulses, notes)
        if sound is not None:
            soundfile.write(plan.with_suffix(".wav"), sound, run.rate, subtype="FLOAT")
            words = ["-w", str(plan.with_suffix(".wav"))]
        command = [str(build("clap_host")), *run.words(), "-p", str(plan), "-f", str(frames), *words, str(run.plugin)]
        try:
            done = subprocess.run(command, env=os.environ | dict(environment or {}), capture_output=True, text=True,
                                  timeout=PATIENCE_SECONDS + frames / run.rate, check=False)  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise BacklineError(f"clap_host did not end within {error.timeout:g} s") from error
    if done.returncode:
        raise BacklineError(f"clap_host ended with code {done.returncode}: {done.stderr.strip()[-500:]}")
    take = Take(run.rate, max(run.blocks))
    for line in done.stdout.splitlines():
        take.take(json.loads(line))
    if take.totals["lost"]:
        raise BacklineError(f"clap_host lost {take.totals['lost']} words; the machine was too busy to measure")
    return take
