"""A run of the published performer learns, goes on where it stopped, and validates on what it never heard.

Recordings are sines that follow their notes; the clock is made, every look at it is a second later.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch

from models.performer.material import SAMPLE_RATE, Excerpt
from models.performer.published import training
from models.performer.published.config import PublishedConfig
from models.performer.published.corrections import Corrections
from models.performer.published.data import split_chunks
from models.performer.published.network import load_network
from models.performer.published.training import CHECKPOINT, CURVE, mean_loss, train

ALL, NONE = Corrections.all(), Corrections.as_released()
TINY = PublishedConfig(
    sample_rate=4000, n_fft=128, hop=32, frames=96, encoder=(16, 16, 16, 16, 16), on_off=(8, 8, 8),
    decoder=(16, 16, 16, 16),
)  # fmt: skip


def sung(seconds: float, split: str = "train", instrument: str = "violin", seed: int = 0) -> Excerpt:
    """A recording of sines, a note each 0.4 s."""
    rng, audio = np.random.default_rng(seed), np.zeros(round(seconds * SAMPLE_RATE), np.float32)
    notes = np.array([(onset, onset + 0.3, rng.integers(60, 72), 80) for onset in np.arange(0, seconds - 0.4, 0.4)])
    for onset, offset, pitch, _ in notes:
        span = slice(round(onset * SAMPLE_RATE), round(offset * SAMPLE_RATE))
        time = np.arange(span.stop - span.start) / SAMPLE_RATE
        audio[span] = 0.5 * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * time)
    stored = np.round(audio * 32767).astype(np.int16)
    return Excerpt(stored, notes, np.zeros((0, 3)), instrument, "nobody", f"scale{seed}", split)  # type: ignore[arg-type]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., list[dict[str, float]]]:
    """A function that trains into a folder for so many looks at the clock and returns the curve."""
    excerpts = [sung(10.0)]

    def start(folder: str, seconds: float, seed: int = 1, **options: object) -> list[dict[str, float]]:
        train(
            excerpts, tmp_path / folder, minutes=seconds / 60, seed=seed, size=TINY, clock=count().__next__, **options
        )
        return [json.loads(line) for line in (tmp_path / folder / CURVE).read_text().splitlines()]

    return start


def test_a_short_run_lowers_the_loss_and_keeps_the_best_weights(run, tmp_path):
    curve = run("run", 30.0)
    assert curve[-1]["loss"] < 0.7 * curve[0]["loss"]
    network, card = load_network(tmp_path / "run" / CHECKPOINT)
    assert (card["instrument"], network.config, network.corrections) == ("violin", TINY, ALL)
    best = min(row["validation"] for row in curve)
    assert float(card["best"]) == pytest.approx(best, abs=1e-5)
    _, watched = split_chunks([sung(10.0)], TINY, ALL, 1)
    assert mean_loss(network, watched) == pytest.approx(best, abs=1e-5)


def test_a_run_goes_on_where_it_stopped_as_if_it_never_had(run, tmp_path):
    once = run("once", 30.0)
    epochs = once[-1]["epoch"]
    per_epoch = once[-1]["step"] / epochs
    assert epochs >= 3
    assert per_epoch == once[0]["step"]
    before = run("again", once[0]["minutes"] * 60)
    assert before[-1]["epoch"] < epochs
    after = run("again", 30.0)
    assert after[: len(before)] == before
    shared = [(row["epoch"], row["step"], row["loss"], row["validation"]) for row in once]
    assert [(row["epoch"], row["step"], row["loss"], row["validation"]) for row in after][:2] == shared[:2]


def test_another_folder_is_asked_for_where_the_networks_differ(run):
    run("one", 2.0)
    with pytest.raises(ValueError, match="give another folder"):
        run("one", 4.0, corrections=NONE)


def test_the_same_seed_gives_the_same_weights_and_another_does_not(run, tmp_path):
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        run(name, 4.0, seed=seed)
    one, two, three = (load_network(tmp_path / name / CHECKPOINT)[0].state_dict() for name in ("one", "two", "three"))
    assert all(torch.equal(value, two[name]) for name, value in one.items())
    assert not torch.equal(one["out.weight"], three["out.weight"])


def test_a_run_as_released_trains_too(run):
    assert run("released", 4.0, corrections=NONE)[-1]["step"] > 0


@pytest.mark.parametrize(("corrections", "falls"), [(ALL, True), (NONE, False)])
def test_the_rate_falls_after_ten_epochs_without_gain_and_as_released_after_a_hundred(
    run, monkeypatch, corrections, falls
):
    monkeypatch.setattr(training, "mean_loss", lambda *arguments: 1.0)
    monkeypatch.setattr(training, "_epoch", lambda *arguments: 1.0)
    curve = run("flat", 40.0, corrections=corrections)
    assert len(curve) > 12
    assert (curve[12]["rate"] < curve[0]["rate"]) == falls


def spans(chunks) -> set[tuple[int, int]]:
    return {(piece, frame) for piece, start in chunks.places for frame in range(start, start + chunks.frames)}


def test_validation_shares_no_frame_with_training_and_as_released_nearly_all():
    excerpts = [sung(12.0), sung(12.0, seed=1)]
    heard, watched = split_chunks(excerpts, TINY, ALL, 1)
    assert len(watched) > 0
    assert {piece for piece, _ in watched.places} == {0, 1}
    apart = min(start for _, start in watched.places) - max(frame for _, frame in spans(heard))
    assert apart > TINY.n_fft // TINY.hop
    heard, watched = split_chunks(excerpts, TINY, NONE, 1)
    shared = len(spans(heard) & spans(watched)) / len(spans(watched))
    assert shared > 0.5
    assert len(watched) / (len(watched) + len(heard)) == pytest.approx(0.2, abs=0.02)


def test_whole_pieces_validate_where_there_are_some_and_others_are_never_heard():
    excerpts = [
        sung(6.0),
        sung(6.0, "validation", seed=1),
        sung(6.0, "test_piece", seed=2),
        sung(6.0, "test_player", seed=3),
    ]
    heard, watched = split_chunks(excerpts, TINY, ALL, 1)
    assert len(heard.pieces) == 2
    assert {piece for piece, _ in heard.places} == {0}
    assert {piece for piece, _ in watched.places} == {1}


def test_chunks_of_rarer_instruments_overlap_more():
    counts = {
        instrument: len(split_chunks([sung(20.0, instrument=instrument)], TINY, ALL, 1)[0])
        for instrument in ("cello", "violin", "flute")
    }
    assert counts["cello"] < counts["violin"] < counts["flute"]


def test_a_batch_is_what_its_places_say():
    heard, _ = split_chunks([sung(6.0)], TINY, ALL, 1)
    pianoroll, on_off, power = heard.batch([2, 0])
    assert pianoroll.shape == on_off.shape == (2, 128, 96)
    assert power.shape == (2, 65, 96)
    start = heard.places[2][1]
    assert np.array_equal(power[0].numpy(), heard.pieces[0].log_power[:, start : start + 96])
    loudest = power[0].argmax(0)[pianoroll[0].any(0)] * TINY.sample_rate / TINY.n_fft
    assert ((loudest > 240) & (loudest < 500)).float().mean() > 0.9  # the scale lies in 262 to 494 Hz


def test_what_cannot_be_trained_on_is_named(tmp_path: Path):
    with pytest.raises(ValueError, match="one instrument, not cello, violin"):
        train([sung(3.0), sung(3.0, instrument="cello")], tmp_path, minutes=1, size=TINY)
    with pytest.raises(ValueError, match="none of 1 training excerpts holds 96 frames"):
        train([sung(0.6)], tmp_path, minutes=1, size=replace(TINY, frames=96))
