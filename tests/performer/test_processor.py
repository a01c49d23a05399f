"""The performer that ships: what a player's hands do to its sound, measured in the sound."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from models.block import Block
from models.events import ControlChange, Event, NoteOff, NoteOn, PitchBend, Transport
from models.events import moved as at
from models.manifest import Manifest, ManifestError
from models.model_file import read_manifest
from models.performer.processor import PerformerProcessor
from models.registry import bundled_files
from models.step import Step, Tensors
from server.onnx_step import OnnxStep, open_session

RATE, HOP = 32_000, 256
A4 = (NoteOn(1000, 69, 80), NoteOff(25_000, 69))
STEADY = slice(8_000, 24_000)  # of A4


class CountedStep:
    """A step that counts its calls and keeps what it was asked last."""

    def __init__(self, step: Step) -> None:
        self._step, self.calls = step, 0
        self.asked: Tensors = {}

    def initial_state(self) -> Tensors:
        return self._step.initial_state()

    def __call__(self, inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        self.calls += 1
        self.asked = {name: np.array(values) for name, values in inputs.items()}
        return self._step(inputs, state)


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return read_manifest(bundled_files()["performer"])


@pytest.fixture(scope="module")
def step(manifest: Manifest) -> CountedStep:
    return CountedStep(OnnxStep(open_session(bundled_files()["performer"]), manifest.graphs[0]))


@pytest.fixture
def opened(manifest: Manifest, step: CountedStep) -> Callable[..., PerformerProcessor]:
    """A function (**settings) -> a new processor, played by hand unless told otherwise."""

    def make(**settings: str | float) -> PerformerProcessor:
        return PerformerProcessor(
            manifest, {"step": step}, manifest.resolve({"stream": "live", "instrument": "violin", **settings})
        )

    return make


def run(processor: PerformerProcessor, events: Sequence[Event | Transport], hops: int, start: int = 0) -> np.ndarray:
    """Return the samples (hops * HOP,) of a processor that is told `events`."""
    heard = []
    for first in range(start, start + hops * HOP, HOP):
        inside = tuple(event for event in events if first <= event.sample < first + HOP)
        heard.append(processor.process(Block(first, np.zeros((0, HOP), np.float32), inside)).samples[0])
    return np.concatenate(heard)


@pytest.fixture
def play(opened) -> Callable[..., np.ndarray]:
    """A function (events=A4, hops=100, **settings) -> samples."""
    return lambda events=A4, hops=100, **settings: run(opened(**settings), events, hops)


@pytest.fixture(scope="module")
def plain(manifest: Manifest, step: CountedStep) -> np.ndarray:
    """A4 as it is played when nobody asks for anything, without vibrato and room: what effects are measured against."""
    settings = manifest.resolve({"stream": "live", "instrument": "violin", "vibrato": 0.0, "room": 0.0})
    return run(PerformerProcessor(manifest, {"step": step}, settings), A4, 100)


def level(audio: np.ndarray) -> float:
    """Decibels of the mean power."""
    return float(10 * np.log10(np.mean(np.square(audio, dtype=float)) + 1e-20))


def brightness(audio: np.ndarray) -> float:
    """Decibels of what lies above 2 kHz, of all."""
    power = np.abs(np.fft.rfft(audio * np.hanning(len(audio)))) ** 2
    above = np.fft.rfftfreq(len(audio), 1 / RATE) > 2000
    return float(10 * np.log10(power[above].sum() / power.sum()))


def pitch_track(audio: np.ndarray, hertz: float) -> np.ndarray:
    """Semitones from `hertz`, by the turning of the fundamental's phase: of a band a third wide on each side, a value each 8 ms."""
    spectrum = np.fft.fft(audio * np.hanning(len(audio)))
    frequency = np.fft.fftfreq(len(audio), 1 / RATE)
    spectrum[(frequency < 0.77 * hertz) | (frequency > 1.3 * hertz)] = 0
    analytic = np.fft.ifft(spectrum)
    turned = np.angle(analytic[HOP:] * np.conj(analytic[:-HOP]) * np.exp(-2j * np.pi * hertz * HOP / RATE))
    inner = slice(len(audio) // 8, -len(audio) // 8, HOP)
    return 12 * np.log2(1 + turned[inner] * RATE / HOP / (2 * np.pi * hertz))


# What a player asks for is heard


def test_dynamics_make_it_louder_and_softer(play, plain):
    softer, louder = (play(vibrato=0, room=0, dynamics=value) for value in (-0.5, 0.5))
    assert level(louder[STEADY]) > level(plain[STEADY]) + 3
    assert level(softer[STEADY]) < level(plain[STEADY]) - 3


def test_a_key_struck_harder_is_louder(play, plain):
    soft, hard = (play((NoteOn(1000, 69, value), A4[1]), vibrato=0, room=0) for value in (20, 120))
    assert level(hard[STEADY]) > level(plain[STEADY]) > level(soft[STEADY])
    assert level(hard[STEADY]) > level(soft[STEADY]) + 6


def test_a_wider_range_sets_soft_and_loud_further_apart(play):
    spans = []
    for range_db in (0, 20, 40):
        soft, hard = (play((NoteOn(1000, 69, value), A4[1]), vibrato=0, room=0, range=range_db) for value in (45, 95))
        spans.append(level(hard[STEADY]) - level(soft[STEADY]))
    assert abs(spans[0]) < 1
    assert spans[2] > spans[1] + 5 > spans[0] + 10


def test_brightness_raises_what_lies_above_2_khz(play, plain):
    darker, brighter = (play(vibrato=0, room=0, brightness=value) for value in (-3, 3))
    assert brightness(brighter[STEADY]) > brightness(plain[STEADY]) + 3
    assert brightness(darker[STEADY]) < brightness(plain[STEADY]) - 3


def test_vibrato_moves_the_pitch_and_0_leaves_it(play, plain):
    deep = play(room=0, vibrato=4)
    still, moving = (np.std(pitch_track(audio[STEADY], 440)) for audio in (plain, deep))
    assert still < 0.05
    assert moving > still + 0.1


def test_the_modulation_wheel_deepens_the_vibrato(play, plain):
    deep = play((ControlChange(0, 1, 127), *A4), vibrato=0, room=0)
    assert np.std(pitch_track(deep[STEADY], 440)) > np.std(pitch_track(plain[STEADY], 440)) + 0.1


@pytest.mark.parametrize(("value", "semitones"), [(8191, 2.0), (-4096, -1.0)])
def test_the_bend_wheel_moves_the_pitch(play, value, semitones):
    bent = play((PitchBend(0, value), *A4), vibrato=0, room=0)
    hertz = 440 * 2 ** (semitones / 12)
    assert np.median(pitch_track(bent[STEADY], hertz)) == pytest.approx(0, abs=0.05)


def test_the_expression_pedal_takes_away(play, plain):
    half, down = (play((ControlChange(0, 11, value), *A4), vibrato=0, room=0) for value in (64, 0))
    assert level(down[STEADY]) < level(half[STEADY]) - 2 < level(plain[STEADY]) - 4


def test_without_a_room_a_note_ends_sooner(play, plain):
    after = slice(25_000 + 3_200, 25_000 + 9_600)  # 0.1 to 0.3 s after the key was let go
    hops = 140
    with_room, without = play(hops=hops, vibrato=0), play(hops=hops, vibrato=0, room=0)
    ring = [level(audio[after]) - level(audio[STEADY]) for audio in (with_room, without)]
    assert ring[1] < ring[0] - 6


def test_the_level_is_moved_by_its_decibels(play, plain):
    softer = play(vibrato=0, room=0, gain_db=-12)
    assert np.allclose(softer, plain * 10 ** (-12 / 20), atol=1e-6)


# Keys, pedals and wheels in time


def test_a_note_that_is_known_ahead_begins_before_its_onset(manifest, opened):
    """What is told ahead rises through its onset; by hand a note cannot begin before its key."""
    clip = (NoteOn(20_000, 69, 80), NoteOff(30_000, 69))
    ahead, by_hand = opened(stream="commit"), opened()
    early = run(ahead, clip, 180)[ahead.spec.look_ahead :]
    late = run(by_hand, clip, 150)
    begun = [clip[0].sample - int(np.flatnonzero(np.abs(audio) > 1e-6)[0]) for audio in (late, early)]
    assert -64 <= begun[0] <= 64  # the rise of a hop lies on both sides of the key
    assert 128 <= begun[1] <= 256


def test_a_note_at_the_beginning_is_not_cut_off(opened):
    ahead = opened(stream="commit")
    heard = run(ahead, (NoteOn(0, 69, 80), NoteOff(9000, 69)), 100)
    assert not heard[: ahead.spec.look_ahead - 1].any()


@pytest.mark.parametrize("samples", [1, 37, 128, 200, 256, 777, 2560])
def test_a_clip_that_is_moved_by_samples_moves_its_sound_by_as_many(play, samples):
    clip = (NoteOn(3000, 60, 80), NoteOff(9000, 60), NoteOn(9000, 67, 100), NoteOff(15_001, 67), NoteOn(14_000, 76, 60))
    moved = tuple(at(event, event.sample + samples) for event in clip)
    here, there = play(clip, 80), play(moved, 95)
    size = 1 << 16
    likeness = np.fft.irfft(np.fft.rfft(there, size) * np.conj(np.fft.rfft(here, size)))
    around = np.arange(samples - 32, samples + 33)  # 1 ms either way
    peak = int(around[likeness[around].argmax()])
    left, middle, right = likeness[[peak - 1, peak, peak + 1]]
    place = peak + 0.5 * (left - right) / (left - 2 * middle + right)
    assert place == pytest.approx(samples, abs=0.2e-3 * RATE)
    end = len(here)
    if samples % HOP == 0:
        assert np.array_equal(there[samples : samples + end], here[: len(there) - samples][:end])
    else:
        assert np.corrcoef(there[samples : samples + end], here[: len(there) - samples][:end])[0, 1] > 0.95


@pytest.mark.parametrize("pitch", [57, 81])
def test_by_hand_a_note_begins_where_it_is_played_wherever_its_hop_begins(play, pitch):
    for onset in (1024, 1025, 1100, 1200, 1279):
        audio = play([NoteOn(onset, pitch, 80)], 60, vibrato=0, room=0)
        steady, places = level(audio[8_000:15_000]), np.arange(512, 4096, 8)
        levels = np.array([level(audio[n : n + 32]) for n in places])
        begun, risen = (int(places[np.argmax(levels > steady - below)]) + 16 - onset for below in (40, 20))
        assert 0 <= begun <= 3e-3 * RATE
        assert 3e-3 * RATE <= risen <= 8e-3 * RATE
        assert level(audio[: onset - 64]) < steady - 60


def test_a_note_that_begins_beside_others_begins_where_it_is_played(play):
    held = (NoteOn(1000, 57, 40), NoteOn(15 * HOP + 240, 88, 110))
    both, alone = play(held, 40, vibrato=0, room=0), play(held[:1], 40, vibrato=0, room=0)
    added = both - alone
    begun = 15 * HOP + 240
    assert level(added[begun : begun + 64]) > level(added[15 * HOP : begun - 64]) + 10


def test_the_pedal_holds_a_note_that_the_hand_let_go(play):
    held = play((ControlChange(0, 64, 127), NoteOn(1000, 69, 80), NoteOff(4000, 69)), room=0)
    let_go = play((NoteOn(1000, 69, 80), NoteOff(4000, 69)), room=0)
    lifted = play((ControlChange(0, 64, 127), *A4[:1], NoteOff(4000, 69), ControlChange(15_000, 64, 0)), room=0)
    late = slice(21_000, 24_000)
    assert level(held[late]) > level(let_go[late]) + 20
    assert level(held[late]) > level(lifted[late]) + 10
    assert np.array_equal(held[: 15_000 // HOP * HOP], lifted[: 15_000 // HOP * HOP])


def test_a_pitch_on_two_channels_sounds_on_until_both_let_go(play):
    both = (NoteOn(1000, 69, 80), NoteOn(1000, 69, 80, 1), NoteOff(8000, 69))
    audio = play(both, room=0)
    assert level(audio[STEADY]) > level(audio[4000:8000]) - 6


def test_a_stop_of_the_transport_ends_notes_and_one_that_stands_still_ends_none(play, plain):
    stopped = play((Transport(0, True, 0), A4[0], Transport(10_000, False, 10_000)), room=0)
    ended = play((A4[0], NoteOff(10_000, 69)), room=0)
    assert np.array_equal(stopped, ended)
    standing = [Transport(place, False, 5) for place in range(0, 20_000, 3000)]
    assert np.array_equal(play(sorted([*standing, *A4], key=lambda e: e.sample), vibrato=0, room=0), plain)


def test_parameters_changed_while_it_plays_are_heard_from_the_next_hop_on(opened, plain):
    processor = opened(vibrato=0, room=0)
    before = run(processor, A4, 50)
    for name, value in {"brightness": 6, "dynamics": 0.3, "gain_db": -6}.items():
        processor.set(name, value)
    after = run(processor, A4, 20, 50 * HOP)
    assert np.array_equal(before, plain[: 50 * HOP])
    assert not np.array_equal(after[:HOP], plain[50 * HOP : 51 * HOP])
    step = np.abs(np.diff(np.concatenate([before[-HOP:], after[:HOP]])))
    assert step[HOP - 1] <= 1.5 * np.delete(step, HOP - 1).max(), "it clicks"


@pytest.mark.parametrize("value", [float("nan"), "nan", float("inf"), "loud", 1e9])
def test_what_is_no_setting_is_refused_and_changes_nothing(opened, plain, value):
    processor = opened(vibrato=0, room=0)
    for name in ("dynamics", "brightness", "vibrato", "room", "gain_db", "transpose"):
        with pytest.raises(ManifestError, match=name):
            processor.set(name, value)
    for name in ("instrument", "look_ahead_ms", "out_of_range", "quality"):
        with pytest.raises(KeyError):
            processor.set(name, value)
    assert np.array_equal(run(processor, A4, 20), plain[: 20 * HOP])


# Out of range


def test_a_note_that_the_instrument_has_not_is_played_octaves_away_or_left_out(play, manifest):
    lowest = int(manifest.settings["instruments"]["violin"]["lowest"])
    low, there = ((NoteOn(1000, pitch, 80), NoteOff(6000, pitch)) for pitch in (lowest - 12, lowest))
    assert np.array_equal(play(low, 40), play(there, 40))
    assert not play(low, 40, out_of_range="drop").any()
    for pitch in (0, 127):
        assert play((NoteOn(1000, pitch, 80),), 20).any()


def test_transposing_moves_what_is_played_next(play):
    up = play((NoteOn(1000, 62, 80), NoteOff(6000, 62)), 40, transpose=7)
    assert np.array_equal(up, play((NoteOn(1000, 69, 80), NoteOff(6000, 69)), 40))


def test_a_key_struck_again_after_transposing_leaves_no_note_behind(opened):
    processor = opened(room=0)
    run(processor, [NoteOn(0, 60, 80)], 10)
    processor.set("transpose", 5)
    run(processor, [NoteOn(10 * HOP, 60, 80), NoteOff(20 * HOP, 60)], 20, 10 * HOP)
    run(processor, [], 100, 30 * HOP)
    assert not run(processor, [], 5, 130 * HOP).any()


# What costs nothing, and what lasts


def test_nothing_that_sounds_costs_nothing_and_is_exactly_nothing(opened, step):
    processor, before = opened(), step.calls
    assert not run(processor, [NoteOff(700, 60), ControlChange(900, 11, 3)], 50).any()
    assert step.calls == before


def test_after_its_last_note_has_rung_it_rests_and_begins_again_out_of_silence(opened, step):
    processor = opened(room=0)
    first = run(processor, [NoteOn(300, 69, 80), NoteOff(5000, 69)], 110)
    calls = step.calls
    assert not run(processor, [], 10, 110 * HOP).any()
    assert step.calls == calls
    again = run(processor, [NoteOn(120 * HOP + 300, 69, 80), NoteOff(120 * HOP + 5000, 69)], 20, 120 * HOP)
    assert again[: 20 * HOP].any()
    assert level(again[2000:5000]) == pytest.approx(level(first[2000:5000]), abs=3)


def test_flush_ends_what_is_held_and_gives_what_rings(opened, plain):
    processor = opened(vibrato=0, room=0)
    played = run(processor, A4[:1], 50)
    owed = processor.flush()
    assert owed.start == 50 * HOP
    let_go = run(opened(vibrato=0, room=0), [A4[0], NoteOff(50 * HOP, 69)], 60)
    assert np.array_equal(np.concatenate([played, owed.samples[0]])[: 60 * HOP], let_go)
    assert level(owed.samples[0, -HOP:]) < level(plain[STEADY]) - 20


def test_nothing_grows_while_it_plays(opened):
    def size() -> int:
        kept = (processor._coming, processor._sounding._numbers, processor._voices._coming, processor._voices._held)
        keys = processor._keys
        return sum(map(len, (*kept, keys._held, keys._sustained, keys._pedals)))

    processor, sizes = opened(), []
    for turn in range(4):
        start = turn * 40 * HOP
        keys = [60 + turn * 7 + n for n in range(7)]
        events: list[Event] = [NoteOn(start + 100 * n, key, 80, turn) for n, key in enumerate(keys)]
        events += [PitchBend(start + 10 * n, n, n % 16) for n in range(200)]
        events += [NoteOff(start + 5000 + n, key, 0, turn) for n, key in enumerate(keys)]
        run(processor, sorted(events, key=lambda event: event.sample), 40, start)
        sizes.append(size())
    assert len(set(sizes)) == 1


def test_a_graph_of_other_sizes_is_refused_when_it_is_opened(manifest, step):
    settings = {**manifest.settings, "config": {**manifest.settings["config"], "voices": 5}}
    with pytest.raises(ManifestError, match="a performer of these sizes has"):
        PerformerProcessor(replace(manifest, settings=settings), {"step": step}, manifest.resolve({"stream": "live"}))


# The spectrogram


def test_a_full_scale_sinusoid_would_be_1_in_the_spectrogram(opened):
    processor = opened(vibrato=0, room=0)
    processor._shows = True
    heard, shown = [], []
    for first in range(0, 90 * HOP, HOP):
        inside = tuple(event for event in A4 if first <= event.sample < first + HOP)
        given = processor.process(Block(first, np.zeros((0, HOP), np.float32), inside))
        assert given.magnitude is not None
        assert given.magnitude.shape == (1, 1025)
        heard.append(given.samples[0])
        shown.append(given.magnitude[0])
    audio, frame = np.concatenate(heard), 60
    first = frame * HOP + HOP - 1024  # a frame's middle is the end of its hop
    recorded = np.abs(np.fft.rfft(audio[first : first + 2048] * np.hanning(2048))) * 4 / 2048
    fundamental = slice(20, 37)
    assert shown[frame][fundamental].max() == pytest.approx(recorded[fundamental].max(), rel=0.2)
    assert not shown[0].any()
