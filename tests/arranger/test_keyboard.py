"""Keys and pedal in time: ends before starts, no key twice, what is late and what is cut."""

from __future__ import annotations

from math import inf

from models.arranger.keyboard import Keyboard
from models.arranger.played import Pedal, Played, Release
from models.events import ControlChange, NoteOff, NoteOn


def at(step: float) -> float:
    return 1000 * step


def note(step: float, length: float, pitch: int = 60) -> Played:
    return Played(step, length, pitch, 80, "right")


def test_a_key_goes_down_and_up_when_it_is_due_and_not_before():
    keyboard = Keyboard()
    keyboard.add([note(1, 2)], at, -inf, inf)
    assert keyboard.play(1000, 0, float) == []
    assert keyboard.play(1001, 0, float) == [NoteOn(1000, 60, 80)]
    assert keyboard.play(3000, 0, float) == []
    assert keyboard.play(9999, 0, float) == [NoteOff(3000, 60)]


def test_a_key_that_is_struck_while_it_is_held_is_let_go_first():
    keyboard = Keyboard()
    keyboard.add([note(0, 8)], at, -inf, inf)
    keyboard.add([note(2, 1)], at, -inf, inf)
    assert keyboard.play(9999, 0, float) == [
        NoteOn(0, 60, 80),
        NoteOff(2000, 60),
        NoteOn(2000, 60, 80),
        NoteOff(3000, 60),
    ]


def test_a_release_ends_a_key_sooner_and_one_that_is_up_is_left_alone():
    keyboard = Keyboard()
    keyboard.add([note(0, 8), Release(4, 60), Release(5, 60), Release(1, 72)], at, -inf, inf)
    assert keyboard.play(9999, 0, float) == [NoteOn(0, 60, 80), NoteOff(4000, 60)]


def test_the_pedal_moves_after_keys_went_up_and_before_they_go_down():
    keyboard = Keyboard()
    keyboard.add([note(0, 1), note(1, 1, 62), Pedal(1, True), Pedal(3, True)], at, -inf, inf)
    said = keyboard.play(9999, 0, float)
    assert said == [
        NoteOn(0, 60, 80), NoteOff(1000, 60), ControlChange(1000, 64, 127), NoteOn(1000, 62, 80), NoteOff(2000, 62),
    ]  # fmt: skip


def test_what_is_known_too_late_is_not_struck_and_is_counted():
    keyboard = Keyboard()
    keyboard.add([note(0, 4), note(2, 4, 62), Pedal(1, True)], at, -inf, inf)
    assert keyboard.play(2001, 2000, float) == [ControlChange(2000, 64, 127), NoteOn(2000, 62, 80)]
    assert keyboard.late == 1
    keyboard.add([note(2.01, 1, 64)], at, -inf, inf)
    assert keyboard.play(2400, 2100, float, slack=100) == [NoteOn(2100, 64, 80)]


def test_a_bar_is_played_where_it_was_entered_until_it_was_left():
    keyboard = Keyboard()
    keyboard.add([note(0, 1), note(2, 9, 62), note(4, 1, 64), note(3.999, 1, 65)], at, 1000, 4000)
    assert keyboard.play(9999, 0, float) == [NoteOn(2000, 62, 80), NoteOff(4000, 62)]


def test_a_change_of_tempo_moves_what_is_to_come():
    keyboard = Keyboard()
    keyboard.add([note(1, 2)], at, -inf, inf)
    keyboard.play(1001, 0, float)
    assert keyboard.play(9999, 1001, lambda place: 1000 + (place - 1000) / 2) == [NoteOff(2000, 60)]


def test_the_end_lets_everything_go_and_forgets_what_was_to_come():
    keyboard = Keyboard()
    keyboard.add([note(0, 9), note(0, 9, 64), Pedal(0, True), note(5, 1, 70)], at, -inf, inf)
    keyboard.play(1, 0, float)
    assert keyboard.end(777) == [NoteOff(777, 60), NoteOff(777, 64), ControlChange(777, 64, 0)]
    assert keyboard.play(99_999, 0, float) == keyboard.end(999) == []
