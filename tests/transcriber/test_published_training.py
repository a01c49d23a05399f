"""A run of the published network learns, stops early, is the same for the same seed, and writes what it says.

Crops hold sines; the clock is made, every look at it is a second later.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pretty_midi
import pytest
import torch

from models.sound.performance import Performance
from models.transcriber.published import experiment, material, training
from models.transcriber.published.corrections import Corrections
from models.transcriber.published.experiment import train_published
from models.transcriber.published.features import CROP_SAMPLES, SAMPLE_RATE, constant_q
from models.transcriber.published.material import FONT, UNSEEN_FONT, Crops, Part, cut_crops, parts, struck_anew
from models.transcriber.published.network import PublishedNetwork, load_network
from models.transcriber.published.training import EarlyStopping, LabelledCrops, fit, validation_loss
from models.transcriber.published.transcription import card_thresholds

ALL = Corrections.all()


def sing(performance: Performance, seconds: float, font: str = FONT) -> np.ndarray:
    """Sines instead of FluidSynth; an unseen font sounds an octave more."""
    audio = np.zeros(int(seconds * SAMPLE_RATE), np.float32)
    for onset, offset, pitch, velocity in performance.notes:
        first, last = round(onset * SAMPLE_RATE), round(offset * SAMPLE_RATE)
        phase = 2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * np.arange(len(audio[first:last])) / SAMPLE_RATE
        audio[first:last] += 0.001 * velocity * (np.sin(phase) + (font != FONT) * np.sin(2 * phase))
    return audio


def sung(*pitches: int) -> Crops:
    """One crop a pitch: it sounds from 0.5 to 1.5 s."""
    notes = tuple(np.array([(0.5, 1.5, pitch, 100)]) for pitch in pitches)
    audio = [sing(Performance(note, np.zeros((0, 2))), 2.0) for note in notes]
    return Crops(np.stack([constant_q(samples, ALL) for samples in audio]).astype(np.float16), notes)


@pytest.fixture(scope="module")
def crops() -> LabelledCrops:
    """Four crops with a note each."""
    return LabelledCrops(sung(48, 55, 64, 72), ALL)


@pytest.fixture
def run(tmp_path: Path, crops: LabelledCrops) -> Callable[..., list[dict[str, float]]]:
    """A function that trains a few steps into a folder and returns the curve."""

    def start(folder: str, seconds: float, seed: int = 1) -> list[dict[str, float]]:
        fit(crops, crops, tmp_path / folder, minutes=seconds / 60, seed=seed, corrections=ALL, epoch_steps=3, batch=2,
            clock=count().__next__)  # fmt: skip
        return [json.loads(line) for line in (tmp_path / folder / "curve.jsonl").read_text().splitlines()]

    return start


def test_a_short_run_lowers_the_loss_and_fine_tunes_from_its_best(run, tmp_path):
    curve = run("run", 16.0)
    losses = [row["loss"] for row in curve]
    assert losses[-1] < 0.7 * losses[0]
    assert [row["stage"] for row in curve] == sorted(row["stage"] for row in curve)
    assert {row["stage"] for row in curve} == {0, 1}
    network, card = load_network(tmp_path / "run" / "published.safetensors")
    assert network.parameter_count == 21_516
    assert float(card["validation_loss"]) == pytest.approx(min(row["validation"] for row in curve), abs=2e-4)
    assert (tmp_path / "run" / "curve.png").stat().st_size > 1000


def test_a_run_goes_on_fine_tuning_where_it_stopped(run, tmp_path, crops):
    before = run("again", 2.0)
    after = run("again", 2.0)
    assert after[: len(before)] == before
    assert [row["stage"] for row in after[len(before) :]] == [1]
    best = load_network(tmp_path / "again" / "published.safetensors")[1]["validation_loss"]
    assert float(best) == pytest.approx(min(row["validation"] for row in after[-2:]), abs=2e-4)
    with pytest.raises(ValueError, match="another folder"):
        fit(crops, crops, tmp_path / "again", minutes=1.0, seed=1, corrections=Corrections.as_released())


def test_the_same_seed_gives_the_same_weights_and_another_does_not(run, tmp_path):
    curves = [run("one", 3.0), run("two", 3.0), run("three", 3.0, seed=2)]
    assert curves[0] == curves[1] != curves[2]
    one, two, three = (
        load_network(tmp_path / name / "published.safetensors")[0].state_dict() for name in ("one", "two", "three")
    )
    assert all(torch.equal(value, two[name]) for name, value in one.items())
    assert not torch.equal(one["onset.weight"], three["onset.weight"])


def test_early_stopping_waits_for_ten_epochs_without_a_real_gain():
    stopping = EarlyStopping()
    assert [stopping.improved(loss) for loss in (1.0, 0.9, 0.89995)] == [
        True,
        True,
        False,
    ]  # less than 0.0001 is no gain
    for _ in range(8):
        assert not stopping.improved(0.95)
    assert not stopping.over
    stopping.improved(0.9)
    assert stopping.over
    assert stopping.improved(0.5)
    assert not stopping.over


def test_a_run_ends_when_patience_does(run, monkeypatch):
    monkeypatch.setattr(training, "validation_loss", lambda *arguments: 1.0)
    monkeypatch.setattr(training, "_epoch", lambda *arguments: 1.0)
    curve = run("patient", 1e6)
    assert [sum(row["stage"] == stage for row in curve) for stage in (0, 1)] == [11, 11]


def test_a_fixed_validation_says_the_same_of_the_same_network(crops, monkeypatch):
    monkeypatch.setattr(training, "RECROPPED", 137 * 4)  # one crop of these four
    losses = {}
    for fixed in (True, False):
        torch.manual_seed(0)
        network, rng = PublishedNetwork(replace(ALL, fixed_validation=fixed)), np.random.default_rng(0)
        losses[fixed] = {validation_loss(network, crops, 0.0, rng) for _ in range(6)}
    assert len(losses[True]) == 1
    assert len(losses[False]) > 1


@pytest.fixture
def pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Part]:
    """A function name -> Part of two renders of one scale each, sung."""
    monkeypatch.setattr(material, "_play", sing)
    midi, piano = pretty_midi.PrettyMIDI(), pretty_midi.Instrument(0, name="PIANO")
    piano.notes = [pretty_midi.Note(90, 48 + 2 * (k % 12), k, k + 0.8) for k in range(70)]
    midi.instruments.append(piano)
    midi.write(str(tmp_path / "scale.mid"))
    path = (tmp_path / "scale.mid",)
    return lambda name: Part(name, path, path, renders=2, crops=4)


def test_crops_are_the_same_again_and_for_another_font_at_the_same_places(pieces, tmp_path):
    first = cut_crops(pieces("test"), FONT, 1, 4, ALL, tmp_path / "a")
    kept = cut_crops(pieces("test"), FONT, 1, 4, ALL, tmp_path / "a")
    anew = cut_crops(pieces("test"), FONT, 1, 4, ALL, tmp_path / "b")
    other = cut_crops(pieces("test"), UNSEEN_FONT, 1, 4, ALL, tmp_path / "a")
    for again in (kept, anew):
        assert np.array_equal(again.magnitudes, first.magnitudes)
    assert not np.array_equal(other.magnitudes, first.magnitudes)
    for one, two in zip(first.notes, other.notes, strict=True):
        assert np.array_equal(one, two)
    assert not np.array_equal(cut_crops(pieces("test"), FONT, 2, 4, ALL, tmp_path / "a").magnitudes, first.magnitudes)


def test_a_crop_holds_the_notes_that_sound_in_it(pieces, tmp_path):
    crops = cut_crops(pieces("test"), FONT, 1, 4, ALL, tmp_path)
    for magnitude, notes in zip(crops.magnitudes, crops.notes, strict=True):
        assert 2 <= len(notes) <= 3
        for onset, offset, pitch, _ in notes:
            if onset < 1.4 and offset > 0.6:
                middle = round(np.clip((onset + offset) / 2, 0.2, 1.8) * SAMPLE_RATE / 512)
                assert magnitude[:, middle].argmax() == pitch - 21


def test_struck_anew_a_crop_begins_with_what_sounded_before_it(pieces, tmp_path):
    cut = cut_crops(pieces("test"), FONT, 1, 4, ALL, tmp_path)
    anew = struck_anew(pieces("test"), FONT, 1, ALL, tmp_path)
    assert anew.magnitudes.shape == cut.magnitudes.shape
    for notes, before in zip(anew.notes, cut.notes, strict=True):
        assert np.array_equal(notes[:, 2:], before[:, 2:])
        assert notes[:, 0].min() >= 0
        assert notes[:, 1].max() <= CROP_SAMPLES / SAMPLE_RATE
    # the notes are the same sines at the same places; phases differ
    assert np.abs(anew.magnitudes.astype(float) - cut.magnitudes).mean() < 0.1 * cut.magnitudes.max()


def test_the_command_writes_a_checkpoint_with_thresholds_and_figures(pieces, tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "parts", lambda data: {name: pieces(name) for name in material.SEEDS})
    monkeypatch.setattr(training, "EPOCH_STEPS", 2)
    monkeypatch.setattr(training, "BATCH", 4)
    checkpoint = train_published(tmp_path, tmp_path / "out", minutes=0.0, seed=5)
    network, card = load_network(checkpoint)
    figures = json.loads((tmp_path / "out" / "figures.json").read_text())
    assert set(figures) == {"thresholds", "validation", f"cut, {FONT}", f"cut, {UNSEEN_FONT}", f"struck anew, {FONT}",
                            f"struck anew, {UNSEEN_FONT}"}  # fmt: skip
    assert card_thresholds(card).to_json() == figures["thresholds"]
    assert set(figures[f"cut, {FONT}"]) == {"note", "bin", "standard_onset", "standard_note"}
    assert network.corrections == ALL


def test_the_split_keeps_pieces_apart_and_says_when_there_is_nothing_to_play(tmp_path):
    split = json.loads((Path(material.__file__).parents[1] / "split.json").read_text())
    with pytest.raises(FileNotFoundError, match="midi_giantmidi56"):
        parts(tmp_path)
    names = [f"midi_giantmidi56/{stem}.mid" for stem in [*split["validation_giantmidi"], "Known_1", "Known_2"]]
    names += [f"midi_pop909/{number}/{number}.mid" for number in ("001", "850", "851", "852", "853", "854", "855")]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    made = parts(tmp_path)
    assert (made["validation"].crops, made["test"].crops) == (137, 177)
    assert {path.stem for path in made["training"].expressive} == {"Known_1", "Known_2"}
    assert {path.stem for path in made["training"].mechanical} == {"001", "850"}
    seen = [path for part in made.values() for path in (*part.expressive, *part.mechanical)]
    assert len(seen) == len(set(seen))
    assert all(part.expressive and part.mechanical for part in made.values())
