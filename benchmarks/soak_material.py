"""What the soak's clients play: eight seconds that repeat, made here, so that every note is known.

Four bars at 120 BPM, and the last quarter of a second is a rest, in which what still sounds would be heard.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from benchmarks.arranger_bars import band
from models.block import Samples

LOOP_SECONDS, TEMPO, BEATS = 8.0, 120.0, 4
EIGHTH_SECONDS, STROKE_SECONDS = 0.25, 0.2
EIGHTHS = round(LOOP_SECONDS / EIGHTH_SECONDS)
IMPULSE_SECONDS = 0.05  # twenty a second
LONGEST_BLOCK = 8192
SEEDS = 8  # what is played is one of so many: made before, since who makes it holds up the thread that plays
SCALE = (0, 2, 4, 5, 7, 9, 11)
NOTE_ON, NOTE_OFF = 0x90, 0x80
MidiRow = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Material:
    """What a client sends. audio: (1, n) float32. midi: (sample, status, data 1, data 2), all in the first `length` samples, in order.

    length: samples after which it begins again; audio goes on by the longest block, so that a block is one piece.
    """

    audio: Samples
    midi: tuple[MidiRow, ...]
    length: int

    def block(self, place: int, count: int) -> Samples:
        """Return (1, count) float32 from sample `place` of a stream on."""
        start = place % self.length
        return self.audio[:, start : start + count]

    def midi_in(self, place: int, count: int) -> list[MidiRow]:
        """Return the messages of the block from `place` on, at samples of the stream."""
        if not self.midi:
            return []
        start, turn = place % self.length, place - place % self.length
        again = ((row[0] + self.length, *row[1:]) for row in self.midi)
        return [(turn + row[0], *row[1:]) for row in (*self.midi, *again) if start <= row[0] < start + count]


@cache
def make_material(plays: str, rate: int, seed: int) -> Material:
    """Return what a client plays; it is made once. plays: struck, bass, impulses, midi (keys, over silence), or band, at 48 kHz."""
    rng, length = np.random.default_rng(seed), round(LOOP_SECONDS * rate)
    audio, midi = np.zeros(length), list[MidiRow]()
    if plays == "impulses":
        audio[:: round(IMPULSE_SECONDS * rate)] = 0.9
    elif plays == "band":
        audio = band(4, seed)[0].astype(np.float64)
    else:
        low = 33 if plays == "bass" else 60
        for eighth in range(EIGHTHS - 1):
            pitch, begin = low + int(rng.choice(SCALE)), round(eighth * EIGHTH_SECONDS * rate)
            end = begin + round(STROKE_SECONDS * rate)
            if plays == "midi":
                midi += [(begin, NOTE_ON, pitch, int(rng.integers(50, 110))), (end, NOTE_OFF, pitch, 0)]
            else:
                audio[begin:end] += _stroke(pitch, end - begin, rate)
    whole = np.concatenate([audio, audio[:LONGEST_BLOCK]]).astype(np.float32)
    return Material(whole[None], tuple(sorted(midi)), length)


def _stroke(pitch: int, count: int, rate: int) -> np.ndarray:
    """Return a struck string: six partials that fall away."""
    now, hertz = np.arange(count) / rate, 440 * 2 ** ((pitch - 69) / 12)
    return 0.12 * np.exp(-6 * now) * sum(np.sin(2 * np.pi * hertz * k * now) / k for k in range(1, 7))
