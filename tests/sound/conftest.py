"""What the tests of sound share: tiny recordings of an instrument, where a sound begins, and what can be played."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pretty_midi
import pytest
import soundfile

from models.sound.library import Library
from models.sound.performance import HIGHEST_PITCH, LOWEST_PITCH, Performance

RATE = 16_000


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with C4 and Fs5 in two velocity layers: decaying sines that begin 20 ms into their files."""
    folder = tmp_path_factory.mktemp("recordings")
    time = np.arange(2 * RATE) / RATE
    for name, frequency in (("C4", 261.63), ("Fs5", 739.99)):
        for layer, level in ((8, 0.3), (16, 0.8)):
            tone = level * np.sin(2 * np.pi * frequency * time) * np.exp(-1.5 * time)
            audio = np.concatenate([np.zeros(RATE // 50), tone]).astype(np.float32)
            soundfile.write(folder / f"{name}v{layer}.ogg", np.stack([audio, 0.8 * audio], 1), RATE)
    soundfile.write(folder / "harmonicsA0.ogg", audio, RATE)  # Salamander's other noises are no notes
    return folder


@pytest.fixture(scope="session")
def performance() -> Callable[..., Performance]:
    """A function (notes, pedal) -> Performance, both as rows."""

    def make(notes: object, pedal: object = ()) -> Performance:
        return Performance(np.array(notes, float).reshape(-1, 4), np.array(pedal, float).reshape(-1, 2))

    return make


@pytest.fixture(scope="session")
def begins_at() -> Callable[..., float]:
    """A function (audio, rate, near, share=0.5) -> seconds: where the 1 ms envelope rises to this share of its peak."""

    def find(audio: np.ndarray, rate: int, near: float, share: float = 0.5) -> float:
        width = rate // 1000
        first = max(0, round((near - 0.05) * rate))
        piece = np.abs(audio[first : first + round(0.1 * rate)])
        envelope = piece[: len(piece) // width * width].reshape(-1, width).max(1)
        return (first + width * int(np.argmax(envelope > share * envelope.max()))) / rate

    return find


@pytest.fixture(scope="session")
def assert_playable() -> Callable[[Performance], None]:
    """A function that sees whether one pair of hands and a foot could have played this."""

    def check(played: Performance) -> None:
        onset, offset, pitch, velocity = played.notes.T
        assert np.isfinite(played.notes).all()
        assert (onset >= 0).all()
        assert (np.diff(onset) >= 0).all(), "not sorted by onset"
        assert (offset > onset).all()
        assert ((pitch >= LOWEST_PITCH) & (pitch <= HIGHEST_PITCH) & (pitch == np.round(pitch))).all()
        assert ((velocity >= 1) & (velocity <= 127) & (velocity == np.round(velocity))).all()
        for key in np.unique(pitch):
            assert (onset[pitch == key][1:] >= offset[pitch == key][:-1]).all(), f"key {key} is struck while it is down"
        assert played.pedal.shape[1] == 2
        assert (played.pedal >= 0).all()
        assert (played.pedal[:, 1] >= played.pedal[:, 0]).all(), "the pedal comes up before it went down"

    return check


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """One piece of each kind: a song, its band, a game's music of three tracks, and the bundled take for the piano."""
    folder = tmp_path_factory.mktemp("midi")
    rng = np.random.default_rng(1)
    tune = [(0.5 * k, 0.5 * k + 0.45, int(p)) for k, p in enumerate(rng.integers(62, 80, 120))]
    low = [(0.5 * k, 0.5 * k + 0.4, int(p)) for k, p in enumerate(rng.integers(34, 50, 120))]
    chords = [
        (1.0 * k, 1.0 * k + 0.9, root + step)
        for k, root in enumerate(rng.integers(48, 64, 60))
        for step in (0, 4, 7, 12)
    ]
    song = (("MELODY", 0, tune), ("BRIDGE", 0, tune[::2]), ("PIANO", 0, chords))
    game = (("lead", 80, tune), ("bass", 33, low), ("pad", 48, chords), ("hit", 120, tune))
    return Library(
        (_midi_file(folder / "001.mid", song),),
        (_midi_file(folder / "001_0.mid", (("Bass", 32, low), ("Chord", 0, chords))),),
        (_midi_file(folder / "game.mid", game),),
        (Path(__file__).parents[2] / "server" / "takes" / "take.mid",),
    )


def _midi_file(path: Path, tracks: tuple[tuple[str, int, list[tuple[float, float, int]]], ...]) -> Path:
    midi = pretty_midi.PrettyMIDI(resolution=960)
    for name, program, notes in tracks:
        instrument = pretty_midi.Instrument(program, name=name)
        instrument.notes = [pretty_midi.Note(80, int(pitch), start, end) for start, end, pitch in notes]
        midi.instruments.append(instrument)
    midi.write(str(path))
    return path
