"""The translator's networks: the same by hops and whole, and a space in which a place can be reached and read."""

import numpy as np
import pytest
import torch

from models.translator.config import FEATURES, GROUPS, SYMBOLS
from models.translator.map import described, draw_map
from models.translator.notes import DYNAMICS, INSTRUMENTS
from models.translator.space import divergence
from models.translator.symbols import dynamics_of, symbols_of, velocity_of
from models.translator.voices import describe

HOPS = 24


def test_listening_hop_by_hop_equals_the_whole_of_each_phase(small):
    config = small.config
    audio = torch.randn(2, HOPS * config.hop) * 0.1
    levelled = torch.tensor([[0.0], [1.0]])
    state, heard = small.listener.initial_state(2), []
    with torch.no_grad():
        for k in range(HOPS):
            outputs, state = small.listener.step(audio[:, k * config.hop : (k + 1) * config.hop], levelled, state)
            heard.append(outputs)
        for phase in range(config.phases):
            shifted = torch.nn.functional.pad(audio, ((config.phases - 1 - phase) * config.hop, 0))
            whole = small.listener(shifted[:, : shifted.shape[1] // config.frame * config.frame], levelled)
            own = heard[phase :: config.phases]
            torch.testing.assert_close(torch.stack([one["active"] for one in own], 1), whole["active"].sigmoid())
            torch.testing.assert_close(torch.stack([one["position"] for one in own], 1), whole["mean"])


def test_a_pitch_that_is_taught_has_a_slot(small):
    taught = torch.zeros(1, 4, 88)
    taught[:, :, [3, 40, 77]] = 1
    with torch.no_grad():
        found = small.listener(torch.zeros(1, 4 * small.config.frame), torch.zeros(1, 1), taught)
    assert set(found["pitch"][0, 2].tolist()) == {3, 40, 77}


def test_playing_hop_by_hop_equals_the_whole_note(small):
    player, config = small.player, small.config
    ages = np.arange(1, HOPS + 1) * config.hop / config.sample_rate
    features = torch.from_numpy(describe(ages, np.where(ages > 0.1, ages - 0.1, np.nan), np.arange(HOPS) == 0))
    symbols = torch.zeros(1, config.voices, SYMBOLS)
    symbols[0, 2] = torch.from_numpy(symbols_of(3, 60, 2.5))
    pitches, said = torch.full((1, config.voices), 60.0), []
    state = player.initial_state(1)
    state["recurrence"] += 1.0  # of a note before, which a new one forgets
    with torch.no_grad():
        place = player.encoder(symbols[0, 2])[0].expand(1, HOPS, -1)
        whole, _ = player(place, torch.full((1, HOPS), 60.0), features[None])
        for k in range(HOPS):
            told = torch.zeros(1, config.voices, len(FEATURES))
            told[0, 2] = features[k]
            nowhere = torch.zeros(1, 1), torch.zeros(1, 7)
            outputs, state = player.step(symbols, symbols, *nowhere, pitches, told, state)
            said.append(outputs["amplitude"][0, 2])
            assert not outputs["amplitude"][0, [0, 1, 3]].any()
    torch.testing.assert_close(
        20 * torch.log10(torch.stack(said))[:, :20], whole[0, :, :20].clamp(-120, 6), rtol=1e-3, atol=1e-3
    )


def test_who_plays_nothing_is_silent(small):
    config = small.config
    nothing = torch.zeros(1, config.voices, SYMBOLS)
    inputs = nothing, nothing, torch.zeros(1, 1), torch.zeros(1, 7), torch.zeros(1, config.voices)
    with torch.no_grad():
        outputs, _ = small.player.step(
            *inputs, torch.zeros(1, config.voices, len(FEATURES)), small.player.initial_state(1)
        )
    assert not outputs["amplitude"].any()
    assert not outputs["noise"].any()


def test_a_morph_goes_from_one_place_to_the_other_and_the_map_is_reached(small):
    draw_map(small)
    player = small.player
    here, there = (torch.from_numpy(symbols_of(i, 60, 2))[None, None] for i in (0, 5))
    with torch.no_grad():
        ends = [player.encoder(symbols)[0] for symbols in (here, there)]
        for share in (0.0, 0.5, 1.0):
            place = player.place(here, there, torch.tensor([[share]]), torch.zeros(1, 7))
            torch.testing.assert_close(place, ends[0] + share * (ends[1] - ends[0]))
        place = player.place(here, there, torch.zeros(1, 1), torch.tensor([[0.5, -0.25, 1.0, 0.0, 0.0, 0.0, 0.0]]))
        seen = ((place - player.centre) @ player.axes[:2].t() / player.span[:2]).flatten()
    torch.testing.assert_close(seen, torch.tensor([0.5, -0.25]), atol=1e-4, rtol=1e-4)
    rest = (place - ends[0]) - (place - ends[0]) @ player.axes[:2].t() @ player.axes[:2]
    assert rest.abs().max() < 1e-4, "it left the plane's direction too"
    with torch.no_grad():
        along = player.place(here, there, torch.zeros(1, 1), torch.tensor([[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]]))
    torch.testing.assert_close((along - ends[0])[0, 0], player.span[2] * player.axes[2], atol=1e-4, rtol=1e-4)


def test_the_map_says_where_everything_is(small):
    draw_map(small)
    said = described(small, grid=5)
    assert set(said["places"]) == set(INSTRUMENTS)
    assert set(said["places"]["flute"]) == set(DYNAMICS)
    assert np.abs([list(row.values()) for row in said["places"].values()]).max() == pytest.approx(1.0, abs=1e-3)
    assert np.shape(said["instrument"]) == (5, 5, GROUPS["instrument"])
    assert np.shape(said["dynamics"]) == (5, 5, GROUPS["dynamics"])


def test_divergence_is_nothing_from_itself_and_grows(small):
    mean, log_variance = torch.randn(3, 6), torch.randn(3, 6)
    torch.testing.assert_close(divergence(mean, log_variance, mean, log_variance), torch.zeros(3))
    torch.testing.assert_close(divergence(torch.ones(1, 4), torch.zeros(1, 4)), torch.tensor([2.0]))
    assert (divergence(mean, log_variance, mean + 1, log_variance) > 0).all()


def test_velocities_and_dynamics_are_each_others_inverse():
    for dynamics in range(5):
        assert dynamics_of(velocity_of(np.eye(5)[dynamics])) == dynamics
    assert dynamics_of(1) == 0
    assert dynamics_of(127) == 4
    assert 0 < dynamics_of(40) < 1
    assert symbols_of(2, 69, 1.25)[-5:].tolist() == [0, 0.75, 0.25, 0, 0]
