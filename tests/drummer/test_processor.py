"""The drummer as it is played: on the host's beats to the sample, through stops, locates and tempi, and without a host."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from models.block import Samples
from models.events import NoteOff, NoteOn, Transport
from models.manifest import ManifestError
from models.model_file import read_manifest
from models.registry import bundled_files, open_processor
from server.live_stream import LiveStream
from server.onnx_step import OnnxStep, open_session

RATE = 48_000
KICK, STICK, SNARE, HAT = 36, 37, 38, 42
EXACT = {"humanise": 0, "fills": 0}
LATENCY = 383  # samples at the model's own rate: a hop but one


@cache
def session():
    return open_session(bundled_files()["drummer"])


def open_drummer(rate: int = RATE, **settings: object) -> LiveStream:
    manifest = read_manifest(bundled_files()["drummer"])
    values = manifest.resolve({**EXACT, **settings})
    step = OnnxStep(session(), manifest.graphs[0])
    return LiveStream(open_processor(manifest, {"plan": step}, values), rate, settings=values)


def bass_at(seconds: np.ndarray, length: float, rate: int = RATE) -> Samples:
    """Plucked notes that begin at the given times, (1, n)."""
    audio = np.zeros(round(length * rate))
    for place in seconds[seconds < length - 0.01]:
        time = np.arange(audio.size - round(place * rate)) / rate
        audio[-time.size :] += (
            0.3 * np.exp(-12 * time) * sum(np.sin(2 * np.pi * 55 * k * time) / k for k in range(1, 12))
        )
    return np.clip(audio, -1, 1)[None].astype(np.float32)


def rolling(sample: int, tempo: float, position: float = 0.0, beats_a_bar: float = 4.0, **more: object) -> Transport:
    bars = int(position // beats_a_bar)
    told = Transport(sample, True, sample, tempo, position, bars + 1, position - bars * beats_a_bar, beats_a_bar)
    return replace(told, **more)


def starts(heard, *pitches: int) -> list:
    return [e for e in heard.emissions if isinstance(e.event, NoteOn) and (not pitches or e.event.pitch in pitches)]


def eighths(tempo: float, length: float) -> Samples:
    return bass_at(np.arange(0.0, length, 30 / tempo), length)


@pytest.mark.parametrize("kind", ["commit", "live"])
@pytest.mark.parametrize(
    ("tempo", "beats_a_bar", "rate"),
    [(120, 4, 48_000), (50, 3, 16_000), (220.0, 3, 44_100), (97.3, 3.5, 96_000), (133, 9, 8_000)],
)
def test_every_onset_lies_on_the_hosts_grid_to_the_sample_and_none_is_late(feed, tempo, beats_a_bar, rate, kind):
    length = 12 * 60 / tempo
    stream = open_drummer(rate, stream=kind, intro="beat")
    transport = rolling(321, tempo, beats_a_bar=float(beats_a_bar))
    heard = feed(stream, np.resize(eighths(tempo, 2.0), (1, round(length * rate))), 777, [transport], finish=False)
    notes = [
        e for e in starts(heard) if e.place > 321 + rate // 20 or kind == "commit"
    ]  # a live one hears of the start as it begins
    beats = np.array([(e.place - 321) * tempo / 60 / rate for e in notes])
    bars, inside = np.divmod(beats + 1e-3, beats_a_bar)
    lines = np.round(4 * inside) / 4 + bars * beats_a_bar
    assert len(notes) > 20
    assert np.abs((beats - lines) * 60 / tempo * rate).max() <= 1
    assert {e.event.channel for e in notes} == {9}
    assert {e.due - e.place for e in notes} == {stream.declared}
    assert stream.scheduler.late == 0


def test_it_follows_a_tempo_that_changes_within_a_beat(feed):
    told = [rolling(0, 120.0), rolling(54_000, 90.0, 2.25), rolling(100_001, 200.0, 2.25 + 46_001 / 32_000)]
    heard = feed(open_drummer(intro="beat"), eighths(120, 4.0), 500, told, finish=False)
    last = told[2].position
    grid = [0, 2.25, last, last + 91_999 / 14_400]
    positions = np.interp([e.place for e in starts(heard)], [0, 54_000, 100_001, 192_000], grid)
    assert len(positions) > 20
    assert np.abs(positions * 4 - np.round(positions * 4)).max() < 4 / 14_400
    assert len(set(zip(positions.round(3), [e.event.pitch for e in starts(heard)], strict=True))) == len(positions)


@pytest.mark.parametrize("kind", ["commit", "live"])
def test_a_stop_silences_it_and_a_start_elsewhere_goes_on_there(feed, kind):
    stop, start = 77_777, 120_003
    told = [
        rolling(0, 120.0),
        replace(rolling(stop, 120.0), playing=False),
        rolling(start, 120.0, 16.5, host_sample=396_000),
    ]
    heard = feed(open_drummer(stream=kind, intro="beat", room=0.0), eighths(120, 5.0), 256, told, finish=False)
    places = np.array([e.place for e in starts(heard)])
    assert not ((places >= stop) & (places < start)).any()
    assert (places < stop).any()
    positions = 16.5 + (places[places > start + RATE // 20] - start) / 24_000
    assert len(positions) > 10
    assert np.abs(positions * 4 - np.round(positions * 4)).max() < 1e-3
    assert not np.abs(heard.audio[0, stop + LATENCY + 2000 : start]).any()


def test_a_second_pass_knows_what_the_first_one_heard(feed):
    beats = np.array([0, 0.75, 2.5, 4, 5.25, 5.5, 6.5])  # two bars that differ
    once = bass_at(beats / 2, 4.0)
    audio = np.concatenate([once, once], axis=1)
    told = [rolling(0, 120.0), replace(rolling(192_000, 120.0), host_sample=0)]
    heard = feed(open_drummer(kick_with_bass=1.0), audio, 512, told, finish=False)
    kicks = [
        np.array([e.place / 24_000 for e in starts(heard, KICK) if first <= e.place < first + 192_000])
        for first in (0, 192_000)
    ]
    assert not set(beats) <= set(kicks[0].round(3))
    assert set(beats) <= set((kicks[1] - 8).round(3))


INTROS: dict[str, Callable[[list], bool]] = {
    "hats": lambda pitches: set(pitches) == {HAT} and len(pitches) == 8,
    "count": lambda pitches: pitches == [STICK] * 4,
    "nothing": lambda pitches: not pitches,
    "beat": lambda pitches: {KICK, SNARE, HAT} <= {*pitches},
}


@pytest.mark.parametrize("intro", INTROS)
def test_the_first_bar_is_as_asked_for_and_the_groove_follows(feed, intro):
    heard = feed(open_drummer(intro=intro), eighths(120, 4.0), 512, [rolling(0, 120.0)], finish=False)
    notes = starts(heard)
    assert INTROS[intro]([e.event.pitch for e in notes if e.place < 95_000])
    assert {KICK, SNARE, HAT} <= {e.event.pitch for e in notes if e.place >= 95_000}


@pytest.mark.parametrize("stops", ["off", "on"])
def test_silence_stops_it_only_if_asked(feed, stops):
    audio = eighths(120, 9.0)
    audio[:, 4 * RATE :] = 0
    heard = feed(open_drummer(stop_in_silence=stops), audio, 512, [rolling(0, 120.0)], finish=False)
    assert starts(heard)[-1].place > 3.5 * RATE
    assert (starts(heard)[-1].place < 7 * RATE) == (stops == "on")


def test_a_bass_in_midi_is_heard_as_one_in_audio_and_drums_are_not(feed):
    places = [round(24_000 * beat) for beat in (0, 0.75, 2.5, 4, 4.75, 6.5, 8, 8.75, 10.5, 12, 12.75, 14.5)]
    notes = [each for place in places for each in (NoteOn(place, 33, 100), NoteOff(place + 5000, 33))]
    silence = np.zeros((1, 8 * RATE), np.float32)
    heard = feed(open_drummer(kick_with_bass=1.0), silence, 512, [rolling(0, 120.0), *notes], finish=False)
    third = {round(e.place / 24_000 - 8, 3) for e in starts(heard, KICK) if 8 <= e.place / 24_000 < 12}
    assert {0.0, 0.75, 2.5} <= third
    drums = [replace(event, channel=9) for event in notes]
    deaf = feed(open_drummer(), silence, 512, [rolling(0, 120.0), *drums], finish=False)
    assert {e.event.pitch for e in starts(deaf)} == {HAT}, "nothing but time is kept until there is a bass"


def test_equal_seeds_are_equal_and_others_are_not(feed):
    audio = eighths(120, 9.0)

    def play(seed: int, block: int):
        stream = open_drummer(seed=seed, humanise=1.0, fills=1.0)
        return [(e.place, e.event) for e in feed(stream, audio, block, [rolling(0, 120.0)]).emissions]

    assert play(3, 64) == play(3, 4096)
    assert play(3, 512) != play(4, 512)


def test_the_sound_of_a_drum_begins_where_its_note_does(feed):
    for kind, late in (("commit", LATENCY), ("live", 0)):
        stream = open_drummer(room=0.0, stream=kind, intro="count")
        heard = feed(stream, np.zeros((1, 3 * RATE), np.float32), 512, [rolling(4321, 60.0)], finish=False)
        second = starts(heard, STICK)[1]
        assert second.due == 4321 + RATE + late
        rest = heard.audio[0, : second.due + 40]
        assert np.flatnonzero(rest[second.due - 2000 :])[0] == 2000


def test_swing_and_density_may_change_while_it_plays(feed):
    stream = open_drummer(intro="hats")
    stream.set("swing", 66.7)
    heard = feed(stream, np.zeros((1, 2 * RATE), np.float32), 512, [rolling(0, 120.0)], finish=False)
    assert {round(e.place / 24_000 % 1, 3) for e in starts(heard)} == {0.0, 0.667}
    with pytest.raises(KeyError):
        stream.set("loudness", 1.0)


@pytest.mark.parametrize("tempo", [72.0, 100.0, 141.0])
def test_without_a_host_it_finds_the_beat_in_the_bass(feed, tempo):
    pattern = np.array([0, 1, 1.5, 2, 2.5, 3])
    beats = np.concatenate([bar * 4 + pattern for bar in range(12)])
    length = 32 * 60 / tempo
    heard = feed(open_drummer(), bass_at(0.5 + beats * 60 / tempo, length), 512, finish=False)
    places = np.array([e.place / RATE for e in starts(heard)])
    assert places[0] < 0.5 + 16 * 60 / tempo, "it locks within 16 beats"
    sixteenths = (places - 0.5) * tempo / 15
    assert np.mean(np.abs(sixteenths - np.round(sixteenths)) * 15 / tempo < 0.03) > 0.9
    kicks = np.array([e.place / RATE - 0.5 for e in starts(heard, KICK)]) * tempo / 60
    assert np.mean(np.abs(kicks * 2 - np.round(kicks * 2)) < 0.2) > 0.7, "the kick is on eighths, as the bass is"


def test_without_a_host_and_without_a_beat_it_is_silent(feed, noise):
    assert not feed(open_drummer(), noise(3 * RATE, level=1e-4), 4096).emissions


def test_a_host_that_stands_still_keeps_it_silent(feed):
    still = replace(rolling(0, 120.0), playing=False)
    assert not feed(open_drummer(), eighths(120, 6.0), 4096, [still]).emissions


def test_another_map_is_sent_and_what_is_none_changes_nothing(feed):
    stream = open_drummer(intro="beat", drum_notes="kick=35, snare=40, hat=22")
    heard = feed(stream, eighths(120, 2.0), 512, [rolling(0, 120.0)], finish=False)
    assert {35, 40, 22} <= {e.event.pitch for e in starts(heard)} <= {35, 40, 22, 49, 50, 51}
    assert np.abs(heard.audio).max() > 0.05, "the kit plays on"
    offs = [e.event.pitch for e in heard.emissions if isinstance(e.event, NoteOff)]
    assert {35, 40, 22} <= set(offs)
    with pytest.raises(ManifestError, match="drum_notes has 'gong=1'"):
        stream.set("drum_notes", "gong=1")
    later = feed(stream, eighths(120, 1.0), 512, [rolling(0, 120.0)], finish=False)
    assert 36 not in {e.event.pitch for e in starts(later)}


@pytest.mark.parametrize(("rate", "ahead_ms"), [(48_000, 10.0), (44_100, 90.0)])
def test_what_is_handed_on_ahead_is_due_at_its_place_and_sounds_as_much_earlier(feed, rate, ahead_ms):
    ahead = round(ahead_ms / 1000 * rate)
    stream = open_drummer(rate, stream="live", intro="count", ahead_ms=ahead_ms)
    block, length = 64, 3 * rate
    heard = feed(stream, np.zeros((1, length), np.float32), block, [rolling(4321, 60.0)], finish=False)
    second = next(i for i, e in enumerate(heard.emissions) if isinstance(e.event, NoteOn) and e.place > rate)
    due = heard.emissions[second].due
    assert abs(due - 4321 - rate) <= 1
    assert 0 <= heard.block_ends[second] - (due - ahead) <= block
    rest = np.abs(heard.audio[0, due - ahead - 2000 : due])
    assert 0 <= np.flatnonzero(rest > 1e-5)[0] - 2000 <= 0.0015 * rate, "but for what a resampler takes"
    assert stream.scheduler.late == 0


def test_a_stop_ends_what_was_handed_on_ahead(feed):
    stream, stop = (
        open_drummer(stream="live", intro="hats", ahead_ms=60.0),
        71_000,
    )  # the next hit is 1,000 samples ahead
    told = [rolling(0, 120.0), replace(rolling(stop, 120.0), playing=False)]
    heard = feed(stream, np.zeros((1, 3 * RATE), np.float32), 512, told, finish=False)
    ons = [e for e in heard.emissions if isinstance(e.event, NoteOn)]
    offs = [e for e in heard.emissions if isinstance(e.event, NoteOff)]
    assert ons[-1].due == 72_000
    assert len(ons) == len(offs)
    assert offs[-1].due >= ons[-1].due


@pytest.mark.parametrize("metre", ["3/4", "5/4", "2/4"])
def test_a_metre_that_is_told_is_counted_where_no_host_does(feed, metre):
    beats = np.arange(0.0, 40.0)
    stream = open_drummer(metre=metre)
    heard = feed(stream, bass_at(0.3 + beats * 0.5, 20.0), 512, finish=False)
    assert starts(heard)
    assert stream.host_rate == RATE
    found = stream.process(20 * RATE, np.concatenate([bass_at(np.arange(0.3, 2, 0.5), 2.0)], 1)).found
    assert {said.beats_a_bar for said in found} == {float(metre[0])}


def test_six_eighths_of_a_host_are_two_beats_of_three(feed):
    told = rolling(0, 105.0, beats_a_bar=3.0)  # 70 dotted quarters a minute
    eighth = 60 / 210
    audio = bass_at(np.concatenate([[bar, bar + 2, bar + 3, bar + 5] for bar in range(0, 60, 6)]) * eighth, 17.0)
    heard = feed(open_drummer(metre="6/8"), audio, 512, [told], finish=False)
    places = {note: np.array([e.place / RATE / eighth for e in starts(heard, note)]) for note in (KICK, SNARE, HAT)}
    assert all(np.abs(some - np.round(some)).max() < 0.001 for some in places.values())
    assert set(np.round(places[HAT]) % 6) == set(range(6))
    assert (np.round(places[SNARE]) % 6 == 3).mean() > 0.5
    assert (np.round(places[KICK]) % 6 == 0).mean() > 0.3
