"""Training: labels that fit the sound, a run that stops and goes on, and figures that mean what they say."""

import json

import numpy as np
import pytest
import soundfile
import torch

from models.layers.checkpoint import read_card
from models.translator.config import GROUPS, LOWEST_PITCH, TranslatorConfig
from models.translator.dynamics import LEVELLED_SHARE, VOICES_SHARE, hear, learn_dynamics
from models.translator.judging import judge_mixtures, mixtures
from models.translator.losses import level_loss, symbol_loss
from models.translator.material import Excerpts, make_bank, no_music
from models.translator.network import TranslatorNetwork, load_network
from models.translator.notes import DYNAMICS, Note
from models.translator.space import one_hot
from models.translator.training import CHECKPOINT, JOINT_SHARE, RESUME, learn

SMALL = TranslatorConfig(
    channels=8, spectral_channels=3, narrow_channels=2, head_channels=6, slot_channels=16, latent=6, symbol_channels=24,
    voice_channels=12, voice_memory=8, pitch_channels=4,
)  # fmt: skip


@pytest.fixture(scope="module")
def bank(tmp_path_factory, tone):
    """Made-up notes of three instruments, four pitches, two dynamics."""
    folder, notes = tmp_path_factory.mktemp("notes"), []
    for number, instrument in enumerate(("flute", "cello", "violin")):
        for pitch in (60, 63, 67, 70):
            for dynamic in ("p", "f"):
                path = folder / f"{instrument}{pitch}{dynamic}.wav"
                level = 0.02 if dynamic == "p" else 0.1
                soundfile.write(path, tone(pitch, 0.8, level=level, fall=3.0 + 4 * number), 32_000, subtype="FLOAT")
                notes.append(Note("own", instrument, pitch, dynamic, path, "render" if number == 2 else "normal"))
    return make_bank(notes, SMALL, tuned=True, analysed=True)


@pytest.fixture(scope="module")
def others():
    return no_music(3, 3.0, SMALL, 1)


def test_a_bank_holds_its_notes(bank):
    assert bank.note(1) == pytest.approx(0, abs=1)
    assert len(bank.pitch) == 24
    assert set(bank.dynamics) == {DYNAMICS.index("p"), DYNAMICS.index("f")}
    assert bank.real.sum() == 16
    assert (bank.sounding > 60).all()


def test_an_excerpt_sounds_where_it_says_so(bank, others):
    excerpts, config = Excerpts(bank, others * 0, 100, SMALL), SMALL
    seen = 0
    for seed in range(12):
        excerpt = excerpts.draw(np.random.default_rng(seed))
        assert np.abs(excerpt.audio).max() <= 1
        assert ((excerpt.playing >= 0).sum(1) <= 3).all()
        loud = np.sqrt(np.mean(excerpt.audio.reshape(-1, config.hop) ** 2, 1))
        any_note = (excerpt.playing >= 0).any(1)
        if any_note.any() and not any_note.all():
            assert loud[any_note].mean() > loud[~any_note].mean()
        for hop, row in np.argwhere(excerpt.onsets > 0):
            seen += 1
            assert (excerpt.playing[hop : hop + 3, row] >= 0).any()
            note = excerpt.playing[hop : hop + 3, row].max()
            assert abs(int(bank.pitch[note]) - row - LOWEST_PITCH) <= 3, (
                "a recording is moved by three semitones at most"
            )
    assert seen


def test_unknown_symbols_and_levels_cost_nothing():
    logits = torch.zeros(2, 34)
    full = symbol_loss(logits, torch.tensor([[1, 2, 3, 4], [1, 2, 3, 4]]))
    part = symbol_loss(logits, torch.tensor([[1, 2, 3, -1], [1, 2, 3, -1]]))
    assert part["dynamics"] == 0
    assert part["octave"] == full["octave"] > 0
    assert one_hot(torch.tensor([[1, 2, 3, -1]]))[0, -5:].sum() == 0
    said, heard = torch.zeros(1, 2, 2), torch.tensor([[[6.0, float("nan")], [50.0, 50.0]]])
    assert level_loss(said, heard, torch.tensor([[True, False]])) == pytest.approx(1.0)


def test_a_run_learns_stops_and_goes_on(bank, others, tmp_path, monkeypatch):
    monkeypatch.setattr("models.translator.training.SETTLING_STEPS", 5)
    small = {"seed": 1, "config": SMALL, "hops": 32, "batch": 2, "judged": 3}
    learn(bank, bank, others, tmp_path, minutes=1e-4, **small)
    card = read_card(tmp_path / CHECKPOINT)
    assert card["step"] == "1"
    assert {"1 pitch", "2 dynamics", "3 octave"} <= set(json.loads(card["figures"]))
    network = load_network(tmp_path / CHECKPOINT)
    assert network.config == SMALL
    assert torch.linalg.norm(network.player.axes) == pytest.approx(SMALL.axes**0.5, rel=1e-3), (
        "the map is in the checkpoint"
    )
    seconds = float(read_card(tmp_path / RESUME)["elapsed"])
    learn(bank, bank, others, tmp_path, minutes=(seconds + 1e-3) / 60 / JOINT_SHARE, **small)
    assert read_card(tmp_path / CHECKPOINT)["step"] == "2"
    assert len((tmp_path / "curve.jsonl").read_text().splitlines()) >= 2


def test_dynamics_are_learnt_alone(bank, others):
    torch.manual_seed(1)
    network, excerpts = TranslatorNetwork(SMALL), Excerpts(bank, others, 32, SMALL, VOICES_SHARE, LEVELLED_SHARE)
    before, steps = {name: value.clone() for name, value in network.state_dict().items()}, []
    heard = hear(network.listener, bank, excerpts, 8, np.random.default_rng(1))
    pitches = 12 * (heard.symbols[:, 2] + 1) + heard.symbols[:, 1]
    assert set(pitches.tolist()) <= {p + step for p in (60, 63, 67, 70) for step in range(-3, 4)}
    assert (heard.pitch + LOWEST_PITCH == pitches).all()
    assert set(heard.symbols[:, 3].tolist()) <= {DYNAMICS.index("p"), DYNAMICS.index("f")}
    learn_dynamics(network, bank, others, 32, 1.0, 1, steps.append)
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert moved
    assert all(name.startswith("listener.loudness.") for name in moved)


def test_what_dynamics_are_learnt_of_is_what_the_listener_sees(bank, others):
    """A note alone, and the frames in which both say that it sounds."""
    torch.manual_seed(1)
    listener, config = TranslatorNetwork(SMALL).listener.eval(), SMALL
    excerpts = Excerpts(bank, others * 0, 32, SMALL, (0.0, 0.0, 1.0, 0.0), 0.0)
    told = []
    listener.loudness.forward = lambda *seen: told.append(seen) or torch.zeros(*seen[4].shape, 2 * config.loudness)
    excerpt = excerpts.draw(np.random.default_rng(5))
    playing = torch.from_numpy(excerpt.playing[None, 1::2].astype(np.int64)) >= 0
    listener(torch.from_numpy(excerpt.audio[None]), torch.zeros(1, 1), playing.float())
    (now, _, _, common, pitch, _) = told[0]
    excerpts.draw = lambda rng: excerpt
    heard = hear(listener, bank, excerpts, 1, np.random.default_rng(1))
    own = {tuple(row.half().tolist()) for row in now.flatten(0, 1)}
    assert len(heard.pitch) > 4
    assert all(tuple(row.tolist()) in own for row in heard.now)
    assert heard.common.shape[-1] == common.shape[-1]
    assert set(heard.pitch.tolist()) <= set(pitch.flatten().tolist())


def test_mixtures_are_of_different_instruments_and_pitches(bank):
    for chosen in mixtures(bank, 3, 20, seed=1):
        assert len({int(bank.instrument[i]) for i in chosen}) == len({int(bank.pitch[i]) for i in chosen}) == 3
    assert mixtures(bank, 1, 0, seed=1) == [[i] for i in range(24)]


def test_figures_are_those_of_what_is_said(bank):
    """A listener that says the first note's pitch right and everything else wrong, in any order of slots."""

    def heard(audio, levelled):
        assert not levelled
        said = {name: np.zeros((len(audio), 20, 2, size)) for name, size in GROUPS.items()} | {
            "sounding": np.ones((len(audio), 20, 2))
        }
        for slot, pitch in enumerate((100, 60)):
            said["pitch_class"][:, :, slot, pitch % 12] = said["octave"][:, :, slot, pitch // 12 - 1] = 1
        said["sounding"][:, :, 0] = 0.9
        said["dynamics"][..., 3] = 1
        return said

    pair = [int(np.flatnonzero((bank.pitch == 60) & (bank.dynamics == 3))[0]), int(np.flatnonzero(bank.pitch == 67)[0])]
    figures, right = judge_mixtures(heard, SMALL, bank, [pair, pair[::-1]])
    assert figures["pitch"] == 0.5
    assert figures["pitch_class whole"] == 0
    assert right[0, 0, 1] == right[1, 1, 1] == 1
