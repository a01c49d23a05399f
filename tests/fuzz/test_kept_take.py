"""Whatever is on a stream's ring, keeping it gives both files, whole, or one sentence and neither."""

import os

import numpy as np
import pytest
import soundfile
from hypothesis import strategies as st

from models.events import NoteOff, NoteOn
from server.errors import BacklineError
from server.keep import write_take
from server.kept_take import KeptTake
from server.midi.file import open_midi
from server.scheduler import Emission

RATE = 8000


def played() -> KeptTake:
    """Return the ring of a stream that has heard a second and said four notes."""
    take = KeptTake.make(RATE)
    for start in range(0, RATE, 1000):
        take.hear(start, np.full((1, 1000), 0.25, np.float32))
    take.set_tempo(97.0)
    for place in range(0, RATE, 2000):
        take.leave(Emission(place, place, NoteOn(place, 60, 90)))
        take.leave(Emission(place + 900, place + 900, NoteOff(place + 900, 60)))
    return take


@pytest.fixture(scope="module")
def ring() -> bytes:
    """The bytes of that ring, up to where its audio begins and a little more."""
    take = played()
    data = os.pread(take.descriptor, 1 << 21, 0)
    take.close()
    return data


def test_a_ring_of_any_bytes_is_kept_or_one_sentence(fuzz, one_sentence, memory, ring, tmp_path):
    def check(changes: list[tuple[int, bytes]], seconds: int, until: int) -> None:
        descriptor = os.memfd_create("backline-take")
        os.pwrite(descriptor, ring, 0)
        for place, data in changes:
            os.pwrite(descriptor, data, place)
        try:
            midi, audio = write_take(KeptTake(descriptor), tmp_path, "take", seconds, until)
        except BacklineError as error:
            one_sentence(error)
        else:
            samples, rate = soundfile.read(audio)
            assert len(samples) <= 120 * rate
            assert np.isfinite(samples).all()
            assert open_midi(midi).tracks
            midi.unlink()
            audio.unlink()
        os.close(descriptor)
        assert list(tmp_path.iterdir()) == [], "nothing is left half-written"

    extremes = [0, 1, -1, 8000, 192_000, 2**31, 2**62, -(2**63), 2**63 - 1]
    numbers = st.integers(-(2**63), 2**63 - 1) | st.sampled_from(extremes)
    word = numbers.map(lambda number: number.to_bytes(8, "little", signed=True))
    head = st.tuples(st.sampled_from([8, 16, 24, 32]), word)  # the rate, at 0, is written once, by the control process
    event = st.tuples(st.integers(64, 64 + 16 * 8), st.binary(min_size=1, max_size=16))
    audio = st.tuples(st.integers(64 + (1 << 20), (1 << 20) + 30_000), st.binary(min_size=1, max_size=64))
    fuzz(check, st.lists(head | event | audio, max_size=6), st.integers(1, 120), st.integers(1, 20_000), examples=40)


def test_anything_that_is_heard_and_said_is_kept(fuzz, one_sentence, tmp_path):
    place = st.integers(0, 4 * RATE) | st.sampled_from([0, 2**31, 2**62, 2**40])
    sample = st.sampled_from([0.0, 0.5, float("nan"), float("inf"), -1e38, 1e-40])
    heard = st.tuples(st.just("hear"), place, st.integers(1, 3000), sample)
    said = st.tuples(st.just("say"), place, st.integers(0, 127), st.integers(1, 127))
    tempo = st.tuples(st.just("tempo"), st.just(0), st.sampled_from([0.0, 1.0, 3.9, 97.0, 1000.0]), st.just(0))

    def check(steps: list[tuple[str, int, float, float]]) -> None:
        take = KeptTake.make(RATE)
        for kind, place, one, other in steps:
            if kind == "hear":
                take.hear(place, np.full((1, int(one)), other, np.float32))
            elif kind == "say":
                take.leave(Emission(place, place, NoteOn(place, int(one), int(other))))
            else:
                take.set_tempo(one)
        try:
            midi, audio = write_take(take, tmp_path, "take", 120, take.count)
        except BacklineError as error:
            one_sentence(error)
        else:
            assert np.isfinite(soundfile.read(audio)[0]).all()
            open_midi(midi)
            midi.unlink()
            audio.unlink()
        take.close()
        assert list(tmp_path.iterdir()) == []

    fuzz(check, st.lists(heard | said | tempo, max_size=12), examples=60)
