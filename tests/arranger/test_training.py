"""Training: stages as published, masks as meant, learning on made songs, and a run that goes on where it stopped."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from models.arranger import course, training, validation
from models.arranger.config import KEYS, LOWEST_KEY, SLOTS
from models.arranger.course import kept, lesson, masked, rate, spoiled
from models.arranger.losses import losses_of, tensors
from models.arranger.network import ArrangerNetwork, load_network
from models.arranger.sizes import VARIANTS, ArrangerConfig
from models.arranger.training import CHECKPOINT, CURVE, learn, prepare
from models.arranger.validation import Task, calibrate, tasks_of, truth, validate, write_all, write_on
from models.layers.checkpoint import read_card, read_tensors
from tests.arranger.made_songs import made_material

NAMES = [f"{number:03}" for number in range(1, 9)]
SPLIT = {"train": NAMES[:6], "validation": NAMES[6:], "test": []}
SMALL = {
    "inner": 24, "audio": 24, "symbols": 16, "chords": 16, "context": 24, "cell": 4, "hidden": 48, "notes": 32, "embedding": 16,
}  # fmt: skip


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "OWN_TASKS", 4)
    monkeypatch.setattr(training, "OWN_BARS", 4)
    monkeypatch.setattr(training, "OWN_EVERY", 8)
    monkeypatch.setattr(training, "VALIDATION_BARS", 2)
    monkeypatch.setattr(training, "VALIDATION_SONGS", 1)
    monkeypatch.setattr(training, "VALIDATED", 2)
    monkeypatch.setattr(validation, "STOPS", (0.5, 0.8))
    monkeypatch.setattr(validation, "BOLDNESSES", (1.0,))
    monkeypatch.setattr(course, "WARM_UP", 5)


def test_the_texture_comes_from_the_score_then_from_less_of_it_then_from_elsewhere() -> None:
    first, second, prior, prompted = (
        lesson("prior", 0.05), lesson("prior", 0.2), lesson("prior", 0.5), lesson("autoregressive", 0.5),
    )  # fmt: skip
    assert (first.textured, first.lost) == (1, 0)
    assert second.textured == 1
    assert 0 < second.lost <= 1
    assert 0.01 < second.symbol < 0.5
    assert (prior.prior, prior.prompted, prior.symbol) == (True, False, 0)
    assert (prompted.prior, prompted.prompted, prompted.symbol) == (False, True, 0.5)
    assert 0 < prompted.textured < 0.2
    assert lesson("supervised", 0.5) == lesson("supervised", 0.01)
    assert lesson("supervised_kl", 0.5).audio == pytest.approx(0.01, rel=0.01)
    assert lesson("supervised", 0.5).audio == 0


def test_the_rate_is_the_same_for_all_and_falls() -> None:
    assert rate(0, 0.0) < rate(99, 0.01) == rate(500, 0.2)
    assert rate(500, 0.6) > rate(900, 0.99) > 0


def test_low_cells_are_lost_most() -> None:
    chances = kept(1.0)
    found = [chances[pitch - LOWEST_KEY] for pitch in (21, 39, 40, 49, 50, 59, 60, 108)]
    assert found == pytest.approx([0.1, 0.1, 0.3, 0.3, 0.6, 0.6, 0.7, 0.7])
    assert (kept(0.0) == 1).all()
    notes = np.full((2000, 1, SLOTS, 2), -1)
    notes[:, :, 0], notes[:, :, 1] = (10, 4), (60, 4)
    left = (masked(notes, 1.0, np.random.default_rng(1))[..., 0] >= 0).mean((0, 1))
    assert left[:2] == pytest.approx([0.1, 0.7], abs=0.04)
    assert not left[2:].any()


def test_spoiled_prompts_stay_notes() -> None:
    material = made_material(NAMES[:1])
    batch = material.take(np.array([[0, 4]] * 50), np.zeros(50, bool), np.ones(50, bool))
    out = spoiled(batch.prompt, np.random.default_rng(2))
    there = out[..., 0] >= 0
    assert 0.4 < there.sum() / (batch.prompt[..., 0] >= 0).sum() < 0.95
    assert (out[..., 0] < KEYS).all()
    assert (out[..., 1][there] >= 1).all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_part_of_every_variant_learns(variant: str) -> None:
    material = made_material(NAMES[:2])
    network = ArrangerNetwork(ArrangerConfig(variant, **SMALL))
    windows = [material.windows(np.arange(2), plan) for plan in (False, True)]
    for share in (0.05, 0.5):
        now = lesson(variant, share)
        given = training.draw_batch(material, windows, [], now, np.random.default_rng(3), 16)
        parts = losses_of(network, given, now, torch.Generator().manual_seed(1))
        assert all(torch.isfinite(value) for value in parts.values())
        sum(parts.values()).backward()
    unused = [name for name, weights in network.named_parameters() if weights.grad is None or not weights.grad.any()]
    allowed = (
        ("write.trust", "write.feel.weight")
        if network.config.plain
        else ("encode.cells",)
        if network.config.deaf
        else ()
    )
    assert [name for name in unused if not name.startswith(allowed or "none")] == []


def test_a_network_learns_songs_and_is_kept(quick: None, tmp_path: Path) -> None:
    material = made_material(NAMES)
    config = ArrangerConfig("autoregressive", **SMALL)
    unseen = material.pieces_of(NAMES[6:])
    given = tensors(material.take(material.windows(unseen, False), np.zeros(16, bool), np.ones(16, bool)))
    fresh = ArrangerNetwork(config)
    before = validate(fresh, material, unseen, 4)
    path = learn(material, SPLIT, tmp_path, steps=60, config=config, batch=16)
    rows = [json.loads(line) for line in (tmp_path / CURVE).read_text().splitlines()]
    assert [row["stage"] for row in rows][-1] == "third"
    assert rows[-1]["onset_f1"] > before["onset_f1"]
    figures = json.loads(read_card(path)["figures"])
    network = load_network(path)
    with torch.no_grad():
        first, last = (losses_of(one, given, lesson("prior", 0.9), None) for one in (fresh, network))
    for part in ("pitch", "length", "chords", "features"):
        assert last[part] < 0.9 * first[part]
    assert float(network.write.stop) == pytest.approx(figures["stop"])
    assert all(isinstance(value, float) for value in figures.values())


@pytest.mark.parametrize("variant", ["autoregressive", "prior"])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(quick: None, variant: str, tmp_path: Path) -> None:
    material, config = made_material(NAMES), ArrangerConfig(variant, **SMALL)
    whole = learn(material, SPLIT, tmp_path / "whole", steps=24, config=config, batch=4)
    learn(material, SPLIT, tmp_path / "parts", steps=24, stop_at=13, config=config, batch=4)
    assert not (tmp_path / "parts" / CHECKPOINT).exists() or read_card(tmp_path / "parts" / CHECKPOINT)["steps"] != "24"
    parts = learn(material, SPLIT, tmp_path / "parts", steps=24, config=config, batch=4)
    a, b = read_tensors(whole)[0], read_tensors(parts)[0]
    for name in a:
        torch.testing.assert_close(a[name], b[name])


def test_a_prompted_network_is_prompted_by_what_it_wrote() -> None:
    material = made_material(NAMES[:2])
    torch.manual_seed(1)
    network = ArrangerNetwork(ArrangerConfig("autoregressive", **SMALL)).eval()
    network.write.stop.fill_(0.99)
    tasks = [Task(0, False, True, 0, 0, 5), Task(1, True, False, 1, 2, 3)]
    for task, (made, prompts) in zip(tasks, write_on(network, material, tasks), strict=True):
        assert len(made) == len(prompts) == task.bars
        assert (prompts[0] == -1).all()
        assert (made >= 0).any()
        np.testing.assert_array_equal(prompts[2], np.concatenate([made[0], made[1]]))


def test_all_bars_at_once_are_bars_one_by_one() -> None:
    material = made_material(NAMES[:2])
    torch.manual_seed(1)
    network = ArrangerNetwork(ArrangerConfig("prior", **SMALL)).eval()
    network.write.stop.fill_(0.99)
    tasks = [Task(0, False, True, 0, 0, 4), Task(0, True, True, 1, 1, 3)]
    for at_once, (one_by_one, _) in zip(
        write_all(network, material, tasks), write_on(network, material, tasks), strict=True
    ):
        np.testing.assert_array_equal(at_once, one_by_one)


def test_where_a_sixteenth_ends_is_chosen_by_what_it_gives() -> None:
    material = made_material(NAMES[:2])
    network = ArrangerNetwork(ArrangerConfig("prior", **SMALL)).eval()
    figures = calibrate(network, material, [0, 1], 4)
    assert float(network.write.stop) == pytest.approx(figures["stop"])
    assert float(network.write.boldness) == pytest.approx(figures["boldness"])
    chosen = {name: value for name, value in figures.items() if name not in ("stop", "boldness")}
    assert validate(network, material, [0, 1], 4) == chosen


def test_the_truth_of_a_task_lies_where_it_is_written() -> None:
    material = made_material(NAMES[:1])
    for task in tasks_of(material, [0], 3):
        batch = material.take(np.array([[0, 0]]), np.array([task.plan]), np.array([task.melody]))
        np.testing.assert_array_equal(truth(material, task)[:32], batch.notes[0])
        assert tensors(batch).mode[0, :2].tolist() == [task.plan, task.melody]


def test_a_folder_without_songs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no song of POP909"):
        prepare(tmp_path, tmp_path / "packed")
