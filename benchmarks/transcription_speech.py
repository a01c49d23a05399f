"""A minute of talk in each of two voices, by Debian's espeak-ng: what the trial `speech` hears.

Called by transcription_trials.py. A voice that is there already is not made again.
"""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.transcription_material import MINUTE, RATE
from server.audio.file import read_audio, write_audio
from server.errors import BacklineError

PROGRAM = "espeak-ng"
VOICES: Mapping[str, str] = {"man": "en-gb", "woman": "en-us+f3"}
TEXT = """
Good evening, and thank you all for coming out in this weather. Before we begin, let me say a few words about tonight. The
piano arrived on Tuesday, rather late, on a lorry that could not get through the gate. Four of us carried it across the yard,
in the rain, and up eleven steps; I would not wish that on anybody. Is it in tune? More or less. The man who looks after it
came yesterday, shook his head, and stayed for three hours. He asked who had left a sandwich under the lid. Nobody answered.
We will play for about an hour, then there is tea in the kitchen, and afterwards, if you still like us, we shall go on until
the neighbours complain. The second piece was written last winter, in a house by the sea, where the wind kept time better than
our drummer does. You may notice that it stops in the middle. That is on purpose! Please wait, do not clap, and whatever
happens, do not look at the singer. Last time she laughed so much that we had to start again from the very beginning. One more
thing: somebody has parked a small blue car in front of the door. If it is yours, would you be so kind as to move it? Thank
you. Right, shall we try the microphone? One, two, three. Can you hear me at the back? No? A little louder, then.
"""


def say(folder: Path) -> None:
    """Write NAME.flac of every voice that `folder` lacks. Raises BacklineError where there is nobody to talk."""
    missing = {name: voice for name, voice in VOICES.items() if not (folder / f"{name}.flac").exists()}
    if not missing:
        return
    if shutil.which(PROGRAM) is None:
        raise BacklineError(
            f"the trial `speech` needs {PROGRAM}, which is not installed; Debian's package {PROGRAM} has it"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, voice in missing.items():
        _say(voice, folder / f"{name}.flac")


def _say(voice: str, path: Path) -> None:
    import soxr

    with TemporaryDirectory() as scratch:
        spoken = Path(scratch, "spoken.wav")
        command = [PROGRAM, "-v", voice, "-w", str(spoken), " ".join(TEXT.split())]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not spoken.exists():
            raise BacklineError(
                f"{PROGRAM} cannot talk with the voice {voice}: {done.stderr.strip() or done.returncode}"
            )
        samples, rate = read_audio(spoken)
    minute = soxr.resample(samples[0], rate, RATE)[: round(MINUTE * RATE)]
    write_audio(path, np.ascontiguousarray(minute[None], np.float32), RATE)
