"""Notes in, audio out: the same samples whatever the blocks, late by what is declared, and on time where a clip is known ahead."""

from collections.abc import Callable

import numpy as np
import pytest

from models.events import ControlChange, Event, NoteOff, NoteOn, PitchBend, Transport
from models.latency import declare_latency
from server.clip_ahead import ClipAhead
from server.live_stream import LiveStream
from server.run_file import long_silence, run_stream

BLOCKS = (1, 63, 64, 441, 8192, 8193, (1, 1000, 17, 256, 3))
RATES = (8_000, 32_000, 44_100, 48_000, 192_000)


def melody(rate: int) -> list[Event]:
    """A note on ugly places, on the edges of hops and on neighbouring samples."""
    hop = 128 * rate // 32_000
    places = sorted({0, 1, hop - 1, hop, hop + 1, 10 * hop, round(0.1137 * rate), round(0.2 * rate) + 1})
    return [NoteOn(place, 60 + number, 100) for number, place in enumerate(places)]


def peaks(audio: np.ndarray, apart: int) -> list[int]:
    """Return where the audio's impulses are, which lie at least `apart` samples from each other."""
    found, level = [], np.abs(audio[0]).copy()
    least = 0.5 * level.max()
    while level.max() > least:
        found.append(int(np.argmax(level)))
        level[max(0, found[-1] - apart) : found[-1] + apart] = 0
    return sorted(found)


@pytest.mark.parametrize("rate", [32_000, 44_100, 48_000])
def test_every_block_size_gives_the_same_samples(open_chime, feed, rate):
    silence = np.zeros((1, round(0.4 * rate)), np.float32)
    whole = feed(open_chime(rate), silence, 8192, melody(rate))
    assert np.abs(whole.audio).max() > 0.5
    for block in BLOCKS:
        assert np.array_equal(feed(open_chime(rate), silence, block, melody(rate)).audio, whole.audio), block


@pytest.mark.parametrize("block", [64, 1000])
@pytest.mark.parametrize("rate", RATES)
def test_a_note_sounds_exactly_the_declared_latency_later(open_chime, feed, rate, block):
    stream, places = (
        open_chime(rate),
        [round(rate * seconds) + odd for seconds, odd in ((0.02, 1), (0.0617, 0), (0.11, 3))],
    )
    heard = feed(stream, np.zeros((1, round(0.2 * rate)), np.float32), block, [NoteOn(p, 60, 100) for p in places])
    assert peaks(heard.audio, rate // 100) == [place + stream.declared for place in places]


def test_who_hears_no_audio_waits_for_no_filter_on_the_way_in(open_chime):
    stream = open_chime()
    heard = declare_latency(stream.spec, 48_000)
    assert heard.resampler == 48 + 1 + 2
    assert stream.spec.channels_in == 0


def test_a_live_stream_without_notes_declares_what_its_audio_takes(open_chime):
    live, commit = open_chime(stream="live"), open_chime()
    assert live.declared == commit.declared == live.latency.total > 0


@pytest.mark.parametrize("moved", [1, 7, 128, 1001])
def test_a_file_lies_on_its_clip_and_moves_with_it(open_chime, moved):
    clip = [NoteOn(5_000, 60, 100), NoteOn(20_001, 62, 100)]
    later = [NoteOn(note.sample + moved, note.pitch, note.velocity) for note in clip]
    here = run_stream(open_chime(32_000), long_silence(32_000), tuple(clip)).audio
    there = run_stream(open_chime(32_000), long_silence(32_000), tuple(later)).audio
    assert peaks(here, 300) == [5_000, 20_001]
    assert np.array_equal(here[:, :-moved], there[:, moved:])


def test_at_another_rate_it_moves_by_the_same_samples(open_chime):
    for moved in (1, 7, 1001):
        notes = (NoteOn(5_000 + moved, 60, 100), NoteOn(20_001 + moved, 62, 100))
        assert peaks(run_stream(open_chime(), long_silence(48_000), notes).audio, 300) == [
            5_000 + moved,
            20_001 + moved,
        ]


class Ear:
    """A processor that keeps what it is told."""

    def __init__(self, spec) -> None:
        self.spec, self.told = spec, []

    def process(self, block):
        self.told += block.events
        return type(block)(block.start, np.zeros((1, self.spec.hop), np.float32))

    def reset(self) -> None:
        self.told.append("reset")


@pytest.mark.parametrize("block", [1, 63, 8192])
def test_controllers_and_bends_reach_the_player_at_their_samples(open_chime, feed, block):
    said = [ControlChange(10, 1, 90), ControlChange(500, 11, 30, 2), PitchBend(501, -8192), ControlChange(700, 64, 127),
            NoteOn(700, 60, 1), NoteOff(900, 60, 9)]  # fmt: skip
    ear = Ear(open_chime(32_000).spec)
    feed(LiveStream(ear, 32_000), np.zeros((1, 2048), np.float32), block, said, finish=False)
    assert ear.told == said


def rolling(sample: float, position: float, playing: bool = True, tempo: float = 120.0) -> Transport:
    return Transport(sample, playing, round(position * 24_000), tempo, position, 1, 0.0)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_clip_that_is_known_ahead_sounds_on_its_samples(open_chime, feed, block):
    stream = open_chime()
    stream.clip.add([NoteOn(7_777, 60, 100), NoteOff(9_000, 60), NoteOn(15_001, 61, 90)], "samples")
    assert peaks(feed(stream, np.zeros((1, 24_000), np.float32), block).audio, 300) == [7_777, 15_001]


@pytest.mark.parametrize("block", [1, 64, 441, 8192], ids=str)
def test_a_clip_in_beats_follows_start_tempo_loop_and_stop(open_chime, feed, block):
    stream = open_chime()
    stream.clip.add([NoteOn(beat, 60, 100) for beat in (0.0, 0.5, 1.0, 1.5, 2.5)], "beats")
    host = [
        rolling(1_000, -0.25),  # beat 0 at 7000, 0.5 at 19000
        rolling(25_000, 0.75, tempo=240.0),  # from here a beat is 12000 samples: 1.0 at 28000, 1.5 at 34000
        rolling(40_000, 0.25, tempo=240.0),  # a jump back: 0.5 at 43000, 1.0 at 49000
        rolling(50_000, 13 / 12, playing=False),
    ]
    heard = feed(stream, np.zeros((1, 70_000), np.float32), block, host)
    assert peaks(heard.audio, 300) == [7_000, 19_000, 28_000, 34_000, 43_000, 49_000]


def test_a_clip_that_is_told_too_late_begins_as_soon_as_it_may(open_chime, feed):
    stream = open_chime()
    latency = stream.latency.total
    stream.process(0, np.zeros((1, 6_000), np.float32))
    stream.clip.add(
        [NoteOn(6_000 + latency // 2, 60, 100), NoteOn(5_000, 60, 100)], "samples", position=stream.position
    )
    audio = stream.process(6_000, np.zeros((1, 6_000), np.float32)).audio
    assert peaks(audio, 300) == [latency]


def test_the_clients_own_path_is_taken_off_too(open_chime, feed):
    stream = open_chime()
    stream.clip.add([NoteOn(9_000, 60, 100)], "samples", ahead=512)
    assert peaks(feed(stream, np.zeros((1, 24_000), np.float32), 256).audio, 300) == [9_000 - 512]


def told(clip: ClipAhead, *blocks: tuple[int, int]) -> list[Event]:
    return [event for start, end in blocks for event in clip.due(start, end)]


def test_what_sounds_of_a_clip_is_ended_where_the_transport_breaks_off_and_where_it_is_forgotten():
    clip = ClipAhead(48_000, 0)
    pedal = ControlChange(0.25, 64, 127)
    clip.add([NoteOn(0.0, 60, 100), pedal, NoteOn(0.5, 64, 100, 3), NoteOff(8.0, 60), NoteOff(8.0, 64, 0, 3)], "beats")
    clip.follow(rolling(0, 0.0), broke_off=False)
    assert told(clip, (0, 24_000)) == [NoteOn(0, 60, 100), ControlChange(6_000, 64, 127), NoteOn(12_000, 64, 100, 3)]
    clip.follow(rolling(24_000, 1.0, playing=False), broke_off=True)
    ends = told(clip, (24_000, 25_000), (25_000, 500_000))
    assert set(ends) == {NoteOff(24_000, 60), ControlChange(24_000, 64, 0), NoteOff(24_000, 64, 0, 3)}
    assert len(ends) == 3
    clip.follow(rolling(500_000, 0.3), broke_off=False)
    assert told(clip, (500_000, 510_000)) == [NoteOn(504_800, 64, 100, 3)], "amid a note it is not begun"
    clip.clear()
    assert told(clip, (510_000, 520_000), (520_000, 900_000)) == [NoteOff(510_000, 64, 0, 3)]


def test_what_is_told_while_the_host_plays_is_played_from_there_on():
    clip, rows = ClipAhead(48_000, 1_000), [NoteOn(float(beat), 60 + beat, 100) for beat in range(6)]
    clip.follow(rolling(0, 0.0), broke_off=False)
    assert told(clip, (0, 50_000)) == []
    clip.add(rows, "beats")
    assert told(clip, (50_000, 80_000)) == [NoteOn(71_000, 63, 100)], "beats 0 to 2 are over"
    clip.clear()
    clip.add(rows, "beats")
    assert told(clip, (80_000, 100_000)) == [NoteOff(80_000, 63), NoteOn(95_000, 64, 100)]


def test_a_stream_that_begins_anew_owes_no_ends():
    clip = ClipAhead(48_000, 0)
    clip.add([NoteOn(10, 60, 100), NoteOff(500, 60), NoteOn(900, 61, 100)], "samples")
    assert told(clip, (0, 100)) == [NoteOn(10, 60, 100)]
    clip.restart(400, None)
    assert told(clip, (400, 1_000)) == [NoteOn(900, 61, 100)]


def test_a_clip_that_is_told_twice_is_played_once():
    clip, rows = ClipAhead(48_000, 0), [NoteOn(100.0, 60, 100), NoteOff(200.0, 60)]
    for unit in ("samples", "beats"):
        clip.add(rows, unit)
        clip.add(rows, unit)
    assert len(clip) == 4
    assert told(clip, (0, 1_000)) == [NoteOn(100, 60, 100), NoteOff(200, 60)]


def test_a_spectrogram_leaves_with_its_audio_whatever_the_block(open_chime: Callable[..., LiveStream]):
    def frames(block: int):
        stream, found = open_chime(), []
        for start in range(0, 24_000, block):
            events = [NoteOn(5_000, 60, 100)] if start <= 5_000 < start + block else []
            outgoing = stream.process(start, np.zeros((1, block), np.float32), events)
            assert all(frame.due < start + block for frame in outgoing.frames)
            found += outgoing.frames
        return [(f.due, f.place, f.bins.tobytes()) for f in found if f.due < 23_000]

    reference = frames(1)
    assert len(reference) > 100
    assert {due - place for due, place, _ in reference} == {open_chime().latency.total}
    loud = [place for _, place, bins in reference if np.frombuffer(bins, np.float32).max() > 0.1]
    assert loud[0] <= 5_000 < loud[-1] + 192
    for block in (64, 1000, 8192):
        assert frames(block)[: len(reference)] == reference[: len(frames(block))]
