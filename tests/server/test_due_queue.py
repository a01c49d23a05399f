"""What an output of MIDI owes whoever plays: order, no stale start, no hanging note. Time is given by hand."""

from hypothesis import given
from hypothesis import strategies as st

from server.midi.due_queue import MOST_PENDING, NEVER, STALE_NS, DueQueue

MS = 1_000_000
HEARTBEAT = 200 * MS


def queue():
    written = []
    return DueQueue(written.append, HEARTBEAT, 0), written


def on(pitch):
    return 0x90, pitch, 100


def off(pitch):
    return 0x80, pitch, 0


def test_an_event_waits_for_its_time():
    out, written = queue()
    out.take(5 * MS, *on(60), 0)
    out.take(9 * MS, *off(60), 0)
    assert out.next() == 5 * MS
    out.run(5 * MS - 1)
    assert written == []
    out.run(5 * MS)
    assert written == [bytes(on(60))]
    assert out.next() == 9 * MS
    out.run(12 * MS)
    assert written == [bytes(on(60)), bytes(off(60))]
    assert out.counts()["lateness_us"]["longest"] == 3000


def test_no_event_overtakes_one_that_came_before():
    out, written = queue()
    out.take(8 * MS, *on(60), 0)
    out.take(3 * MS, *off(60), 0)
    out.run(7 * MS)
    assert written == []
    out.run(8 * MS)
    assert [message[0] for message in written] == [0x90, 0x80]


def test_a_stale_note_does_not_start_and_a_stale_end_does_end():
    out, written = queue()
    out.take(0, *on(60), 0)
    out.run(0)
    now = STALE_NS + 1
    out.take(0, *on(61), now)
    out.take(0, *off(60), now)
    out.run(now)
    assert [message[:2] for message in written] == [bytes(on(60))[:2], bytes(off(60))[:2]]
    assert out.counts()["lost_events"] == 1


def test_a_silent_sender_ends_the_notes_once_and_what_waits_is_forgotten():
    out, written = queue()
    out.take(0, *on(60), 0)
    out.take(0, 0xB0, 64, 127, 0)
    out.take(900 * MS, *on(61), 0)
    out.run(0)
    out.beat(100 * MS)
    assert out.next() == 300 * MS
    out.run(299 * MS)
    assert len(written) == 2
    out.run(300 * MS)
    assert [tuple(message) for message in written[2:]] == [off(60), (0xB0, 64, 0)]
    assert out.next() == NEVER
    out.run(1000 * MS)
    assert out.counts()["lost_heartbeats"] == 1
    out.take(1001 * MS, *on(62), 1000 * MS)
    out.run(1001 * MS)
    assert tuple(written[-1]) == on(62), "it plays on when the sender is back"


def test_a_flood_drops_starts_and_keeps_ends():
    out, written = queue()
    for number in range(MOST_PENDING + 10):
        out.take(MS, *on(number % 128), 0)
    for pitch in range(128):
        out.take(MS, *off(pitch), 0)
    out.run(MS)
    assert out.counts()["lost_events"] == 10
    assert sum(m[0] == 0x90 for m in written) == sum(m[0] == 0x80 for m in written)


message = st.one_of(
    st.tuples(st.sampled_from((0x80, 0x90, 0x91, 0xB0, 0xE0)), st.integers(58, 64), st.integers(0, 127)),
    st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255)),
)
turn = st.tuples(st.integers(0, 300), st.integers(-500, 3000), message | st.none())


@given(st.lists(turn, max_size=80))
def test_whatever_comes_no_note_hangs_or_is_doubled(turns):
    out, written = queue()
    now = 0
    for passed, ahead, said in turns:
        now += passed * MS
        if said is not None:
            out.take(now + ahead * MS, *said, now)
        out.run(now)
    out.end_all()
    sounding = set()
    for status, data1, data2 in written:
        key = status & 0x0F, data1
        if status & 0xF0 == 0x90 and data2:
            assert key not in sounding
            sounding.add(key)
        elif status & 0xF0 in (0x80, 0x90):
            sounding.remove(key)
    assert not sounding
