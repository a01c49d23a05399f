"""A run of the performer learns, stops and goes on as if it had not stopped; its checkpoint says whose manners it has.

Recordings are made-up bowed tones; the clock is made, every look at it is a second later.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from models.layers.checkpoint import read_card
from models.performer import training
from models.performer.config import CONTROLS, FEATURES, PerformerConfig
from models.performer.material import Excerpt
from models.performer.network import load_network
from models.performer.takes import Take, controls_of, loudness, ranges, segment, shares_of, takes_of
from models.performer.training import learn

TINY = PerformerConfig(
    sample_rate=8000, n_fft=512, hop=64, voices=3, partials=10, own_partials=4, envelope_points=6, noise_points=5,
    body_points=8, voice_channels=8, common_channels=6, bands=16, multi_bands=(2, 4), look_ahead=(0, 4), reach=64, rooms=1, dropout=0.1,
)  # fmt: skip
RATE = TINY.sample_rate
SCORE = np.array([(0.1 + 0.5 * n, 0.6 + 0.5 * n, 60 + 3 * n % 12, 60 + 10 * n) for n in range(4)])
CHECKPOINT, RESUME = "performer.safetensors", "resume.safetensors"


class InterruptedRunError(Exception):
    """Somebody stopped the run."""


@pytest.fixture(scope="module")
def excerpts(bowed: Callable[..., np.ndarray]) -> dict[str, Excerpt]:
    """A violin with a vibrato of a quarter tone, twice."""
    swing = lambda time: 0.5 * np.sin(2 * np.pi * 6 * time)  # noqa: E731
    audio = np.round(32_000 * bowed(SCORE, 2.4, RATE, swing)).astype(np.int16)
    points = []
    for index, (onset, offset, _, _) in enumerate(SCORE):
        times = np.arange(onset, offset, 0.008)
        points.append(np.stack([np.full(len(times), index), times, swing(times)], 1))
    f0, splits = np.concatenate(points), ("train", "test_piece")
    return {split: Excerpt(audio, SCORE, f0, "violin", "ann", "one", split) for split in splits}


@pytest.fixture
def run(excerpts, tmp_path, monkeypatch) -> Callable[..., Path]:
    """A function (folder, steps, stop_after=None) -> the folder of a run of `steps` steps that saves after every second one."""
    monkeypatch.setattr(training, "FRAMES", 30)
    monkeypatch.setattr(training, "WARM_UP", 6)
    monkeypatch.setattr(training, "BATCH", 2)

    def clock(stop_after: int | None) -> Iterator[float]:
        for second in count():
            if stop_after is not None and second == 2 * stop_after:
                raise InterruptedRunError
            yield float(second)

    def start(folder: str, steps: int, stop_after: int | None = None) -> Path:
        validation = {"violin test_piece": [excerpts["test_piece"]]}
        learn(
            [excerpts["train"]],
            validation,
            tmp_path / folder,
            minutes=steps / 60,
            config=TINY,
            validate_every_minutes=2 / 60,
            clock=clock(stop_after).__next__,
        )
        return tmp_path / folder

    return start


def test_two_steps_leave_a_checkpoint_with_manners_figures_and_a_curve(run):
    folder = run("run", 2)
    network, card = load_network(folder / CHECKPOINT), read_card(folder / CHECKPOINT)
    assert network.config == TINY
    assert int(card["step"]) == 2
    manners = json.loads(card["manners"])
    assert set(manners) == {"violin"}
    assert manners["violin"]["vibrato_semitones"] == pytest.approx(0.5, rel=0.2)
    assert manners["violin"]["vibrato_hertz"] == pytest.approx(6.0, abs=0.3)
    figures = json.loads(card["figures"])
    assert set(figures) == {"violin test_piece 0", "violin test_piece 4", "violin test_piece 4 bent"}
    assert all(np.isfinite(value) and value > 0 for value in figures.values())
    [row] = [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]
    assert row["step"] == 2
    assert {"mel0", "mel1", "fine", *figures} <= set(row)


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(run):
    whole = run("whole", 4)
    with pytest.raises(InterruptedRunError):
        run("stopped", 4, stop_after=3)
    assert int(read_card(whole.with_name("stopped") / CHECKPOINT)["step"]) == 2
    again = run("stopped", 4)
    for name in (CHECKPOINT, RESUME):
        first, second = load_file(whole / name), load_file(again / name)
        assert set(first) == set(second)
        for key, value in first.items():
            assert torch.equal(value, second[key]), key
    assert [json.loads(line)["step"] for line in (again / "curve.jsonl").read_text().splitlines()] == [2, 4]


def test_a_run_that_is_over_does_nothing_more(run):
    folder = run("run", 2)
    before = (folder / CHECKPOINT).read_bytes()
    run("run", 2)
    assert (folder / CHECKPOINT).read_bytes() == before


def test_it_learns(run):
    folder = run("run", 12)
    rows = [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]
    figures = [row["violin test_piece 4 bent"] for row in rows]
    assert figures[-1] < figures[0]


def test_a_segment_shows_each_hop_with_what_is_heard_of_it(excerpts):
    [take] = takes_of(excerpts["train"], TINY, loudness(excerpts["train"]), shifts=(0,))
    features, pitches, audio = segment(take, 64 * 20, 30, 4, TINY)
    assert features.shape == (30, TINY.voices, len(FEATURES))
    assert pitches.shape == (30, TINY.voices)
    first = 64 * 20 - TINY.before
    assert np.array_equal(audio, take.audio[first : first + 29 * TINY.hop + TINY.n_fft])
    written = segment(take, 64 * 20, 30, 4, TINY, bent=False)[1]
    moved = (pitches - written)[written > 0]
    assert 0.3 < np.abs(moved).max() < 0.6
    assert np.array_equal(written > 0, features[..., FEATURES.index("age")] > 0)


def test_what_lies_before_and_behind_a_recording_is_silence(excerpts):
    [take] = takes_of(excerpts["train"], TINY, loudness(excerpts["train"]), shifts=(0,))
    begin = segment(take, 0, 10, 0, TINY)[2]
    assert not begin[: TINY.before].any()
    assert len(begin) == 9 * TINY.hop + TINY.n_fft
    end = segment(take, len(take.audio) // TINY.hop * TINY.hop, 10, 0, TINY)[2]
    assert len(end) == 9 * TINY.hop + TINY.n_fft
    assert not end[-TINY.n_fft // 2 :].any()


def test_a_recording_played_faster_is_higher_and_shorter(excerpts):
    down, same, up = takes_of(excerpts["train"], TINY, loudness(excerpts["train"]))
    assert [take.notes[0, 2] for take in (down, same, up)] == [59, 60, 61]
    ratio = 2 ** (1 / 12)
    assert len(up.audio) == pytest.approx(len(same.audio) / ratio, abs=2)
    begins = [take.notes[:, 0] + TINY.rise for take in (up, same)]
    assert np.allclose(begins[0], begins[1] / ratio)
    assert np.allclose(up.notes[:, 1], same.notes[:, 1] / ratio)
    assert np.allclose(down.bends[1][:, 0], same.bends[1][:, 0] * ratio)


def test_a_note_begins_before_it_grows_fastest(excerpts):
    [take] = takes_of(excerpts["train"], TINY, loudness(excerpts["train"]), shifts=(0,))
    assert np.allclose(take.notes[:, 0] + TINY.rise, SCORE[:, 0] * TINY.sample_rate)


def test_velocities_of_all_recordings_are_as_many_decibels(excerpts):
    soft, loud = (0.01 * np.sin(np.arange(32_000) / 9), 0.1 * np.sin(np.arange(32_000) / 9))
    audio = np.round(32768 * np.concatenate([soft, loud])).astype(np.int16)
    notes = np.array([(0.0, 1.0, 60, 40), (1.0, 2.0, 60, 90)])
    [range_db] = ranges([replace(excerpts["train"], audio=audio, notes=notes)])
    assert range_db == pytest.approx(40, abs=0.1)  # 20 dB are 50 velocities
    [take] = takes_of(excerpts["train"], TINY, 1.0, range_db, (0,))
    assert np.allclose(take.notes[:, 3], 70 + 2 * (SCORE[:, 3] - 70))


def test_controls_are_neutral_but_for_the_instrument_and_its_room():
    values = controls_of("cello", 3)
    named = dict(zip(CONTROLS, values[1], strict=True))
    assert named == {"dynamics": 0, "brightness": 0, "room": 1, "violin": 0, "cello": 1, "flute": 0}


def test_what_is_real_is_heard_as_often_as_all_the_rest():
    takes = [Take(np.zeros(n, np.float32), np.zeros((0, 4)), (), name, 1.0) for name, n in
             (("violin", 300), ("violin", 100), ("cello", 10), ("flute", 90), ("flute", 10))]  # fmt: skip
    assert shares_of(takes) == pytest.approx([0.375, 0.125, 0.25, 0.225, 0.025])
    assert shares_of(takes[:2]) == pytest.approx([0.75, 0.25])
    assert shares_of(takes[2:]) == pytest.approx([0.5, 0.45, 0.05])
