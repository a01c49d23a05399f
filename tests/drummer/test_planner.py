"""The planner: the plain beat where nothing is known, what is asked for where something is, and always the same."""

import numpy as np
import pytest

from models.drummer.hearing import BassLine
from models.drummer.kit import CRASH, KICK, PARTS, SNARE, TIME
from models.drummer.passages import plain_beat
from models.drummer.planner import Planner, Settings, swung, unswung
from models.drummer.planning import likeliest_bar, sure_hits

ON_GRID = Settings(humanise=0, fills=0)


class Certain:
    """A step that is sure of a pattern: (beats of a bar, sixteenths, parts)."""

    def __init__(self, pattern: np.ndarray) -> None:
        self._pattern = pattern

    def initial_state(self):
        return {"memory": np.zeros((1, 3, 8, 12), np.float32)}

    def __call__(self, inputs, state):
        place = int(inputs["order"][0, 0].argmax())
        chance = self._pattern[None, place].astype(np.float32)
        return {"chance": chance, "velocity": np.full_like(chance, 0.7), "late": np.full_like(chance, 0.1)}, state


def plain(bar: int = 4) -> np.ndarray:
    out = np.full((bar, 4, len(PARTS)), 0.05)
    out[..., [KICK, SNARE, TIME]] = np.where(plain_beat(bar).reshape(bar, 4, 3) > 0, 0.9, 0.1)
    return out


def play(settings: Settings, beats: int = 16, bar: int = 4, step=None):
    planner = Planner(step or Certain(plain(bar)))
    return [hit for beat in range(beats) for hit in planner.plan(BassLine(), beat, beat % bar, bar, 120, 3, settings)]


def test_the_plain_beat_comes_out_as_it_went_in_and_on_the_grid():
    hits = play(ON_GRID)
    assert len(hits) == 4 * 12
    assert all(hit.place * 4 == round(hit.place * 4) for hit in hits)
    assert {hit.note for hit in hits} == {36, 38, 42}
    assert [hit.place for hit in hits if hit.note == 38] == [1, 3, 5, 7, 9, 11, 13, 15]


@pytest.mark.parametrize("bar", [1, 2, 3, 5, 8])
def test_any_bar_is_played(bar):
    assert play(ON_GRID, 2 * bar, bar)


def test_density_plays_fewer_and_more():
    few, usual, many = (len(play(Settings(humanise=0, fills=0, density=d))) for d in (0.5, 1.0, 1.6))
    assert few < usual < many


def test_a_beat_of_three_parts_has_time_on_all_of_them_and_nothing_between():
    hits = play(Settings(humanise=0, fills=1, ternary=True), bar=2)
    assert {round(hit.place % 1 * 3, 4) for hit in hits} == {0, 1, 2}
    first = {(round(hit.place * 3, 4), hit.note) for hit in hits if hit.place < 2}
    assert first == {(third, 42) for third in range(6)} | {(0, 36), (3, 38)}


@pytest.mark.parametrize("swing", [50.0, 60.0, 75.0])
def test_what_is_swung_can_be_heard_as_even(swing):
    for place in np.linspace(0, 0.99, 12):
        assert unswung(swung(place, swing), swing) == pytest.approx(place)


def test_swing_moves_the_middle_of_the_beat_alone():
    places = {round(hit.place % 1, 4) for hit in play(Settings(humanise=0, fills=0, swing=66.7))}
    assert places == {0.0, 0.667}
    assert [swung(p, 50) for p in (0, 0.25, 0.5, 0.75)] == [0, 0.25, 0.5, 0.75]
    assert swung(0.25, 60) == pytest.approx(0.3)


def test_humanise_moves_hits_a_little_and_repeats_with_its_seed():
    human = Settings(humanise=1.0, fills=0.5)
    one, again, other = play(human), play(human), play(Settings(humanise=1.0, fills=0.5, seed=2))
    assert one == again != other
    moved = [abs(hit.place * 4 - round(hit.place * 4)) for hit in one]
    assert 0 < max(moved) < 0.5


def test_a_fill_ends_the_phrase_and_a_crash_follows():
    hits = play(Settings(humanise=0, fills=1.0), beats=36)
    assert not [hit for hit in hits if 31 <= hit.place < 32 and hit.note == 42]
    assert any(hit.note in (45, 47, 50, 38) for hit in hits if 31 <= hit.place < 32)
    assert [hit.note for hit in hits if hit.place == 32] == [36, 49]


def test_intensity_is_heard_in_every_velocity():
    soft, loud = play(Settings(humanise=0, fills=0, intensity=0.1)), play(Settings(humanise=0, fills=0, intensity=0.9))
    assert max(hit.velocity for hit in soft) < min(hit.velocity for hit in loud)


def test_a_chosen_style_wins_over_doubt():
    doubt, style = np.full((4, 4, len(PARTS)), 0.2), np.zeros((4, 4, len(PARTS)))
    style[2, 0, SNARE] = style[:, 0, TIME] = 1
    planner = Planner(Certain(doubt), {"one drop": style})
    asked = Settings(humanise=0, fills=0, style="one drop")
    hits = [hit for beat in range(8) for hit in planner.plan(BassLine(), beat, beat % 4, 4, 80, 3, asked)]
    assert [hit.place for hit in hits if hit.note == 38 and hit.place >= 4] == [6]


def test_little_known_is_little_played():
    sure = np.array([0.9, 0.9, 0.9, 0.1, 0.1])
    assert sure_hits(sure) == 0.9
    assert sure_hits(np.full(5, 0.5)) == 0.5
    bars = likeliest_bar(plain(), 4)
    np.testing.assert_array_equal(bars[0], plain_beat(4))


def test_a_crash_keeps_time_where_it_is_likelier():
    pattern = plain()
    pattern[0, 0, CRASH], pattern[0, 0, TIME] = 0.9, 0.9
    hits = play(ON_GRID, 4, step=Certain(pattern))
    assert [hit.note for hit in hits if hit.place == 0] == [36, 49]
