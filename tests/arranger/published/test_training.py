"""Stages have the published rates and weights, losses are what they say, and a run learns, goes on where it stopped and hands on.

The clock is made, every look at it is a second later.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch

from models.arranger.published.config import KINDS, STEPS
from models.arranger.published.corrections import Corrections
from models.arranger.published.network import Latents, load_network
from models.arranger.published.objectives import all_told, divergence, draw, losses_of, toss
from models.arranger.published.recurrence import Gaussian
from models.arranger.published.schedules import (
    AUTOREGRESSIVE,
    PRE_TRAINING,
    PRIOR_ONLY,
    STAGES,
    TURN,
    WARM_UP,
    told,
)
from models.arranger.published.training import CURVE, Run, checkpoint_of, train

ALL, RELEASED = Corrections.all(), Corrections.as_released()


# --- schedules


def test_weights_of_divergences_turn_as_published():
    ends = {name: (stage.betas(0), stage.betas(TURN)) for name, stage in STAGES.items()}
    early = 1 / (1 + np.exp(5))  # of the way at the first step, as much is left at the end of the turn
    assert ends["1"][0] == pytest.approx(dict.fromkeys(("chord", "audio", "symbol"), 0.01 * early))
    assert ends["1"][1] == pytest.approx(dict.fromkeys(("chord", "audio", "symbol"), 0.01 * (1 - early)))
    assert WARM_UP.betas(TURN // 2)["audio"] == pytest.approx(0.005)
    assert PRE_TRAINING.betas(TURN // 2) == pytest.approx({"chord": 0.01, "audio": 0.01, "symbol": 0.255})
    assert PRE_TRAINING.betas(10**6)["symbol"] == pytest.approx(0.5)
    assert ends["3a"] == ({"chord": 0.01, "audio": 0.01},) * 2
    assert ends["3b"] == ({"chord": 0.01, "audio": 0.01, "symbol": 0.5},) * 2


def test_the_truth_is_told_less_often_as_published():
    for level, first, last in (("time", 0.8, 0.3), ("notes", 0.8, 0.5), ("chords", 0.5, 0.0)):
        assert told(level, 0) == pytest.approx(first, abs=0.01 * (first - last) + 1e-9)
        assert told(level, TURN // 2) == pytest.approx((first + last) / 2)
        assert told(level, 10**6) == pytest.approx(last)


def test_rates_and_epochs_are_the_releases():
    assert [stage.rate for stage in STAGES.values()] == [5e-4, 5e-5, 5e-5, 5e-5]
    assert [stage.epochs for stage in STAGES.values()] == [120, 90, 90, 90]
    assert [stage.after for stage in STAGES.values()] == [None, "1", "2", "2"]
    assert WARM_UP.rate_at(1) == pytest.approx(5e-4 * 0.9999)
    assert WARM_UP.rate_at(46_000) > 5e-6
    assert WARM_UP.rate_at(50_000) == 5e-6 * 1.0 == WARM_UP.rate_at(10**6)


def test_coins_fall_as_often_as_they_should():
    rng = np.random.default_rng(1)
    tossed = [toss(TURN // 2, 16, rng) for _ in range(400)]
    assert np.mean([one.notes.steps for one in tossed]) == pytest.approx(0.55, abs=0.02)  # 12,800 coins: 0.004
    assert np.mean([one.features for one in tossed]) == pytest.approx(0.55, abs=0.02)
    assert np.mean([one.notes.notes for one in tossed]) == pytest.approx(0.65, abs=0.01)
    assert np.mean([one.chords for one in tossed]) == pytest.approx(0.25, abs=0.04)
    assert toss(0, 16, np.random.default_rng(3)) == toss(0, 16, np.random.default_rng(3))


# --- losses


def test_a_divergence_is_the_mean_over_dimensions_and_batch():
    torch.manual_seed(0)
    one = Gaussian(torch.randn(5, 7), torch.rand(5, 7) + 0.1)
    true = torch.distributions.kl_divergence(
        torch.distributions.Normal(one.mean, one.spread), torch.distributions.Normal(0, 1)
    )
    torch.testing.assert_close(divergence(one), true.mean())
    assert divergence(Gaussian(torch.zeros(2, 3), torch.ones(2, 3))).item() == 0


@pytest.fixture
def batch(material, tiny):
    """A function (stage, corrections=all) -> two segments."""
    return lambda stage, corrections=ALL: material(5, corrections).rows([2, 3], stage, tiny, np.random.default_rng(0))


def test_the_losses_of_notes_are_what_plain_arithmetic_says(network, batch, tiny):
    made, given = network(), batch(WARM_UP)
    tosses = all_told(tiny.slots)
    with torch.no_grad():
        losses = losses_of(made, given, WARM_UP, {}, tosses, sampled=False)
        z = made.means(given.spectrum, given.chords, given.roll)
        heard = made.feature_decoder(z["audio"], given.features, tosses.features)
        pitch, duration = made.pianotree(made.together(z), given.tree, tosses.notes, made.feature_embedding(heard))
    pitches, lengths = [], []
    for row in range(2):
        for place in range(STEPS):
            for slot in range(1, tiny.slots):
                truth = given.tree[row, place, slot]
                if truth[0] < 130:
                    pitches.append(-torch.log_softmax(pitch[row, place, slot - 1], -1)[truth[0]])
                lengths += [
                    -torch.log_softmax(duration[row, place, slot - 1, bit], -1)[value]
                    for bit, value in enumerate(truth[1:])
                    if value < 2
                ]
    assert losses["pitch"].item() == pytest.approx(float(np.mean(pitches)), rel=1e-5)
    assert losses["duration"].item() == pytest.approx(0.5 * float(np.mean(lengths)), rel=1e-5)
    entropy = -(given.features[..., 0] * heard[..., 0].log() + (1 - given.features[..., 0]) * (1 - heard[..., 0]).log())
    assert losses["bass"].item() == pytest.approx(entropy.mean().item(), rel=1e-5)
    assert losses["intensity"].item() == pytest.approx(
        ((heard[..., 1] - given.features[..., 1]) ** 2).mean().item(), rel=1e-5
    )
    rest = sum(loss.item() for name, loss in losses.items() if name != "all")
    assert losses["all"].item() == pytest.approx(rest, rel=1e-5)


NOTES, HEARD, CHORDS = {"pitch", "duration"}, {"bass", "intensity", "melody"}, {"root", "chroma", "chord_bass"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stage", [WARM_UP, PRIOR_ONLY, AUTOREGRESSIVE], ids=lambda stage: stage.name)
def test_each_kind_learns_what_it_has(kind, stage, network, batch, tiny):
    losses = losses_of(
        network(kind=kind), batch(stage), stage, stage.betas(TURN), toss(0, tiny.slots, np.random.default_rng(0))
    )
    symbol = set() if stage is PRIOR_ONLY else {"kl_symbol"}
    wanted = {
        "cvae": NOTES | HEARD | CHORDS | {"kl_chord", "kl_audio"} | symbol,
        "no_chord": NOTES | HEARD | {"kl_audio"} | symbol,
        "supervised": NOTES,
        "supervised_kl": NOTES | {"kl_audio"},
        "chord_only": NOTES | HEARD | CHORDS | {"kl_chord"} | symbol,
    }
    assert set(losses) == wanted[kind] | {"all"}
    assert all(torch.isfinite(loss) for loss in losses.values())


def test_without_a_score_the_latent_is_the_priors(network):
    like, none = torch.zeros(4000, 1), Latents(None, None, None)
    for corrections, spread in ((ALL, 1.0), (replace(ALL, standard_prior=False), 0.1)):
        made = network(corrections)
        torch.manual_seed(0)
        z = draw(made, none, like, PRIOR_ONLY)
        assert z["symbol"].std().item() == pytest.approx(spread, rel=0.02)  # 24,000 draws: 0.5 %
        assert draw(made, none, like, PRIOR_ONLY, sampled=False)["symbol"].abs().max() == 0
    assert draw(network(kind="chord_only"), none, like, PRIOR_ONLY)["audio"].abs().max() == 0


# --- runs


@pytest.fixture
def start(material, tiny, tmp_path: Path) -> Callable[..., list[dict[str, float]]]:
    """A function that trains into a folder and returns the curve."""

    def go(folder: str, stages: tuple[str, ...], epochs: int, **options: object) -> list[dict[str, float]]:
        corrections = options.pop("corrections", ALL)
        songs = material(4, corrections)
        output = tmp_path / folder
        train(songs, songs, output, stages=stages, epochs=epochs, size=tiny, batch=2, clock=count().__next__, **options)
        return [json.loads(line) for line in (output / CURVE).read_text().splitlines()]

    return go


def test_a_run_learns(start):
    curve = start("run", ("1",), 4)
    assert [row["epoch"] for row in curve] == [*range(1, 5)]
    assert curve[-1]["validation"] < curve[0]["validation"]
    assert all(np.isfinite([value for value in row.values() if not isinstance(value, str)]).all() for row in curve)


def test_each_stage_begins_with_the_best_network_of_the_one_before(start, material, tiny, tmp_path):
    curve = start("run", ("1", "2", "3a", "3b"), 1)
    assert [row["stage"] for row in curve] == ["1", "2", "3a", "3b"]
    assert "kl_symbol" in curve[3]
    assert "kl_symbol" not in curve[2]
    for stage in (PRE_TRAINING, PRIOR_ONLY, AUTOREGRESSIVE):
        fresh = Run(tmp_path / "run", "cvae", tiny, ALL, stage, seed=9)
        before = load_network(tmp_path / "run" / checkpoint_of(stage.after))[0].state_dict()
        assert all(torch.equal(value, before[name]) for name, value in fresh.network.state_dict().items())
    with pytest.raises(ValueError, match="stage 2 begins with the network of stage 1, which is not in"):
        start("other", ("2",), 1)


def test_a_second_start_learns_what_an_unbroken_run_would_have(start, tmp_path):
    start("once", ("1",), 2)
    for epochs in (1, 2):
        start("again", ("1",), epochs)
    once, again = (load_network(tmp_path / name / checkpoint_of("1"))[0].state_dict() for name in ("once", "again"))
    assert all(torch.equal(value, again[name]) for name, value in once.items())
    curves = [(tmp_path / name / CURVE).read_text().splitlines() for name in ("once", "again")]
    losses = [[json.loads(line)["all"] for line in curve] for curve in curves]
    assert losses[0] == losses[1]


def test_another_networks_folder_and_unknown_stages_are_refused(start):
    start("run", ("1",), 1)
    with pytest.raises(ValueError, match="was trained as cvae with"):
        start("run", ("1",), 2, corrections=RELEASED)
    with pytest.raises(ValueError, match="was trained as cvae with"):
        start("run", ("1",), 2, kind="supervised")
    with pytest.raises(ValueError, match="cvae has no stage 4; allowed: 1, 2, 3a, 3b"):
        start("run", ("4",), 1)
    with pytest.raises(ValueError, match="supervised_kl has no stage 2; allowed: 1"):
        start("baseline", ("1", "2"), 1, kind="supervised_kl")


@pytest.mark.parametrize("kind", ["supervised", "supervised_kl", "chord_only"])
def test_baselines_are_trained_alike(start, kind):
    curve = start(kind, ("1",), 3, kind=kind)
    assert curve[-1]["validation"] < curve[0]["validation"]


def test_minutes_end_a_stage(start):
    assert len(start("run", ("1",), 50, minutes=2 / 60)) == 2


def test_validation_is_without_chance_only_put_right(material, tiny, tmp_path):
    for corrections, steady in ((ALL, True), (replace(ALL, plain_validation=False), False)):
        run = Run(tmp_path, "cvae", tiny, corrections, WARM_UP, seed=1)
        songs = material(4, corrections)
        seen = []
        for step in (0, 10**6):
            run.step = step
            seen.append(run.validate(songs, 2))
        assert (seen[0] == seen[1]) == steady, "whatever the shares of coins and weights of divergences"


def test_the_offsets_norms_drift_only_as_released(material, tiny, tmp_path):
    for corrections, still in ((ALL, True), (replace(ALL, still_offsets=False), False)):
        run = Run(tmp_path, "cvae", tiny, corrections, WARM_UP, seed=1)
        before = {name: value.clone() for name, value in run.network.transcriber.offset.state_dict().items()}
        run.learn(material(4, corrections).batch(2, WARM_UP, tiny, run.rng(0)))
        after = run.network.transcriber.offset.state_dict()
        changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
        assert (not changed) == still
        assert all("running" in name or "batches" in name for name in changed)
