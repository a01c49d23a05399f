"""The drummer's network: step by step as the whole, deaf to what is not yet heard, and the same in any order of songs."""

import numpy as np
import pytest
import torch

from models.drummer.config import LONGEST_BAR, DrummerConfig
from models.drummer.hearing import bass_grid
from models.drummer.network import DrummerNetwork, Heard
from models.drummer.training import hear


@pytest.fixture(scope="module")
def network() -> DrummerNetwork:
    torch.manual_seed(2)
    return DrummerNetwork(DrummerConfig(hidden=32)).eval()


def heard_of(seed: int, bar: int, beats: int = 20, known: int = 3) -> Heard:
    rng = np.random.default_rng(seed)
    places = np.sort(rng.choice(4 * beats, 2 * beats, replace=False)) / 4
    notes = np.stack(
        [places, np.full(len(places), 0.2), rng.integers(28, 50, len(places)), rng.integers(40, 127, len(places))], 1
    )
    return hear(bass_grid(notes, beats), bar, 120.0, known)


def together(*several: Heard) -> Heard:
    return Heard(*(torch.stack(values) for values in zip(*several, strict=True)))


def test_beat_by_beat_equals_the_whole(network):
    heard = together(heard_of(1, 4), heard_of(2, 3), heard_of(3, LONGEST_BAR))
    with torch.no_grad():
        whole = network(heard)
        state = network.initial_state(3)
        for beat in range(heard.whole.shape[1]):
            outputs, state = network.step(*(values[:, beat] for values in heard), state)
            torch.testing.assert_close(outputs["chance"], torch.sigmoid(whole.onset[:, beat]), atol=1e-5, rtol=0)
            torch.testing.assert_close(outputs["velocity"], whole.velocity[:, beat], atol=1e-5, rtol=0)
            torch.testing.assert_close(outputs["late"], whole.late[:, beat], atol=1e-5, rtol=0)


def test_a_beat_hears_nothing_of_itself_or_later(network):
    one, other = heard_of(1, 4, known=2), heard_of(1, 4, known=2)
    grid = torch.rand(20, 4, 6)
    changed = hear(grid.numpy(), 4, 120.0, 2)
    # Bass equal up to the middle of beat 9, another line from there on.
    kept = torch.cat([other.whole[2:], torch.zeros(2, 4, 6)])[:20].numpy()
    kept[9, 2:], kept[10:] = grid.numpy()[9, 2:], grid.numpy()[10:]
    other = hear(kept, 4, 120.0, 2)
    with torch.no_grad():
        first, second = network(together(one)), network(together(other))
    assert changed.whole.shape == one.whole.shape
    torch.testing.assert_close(first.onset[:, :11], second.onset[:, :11])
    assert not torch.allclose(first.onset[:, 11:], second.onset[:, 11:])


def test_it_is_small():
    assert sum(p.numel() for p in DrummerNetwork(DrummerConfig()).parameters()) < 1_000_000
