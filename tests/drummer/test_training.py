"""Training learns what is there to be learned, repeats itself, and leaves a checkpoint that says what it is."""

import json

import numpy as np
import pytest

from models.drummer import training
from models.drummer.config import DrummerConfig
from models.drummer.kit import KICK, SNARE, TIME
from models.drummer.network import DrummerNetwork, load_network, load_styles
from models.drummer.passages import Passage
from models.drummer.training import chances, learn, loss_of, shares_of, validate
from models.layers.checkpoint import read_card, read_tensors

CONFIG = DrummerConfig(hidden=24, summary=8, dropout=0.0, summary_dropout=0.0)


def passage(seed: int, source: str = "made") -> Passage:
    """The snare is on two and four, the kick is where this song's bass is."""
    rng = np.random.default_rng(seed)
    bass, drums = np.zeros((32, 4, 6), np.float32), np.zeros((32, 4, 5), np.float32)
    kicks = rng.random((4, 4)) < 0.4
    kicks[0, 0] = True
    pattern = np.tile(kicks, (8, 1))
    bass[..., 0] = bass[..., 1] = pattern
    drums[..., KICK] = 0.8 * pattern
    drums[1::2, 0, SNARE] = drums[:, ::2, TIME] = 0.6
    return Passage(f"song{seed}", source, "rock", 110.0, 4, bass, drums, np.zeros_like(drums))


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(training, "WINDOWS", 24)
    monkeypatch.setattr(training, "BATCH", 8)


def test_a_network_learns_and_is_kept(small, tmp_path):
    songs = [passage(seed) for seed in range(12)]
    path = learn(songs, {"made": songs[:4]}, tmp_path, rounds=30, config=CONFIG)
    network = load_network(path)
    own = validate(network, songs)
    assert own["own"] > 0.8
    assert own["own"] > own["other"] + 0.03
    card = read_card(path)
    assert json.loads(card["figures"])["made"]["own"] > 0.8
    assert list(load_styles(path)) == ["rock"]
    later = chances(network, songs[0].bass, 4, 110.0)[8:]
    assert later[1::2, 0, SNARE].min() > 2 * later[::2, 0, SNARE].max()


def test_a_run_repeats_with_its_seed(small, tmp_path):
    songs = [passage(seed) for seed in range(4)]
    tensors = [
        read_tensors(learn(songs, {}, tmp_path / name, rounds=1, seed=seed, config=CONFIG))[0]
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert all((tensors[0][name] == tensors[1][name]).all() for name in tensors[0])
    assert any((tensors[0][name] != tensors[2][name]).any() for name in tensors[0])


def test_beats_after_the_end_of_a_song_do_not_count(small):
    songs = [passage(1)]
    network = DrummerNetwork(CONFIG).eval()
    features, velocity, late, weight = training.window_features(network, songs, np.random.default_rng(1))
    assert weight.sum() == 32
    loss = loss_of(network.plan(features), velocity, late, weight)
    velocity[:, 32:] = 1
    assert loss_of(network.plan(features), velocity, late, weight) == loss


def test_sources_are_drawn_by_their_shares():
    songs = [passage(seed, source) for seed, source in enumerate(["made"] * 5 + ["band"] * 2)]
    shares = shares_of(songs)
    assert shares.sum() == pytest.approx(1)
    ratio = training.SOURCE_SHARES["made"] / training.SOURCE_SHARES["band"]
    assert shares[:5].sum() / shares[5:].sum() == pytest.approx(ratio)
