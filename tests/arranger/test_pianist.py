"""The pianist: whatever is written, two hands play it, with bass and melody, the same way each time."""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.arranger.grid import Written
from models.arranger.hands import BEATS_MAY_HURRY, REPEAT_SECONDS
from models.arranger.pianist import Pianist
from models.arranger.playable import violations
from models.arranger.played import BarHeard, Pedal, Played, Release, action_order, joined
from models.arranger.songs import parse_chord

VALUES = {"density": 1.0, "register": 0.0, "dynamics": 0.5, "pedal": "on", "melody": "in", "seed": 1.0}
CHORDS = ("C", "A:min", "F:maj7", "G/3", "N", "E:7")


def heard(number=0, chords=("C",) * 4, melody=(), loudness=0.5, tempo_bpm=120.0):
    rows = np.stack([parse_chord(name) for name in chords])
    return BarHeard(rows, tuple(melody), np.full(16, loudness), len(chords), tempo_bpm, number)


def notes_of(actions):
    return [action for action in actions if isinstance(action, Played)]


written = st.builds(Written, st.integers(0, 15), st.integers(1, 16), st.integers(21, 108), st.floats(0, 1))
bars = st.lists(
    st.tuples(
        st.lists(written, max_size=40),
        st.builds(
            heard,
            st.integers(-5, 500),
            st.lists(st.sampled_from(CHORDS), min_size=1, max_size=4),
            st.lists(written, max_size=6),
            st.floats(0, 1),
            st.floats(40, 240),
        ),
    ),
    min_size=1,
    max_size=8,
)
asked = st.fixed_dictionaries(
    {
        "density": st.floats(0.25, 2), "register": st.floats(-24, 24), "dynamics": st.floats(0, 1),
        "pedal": st.sampled_from(("on", "off")), "melody": st.sampled_from(("in", "out")), "seed": st.integers(0, 9999),
    }
)  # fmt: skip


@given(bars, asked)
@settings(max_examples=150, deadline=None)
def test_whatever_is_written_two_hands_can_play_it(song, values):
    pianist, line = Pianist(values), []
    for notes, bar in song:
        actions = pianist.play(notes, bar)
        assert list(actions) == sorted(actions, key=action_order)
        for note in notes_of(actions):
            assert 0 <= note.step < bar.steps
            assert note.length > 0
            assert 21 <= note.pitch <= 108
            assert 1 <= note.velocity <= 127
            assert note.hand in ("left", "right")
        assert all(0 <= action.step < bar.steps for action in actions)
        line.append((actions, bar))
    notes = joined((actions, bar.steps) for actions, bar in line)
    assert all(note.length > 0 for note in notes)
    assert violations([in_seconds(note, [bar for _, bar in line]) for note in notes]) == []


def in_seconds(note, played):
    """Return a row in seconds of a note of bars that are each of their own tempo; the last one's goes on."""
    lengths = [bar.steps for bar in played] + [64]
    seconds = [bar.seconds_a_step for bar in played]
    steps, times = np.cumsum([0, *lengths]), np.cumsum([0.0, *np.multiply(lengths, [*seconds, seconds[-1]])])
    onset, offset = np.interp([note.step, note.step + note.length], steps, times)
    return float(onset), float(offset), note.pitch, note.hand


@given(bars, asked)
@settings(max_examples=60, deadline=None)
def test_equal_bars_are_played_alike_and_after_a_reset_again(song, values):
    first, other = Pianist(values), Pianist(values)
    played = [first.play(notes, bar) for notes, bar in song]
    assert [other.play(notes, bar) for notes, bar in song] == played
    first.reset()
    assert [first.play(notes, bar) for notes, bar in song] == played


@given(bars)
@settings(max_examples=100, deadline=None)
def test_the_lowest_note_of_every_step_is_played_and_the_highest_or_the_melody(song):
    pianist = Pianist(VALUES)
    struck: dict[int, float] = {}
    begin = 0.0
    for notes, bar in song:
        steps = defaultdict(set)
        for note in notes:
            if note.step < bar.steps:
                steps[note.step].add(note.pitch)
        sounds = {(note.step, note.pitch) for note in notes_of(pianist.play(notes, bar))}
        melody = {(m.step + off, m.pitch % 12) for m in bar.melody for off in (-1, 0, 1)}
        for step, pitches in sorted(steps.items()):
            now = begin + step * bar.seconds_a_step
            least = REPEAT_SECONDS * BEATS_MAY_HURRY + 1e-6
            free = {pitch for pitch in pitches if now - struck.get(pitch, -9.0) >= least}
            if free == pitches:
                assert (step, min(pitches)) in sounds
                tops = {max(pitches)} | {pitch for pitch in pitches if (step, pitch % 12) in melody}
                assert any((step, pitch) in sounds for pitch in tops)
            struck |= {pitch: now for at, pitch in sounds if at == step}
        begin += bar.steps * bar.seconds_a_step


@given(bars, st.floats(0.25, 1))
@settings(max_examples=60, deadline=None)
def test_fewer_notes_are_asked_for_and_fewer_are_played_none_of_them_new(song, density):
    for notes, bar in song:
        all_of_them = notes_of(Pianist(VALUES | {"density": 1.0}).play(notes, bar))
        fewer = notes_of(Pianist(VALUES | {"density": density}).play(notes, bar))
        places = {(note.step, note.pitch) for note in notes}
        assert {(note.step, note.pitch) for note in fewer} <= places
        if all_of_them:
            assert fewer


ALBERTI = tuple(Written(step, 2, pitch, 0.9 - 0.01 * step) for step, pitch in enumerate((48, 55, 52, 55) * 2))
ALBERTI = tuple(replace(note, step=2 * note.step) for note in ALBERTI)
TUNE = (Written(0, 8, 76, 0.4), Written(8, 8, 79, 0.4))


def test_bass_and_melody_stay_when_the_unsure_notes_go():
    bar = heard(melody=(Written(0, 8, 76), Written(9, 7, 67)))
    kept = notes_of(Pianist(VALUES | {"density": 0.25}).play(ALBERTI + TUNE, bar))
    assert {(note.step, note.pitch) for note in kept} == {(0, 48), (0, 76), (8, 79)}


def test_the_surest_of_the_others_are_the_last_to_go():
    bar = heard(melody=(Written(0, 8, 76), Written(9, 7, 67)))
    kept = notes_of(Pianist(VALUES | {"density": 0.5}).play(ALBERTI + TUNE, bar))
    assert {(note.step, note.pitch) for note in kept} - {(0, 48), (0, 76), (8, 79)} == {(2, 55), (4, 52)}


def test_more_notes_are_doublings_and_tones_of_the_chord_below_the_melody():
    plain = notes_of(Pianist(VALUES).play(ALBERTI + TUNE, heard()))
    full = notes_of(Pianist(VALUES | {"density": 2.0}).play(ALBERTI + TUNE, heard()))
    places = {(note.step, note.pitch) for note in plain}
    added = {(note.step, note.pitch) for note in full} - places
    assert places <= {(note.step, note.pitch) for note in full}
    assert len(added) >= 6
    assert (0, 36) in added
    assert (0, 64) in added
    assert all(pitch % 12 in (0, 4, 7) and step % 2 == 0 and pitch < 79 for step, pitch in added)
    softer = [note.velocity for note in full if (note.step, note.pitch) in added]
    assert max(softer) < min(
        note.velocity for note in full if note.pitch in (48, 76, 79) and (note.step, note.pitch) in places
    )


def test_without_a_chord_nothing_but_octaves_is_added():
    full = notes_of(Pianist(VALUES | {"density": 2.0}).play(ALBERTI + TUNE, heard(chords=("N",) * 4)))
    added = {(note.step, note.pitch) for note in full} - {(note.step, note.pitch) for note in ALBERTI + TUNE}
    assert {pitch % 12 for _, pitch in added} <= {0, 4, 7}
    assert all((step, pitch + 12) in {(n.step, n.pitch) for n in ALBERTI + TUNE} for step, pitch in added)


@given(
    st.lists(st.integers(21, 108), min_size=1, max_size=4, unique=True),
    st.sampled_from((-24, -18, -12, -5, 0, 6, 12, 24)),
)
def test_a_register_keeps_pitch_classes_and_the_order_of_a_chord(pitches, register):
    notes = [Written(0, 4, pitch, 1.0) for pitch in sorted(pitches)]
    struck = notes_of(Pianist(VALUES | {"register": register}).play(notes, heard()))
    moved = [note.pitch for note in struck]
    if len(moved) == len(notes):
        assert [pitch % 12 for pitch in moved] == [note.pitch % 12 for note in notes]
        assert moved == sorted(moved)
    wanted = 12 * np.floor(register / 12 + 0.5)
    if all(21 <= pitch + wanted <= 108 for pitch in pitches) and len(moved) == len(notes):
        assert moved == [note.pitch + wanted for note in notes]


def test_the_melody_lies_above_what_goes_with_it_and_loud_is_loud():
    bar = heard(melody=TUNE)
    for values in (VALUES, VALUES | {"dynamics": 0.0}, VALUES | {"dynamics": 1.0}):
        struck = notes_of(Pianist(values).play(ALBERTI + TUNE, bar))
        tune = [note.velocity for note in struck if note.pitch > 70]
        assert min(tune) > max(note.velocity for note in struck if 48 < note.pitch < 70)
    soft, loud = (notes_of(Pianist(VALUES).play(ALBERTI, heard(loudness=level))) for level in (0.1, 0.9))
    assert all(a.velocity + 10 < b.velocity for a, b in zip(soft, loud, strict=True))
    level = [notes_of(Pianist(VALUES | {"dynamics": 0.0}).play(ALBERTI, heard(loudness=x))) for x in (0.1, 0.9)]
    assert level[0] == level[1]


def test_downbeats_are_stressed_and_what_lies_between_beats_is_not():
    repeated = [Written(step, 1, 60, 1.0) for step in range(0, 16, 2)]
    played = [notes_of(Pianist(VALUES | {"dynamics": 1.0}).play(repeated, heard(n))) for n in range(40)]
    mean = np.mean([[note.velocity for note in notes] for notes in played], 0)
    assert mean[0] > mean[[2, 4, 6]].max()
    assert mean[[2, 4, 6]].min() > mean[1::2].max()


def test_another_seed_plays_the_same_keys_otherwise():
    one, other = (notes_of(Pianist(VALUES | {"seed": seed}).play(ALBERTI, heard())) for seed in (1, 2))
    assert one != other
    assert [replace(note, velocity=1) for note in one] == [replace(note, velocity=1) for note in other]


def test_a_key_held_over_the_bar_line_is_let_go_when_it_is_struck_again():
    pianist = Pianist(VALUES)
    (first,) = notes_of(pianist.play([Written(12, 16, 48)], heard(0)))
    assert (first.step, first.length) == (12, 16)
    actions = pianist.play([Written(4, 2, 48)], heard(1))
    assert Release(4.0, 48) in actions
    assert actions.index(Release(4.0, 48)) < actions.index(notes_of(actions)[0])
    assert not any(isinstance(action, Release) for action in pianist.play([Written(4, 2, 50)], heard(2)))


def test_what_was_held_is_forgotten_when_it_is_reset():
    pianist = Pianist(VALUES)
    pianist.play([Written(12, 16, 48)], heard(0))
    pianist.reset()
    actions = pianist.play([Written(4, 2, 48)], heard(1))
    assert not any(isinstance(action, Release) for action in actions)


@pytest.mark.parametrize("wanted", ["on", "off"])
def test_the_pedal_changes_with_the_chords_or_is_left_alone(wanted):
    actions = Pianist(VALUES | {"pedal": wanted}).play(
        [Written(0, 8, 48), Written(8, 8, 53)], heard(chords=("C", "C", "F", "F"))
    )
    moves = [(action.step, action.down) for action in actions if isinstance(action, Pedal)]
    assert moves == ([(0.5, True), (8, False), (8.5, True)] if wanted == "on" else [])


def test_values_are_taken_from_the_next_bar_on():
    pianist = Pianist(VALUES)
    pianist.read(VALUES | {"register": 12})
    assert [note.pitch for note in notes_of(pianist.play([Written(0, 4, 60)], heard()))] == [72]
