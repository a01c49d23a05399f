"""What the tests of the published arranger share: a tiny size, a song that is made up, and its sound."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from models.arranger.published.config import STRETCHED_RATE, PublishedConfig
from models.arranger.published.corrections import Corrections
from models.arranger.published.data import Material
from models.arranger.published.network import PublishedNetwork
from models.arranger.songs import Song, chord_row

TINY = PublishedConfig(
    transcriber=16, frame_channels=2, frame_hidden=8, chord_hidden=8, chord_decoder=8, chord_input=8, symbol_channels=2,
    symbol_inner=16, symbol_embedding=8, symbol_hidden=8, feature_hidden=8, feature_input=8, feature_embedding=4, note_embedding=16,
    summary_hidden=8, time_input=8, time_hidden=16, notes_hidden=16, duration_hidden=4, z_chord=4, z_audio=6, z_symbol=6, slots=7,
)  # fmt: skip
BEAT_SECONDS = 0.5
MAJOR = (0, 4, 7)


def make_song(bars: int = 4, name: str = "001") -> Song:
    """A low note on every bar, a chord on every beat, a voice over it; C and A minor bar by bar, the last bar without a chord."""
    beats = 0.3 + np.arange(4 * bars) * BEAT_SECONDS
    minor, none = chord_row(9, (0, 3, 7), 9), chord_row(12, (), 12)
    rows = [(chord_row(0, MAJOR, 0), minor)[beat // 4 % 2] for beat in range(4 * bars)]
    rows[-4:] = [none] * 4
    bass = [(4 * bar, 4 * bar + 4, 36 + 9 * (bar % 2), 90) for bar in range(bars)]
    chords = [(beat, beat + 1, 60 + tone, 70) for beat in range(4 * bars) for tone in MAJOR]
    bridge = [(beat + 0.5, beat + 0.75, 76 + beat % 3, 80) for beat in range(4 * bars)]
    piano = np.array(sorted(bass + chords), float)
    return Song(name, beats, np.stack(rows), np.zeros((0, 4)), np.array(bridge, float), piano)


def make_sound(song: Song, rate: int = STRETCHED_RATE) -> np.ndarray:
    """(samples,) int16: all its notes as sines that fade."""
    sound = np.zeros(round((song.beats[-1] + 1.5) * rate))
    for on, off, pitch, _ in np.concatenate([song.bridge, song.piano]):
        begin = round((song.beats[0] + on * BEAT_SECONDS) * rate)
        seconds = np.arange(round((off - on) * BEAT_SECONDS * rate)) / rate
        hertz = 440 * 2 ** ((pitch - 69) / 12)
        sound[begin : begin + len(seconds)] += 0.06 * np.sin(2 * np.pi * hertz * seconds) * np.exp(-seconds / 0.4)
    return np.round(np.clip(sound, -1, 1) * 32767).astype(np.int16)


@pytest.fixture(scope="session")
def tiny() -> PublishedConfig:
    return TINY


@pytest.fixture(scope="session")
def song() -> Callable[..., Song]:
    """The function `make_song`."""
    return make_song


@pytest.fixture(scope="session")
def sound() -> Callable[..., np.ndarray]:
    """The function `make_sound`."""
    return make_sound


@pytest.fixture(scope="session")
def material() -> Callable[..., Material]:
    """A function (bars=4, corrections=all) -> the made song with its sound."""

    def make(bars: int = 4, corrections: Corrections | None = None) -> Material:
        one = make_song(bars)
        return Material([one], {one.name: make_sound(one)}, corrections or Corrections.all())

    return make


@pytest.fixture(scope="session")
def network() -> Callable[..., PublishedNetwork]:
    """A function (corrections=all, kind="cvae", seed=0, louder=1) -> a tiny network, its weights as many times as large."""

    def make(
        corrections: Corrections | None = None, kind: str = "cvae", seed: int = 0, louder: float = 1.0
    ) -> PublishedNetwork:
        torch.manual_seed(seed)
        made = PublishedNetwork(TINY, corrections or Corrections.all(), kind).eval()
        with torch.no_grad():
            for parameter in made.pianotree.parameters():
                parameter *= louder
        return made

    return make
