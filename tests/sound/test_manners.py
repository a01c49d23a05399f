"""An instrument plays what it can: in its range, with its voices, together or spread, and never an empty or endless note."""

import numpy as np
import pytest

from models.sound.drills import DRILLS, drill
from models.sound.instruments import INSTRUMENTS, SHARES
from models.sound.manners import (
    arpeggiate,
    articulate,
    chords_of,
    humanise,
    into_range,
    limit_voices,
    one_voice,
    shorten_rests,
    strum,
    sustain,
)
from models.sound.passages import string_passages

SEEDS = range(20)


@pytest.fixture
def chords() -> np.ndarray:
    """Twelve chords of seven notes, a second apart, (84, 4)."""
    return np.array([(k, k + 0.8, 40 + k + 4 * step, 70) for k in range(12) for step in range(7)], float)


@pytest.fixture
def tune() -> np.ndarray:
    """A rising line of thirty notes with rests of 0.1 s, (30, 4)."""
    return np.array([(0.4 * k, 0.4 * k + 0.3, 50 + k, 70) for k in range(30)], float)


def most_at_once(notes: np.ndarray) -> int:
    return max(int(((notes[:, 0] <= onset) & (notes[:, 1] > onset)).sum()) for onset in notes[:, 0])


def test_a_line_moved_into_a_range_stays_there_and_keeps_its_notes_and_their_names(tune):
    for seed in SEEDS:
        moved = into_range(tune, 48, 72, np.random.default_rng(seed))
        assert len(moved) == len(tune)
        assert moved[:, 2].min() >= 48
        assert moved[:, 2].max() <= 72
        assert len(np.unique((moved[:, 2] - tune[:, 2]) % 12)) == 1, "folding is by octaves"


def test_one_voice_is_the_highest_and_never_two(chords):
    line = one_voice(chords)
    assert line[:, 2].tolist() == [64 + k for k in range(12)]
    assert most_at_once(line) == 1


def test_an_articulation_ties_at_most_40_ms_and_shortens_to_no_less_than_60(tune):
    kinds = set()
    for seed in SEEDS:
        played = articulate(tune, np.random.default_rng(seed))
        assert np.array_equal(played[:, [0, 2, 3]], tune[:, [0, 2, 3]])
        assert (played[:, 1] - played[:, 0] >= 0.06 - 1e-9).all()
        overlap = played[:-1, 1] - played[1:, 0]
        assert overlap.max() <= 0.04 + 1e-9
        kinds.add("tied" if overlap.max() > 0 else "written" if np.array_equal(played, tune) else "detached")
    assert kinds == {"tied", "written", "detached"}


@pytest.mark.parametrize("voices", [1, 3, 6])
def test_voices_are_limited_and_a_chord_keeps_its_outer_notes(chords, voices):
    thinned = limit_voices(chords, voices)
    assert most_at_once(thinned) == voices
    for group in chords_of(thinned):
        assert group[:, 2].max() - group[:, 2].min() == (24 if voices > 1 else 0)


def test_a_strum_spreads_a_chord_over_5_to_30_ms_in_one_direction(chords):
    for seed in SEEDS:
        for group in chords_of(strum(limit_voices(chords, 6), np.random.default_rng(seed))):
            assert 0.005 - 1e-9 <= np.ptp(group[:, 0]) <= 0.03 + 1e-9
            by_pitch = np.diff(group[np.argsort(group[:, 2]), 0])
            assert (by_pitch > 0).all() or (by_pitch < 0).all()


def test_an_arpeggio_plays_the_chords_notes_one_by_one_before_the_next(chords):
    for seed in SEEDS:
        played = arpeggiate(chords, np.random.default_rng(seed))
        assert all(len(group) == 1 for group in chords_of(played))
        for onset, _, pitch, _ in played:
            assert pitch in chords[chords[:, 0] == min(11, np.floor(onset)), 2]  # the last one goes on


def test_sustained_notes_are_longer_and_reach_the_next_harmony_if_it_is_near(chords, assert_playable, performance):
    for seed in SEEDS:
        held = sustain(limit_voices(chords, 4), np.random.default_rng(seed))
        assert_playable(performance(held))
        assert np.median(held[:, 1] - held[:, 0]) > 0.8


def test_long_rests_are_shortened_and_nothing_else(tune):
    gapped = tune.copy()
    gapped[15:, :2] += 30
    shortened = shorten_rests(gapped, np.random.default_rng(0))
    assert np.allclose(np.diff(shortened[:15, 0]), 0.4)
    assert np.allclose(shortened[:, 1] - shortened[:, 0], 0.3)
    assert 0.3 <= shortened[15, 0] - shortened[14, 1] <= 2.0
    assert np.array_equal(shorten_rests(tune, np.random.default_rng(0)), tune)


def test_a_human_keeps_the_notes_and_their_order_nearly(tune, assert_playable, performance):
    for seed in SEEDS:
        played = humanise(tune, np.random.default_rng(seed))
        assert_playable(performance(played))
        assert played[:, 2].tolist() == tune[:, 2].tolist()


@pytest.mark.parametrize(
    "manner", [one_voice, lambda n: limit_voices(n, 3)] + [
        lambda n, play=play: play(n, np.random.default_rng(0)) for play in (strum, arpeggiate, articulate, shorten_rests, humanise)
    ],
)  # fmt: skip
def test_nothing_is_made_of_nothing(manner):
    assert manner(np.zeros((0, 4))).shape == (0, 4)


@pytest.mark.parametrize("play", DRILLS, ids=lambda play: play.__name__.strip("_"))
def test_every_drill_begins_at_its_time_and_keeps_to_its_range(play):
    for seed in SEEDS:
        rows = np.array(play(np.random.default_rng(seed), 5.0, 40, 70))
        assert rows[0, 0] == 5.0
        assert rows[:, 2].min() >= 40
        assert rows[:, 2].max() <= 70
        assert (rows[:, 1] > rows[:, 0]).all()


def test_drills_repeat_notes_as_fast_as_every_60_ms(assert_playable, performance):
    fastest = 1.0
    for seed in SEEDS:
        notes = drill(np.random.default_rng(seed), 20.0, 50, 80)
        assert_playable(performance(notes))
        again = np.diff(notes[:, 0])[np.diff(notes[:, 2]) == 0]
        fastest = min(fastest, again.min(initial=1.0))
    assert 0.05 < fastest < 0.09


def test_shares_are_shares_and_every_group_but_the_piano_has_instruments():
    assert sum(SHARES.values()) == pytest.approx(1)
    assert SHARES["piano"] == 0.2
    assert set(SHARES) == {"piano", *INSTRUMENTS}


@pytest.mark.parametrize("group", INSTRUMENTS)
def test_every_instrument_plays_passages_within_its_range_in_all_its_manners(
    group, library, performance, assert_playable
):
    for number, instrument in enumerate(INSTRUMENTS[group]):
        for manner in sorted(set(instrument.manners)):
            notes = string_passages(library, instrument, manner, 12.0, np.random.default_rng(number))
            assert_playable(performance(notes))
            assert len(notes) > 3
            assert notes[:, 2].min() >= instrument.lowest
            assert notes[:, 2].max() <= instrument.highest
            assert notes[:, 1].max() <= 12.0
            if manner in ("line", "bass"):
                onsets, offsets = notes[:, 0], notes[:, 1]
                assert (offsets[:-1] - onsets[1:]).max() <= 0.04 + 1e-9


def test_a_library_with_nothing_to_play_is_refused_with_a_sentence(library):
    from dataclasses import replace

    silent = replace(library, pop909=library.giantmidi, multitrack=library.giantmidi)
    with pytest.raises(ValueError, match="hold nothing to play as 'line'"):
        string_passages(silent, INSTRUMENTS["winds"][0], "line", 5.0, np.random.default_rng(0))
