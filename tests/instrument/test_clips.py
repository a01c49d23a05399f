"""Whatever MIDI a user has becomes a clip: tracks, tempo maps, notes that overlap, are empty or never end."""

from pathlib import Path

import mido
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.events import ControlChange, NoteOff, NoteOn, PitchBend
from server.errors import BacklineError
from server.midi.clip import Clip, read_clip
from server.midi.file import read_midi

RATE = 48_000
BEAT = RATE // 2  # samples at 120 bpm


def track(*messages: tuple[float, str, dict[str, int]], name: str = "") -> mido.MidiTrack:
    """Return a track of (beat, type, fields)."""
    found, now = mido.MidiTrack([mido.MetaMessage("track_name", name=name)] if name else []), 0
    for beat, kind, fields in messages:
        tick = round(480 * beat)
        made = mido.MetaMessage if kind in ("set_tempo", "end_of_track") else mido.Message
        found.append(made(kind, **fields, time=tick - now))
        now = tick
    return found


def note(start: float, end: float, pitch: int, channel: int = 0, velocity: int = 90):
    fields = {"note": pitch, "channel": channel}
    return (start, "note_on", fields | {"velocity": velocity}), (end, "note_off", fields | {"velocity": 0})


def notes(*rows) -> list:
    """Return the rows' messages in order of time, ends before starts."""
    return sorted((message for row in rows for message in note(*row)), key=lambda m: (m[0], m[1] == "note_on"))


def read(folder: Path, *tracks: mido.MidiTrack, kind: int = 1, chosen: tuple[str, ...] = (), **options) -> Clip:
    mido.MidiFile(type=kind, tracks=list(tracks)).save(folder / "clip.mid")
    return read_clip(folder / "clip.mid", RATE, chosen, **options)


def heard(clip: Clip) -> list[tuple[float, float, int, int]]:
    """Return (start, end, pitch, channel) of a clip's notes in beats; one that doubles or hangs is an error."""
    sounding, found = {}, []
    for event in clip.events:
        if isinstance(event, NoteOn):
            assert (event.channel, event.pitch) not in sounding
            sounding[event.channel, event.pitch] = event.sample
        elif isinstance(event, NoteOff):
            start = sounding.pop((event.channel, event.pitch))
            assert event.sample > start
            found.append((start / BEAT, event.sample / BEAT, event.pitch, event.channel))
    assert not sounding
    return sorted(found)


def test_all_tracks_are_mixed_and_drums_are_left_out_with_a_sentence(tmp_path):
    parts = track(*notes((0, 1, 60))), track(*notes((0, 1, 36, 9), (1, 2, 38, 9))), track(*notes((1, 2, 72, 3)))
    clip = read(tmp_path, *parts)
    assert heard(clip) == [(0, 1, 60, 0), (1, 2, 72, 3)]
    assert clip.remarks == ("clip.mid: channel 10 is drums; its 2 notes are left out",)
    assert len(heard(read(tmp_path, *parts, with_drums=True))) == 4


def test_a_track_is_chosen_by_number_or_name_and_so_may_drums_be(tmp_path):
    parts = track(name="Tempo"), track(*notes((0, 1, 60)), name="Violin"), track(*notes((0, 1, 36, 9)), name="Kit")
    for word in ("2", "violin", " Violin "):
        assert heard(read(tmp_path, *parts, chosen=(word,))) == [(0, 1, 60, 0)]
    assert heard(read(tmp_path, *parts, chosen=("kit",))) == [(0, 1, 36, 9)]
    assert len(heard(read(tmp_path, *parts, chosen=("3", "2")))) == 2
    for word in ("1", "4", "Cello"):
        with pytest.raises(BacklineError, match=rf"has no track '{word}' with notes; there are: 2 'Violin', 3 'Kit'"):
            read(tmp_path, *parts, chosen=(word,))


def test_the_channels_of_a_file_of_one_track_are_its_tracks(tmp_path):
    part = track(*notes((0, 1, 60, 0), (0, 1, 64, 4)))
    assert heard(read(tmp_path, part, kind=0, chosen=("5",))) == [(0, 1, 64, 4)]
    with pytest.raises(BacklineError, match="there are: 1 'channel 1', 5 'channel 5'"):
        read(tmp_path, part, kind=0, chosen=("2",))


def test_a_tempo_map_of_one_track_moves_the_notes_of_all(tmp_path):
    tempi = track(
        (0, "set_tempo", {"tempo": 500_000}),
        (1, "set_tempo", {"tempo": 250_000}),
        (2, "set_tempo", {"tempo": 1_000_000}),
    )
    clip = read(tmp_path, track(*notes((0, 1, 60), (1, 2, 62), (2, 3, 64))), tempi)
    assert heard(clip) == [(0, 1, 60, 0), (1, 1.5, 62, 0), (1.5, 3.5, 64, 0)]
    assert clip.events == read_midi(tmp_path / "clip.mid", RATE)


def test_notes_of_one_pitch_that_overlap_are_parted_and_their_sum_sounds(tmp_path):
    clip = read(
        tmp_path,
        track(*notes((0, 2, 60))),
        track(*notes((1, 3, 60), (5, 6, 60))),
        track(*notes((5, 7, 60), (5.5, 5.75, 60))),
    )
    assert heard(clip) == [(0, 1, 60, 0), (1, 3, 60, 0), (5, 5.5, 60, 0), (5.5, 7, 60, 0)]
    assert clip.remarks == ()


def test_a_note_without_a_length_is_given_one_and_one_without_an_end_ends_with_the_file(tmp_path):
    on, off = ("note_on", {"note": 60, "velocity": 90}), ("note_off", {"note": 60})
    part = track((0, *on), (0, *off), (2, "note_on", {"note": 65, "velocity": 1}), (8, "end_of_track", {}))
    clip = read(tmp_path, part)
    assert heard(clip) == [(0, 0.1, 60, 0), (2, 8, 65, 0)]
    assert clip.length == 8 * BEAT
    assert set(clip.remarks) == {
        "clip.mid: 1 notes without a length last 50 ms",
        "clip.mid: 1 notes never end; they end with the file",
    }


def test_chords_controllers_pedal_and_bends_stay_as_they_are(tmp_path):
    said = [
        (0, "control_change", {"control": 1, "value": 20}), (0, "control_change", {"control": 64, "value": 127}),
        (0.5, "control_change", {"control": 11, "value": 99}), (0.5, "pitchwheel", {"pitch": -100}),
    ]  # fmt: skip
    clip = read(tmp_path, track(*sorted([*said, *notes((0, 1, 60), (0, 1, 64), (0, 1, 67))], key=lambda m: m[0])))
    assert [e for e in clip.events if not isinstance(e, NoteOn | NoteOff)] == [
        ControlChange(0, 1, 20), ControlChange(0, 64, 127), ControlChange(BEAT / 2, 11, 99), PitchBend(BEAT / 2, -100),
    ]  # fmt: skip
    assert len(heard(clip)) == 3


@pytest.mark.parametrize(("tracks", "sentence"), [
    ((track((4, "end_of_track", {})),), "holds no note$"),
    ((track(*notes((0, 1, 36, 9))),), "holds no note but drums"),
])  # fmt: skip
def test_a_file_that_has_nothing_to_play_is_named(tmp_path, tracks, sentence):
    with pytest.raises(BacklineError, match=sentence):
        read(tmp_path, *tracks)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, 12), st.integers(60, 62), st.integers(0, 1), st.booleans()),
        min_size=1,
        max_size=12,
    )
)
def test_no_notes_however_they_lie_hang_or_double_and_none_is_lost(tmp_path, rows):
    parts = [[], []]
    for start, length, pitch, channel, second in rows:
        parts[second] += note(start / 4, (start + length) / 4, pitch, channel)
    clip = read(tmp_path, *(track(*sorted(part, key=lambda m: m[0])) for part in parts))
    found = heard(clip)
    for start, length, pitch, channel, _ in rows:
        begins = start / 4
        assert any((b, p, c) == (begins, pitch, channel) for b, _, p, c in found)
        covered = [(b, e) for b, e, p, c in found if (p, c) == (pitch, channel)]
        assert all(any(b <= beat < e for b, e in covered) for beat in [begins + k / 8 for k in range(2 * length)])
