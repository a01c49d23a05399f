"""A vibrato that was made is measured as it was made."""

import numpy as np
import pytest

from models.performer.material import Excerpt
from models.performer.vibrato import measure_vibrato

STEP = 0.008


def excerpt(
    depth: float, hertz: float, delay: float, seconds: float = 1.2, count: int = 12, drift: float = 0.0
) -> Excerpt:
    """Notes whose pitch swings `depth` semitones either way once it has set in, over a slow drift."""
    notes, points = [], []
    for index in range(count):
        onset = index * (seconds + 0.1)
        times = np.arange(onset, onset + seconds, STEP)
        age = times - onset
        swing = depth * np.clip((age - delay) / 0.05, 0, 1) * np.sin(2 * np.pi * (hertz * age + 0.618 * index))
        notes.append([onset, onset + seconds, 69 + index, 80])
        points.append(np.stack([np.full(len(times), index), times, swing + drift * age], 1))
    return Excerpt(np.zeros(0, np.int16), np.array(notes), np.concatenate(points), "violin", "nobody", "none", "train")


@pytest.mark.parametrize(("depth", "hertz", "delay"), [(0.3, 6.0, 0.05), (0.1, 5.0, 0.2), (0.5, 7.0, 0.1)])
def test_depth_rate_and_delay_are_those_that_were_played(depth, hertz, delay):
    found = measure_vibrato([excerpt(depth, hertz, delay, drift=0.1)])
    assert found["vibrato_semitones"] == pytest.approx(depth, rel=0.2)
    assert found["vibrato_hertz"] == pytest.approx(hertz, abs=0.25)
    assert found["vibrato_delay"] == pytest.approx(delay, abs=0.06)


def test_a_player_without_vibrato_has_none():
    assert measure_vibrato([excerpt(0.0, 6.0, 0.1, drift=0.2)])["vibrato_semitones"] < 0.005


def test_short_notes_and_notes_hardly_seen_say_nothing():
    short, unseen = excerpt(0.4, 6.0, 0.05, seconds=0.3), excerpt(0.4, 6.0, 0.05)
    unseen = Excerpt(unseen.audio, unseen.notes, unseen.f0[::3], "violin", "nobody", "none", "train")
    for excerpts in ([], [short], [unseen]):
        assert measure_vibrato(excerpts) == {"vibrato_semitones": 0.0, "vibrato_hertz": 5.5, "vibrato_delay": 0.1}
