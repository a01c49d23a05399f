"""The arranger's stream: bars on the host's grid or on the beat that is heard, committed ahead or a constant latency later."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from models.events import ControlChange, NoteOff, NoteOn, Transport
from models.manifest import ManifestError
from models.model_file import read_manifest
from models.registry import open_processor
from server.live_stream import LiveStream
from server.onnx_step import OnnxStep, open_session
from server.run_file import run_stream

RATE = 16_000
BEAT = RATE // 2  # 120 bpm
STEP = BEAT / 4
BAR = 4 * BEAT
ROLL = (Transport(0, True, 0, 120.0),)


@pytest.fixture
def open_stream(arranger_folder):
    """A function (rate=RATE, **settings) -> a stream of an arranger that plays what begins."""
    path = arranger_folder / "plain_arranger"
    manifest = read_manifest(path)

    def make(rate=RATE, **settings):
        steps = {graph.name: OnnxStep(open_session(path, file=graph.file), graph) for graph in manifest.graphs}
        return LiveStream(open_processor(manifest, steps, manifest.resolve(settings)), rate)

    return make


def notes(take) -> list[NoteOn]:
    return [event for event in take.events() if isinstance(event, NoteOn)]


def off_the_grid(found: list[NoteOn], step: float = STEP) -> float:
    """Return how far, in samples, a note begins from the nearest sixteenth at most."""
    return max(abs(note.sample - round(note.sample / step) * step) for note in found)


def played_on(found: list[NoteOn]) -> set[tuple[int, int]]:
    """Return the sixteenth and the pitch of each note."""
    return {(round(note.sample / STEP), note.pitch) for note in found}


def test_a_file_with_a_transport_is_followed_on_its_grid_from_its_first_bar_to_its_last(open_stream, song):
    stream = open_stream()
    take = run_stream(stream, song(RATE, 24), ROLL, 512)
    found = notes(take)
    assert {e.due - e.place for e, _ in take.emissions if isinstance(e.event, NoteOn)} == {stream.declared}
    assert stream.declared == 16 * RATE + 319
    assert off_the_grid(found) <= 1
    bars = {int(note.sample + 1) // BAR for note in found}
    assert bars == set(range(6))
    bass = {(place, pitch) for place, pitch in played_on(found) if pitch < 50}
    assert {(16 * bar, pitch - 12) for bar, pitch in enumerate((45, 41, 48, 43, 45, 41))} & bass


def test_what_it_plays_is_what_was_heard_on_that_sixteenth(open_stream, song):
    found = played_on(notes(run_stream(open_stream(), song(RATE, 24), ROLL, 512)))
    heard = {(8 * bar * 2, pitch) for bar, pitch in enumerate((33, 29, 36, 31))}
    assert len({(place % 64, pitch) for place, pitch in found} & heard) >= 3
    high = [place for place, pitch in found if pitch >= 60]
    assert np.mean(np.array(high) % 2 == 0) > 0.9, "the song has eighths alone"


@pytest.mark.parametrize(
    "settings", [{}, {"stream": "live"}, {"stream": "live", "mode": "follow"}, {"mode": "plan"}], ids=str
)
def test_equal_streams_play_alike_whatever_the_block(open_stream, song, settings):
    sound = song(RATE, 16)
    takes = [run_stream(open_stream(**settings), sound, ROLL, block) for block in (64, 441, 8192)]
    assert notes(takes[0])
    assert takes[0].events() == takes[1].events() == takes[2].events()


@pytest.mark.parametrize("mode", ["plan", "follow"])
def test_live_bars_lie_on_the_grid_and_are_committed_before_their_downbeat(open_stream, song, mode):
    stream = open_stream(stream="live", mode=mode)
    assert stream.declared == 0
    sound, found, told = song(RATE, 32), [], {}
    for start in range(0, sound.shape[1], 320):
        outgoing = stream.process(start, sound[:, start : start + 320], ROLL if start == 0 else ())
        found += [e for e in outgoing.emissions if isinstance(e.event, NoteOn)]
        committed = stream._processor.committed
        if committed is not None:
            told[committed.number] = committed
    assert stream.scheduler.late == stream._processor.late == 0
    assert off_the_grid([e.event for e in found]) <= 1
    assert {e.due - e.place for e in found} == {0}
    assert min(found, key=lambda e: e.due).due >= BAR - 1, "nothing was heard before"
    before = [bar.downbeat - bar.at for number, bar in told.items() if number > 0]
    assert len(before) >= 6
    assert min(before) >= RATE // 10


def test_a_bar_behind_it_plays_what_the_bar_before_was(open_stream, song):
    sound = song(RATE, 32)
    behind = played_on(notes(run_stream(open_stream(stream="live", mode="follow"), sound, ROLL, 512)))
    follows = played_on(notes(run_stream(open_stream(), sound, ROLL, 512)))
    moved = {(place + 16, pitch) for place, pitch in follows}
    early = {(place, pitch) for place, pitch in behind if place % 16 < 8}
    assert len(early & moved) > 0.8 * len(early)


def test_a_stop_ends_what_sounds_and_takes_back_what_was_planned(open_stream, song):
    stop = 11 * BEAT + 777
    events = (*ROLL, Transport(stop, False, stop, 120.0, stop / BEAT))
    take = run_stream(open_stream(stream="live"), song(RATE, 24), events, 512)
    assert notes(take)
    later = [e for e in take.events() if e.sample > stop + 1]
    assert {(e.control, e.value) for e in later if isinstance(e, ControlChange)} <= {(64, 0)}
    assert all(isinstance(e, ControlChange) for e in later)
    assert not sounding(take)


def test_the_second_pass_of_a_loop_plays_what_was_heard_on_the_first(open_stream, song):
    sound, loop = song(RATE, 16), 8 * BEAT
    twice = np.concatenate([sound[:, :loop]] * 3, axis=1)
    jumps = tuple(Transport(n * loop, True, 0, 120.0) for n in (1, 2))
    take = run_stream(open_stream(stream="live"), twice, (*ROLL, *jumps), 512)
    assert not sounding(take)
    heard = played_on(notes(run_stream(open_stream(), sound[:, :loop], ROLL, 512)))
    third = {(place - 64, pitch) for place, pitch in played_on(notes(take)) if 64 <= place < 96}
    assert len(third & heard) > 0.8 * len(third)
    assert {place for place, _ in third if place < 16}, "the loop's first bar is known and played at once"


def test_followed_to_a_stop_all_that_lies_before_it_is_still_played(open_stream, song):
    stop = 10 * BEAT
    events = (*ROLL, Transport(stop, False, stop, 120.0, 10.0))
    take = run_stream(open_stream(), song(RATE, 24), events, 512)
    found = notes(take)
    assert {int(note.sample + 1) // BAR for note in found} == {0, 1, 2}
    assert max(note.sample for note in found) < stop
    assert not sounding(take)


def test_two_four_and_three_four_are_played_in_their_bars(open_stream, song):
    for beats in (2.0, 3.0):
        take = run_stream(open_stream(), song(RATE, 24), (Transport(0, True, 0, 120.0, beats_a_bar=beats),), 512)
        found = notes(take)
        assert off_the_grid(found) <= 1
        assert {int(note.sample + 1) // BEAT for note in found} >= set(range(20))


def test_a_tempo_that_wavers_from_beat_to_beat_is_followed(open_stream, song):
    beats = np.concatenate([[0], np.cumsum(0.5 + 0.04 * np.sin(np.arange(24)))])
    told = [Transport(round(RATE * at), True, round(RATE * at), 60 / (after - at), float(n), n // 4 + 1, float(n % 4))
            for n, (at, after) in enumerate(pairwise(beats))]  # fmt: skip
    found = notes(run_stream(open_stream(), song(RATE, 24), told, 512))
    lines = np.interp(np.arange(96) / 4, np.arange(25), beats) * RATE
    assert len(found) > 30
    assert max(np.abs(lines - note.sample).min() for note in found) <= 1


def test_without_a_host_it_follows_the_beat_that_it_hears(open_stream, song):
    first = 0.37
    take = run_stream(open_stream(metre="4/4"), song(RATE, 64, first=first), (), 512)
    found = notes(take)
    assert len(found) > 50
    eighth = BEAT / 2
    away = np.array([(note.sample - first * RATE + eighth / 2) % eighth - eighth / 2 for note in found])
    middle = np.median(away)
    assert np.abs(middle) < 0.04 * RATE, "what is low seems to begin early in a long window"
    assert np.mean(np.abs(away - middle) < 0.02 * RATE) > 0.9
    tempos = [told.tempo_bpm for told in take.found]
    assert abs(np.median(tempos) - 120) < 1


def test_live_without_a_host_it_plays_in_time(open_stream, song):
    take = run_stream(open_stream(stream="live", metre="4/4"), song(RATE, 64, first=0.37), (), 512)
    found = notes(take)
    assert len(found) > 30
    sixteenth = BEAT / 4
    late = [n.sample - 0.37 * RATE for n in found if n.sample > 16 * RATE]
    away = np.array([(at + sixteenth / 2) % sixteenth - sixteenth / 2 for at in late])
    assert np.median(np.abs(away - np.median(away))) < 0.015 * RATE


def test_silence_and_noise_give_no_notes(open_stream, noise):
    for sound in (np.zeros((1, 12 * RATE), np.float32), noise(12 * RATE, level=0.003)):
        for events in (ROLL, ()):
            assert not run_stream(open_stream(), sound, events, 512).emissions


def test_other_chords_reach_the_network_and_the_pedal(open_stream, song):
    for words, changes in (("Am", 0), ("Am:2 F:2", 1)):
        take = run_stream(open_stream(chords=words), song(RATE, 24), ROLL, 512)
        ups = [e.sample / BAR % 1 for e in take.events() if isinstance(e, ControlChange) and e.value == 0]
        assert any(abs(place - 0.5) < 0.02 for place in ups) == bool(changes)


def test_a_texture_is_played_in_place_of_what_is_heard(open_stream, song):
    texture = "01=81=|41I"  # pitches 47 on 1 and 9, then 59 on 5
    found = played_on(notes(run_stream(open_stream(texture=texture), song(RATE, 24), ROLL, 512)))
    assert {(place % 32, pitch) for place, pitch in found} == {(0, 47), (8, 47), (20, 59)}


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("chords", "Am H7", "chords has 'H7'; a chord is a root"),
        ("chords", "Am:0", "chords has 'Am:0'; allowed: 1 to 16 beats"),
        ("texture", "/home/me/song.mid", "a .mid is read by `backline run` alone"),
    ],
)
def test_a_text_that_says_nothing_is_refused_and_changes_nothing(open_stream, song, name, value, reason):
    with pytest.raises(ManifestError, match=reason.replace("`", ".")):
        open_stream(**{name: value})
    stream, plain = open_stream(), open_stream()
    with pytest.raises(ManifestError):
        stream.set(name, value)
    sound = song(RATE, 16)
    assert run_stream(stream, sound, ROLL).events() == run_stream(plain, sound, ROLL).events()


def test_density_and_register_change_from_the_next_bar_on(open_stream, song):
    stream, sound, found = open_stream(stream="live"), song(RATE, 32), []
    for start in range(0, sound.shape[1], 320):
        if start == 8 * BEAT:
            stream.set("register", -12.0)
            stream.set("swing", 60.0)
        outgoing = stream.process(start, sound[:, start : start + 320], ROLL if start == 0 else ())
        found += [e.event for e in outgoing.emissions if isinstance(e.event, NoteOn)]
    middle = [
        np.median([n.pitch for n in found if first <= n.sample < last])
        for first, last in ((2 * BAR, 3 * BAR), (4 * BAR, 8 * BAR))
    ]
    assert middle[1] < middle[0] - 6
    with pytest.raises(KeyError):
        stream.set("mode", "plan")


def sounding(take) -> set[int]:
    """Return the pitches that are never ended, and 64 + 128 for a pedal that stays down."""
    left: set[int] = set()
    for event in take.events():
        if isinstance(event, NoteOn):
            left.add(event.pitch)
        elif isinstance(event, NoteOff):
            left.discard(event.pitch)
        elif isinstance(event, ControlChange):
            (left.add if event.value else left.discard)(64 + 128)
    return left
