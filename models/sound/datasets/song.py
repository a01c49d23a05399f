"""One song of a data set as its stems, each read when it is asked for. Called by the loaders of songs.

A `Recording` has notes and one instrument; a song has neither, but the sound of everybody apart.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.sound.datasets.conversion import read_audio
from models.sound.datasets.recording import Split, required

STEMS = ("vocals", "bass", "drums", "other")
MIXTURE = "mixture"
FULL_SCALE = 32768
TRACK_RATE = 44100  # Hz, of what is decoded by ffmpeg before it is resampled
FFMPEG = "ffmpeg"


@dataclass(frozen=True, slots=True)
class Song:
    """A song. files: where each stem (of STEMS) and the mixture lie, as far as there are any, with the number of the audio track
    in a file that holds several, or None."""

    dataset: str
    name: str
    split: Split
    files: Mapping[str, tuple[Path, int | None]]

    def audio(self, stem: str, sample_rate: int) -> np.ndarray:
        """Return (samples,) float32, the mean of the channels.

        Raises:
            ValueError: the song has no such stem, a file is broken, or what would read it is not installed.
            FileNotFoundError: a file is missing.
        """
        if stem not in self.files:
            there = ", ".join(self.files) or "none"
            raise ValueError(f"song {self.name} of {self.dataset} has no stem {stem}; there are: {there}")
        path, track = self.files[stem]
        if track is not None:
            return _track(path, track, sample_rate)
        return read_audio(path, sample_rate).astype(np.float32) / FULL_SCALE


def _track(path: Path, track: int, sample_rate: int) -> np.ndarray:
    """Read one of a file's audio tracks."""
    import soxr

    if shutil.which(FFMPEG) is None:
        raise ValueError(
            f"{required(path)} is read with the program {FFMPEG}, which is not installed; stems as wav need none"
        )
    words = [FFMPEG, "-v", "error", "-nostdin", "-i", str(required(path)), "-map", f"0:a:{track}"]
    words += ["-ac", "1", "-ar", str(TRACK_RATE), "-f", "f32le", "-"]
    done = subprocess.run(words, capture_output=True, check=False)
    if done.returncode:
        said = (done.stderr.decode(errors="replace").strip().splitlines() or ["it does not say why"])[-1]
        raise ValueError(f"{path} cannot be read as audio, track {track}: {said}")
    return np.asarray(soxr.resample(np.frombuffer(done.stdout, "<f4"), TRACK_RATE, sample_rate))
