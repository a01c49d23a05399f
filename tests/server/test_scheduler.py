"""Events wait for the block that holds their sample."""

from hypothesis import given
from hypothesis import strategies as st

from models.events import ControlChange, NoteOff, NoteOn, PitchBend
from server.scheduler import Emission, Scheduler


def note(due: int, pitch: int = 60) -> Emission:
    return Emission(due, due, NoteOn(due, pitch, 100))


def test_an_event_leaves_in_the_block_that_holds_its_sample_and_not_before():
    scheduler = Scheduler()
    scheduler.add(note(63), now=0)
    scheduler.add(note(64), now=0)
    assert [e.due for e in scheduler.take(64)] == [63]
    assert [e.due for e in scheduler.take(65)] == [64]
    assert len(scheduler) == 0


def test_at_one_sample_notes_end_before_controllers_move_and_notes_start():
    scheduler = Scheduler()
    events = [NoteOn(5, 60, 1), PitchBend(5, 9), ControlChange(5, 64, 127), NoteOff(5, 60), NoteOn(5, 61, 1)]
    for event in events:
        scheduler.add(Emission(5, 5, event), now=0)
    assert [type(e.event) for e in scheduler.take(6)] == [NoteOff, ControlChange, PitchBend, NoteOn, NoteOn]


def test_equal_events_leave_in_the_order_they_came():
    scheduler = Scheduler()
    for pitch in (70, 10, 40):
        scheduler.add(note(7, pitch), now=0)
    assert [e.event.pitch for e in scheduler.take(8)] == [70, 10, 40]


def test_a_late_event_leaves_at_once_keeps_its_place_and_is_counted():
    scheduler = Scheduler()
    scheduler.add(note(99), now=100)
    assert scheduler.take(101) == [Emission(100, 99, NoteOn(99, 60, 100))]
    assert scheduler.late == 1
    scheduler.add(note(200), now=200)
    assert scheduler.late == 1


def test_clear_forgets_all_that_waits():
    scheduler = Scheduler()
    scheduler.add(note(3), now=0)
    scheduler.clear()
    assert scheduler.take(10**9) == []


@given(dues=st.lists(st.integers(0, 500)), blocks=st.lists(st.integers(1, 97), max_size=30))
def test_all_events_leave_once_in_order_whatever_the_blocks(dues, blocks):
    scheduler, taken, end = Scheduler(), [], 0
    for due in dues:
        scheduler.add(note(due), now=0)
    for block in [*blocks, 501]:
        end += block
        part = [e.due for e in scheduler.take(end)]
        assert all(end - block <= due < end for due in part)
        taken += part
    assert taken == sorted(dues)
