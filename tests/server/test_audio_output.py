"""A player's audio on its way out, against the plain signal."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.block import Block
from server.audio_output import AudioOutput


def pushed(output: AudioOutput, audio: np.ndarray, hop: int, start: int = 0) -> AudioOutput:
    for begin in range(0, audio.shape[1], hop):
        output.push(Block(start + begin, audio[:, begin : begin + hop]))
    return output


@given(
    hops=st.integers(1, 20), hop=st.sampled_from([1, 63, 441]), start=st.integers(-700, 0),
    asks=st.lists(st.integers(1, 999), min_size=1, max_size=12),
)  # fmt: skip
def test_each_sample_is_given_at_its_place_and_silence_where_there_is_none(hops, hop, start, asks):
    audio = np.arange(1, hops * hop + 1, dtype=np.float32)[None]
    output = pushed(AudioOutput(48_000, 48_000, 1), audio, hop, start)
    expected = np.zeros(sum(asks) + 100, np.float32)
    content = audio[0, -start:][: expected.size - 100]
    expected[100 : 100 + content.size] = content
    place = -100
    for ask in asks:
        assert output.pull(place, ask)[0].tolist() == expected[place + 100 : place + 100 + ask].tolist()
        place += ask


def test_what_the_ring_no_longer_holds_is_silence_and_not_another_sample():
    output = AudioOutput(1_000, 1_000, 1, seconds=0.5)
    pushed(output, np.arange(1, 1_201, dtype=np.float32)[None], 100)
    assert output.pull(600, 200)[0].tolist() == [0.0] * 100 + [float(n) for n in range(701, 801)]


@pytest.mark.parametrize(("host", "model"), [(44_100, 48_000), (96_000, 48_000), (8_000, 16_000)])
def test_a_sine_keeps_its_phase_and_level_at_another_rate(host, model):
    tone = np.sin(2 * np.pi * 440 * np.arange(model // 4) / model)[None].astype(np.float32)
    output = pushed(AudioOutput(host, model, 1), tone, 128)
    count = host // 5
    expected = np.sin(2 * np.pi * 440 * np.arange(count) / host)
    quiet_ends = slice(host // 100, None)
    error = np.abs(output.pull(0, count)[0] - expected)[quiet_ends].max()
    assert error < 1e-4  # measured 3e-5 at worst


def test_reset_equals_a_new_output():
    audio = np.random.default_rng(0).standard_normal((2, 1_280)).astype(np.float32)
    used = pushed(AudioOutput(44_100, 48_000, 2), audio[:, ::-1], 128)
    used.reset()
    again, fresh = pushed(used, audio, 128), pushed(AudioOutput(44_100, 48_000, 2), audio, 128)
    assert np.array_equal(again.pull(0, 1_100), fresh.pull(0, 1_100))
