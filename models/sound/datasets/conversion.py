"""Recordings of a data set as the renders that training hears: mono, 16 bit, one rate, cut into pieces of a minute.

Called by who prepares training. `models.sound.renders` makes such files from notes, this module from recordings.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from models.sound.datasets.recording import Recording, Split, required
from models.sound.renders import SAMPLE_RATE, Render, store_render

PIECE_SECONDS = 60
SHORTEST_SECONDS = 10  # training hears 8 s at a time: what is shorter joins the piece before it, or silence follows it
BLOCK_SECONDS = 10  # read and resampled at once, since a recording may last most of an hour


def dataset_render(recording: Recording, sample_rate: int = SAMPLE_RATE) -> Render:
    """Read a whole recording, its times in samples of `sample_rate`; the audio keeps its level.

    Raises:
        ValueError: the recording has no audio, or a file is broken.
        FileNotFoundError: a file is missing.
    """
    performance = recording.performance()
    return Render(
        read_audio(audio_of(recording), sample_rate),
        np.round(performance.notes * [sample_rate, sample_rate, 1, 1]).astype(np.int32),
        np.round(performance.pedal * sample_rate).astype(np.int32),
        (performance.bend * [sample_rate, 1]).astype(np.float32),
        recording.instrument,
    )


def write_recordings(recordings: Iterable[Recording], folder: Path, split: Split = "train") -> list[Path]:
    """Write the recordings of one split into render_DATASET_NAME_NUMBER.npz; return the paths that were missing.

    Files that are there are kept, so an interrupted run goes on where it stopped. Recordings without audio are skipped.

    Raises:
        ValueError: no recording of the split has audio, or a file is broken.
        FileNotFoundError: a file is missing.
    """
    from tqdm import tqdm

    chosen = [recording for recording in recordings if recording.split == split and recording.audio is not None]
    if not chosen:
        raise ValueError(f"no recording of the split {split!r} has audio: there is nothing to write into {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for recording in tqdm(chosen, unit="recording", disable=None):
        paths = [_path(folder, recording, number) for number in range(_count(recording))]
        missing = [number for number, path in enumerate(paths) if not path.exists()]
        if missing:
            whole = dataset_render(recording)
            for number in missing:
                store_render(cut(whole, number, number == len(paths) - 1), paths[number])
                written.append(paths[number])
    return written


def cut(whole: Render, number: int, last: bool, sample_rate: int = SAMPLE_RATE) -> Render:
    """Cut out the minute of this number, or all that remains from it on; a short one is followed by silence.

    What sounds across a cut is in both pieces with the times it has, before 0 or after the end.
    """
    start = number * PIECE_SECONDS * sample_rate
    stop = len(whole.audio) if last else start + PIECE_SECONDS * sample_rate
    silence = np.zeros(max(0, SHORTEST_SECONDS * sample_rate - (stop - start)), np.int16)
    notes, pedal, bend = whole.notes, whole.pedal, whole.bend
    before = max(0, np.searchsorted(bend[:, 0], start, "right") - 1)  # a bend is linear from there to the first inside
    after = np.searchsorted(bend[:, 0], stop) + 1
    return Render(
        np.concatenate([whole.audio[start:stop], silence]),
        notes[(notes[:, 0] < stop) & (notes[:, 1] > start)] - np.array([start, start, 0, 0], np.int32),
        pedal[(pedal[:, 0] < stop) & (pedal[:, 1] > start)] - np.int32(start),
        bend[before:after] - np.array([start, 0], np.float32),
        whole.group,
    )


def read_audio(path: Path, sample_rate: int) -> np.ndarray:
    """Read a file of any rate and channel count: (samples,) int16, the mean of its channels."""
    import soundfile
    import soxr

    parts: list[np.ndarray] = []
    try:
        with soundfile.SoundFile(required(path)) as file:
            resampler = soxr.ResampleStream(file.samplerate, sample_rate, 1, dtype="float32")
            while len(block := file.read(BLOCK_SECONDS * file.samplerate, dtype="float32", always_2d=True)):
                parts.append(_sixteen_bit(resampler.resample_chunk(block.mean(1))))
            parts.append(_sixteen_bit(resampler.resample_chunk(np.zeros(0, np.float32), last=True)))
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path} cannot be read as audio: {error.error_string}") from error
    return np.concatenate(parts)


def audio_of(recording: Recording) -> Path:
    if recording.audio is None:
        raise ValueError(f"recording {recording.name} of {recording.dataset} has no audio")
    return recording.audio


def _count(recording: Recording) -> int:
    """How many pieces a recording makes, known without reading its samples."""
    import soundfile

    path = required(audio_of(recording))
    try:
        seconds = soundfile.info(path).duration
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path} cannot be read as audio: {error.error_string}") from error
    return max(1, math.ceil((seconds - SHORTEST_SECONDS) / PIECE_SECONDS))


def _path(folder: Path, recording: Recording, number: int) -> Path:
    name = re.sub(r"[^\w.#-]", "-", recording.name)
    return folder / f"render_{recording.dataset}_{name}_{number}.npz"


def _sixteen_bit(audio: np.ndarray) -> np.ndarray:
    return np.round(np.clip(audio, -1, 1) * 32767).astype(np.int16)
