"""A piano that is made up strikes on the sample, is stiff, decays and is damped as pianos are, and no two are alike."""

import numpy as np
import pytest

from models.sound.modelled_piano import ModelledPiano
from models.sound.modes import BLOCK, CHUNK, Modes
from models.sound.performance import LOWEST_PITCH

RATE = 16_000


@pytest.fixture(scope="module")
def play(performance):
    """A function (notes, pedal, seconds=3, piano=0) -> (samples,), the touch being the same."""

    def of(notes, pedal=(), seconds=3.0, piano=0):
        instrument = ModelledPiano(np.random.default_rng(piano), RATE)
        return instrument.play(performance(notes, pedal), seconds, np.random.default_rng(1))

    return of


def level(audio: np.ndarray, start: float, end: float) -> float:
    return 20 * np.log10(np.sqrt(np.mean(audio[round(start * RATE) : round(end * RATE)] ** 2)) + 1e-9)


def between_partials(audio: np.ndarray) -> float:
    """The level (dB) of what lies more than 20 Hz from the partials of middle C, in the second second."""
    spectrum = np.abs(np.fft.rfft(audio[RATE : 2 * RATE] * np.hanning(RATE)))[:1000]
    return float(10 * np.log10(np.sum(spectrum[np.abs((np.arange(1000) / 262 + 0.5) % 1 - 0.5) * 262 > 20] ** 2)))


def test_modes_ring_as_their_poles_say_over_blocks_and_chunks():
    seconds, poles = 1.3, np.array([-3 + 2j * np.pi * 200, -9 + 2j * np.pi * 950.5]) / RATE
    start, output = np.array([1.0, 0.5j]), np.zeros(round(1.3 * RATE), np.float32)
    left = Modes.of(poles).ring(output, start)
    time = np.arange(round(seconds * RATE))
    assert len(time) > BLOCK * CHUNK
    np.testing.assert_allclose(output, np.sum(start * np.exp(time[:, None] * poles), 1).real, atol=1e-4)
    np.testing.assert_allclose(left, start * np.exp(len(time) * poles), atol=1e-9)


@pytest.mark.parametrize("piano", range(4))
@pytest.mark.parametrize("pitch", [24, 48, 72, 96])
def test_a_note_begins_where_its_label_says(play, begins_at, pitch, piano):
    for onset, velocity in ((0.1, 100), (0.50031, 30)):
        audio = play([(onset, 2.5, pitch, velocity)], piano=piano)
        assert not audio[: round(onset * RATE)].any()
        assert 0 <= begins_at(audio, RATE, onset, share=0.1) - onset + 1e-4 < 0.003


def test_a_seed_is_an_instrument(play):
    notes = [(0.1, 0.5, 60, 90), (0.4, 1.0, 67, 50), (1.2, 2.0, 60, 40)]
    assert np.array_equal(play(notes, [(0.2, 1.5)], piano=3), play(notes, [(0.2, 1.5)], piano=3))
    assert not np.allclose(play(notes, piano=3), play(notes, piano=4), atol=1e-3)


def test_a_key_is_the_same_whatever_was_played_before_it(performance):
    first, second = (ModelledPiano(np.random.default_rng(7), RATE) for _ in range(2))
    first.play(performance([(0, 1, 40, 80)]), 1.0, np.random.default_rng(0))
    note = performance([(0, 1, 60, 80)])
    heard = [piano.play(note, 1.0, np.random.default_rng(5)) for piano in (first, second)]
    assert np.array_equal(*heard)


@pytest.mark.parametrize("piano", range(3))
@pytest.mark.parametrize("pitch", [28, 45, 69])
def test_partials_are_sharp_by_the_keys_inharmonicity(play, pitch, piano):
    instrument = ModelledPiano(np.random.default_rng(piano), RATE)
    stiffness = instrument.inharmonicity[pitch - LOWEST_PITCH]
    assert 5e-5 < stiffness < 5e-3
    audio = play([(0, 4, pitch, 110)], seconds=4.0, piano=piano)
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 4 * len(audio)))
    frequency = np.arange(len(spectrum)) * RATE / (4 * len(audio))
    first = instrument.first_partials[pitch - LOWEST_PITCH]
    assert abs(1200 * np.log2(first / (440 * 2 ** ((pitch - 69) / 12)))) < 60
    found = []
    for order in range(2, 13):
        expected = order * first * np.sqrt((1 + stiffness * order**2) / (1 + stiffness))
        near = np.abs(frequency - expected) < 0.25 * first
        found.append(1200 * np.log2(frequency[near][np.argmax(spectrum[near])] / expected))
    assert np.abs(np.median(found)) < 3, "in cents, of where the law of a stiff string puts them"


def test_a_held_note_decays_soon_and_then_slowly_and_treble_sooner_than_bass(play):
    drops = {pitch: [] for pitch in (36, 60, 84)}
    bends = []
    for piano in range(8):
        for pitch, drop in drops.items():
            audio = play([(0, 6, pitch, 90)], seconds=6.0, piano=piano)
            drop.append(level(audio, 0.05, 0.25) - level(audio, 1.05, 1.25))
            if pitch == 60:
                bends.append(drop[-1] - (level(audio, 4.05, 4.25) - level(audio, 5.05, 5.25)))
    means = [np.mean(drop) for drop in drops.values()]
    assert means == sorted(means)
    assert 3 < means[0] < 15 < means[2] < 45
    assert np.mean(bends) > 3, "the aftersound dies as soon as the prompt sound"


def test_a_released_note_is_damped_sooner_in_the_treble_and_not_at_all_at_the_top(play):
    after = []
    for pitch in (40, 76):
        notes = [(0.1, 1.0, pitch, 90)]
        audio = play(notes)
        after.append(level(audio, 0.9, 1.0) - level(audio, 1.1, 1.15))
        assert level(audio, 0.9, 1.0) - level(audio, 1.8, 2.0) > 35
    assert 3 < after[0] < after[1]
    short, held = play([(0.1, 0.3, 100, 90)]), play([(0.1, 2.5, 100, 90)])
    assert level(short, 0.5, 1.0) == pytest.approx(level(held, 0.5, 1.0), abs=1.0)


def test_the_pedal_holds_a_released_note_and_other_strings_answer(play):
    alone, pedalled = play([(0.1, 0.5, 60, 90)]), play([(0.1, 0.5, 60, 90)], [(0.3, 2.0)])
    held = play([(0.1, 2.0, 60, 90)])
    assert level(alone, 1.5, 1.9) < level(held, 1.5, 1.9) - 30
    assert level(pedalled, 1.5, 1.9) == pytest.approx(level(held, 1.5, 1.9), abs=3)
    assert level(pedalled, 2.6, 2.9) < level(pedalled, 1.5, 1.9) - 30
    assert between_partials(pedalled) > between_partials(held) + 6


def test_a_pedal_that_comes_before_the_damper_is_done_catches_what_is_left(play):
    caught = play([(0.1, 0.5, 48, 90)], [(0.53, 2.5)])
    assert level(caught, 1.5, 2.0) > level(play([(0.1, 0.5, 48, 90)]), 1.5, 2.0) + 20
    assert level(caught, 1.5, 2.0) < level(play([(0.1, 2.5, 48, 90)]), 1.5, 2.0)


def test_a_key_struck_again_under_the_pedal_adds_to_what_sounds(play):
    pedal = [(0.05, 2.9)]
    once, again = play([(0.1, 0.3, 45, 110)], pedal), play([(0.1, 0.3, 45, 110), (1.0, 1.2, 45, 20)], pedal)
    soft = play([(1.0, 1.2, 45, 20)], pedal)
    assert level(soft, 1.1, 1.4) + 2 < level(again, 1.1, 1.4) < level(once, 1.1, 1.4) + 6


def test_a_louder_touch_is_louder_and_brighter_on_every_piano(play):
    for piano in range(6):
        audio = [play([(0, 1, 60, velocity)], seconds=1.0, piano=piano) for velocity in (20, 50, 80, 127)]
        levels = [level(one, 0, 0.5) for one in audio]
        assert levels == sorted(levels)
        assert 10 < levels[-1] - levels[0] < 45
        spectra = [np.abs(np.fft.rfft(one)) ** 2 for one in audio]
        above = [np.sum(s[1500:]) / np.sum(s) for s in spectra]
        assert above[0] < above[-1]


def test_what_rings_on_is_cut_at_the_end(play):
    audio = play([(0.9, 5.0, 60, 90), (0.99999, 5.0, 108, 90)], [(0.5, 4.0)], seconds=1.0)
    assert audio.shape == (RATE,)
    assert audio.dtype == np.float32
    assert np.isfinite(audio).all()


def test_nothing_played_is_silence(play):
    assert not play([], seconds=1.0).any()
