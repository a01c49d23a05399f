"""What is written to a MIDI file is what others read from it."""

import mido
import pretty_midi
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.events import ControlChange, Event, NoteOff, NoteOn, PitchBend, time_order
from server.midi.file import TEMPO_BPM, TICKS_PER_BEAT, read_midi, write_midi

RATES = st.sampled_from([8000, 16_000, 44_100, 48_000, 96_000, 192_000])
TICKS_PER_SECOND = TICKS_PER_BEAT * TEMPO_BPM / 60
PLAIN = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
Note = tuple[int, int, int, int, int]  # onset and offset in samples, pitch, velocity, channel


@st.composite
def melodies(draw: st.DrawFn, shortest: int = 1, longest: int = 100_000) -> list[Note]:
    """Notes on a few keys, each key struck only after its last note has ended; gaps and lengths from `shortest` samples."""
    notes = []
    for pitch, channel in draw(st.lists(st.tuples(st.integers(0, 127), st.integers(0, 15)), max_size=4, unique=True)):
        place = 0
        for gap, length, velocity in draw(
            st.lists(
                st.tuples(st.integers(0, longest), st.integers(shortest, longest), st.integers(1, 127)), max_size=6
            )
        ):
            notes.append((place + gap, place + gap + length, pitch, velocity, channel))
            place += gap + length
    return notes


def events_of(notes: list[Note]) -> list[Event]:
    """Return the notes as events in order."""
    events: list[Event] = [NoteOn(onset, pitch, velocity, channel) for onset, _, pitch, velocity, channel in notes]
    events += [NoteOff(offset, pitch, 0, channel) for _, offset, pitch, _, channel in notes]
    return sorted(events, key=time_order)


def notes_in(path) -> list[tuple[int, int, int, int, int]]:
    """Return the notes of a file in ticks, read with mido; a note that hangs, or ends before it begins, is an error."""
    sounding, notes, tick = {}, [], 0
    (track,) = mido.MidiFile(path).tracks
    for message in track:
        tick += message.time
        if message.type == "note_on":
            key = message.note, message.channel
            assert key not in sounding, f"{key} is struck while it sounds"
            sounding[key] = tick, message.velocity
        elif message.type == "note_off":
            onset, velocity = sounding.pop((message.note, message.channel))
            assert tick > onset
            notes.append((onset, tick, message.note, velocity, message.channel))
    assert not sounding, f"hanging: {sounding}"
    return sorted(notes)


@PLAIN
@given(notes=melodies(), rate=RATES)
def test_mido_reads_every_note_within_a_tick(tmp_path, notes, rate):
    write_midi(tmp_path / "a.mid", events_of(notes), rate, "a melody")
    read, written = notes_in(tmp_path / "a.mid"), sorted(notes, key=lambda note: (note[2], note[4], note[0]))
    assert len(read) == len(notes)
    crowded = any(
        b - a < 2 * rate / TICKS_PER_SECOND for a, b, *_ in notes
    )  # less than two ticks: moved up by its neighbours
    for one, other in zip(sorted(read, key=lambda note: (note[2], note[4], note[0])), written, strict=True):
        assert one[2:] == other[2:]
        if not crowded:
            assert abs(one[0] - other[0] * TICKS_PER_SECOND / rate) <= 1
            assert abs(one[1] - other[1] * TICKS_PER_SECOND / rate) <= 1


@PLAIN
@given(notes=melodies(shortest=1000), rate=RATES)
def test_pretty_midi_reads_every_note_within_a_tick(tmp_path, notes, rate):
    write_midi(tmp_path / "a.mid", events_of(notes), rate, "a melody")
    read = sorted(
        (note.pitch, round(note.start, 6), note.end, note.velocity)
        for part in pretty_midi.PrettyMIDI(str(tmp_path / "a.mid")).instruments
        for note in part.notes
    )
    written = sorted((pitch, onset / rate, offset / rate, velocity) for onset, offset, pitch, velocity, _ in notes)
    assert len(read) == len(written)
    for pitch in {row[0] for row in written}:
        for place in (1, 2):
            ours, theirs = (sorted(row[place] for row in rows if row[0] == pitch) for rows in (written, read))
            assert theirs == pytest.approx(ours, abs=1.01 / TICKS_PER_SECOND)
        assert sorted(r[3] for r in read if r[0] == pitch) == sorted(w[3] for w in written if w[0] == pitch)


@PLAIN
@given(
    notes=melodies(shortest=1000),
    rate=RATES,
    values=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 119), st.integers(0, 127)), max_size=5),
    bends=st.lists(st.tuples(st.integers(0, 10**6), st.integers(-8192, 8191)), max_size=5),
)
def test_what_we_write_we_read(tmp_path, notes, rate, values, bends):
    others: list[Event] = [ControlChange(sample, control, value, 3) for sample, control, value in values]
    others += [PitchBend(sample, value, 4) for sample, value in bends]
    written = sorted(
        [*events_of([(0, 1000, 60, 100, 0), *((a + 2000, b + 2000, *rest) for a, b, *rest in notes)]), *others],
        key=time_order,
    )
    write_midi(tmp_path / "a.mid", written, rate, "a melody")
    read = read_midi(tmp_path / "a.mid", rate)
    assert len(read) == len(written)

    def by_kind(events) -> list[tuple[object, ...]]:
        rows = [
            (
                type(e).__name__,
                e.channel,
                *[getattr(e, n) for n in ("pitch", "velocity", "control", "value") if hasattr(e, n)],
                e.sample,
            )
            for e in events
        ]
        return sorted(rows)

    for one, other in zip(by_kind(read), by_kind(written), strict=True):
        assert one[:-1] == other[:-1]
        assert abs(one[-1] - other[-1]) <= rate / TICKS_PER_SECOND


def test_repeated_notes_shorter_than_a_tick_neither_hang_nor_cross(tmp_path):
    trill = [(5 * n, 5 * n + 3, 60, 64, 0) for n in range(50)]
    write_midi(tmp_path / "a.mid", events_of(trill), 48_000, "a melody")
    assert len(notes_in(tmp_path / "a.mid")) == 50


def test_a_title_may_be_in_any_script(tmp_path):
    write_midi(tmp_path / "a.mid", events_of([(0, 1000, 60, 64, 0)]), 48_000, "Flöte und 笛")
    (track,) = mido.MidiFile(tmp_path / "a.mid", charset="utf-8").tracks
    assert track.name == "Flöte und 笛"


def test_notes_that_were_quantised_lie_on_the_beats_of_the_file(backline, inputs, tmp_path):
    words = ("--set", "quantise=1/32", "--set", "tempo_bpm=90", "--set", "mpe=on")
    assert backline("run", "probe", inputs / "good.wav", "-o", tmp_path / "a.mid", *words).code == 0
    file = mido.MidiFile(tmp_path / "a.mid")
    ticks, now = [], 0
    for message in file.tracks[0]:
        now += message.time
        if message.type == "note_on":
            ticks.append(now)
    assert ticks
    assert all(tick % (TICKS_PER_BEAT // 8) == 0 for tick in ticks)
    assert [m.tempo for m in file.tracks[0] if m.type == "set_tempo"] == [mido.bpm2tempo(90)]
    zone = [(m.channel, m.control, m.value) for m in file.tracks[0] if m.type == "control_change"][:3]
    assert zone == [(0, 100, 6), (0, 101, 0), (0, 6, 15)]
    assert backline("run", "probe", inputs / "good.wav", "-o", tmp_path / "b.mid", "--set", "swing=20").code == 2
