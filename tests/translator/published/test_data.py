"""Frames are a note's stationary part, mixtures add as sounds do, and nobody is judged on what was heard."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from models.translator.notes import Note, on_side, read_table
from models.translator.published.corrections import Corrections
from models.translator.published.data import (
    Material,
    faint_noise,
    source_of,
    split_materials,
)
from models.translator.published.features import (
    FLOOR,
    Statistics,
    frames_of,
    frames_of_notes,
    logarithms,
    sounding_seconds,
)
from models.translator.published.vocabulary import chord_vocabulary, notes_vocabulary, vocabulary_of

ALL, NONE = Corrections.all(), Corrections.as_released()
ROUND = Statistics(0.0, 1.0)


def test_a_notes_frames_are_its_10th_to_24th_and_of_a_short_one_its_last_three_fifths(tone):
    assert len(frames_of(tone(60, seconds=1.5))) == 15
    short = frames_of(tone(60, seconds=0.4))
    assert 6 <= len(short) <= 9
    assert len(frames_of(tone(60, seconds=0.05))) == 0
    assert len(frames_of(np.zeros(4000, np.float32))) == 0
    assert len(frames_of(np.zeros(0, np.float32))) == 0
    assert sounding_seconds(np.pad(tone(60, seconds=0.5), (0, 9999))) == pytest.approx(0.5, abs=0.02)


def test_a_frame_is_loudest_at_its_notes_partials(tone):
    magnitudes = frames_of(tone(69)).magnitudes
    band = 48 * np.log2(440 / 30)
    assert set(magnitudes.argmax(1)) == {round(band)}
    assert magnitudes[:, round(band) + 48] == pytest.approx(0.6 * magnitudes[:, round(band)], rel=0.1)


def test_frames_are_made_once_and_kept(notes, tmp_path, monkeypatch):
    made = frames_of_notes(notes[:3], tmp_path)
    monkeypatch.setattr("models.translator.published.features.read_audio", None)
    kept = frames_of_notes(notes[:3], tmp_path)
    assert np.array_equal(made.coefficients, kept.coefficients)
    assert np.array_equal(made.note, kept.note)
    assert set(kept.note) == {0, 1, 2}


def test_silence_has_the_floors_logarithm_and_as_released_none():
    silence = np.zeros((2, 410))
    assert logarithms(silence, ALL) == pytest.approx(np.log(FLOOR))
    assert np.isneginf(logarithms(silence, NONE)).all()


def test_statistics_bring_logarithms_within_one_and_back():
    values = np.random.default_rng(0).normal(-8, 2, (50, 410))
    statistics = Statistics.of(values)
    normal = statistics.normalised(values)
    assert np.abs(normal).max() == pytest.approx(1)
    assert normal.mean() == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(statistics.magnitudes(normal), np.exp(values), rtol=1e-4)
    assert np.isfinite(Statistics.of(np.append(values, -np.inf)).span)


def material(notes, instruments, corrections=ALL) -> Material:
    sources = [source_of([n for n in notes if n.instrument == one], notes_vocabulary()) for one in instruments]
    return Material(tuple(sources), notes_vocabulary(len(instruments)), ROUND, corrections)


def some(notes) -> list[Note]:
    return [n for n in notes if n.dynamic == "f" and n.pitch % 6 == 0]


def test_a_mixture_is_the_magnitude_of_the_sum_and_as_released_the_sum_of_logarithms(notes):
    quiet = replace(ALL, silence_heard=False)
    rows = [np.zeros(8, int), np.zeros(8, int)]
    rests, rng = np.zeros((2, 8), bool), np.random.default_rng(0)
    for corrections, as_sound in ((quiet, True), (NONE, False)):
        both = material(some(notes), ("flute", "cello"), corrections)
        flute, cello = (np.log(source.frames.magnitudes[0]) for source in both.sources)
        mixed = both._logarithms(rows, rests, rng)
        loud = np.maximum(flute, cello) > np.log(1e-3)
        apart = np.abs(flute - cello) > 3
        if as_sound:
            expected = np.maximum(flute, cello)[loud & apart]
            assert np.abs(mixed[:, loud & apart] - expected).max() < 0.1  # the louder covers the other
        else:
            np.testing.assert_allclose(mixed[0], flute + cello, rtol=1e-4)


def test_a_batch_is_named_by_the_notes_it_was_drawn_from(notes):
    both = material(some(notes), ("flute", "cello"))
    spectra, symbols = both.batch(300, np.random.default_rng(1))
    assert spectra.shape == (300, 410)
    assert symbols.shape == (300, 58)
    assert torch.allclose(symbols.sum(1), torch.full((300,), 6.0))
    resting = symbols[:, [9, 38]].sum(0)
    assert ((resting > 5) & (resting < 60)).all()
    silent = (symbols[:, 9] == 1) & (symbols[:, 38] == 1)
    assert (spectra[~silent].max(1).values > np.log(0.02)).all()
    assert both.with_statistics(np.random.default_rng(0)).statistics != ROUND


def test_as_released_nothing_is_ever_silent(notes):
    _, symbols = material(some(notes), ("flute",), NONE).batch(300, np.random.default_rng(1))
    assert symbols[:, 9].sum() == 0


def test_the_noise_of_a_rest_is_faint():
    noise = np.abs(faint_noise((500, 2, 410), np.random.default_rng(0)))
    assert noise[:, :, -1].max() < 0.02
    assert np.median(noise) < 1e-3


def heard_files(one: Material) -> set[int]:
    return set(one.sources[0].frames.coefficients[:, 0, 100].tolist())


def test_no_file_is_on_both_sides_and_as_released_nearly_all_are(notes, tmp_path):
    flute = [n for n in notes if n.instrument == "flute"]
    training, validation = split_materials(flute, ["flute"], ALL, 1)
    assert len(training.sources[0].frames) == 15 * len(on_side(flute, "train"))
    assert len(validation.sources[0].frames) == 15 * len(on_side(flute, "validation"))
    assert training.statistics == validation.statistics
    assert not heard_files(training) & heard_files(validation)
    released, kept = split_materials(flute, ["flute"], NONE, 1)
    assert len(released.sources[0].frames) + len(kept.sources[0].frames) == 15 * len(flute)
    training_notes, kept_notes = (set(one.sources[0].frames.note) for one in (released, kept))
    assert len(kept_notes & training_notes) > 0.9 * len(kept_notes)


def test_as_released_statistics_are_those_of_the_first_source(notes):
    one, both = material(some(notes), ("flute",)), material(some(notes), ("flute", "cello"))
    put_right = both.with_statistics(np.random.default_rng(0)).statistics
    released = (
        replace(both, corrections=replace(ALL, own_statistics=False))
        .with_statistics(np.random.default_rng(0))
        .statistics
    )
    alone = one.with_statistics(np.random.default_rng(0)).statistics
    assert released.mean == pytest.approx(alone.mean, abs=0.02)
    assert put_right.mean > released.mean + 0.05


def test_a_users_own_labels_are_learnt_from_a_table(tone, tmp_path):
    lines = ["file,colour,tags", "a.wav,dark,near|soft", "b.wav,bright,far", "c.wav,,near"]
    (tmp_path / "notes.csv").write_text("\n".join(lines))
    for name, tilt in (("a", 0.2), ("b", 0.9), ("c", 0.5)):
        soundfile.write(tmp_path / f"{name}.wav", tone(60, tilt=tilt), 22050)
    own = read_table(tmp_path / "notes.csv")
    vocabulary = vocabulary_of([dict(note.labels) for note in own])
    source = source_of(own, vocabulary)
    assert source.symbols[0].tolist() == [0, 1, 0, 1, 1]  # bright, dark; far, near, soft
    assert np.isnan(source.symbols[-1][:2]).all()
    assert source.symbols[-1][2:].tolist() == [0, 1, 0]
    spectra, symbols = Material((source,), vocabulary, ROUND, ALL).batch(4, np.random.default_rng(0))
    assert (spectra.shape, symbols.shape) == ((4, 410), (4, 5))


def test_pitches_may_be_binary_classes(notes):
    source = source_of(some(notes)[:2], chord_vocabulary(48, 95))
    assert source.symbols.sum(1).tolist() == [1] * len(source.symbols)
    assert source.silent.sum() == 0


def test_a_chord_names_all_its_pitches_in_one_row(notes):
    vocabulary = chord_vocabulary(72, 83)
    chosen = [n for n in notes if n.instrument == "flute" and n.dynamic == "f"]
    one = source_of(chosen, vocabulary)
    chords = Material((one, one, one), vocabulary, ROUND, ALL, united=True)
    spectra, symbols = chords.batch(200, np.random.default_rng(0))
    assert symbols.shape == (200, 12)
    assert set(symbols.sum(1).tolist()) <= {0.0, 1.0, 2.0, 3.0}
    assert (symbols.sum(1) == 3).float().mean() > 0.5
    full = int((symbols.sum(1) == 3).nonzero()[0, 0])
    bands = [
        round(48 * np.log2(440 * 2 ** ((72 + key - 69) / 12) / 30))
        for key in symbols[full].nonzero().flatten().tolist()
    ]
    assert (spectra[full, bands] > np.log(0.02)).all()


def test_notes_that_give_nothing_are_named():
    with pytest.raises(ValueError, match="0 notes give no frame"):
        source_of([], notes_vocabulary())
