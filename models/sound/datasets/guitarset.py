"""GuitarSet: six players on an acoustic guitar, every string with its own pickup, annotated string by string.

Layout: annotation/NAME.jams, and NAME with a suffix for every way it was recorded: audio_mono-mic/NAME_mic.wav,
audio_mono-pickup_mix/NAME_mix.wav, audio_hex-pickup_debleeded/NAME_hex_cln.wav (six channels). NAME is
PLAYER_STYLE-TEMPO-KEY_comp or _solo, the style ending with the number of its chord progression. Xi et al., ISMIR 2018.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from models.sound.datasets.recording import (
    HELD_OUT_FIRST,
    UNKNOWN_VELOCITY,
    Recording,
    Split,
    performance_of,
    require_layout,
    required,
)
from models.sound.performance import Performance

LAYOUT = ("annotation/*.jams",)
STRINGS = 6
BREAK_SECONDS = 0.02  # contours have a point every 5.8 ms while a string sounds
AUDIO = {
    "mic": ("audio_mono-mic", "_mic.wav"),
    "mix": ("audio_mono-pickup_mix", "_mix.wav"),
    "hex_cln": ("audio_hex-pickup_debleeded", "_hex_cln.wav"),
}
# every player plays the same lead sheets, so the split is by lead sheet and not by player
TEST_PROGRESSION = "3"
VALIDATION_PIECES = ("Jazz2", "Rock2")
# annotated 0.409 and 0.309 s late (github.com/marl/GuitarSet/issues/5)
MISTIMED = ("04_BN3-154-E_comp", "04_Jazz1-200-B_comp")


def guitarset(root: Path, audio: str = "mic") -> Iterator[Recording]:
    """Yield the recordings as heard by the microphone ("mic"), the summed pickups ("mix") or each of them ("hex_cln")."""
    require_layout(root, LAYOUT, "GuitarSet")
    if audio not in AUDIO:
        raise ValueError(f"GuitarSet has no audio {audio!r}; allowed are {', '.join(AUDIO)}")
    folder, suffix = AUDIO[audio]
    has_audio = (root / folder).is_dir()
    files = [path for path in sorted(root.glob(LAYOUT[0])) if path.stem not in MISTIMED]
    for jams in sorted(files, key=lambda path: HELD_OUT_FIRST.index(_split(_piece(path)))):
        yield Recording(
            dataset="guitarset",
            name=f"{jams.stem}_{audio}",
            piece=_piece(jams),
            split=_split(_piece(jams)),
            instrument="guitar",
            audio=root / folder / f"{jams.stem}{suffix}" if has_audio else None,
            reads=partial(_read, jams),
        )


def read_contours(jams: Path) -> np.ndarray:
    """Read (points, 3): seconds, string (0 is the lowest), and pitch in semitones as MIDI counts them, with a fraction."""
    points = [
        (time, string, 69 + 12 * math.log2(frequency / 440))
        for string, observations in enumerate(_strings(jams, "pitch_contour", _frequency_hz))
        for time, _, frequency in observations
        if frequency > 0
    ]
    return np.array(points, float).reshape(-1, 3)


def _read(jams: Path) -> Performance:
    notes = _string_notes(jams)
    rows = [(onset, offset, np.round(pitch), UNKNOWN_VELOCITY) for _, onset, offset, pitch in notes]
    return replace(performance_of(rows), bend=_bend(notes, read_contours(jams)))


def _bend(notes: np.ndarray, contours: np.ndarray) -> np.ndarray:
    """How far the contour lies from its note where one string sounds alone; elsewhere 0, since a bend has no string."""
    string, onset, offset, pitch = notes.T
    time = contours[:, :1]
    sounding = (time >= onset) & (time < offset)
    sounding &= (sounding.sum(1, keepdims=True) == 1) & (string == contours[:, 1:2])
    point, note = np.nonzero(sounding)
    curve = np.stack([contours[point, 0], contours[point, 2] - np.round(pitch[note])], 1)
    curve = curve[np.argsort(curve[:, 0], kind="stable")]
    breaks = np.flatnonzero(np.diff(curve[:, 0], prepend=-np.inf, append=np.inf) > BREAK_SECONDS)
    flat = np.concatenate([curve[breaks[:-1], 0] - BREAK_SECONDS / 4, curve[breaks[1:] - 1, 0] + BREAK_SECONDS / 4])
    curve = np.concatenate([curve, np.stack([flat, np.zeros(len(flat))], 1)])
    return curve[np.argsort(curve[:, 0], kind="stable")]


def _string_notes(jams: Path) -> np.ndarray:
    """Return (notes, 4): string, onset, offset, pitch with a fraction."""
    rows = [
        (string, time, time + duration, pitch)
        for string, observations in enumerate(_strings(jams, "note_midi", float))
        for time, duration, pitch in observations
    ]
    return np.array(rows, float).reshape(-1, 4)


# what JSON holds may be anything: whatever is not as expected is an error that names the file
def _strings(jams: Path, namespace: str, number: Callable[[Any], float]) -> list[list[tuple[float, float, float]]]:
    """Return the observations (time, duration, number of the value) of each string."""
    try:
        stored = json.loads(required(jams).read_text(encoding="utf-8"))["annotations"]
        found = [annotation for annotation in stored if annotation["namespace"] == namespace]
        found.sort(key=lambda annotation: int(annotation["annotation_metadata"]["data_source"]))
        if len(found) != STRINGS:
            raise ValueError(f"{len(found)} annotations {namespace}, not {STRINGS}")
        return [
            [
                (float(time), float(duration), number(value))
                for time, duration, value in _observations(annotation["data"])
            ]
            for annotation in found
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{jams} is no annotation of GuitarSet: {error!r}") from error


def _observations(data: Any) -> list[tuple[Any, Any, Any]]:
    """JAMS stores observations by row or by column."""
    if isinstance(data, dict):
        return list(zip(data["time"], data["duration"], data["value"], strict=True))
    return [(row["time"], row["duration"], row["value"]) for row in data]


def _frequency_hz(value: Any) -> float:
    return float(value["frequency"]) if value["voiced"] else 0.0


def _piece(jams: Path) -> str:
    """The style and the number of the progression, such as Jazz2."""
    parts = jams.stem.split("_")
    if len(parts) != 3 or not parts[1].split("-")[0][-1:].isdigit():
        raise ValueError(f"{jams} is not named as GuitarSet names its annotations, such as 00_Jazz2-110-Bb_comp.jams")
    return parts[1].split("-")[0]


def _split(piece: str) -> Split:
    if piece.endswith(TEST_PROGRESSION):
        return "test"
    return "validation" if piece in VALIDATION_PIECES else "train"
