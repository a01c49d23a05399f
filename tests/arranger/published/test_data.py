"""Songs become what the network is given and taught: spectra, trees, rolls, features and chords, masked and transposed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.arranger.published.config import (
    BANDS,
    BEAT_SAMPLES,
    EOS,
    FRAMES,
    PAD,
    PRE_ROLL,
    SAMPLE_RATE,
    SOS,
    STEPS,
    STRETCHED_RATE,
)
from models.arranger.published.corrections import Corrections
from models.arranger.published.data import Material, segments_of
from models.arranger.published.features import (
    frame_seconds,
    mel_bank,
    pretraining_spectrum,
    segment_spectrum,
    spectrum,
)
from models.arranger.published.schedules import AUTOREGRESSIVE, PRE_TRAINING, PRIOR_ONLY, WARM_UP
from models.arranger.published.symbols import (
    SHIFT_WEIGHTS,
    SHIFTS,
    bits,
    chords_of,
    features_of,
    masked,
    moved,
    notes_of,
    roll_of,
    tree_of,
)
from models.arranger.songs import chord_row

ALL, RELEASED = Corrections.all(), Corrections.as_released()
NONE = np.zeros((0, 3), int)


def without(name: str) -> Corrections:
    return replace(ALL, **{name: False})


def notes(*rows: tuple[int, int, int]) -> np.ndarray:
    return np.array(rows, int).reshape(-1, 3)


def loudest_hz(seen: np.ndarray) -> np.ndarray:
    """The middle of each frame's loudest band."""
    bins = np.arange(1025) * SAMPLE_RATE / 2048
    middles = (mel_bank() * bins[:, None]).sum(0) / np.maximum(mel_bank().sum(0), 1e-9)
    return middles[seen.argmax(0)]


# --- spectra


def test_a_segment_on_its_beats_is_153_frames_of_229_bands():
    samples = -(-(8 * BEAT_SAMPLES + PRE_ROLL) * SAMPLE_RATE // STRETCHED_RATE)
    assert spectrum(np.zeros(samples, np.float32)).shape == (BANDS, FRAMES)
    tempo_bpm = STRETCHED_RATE * 60 / BEAT_SAMPLES
    assert tempo_bpm == pytest.approx(99.384, abs=1e-3)
    assert spectrum(np.zeros(samples, np.float32)).max() == pytest.approx(np.log(1e-5))


def test_a_full_scale_sine_has_the_level_that_theory_says():
    hertz = 1000.0
    sine = np.sin(2 * np.pi * hertz * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
    seen = spectrum(sine)[:, 10]
    magnitude = 2048 / 4 / 2048**0.5  # half of a Hann window's sum, over the window's root
    place = round(hertz / SAMPLE_RATE * 2048)
    reached = np.array([0.5, 1, 0.5]) @ mel_bank()[place - 1 : place + 2]  # a Hann window's line is three bins wide
    assert seen.max() == pytest.approx(np.log(magnitude * reached.max()), abs=1e-3)
    assert loudest_hz(seen[:, None])[0] == pytest.approx(hertz, rel=0.02)


@pytest.mark.parametrize("shift", [-6, 0, 5])
def test_a_segment_is_heard_at_its_own_times_and_transposed(shift):
    rate, beat = 22050, 0.8  # a slower song than the network is given
    seconds = 1.0 + np.arange(9) * beat
    time = np.arange(round(9.0 * rate)) / rate
    steady = 0.3 * np.sin(2 * np.pi * 440 * time)
    seen = segment_spectrum(steady.astype(np.float32), rate, seconds, shift)
    assert seen.shape == (BANDS, FRAMES)
    assert np.median(loudest_hz(seen)) == pytest.approx(440 * 2 ** (shift / 12), rel=0.03)
    clicks = np.zeros(len(time), np.int16)
    clicks[np.round(seconds[:8] * rate).astype(int)] = 30000
    loud = segment_spectrum(clicks, rate, seconds, shift).mean(0)
    even = (PRE_ROLL + np.arange(8) * BEAT_SAMPLES) / STRETCHED_RATE * SAMPLE_RATE / 512
    for place in even:
        near = loud[max(0, int(place) - 1) : int(place) + 3].max()
        assert near > loud[int(place + 8)] + 3, "between beats there is nothing"


def test_frames_follow_a_song_whose_tempo_changes():
    seconds = np.array([0.0, 0.5, 1.0, 1.7, 2.4, 3.0, 3.3, 3.6, 4.0])
    places = frame_seconds(seconds)
    assert places[0] == pytest.approx(-PRE_ROLL / BEAT_SAMPLES * 0.5)
    beats = (np.arange(FRAMES) * 512 / SAMPLE_RATE - PRE_ROLL / STRETCHED_RATE) / (BEAT_SAMPLES / STRETCHED_RATE)
    np.testing.assert_allclose(places[5:], np.interp(beats[5:], np.arange(9), seconds), atol=0.02)
    assert (np.diff(places) > 0).all()


def test_before_the_song_and_after_it_there_is_silence():
    heard = segment_spectrum(np.full(22050, 0.1, np.float32), 22050, np.arange(9) * 0.5 - 2.0)
    assert np.isfinite(heard).all()
    assert heard[:, -1].max() == heard.min() == pytest.approx(np.log(1e-5))


def test_as_released_the_transcriber_learns_from_another_front_end():
    rng = np.random.default_rng(1)
    audio = rng.normal(0, 0.1, SAMPLE_RATE)
    ours = pretraining_spectrum(audio, ALL)
    assert np.array_equal(ours, spectrum(audio))
    apart = pretraining_spectrum(audio, without("one_front_end")) - ours
    widths = 2 / (_edges()[2:] - _edges()[:-2])
    filled = mel_bank().sum(0) > 0
    wanted = np.log(2048**0.5 * widths[filled])
    np.testing.assert_allclose(apart[filled], np.broadcast_to(wanted[:, None], apart[filled].shape), atol=1e-3)
    assert np.ptp(wanted) > 2, "and it is another in each band"


def _edges() -> np.ndarray:
    mel = np.linspace(2595 * np.log10(1 + 30 / 700), 2595 * np.log10(1 + 8000 / 700), BANDS + 2)
    return 700 * (10 ** (mel / 2595) - 1)


# --- notes


def test_a_tree_holds_its_notes_and_gives_them_back():
    given = notes((0, 4, 48), (0, 1, 60), (3, 32, 64), (31, 40, 72))
    tree = tree_of(NONE, given, 16, ALL)
    assert tree.shape == (STEPS, 16, 6)
    assert tree[0, :4, 0].tolist() == [SOS, 48, 60, EOS]
    assert tree[0, 1, 1:].tolist() == [0, 0, 0, 1, 1]
    assert tree[0, 3, 1:].tolist() == [2] * 5
    assert (tree[:, :, 0] == PAD).sum() == STEPS * 16 - 2 * STEPS - 4
    assert notes_of(tree, ALL).tolist() == [[0, 4, 48], [0, 1, 60], [3, 32, 64], [31, 32, 72]]
    assert np.array_equal(notes_of(tree[:, 1:], ALL), notes_of(tree, ALL)), "with SOS or without"
    assert bits(np.array([1, 32])).tolist() == [[0] * 5, [1] * 5]


def test_notes_stand_by_pitch_and_once_only_put_right():
    bridge, piano = notes((0, 2, 76), (0, 4, 60)), notes((0, 8, 60), (0, 1, 40))
    assert tree_of(bridge, piano, 16, ALL)[0, :5, 0].tolist() == [SOS, 40, 60, 76, EOS]
    assert tree_of(bridge, piano, 16, ALL)[0, 2, 1:].tolist() == [0, 0, 1, 1, 1], "the longer of two"
    assert tree_of(bridge, piano, 16, RELEASED)[0, :6, 0].tolist() == [SOS, 76, 60, 60, 40, EOS]


def test_of_too_many_notes_the_outermost_are_kept_or_the_program_ends():
    many = notes(*((5, 1, 40 + place) for place in range(20)))
    kept = tree_of(NONE, many, 16, ALL)[5, 1:15, 0]
    assert kept.tolist() == [*range(40, 47), *range(53, 60)]
    assert tree_of(NONE, many[:14], 16, without("guarded"))[5, 15, 0] == EOS
    with pytest.raises(ValueError, match="step 5 has 15 notes; at most 14 have a slot"):
        tree_of(NONE, many[:15], 16, without("guarded"))


def test_as_released_ten_notes_of_a_step_are_written():
    tree = tree_of(NONE, notes(*((0, 1, 40 + place) for place in range(14))), 16, ALL)
    assert len(notes_of(tree, ALL)) == 14
    assert notes_of(tree, without("every_slot"))[:, 2].tolist() == [*range(40, 50)]


def test_features_are_bass_intensity_and_melody():
    piano = notes((0, 1, 48), (0, 1, 64), (1, 1, 54), (2, 1, 60), (3, 1, 30))
    seen = features_of(notes((1, 2, 76), (1, 2, 80)), piano)
    assert seen[:4, 0].tolist() == [1.0, 0.5, 0.0, 1.0]
    np.testing.assert_allclose(seen[:5, 1], np.array([2, 1, 1, 1, 0]) / 14)
    assert seen[:, 2].nonzero()[0].tolist() == [1]


def test_low_notes_are_kept_more_seldom_only_put_right():
    roll, rng = np.ones((4000, 128)), np.random.default_rng(1)
    for corrections, kept in ((ALL, (0.1, 0.3, 0.6, 0.7)), (without("rising_mask"), (0.1, 0.6, 0.3, 0.7))):
        seen = masked(roll, rng, corrections).mean(0)
        found = [seen[low:high].mean() for low, high in ((0, 40), (40, 50), (50, 60), (60, 128))]
        np.testing.assert_allclose(found, kept, atol=0.01)  # 40,000 draws of the rarest: 0.0025


def test_transposition_moves_everything_alike():
    assert SHIFT_WEIGHTS.sum() == pytest.approx(1)
    assert sorted({shift % 12 for shift in SHIFTS}) == list(range(12))
    assert moved(notes((0, 1, 60), (0, 1, 126)), 5).tolist() == [[0, 1, 65]]
    chord = chords_of(chord_row(9, (0, 3, 7), 4)[None], ALL, shift=5)[0]
    assert np.flatnonzero(chord).tolist() == [2, *(13 + tone for tone in (2, 5, 9)), 25 + 9]


def test_no_chord_is_a_class_of_its_own_only_put_right():
    none = np.stack([chord_row(12, (), 12), chord_row(0, (0, 4, 7), 0)])
    assert np.flatnonzero(chords_of(none, ALL, shift=3)[0]).tolist() == [12, 37]
    released = without("no_chord")
    assert chords_of(none, released).shape == (2, 36)
    assert np.flatnonzero(chords_of(none, released)[0]).tolist() == [23, 35], "no root, in inference"
    assert np.flatnonzero(chords_of(none, released, shift=0)[0]).tolist() == [11, 35], "a B without tones, in training"
    assert np.flatnonzero(chords_of(none, released)[1]).tolist() == [0, 12, 16, 19, 24]


# --- segments and batches


def test_a_segment_begins_at_every_bar_but_the_last(song):
    found = segments_of(song(5), ALL)
    assert len(found) == 4
    assert found[1].seconds[0] == pytest.approx(2.3)
    assert found[1].seconds[-1] == pytest.approx(6.3)
    assert sorted(found[1].piano[found[1].piano[:, 0] == 0, 2]) == [45, 60, 64, 67]
    assert found[0].piano[:, 0].max() < STEPS


def test_a_prompt_is_the_two_bars_before_only_put_right(song):
    right, released = (segments_of(song(5), corrections) for corrections in (ALL, without("previous_bars")))
    assert [len(one.prompt) > 0 for one in right] == [False, False, True, True]
    assert [len(one.prompt) > 0 for one in released] == [False, True, True, True]

    def sound_of(one, first: int) -> set:
        both = np.concatenate([one.bridge, one.piano])
        return {tuple(row) for row in both[(both[:, 0] >= first) & (both[:, 0] < first + 16)].tolist()}

    assert {tuple(row) for row in right[2].prompt.tolist()} == sound_of(right[0], 0) | sound_of(right[0], 16)
    given = released[2].prompt[released[2].prompt[:, 0] >= 16] - [16, 0, 0]
    assert {tuple(row) for row in given.tolist()} == sound_of(released[2], 0), "half of what is to be written"


@pytest.mark.parametrize("stage", [WARM_UP, PRE_TRAINING, PRIOR_ONLY, AUTOREGRESSIVE], ids=lambda stage: stage.name)
def test_a_batch_is_what_its_stage_says(stage, material, tiny):
    made = material(5)
    batch = made.rows([2, 3], stage, tiny, np.random.default_rng(0), shift=2)
    assert batch.spectrum.shape == (2, BANDS, FRAMES)
    assert batch.chords.shape == (2, 8, 38)
    assert batch.tree.shape == (2, STEPS, tiny.slots, 6)
    assert batch.features.shape == (2, STEPS, 3)
    assert {one.dtype for one in (batch.spectrum, batch.chords, batch.roll, batch.features)} == {torch.float32}
    piano, told = (
        torch.from_numpy(roll_of(moved(rows, 2))) for rows in (made.segments[2].piano, made.segments[2].prompt)
    )
    roll = batch.roll[0]
    if stage is AUTOREGRESSIVE:
        assert torch.equal(roll, told)
    elif stage is PRE_TRAINING:
        assert 0 < (roll > 0).sum() < (piano > 0).sum()
        assert torch.equal(roll[roll > 0], piano[roll > 0])
    else:
        assert torch.equal(roll, piano)
    assert batch.tree[0, 0, 1, 0] == 38, "the bass on C, two semitones higher"


def test_bass_is_that_of_the_transposed_notes_only_put_right(material, tiny):
    given = {"stage": WARM_UP, "config": tiny, "rng": np.random.default_rng(0)}
    for corrections, higher in ((ALL, 0.75), (without("moved_bass"), 1.0)):
        made = material(4, corrections)
        heard = [made.rows([1], shift=shift, **given).features[0, :, 0] for shift in (0, 6)]
        assert heard[0][0] == 1.0
        assert heard[1][0] == pytest.approx(higher), "45 becomes 51"


def test_one_draw_transposes_a_batch_alike_and_a_song_without_sound_is_left_out(material, song, tiny):
    made = material(4)
    draws = [made.batch(3, WARM_UP, tiny, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert torch.equal(draws[0].tree, draws[1].tree)
    assert not torch.equal(draws[0].tree, draws[2].tree)
    with pytest.raises(ValueError, match="of 1 songs none has sound and two bars"):
        Material([song()], {"002": np.zeros(9)}, ALL)
