"""The bar pointer over activations: beats, bars and tempo through jitter, gaps, false peaks and drift, and none where there are none."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from models.rhythm.bar_pointer import BarPointer, Beat

RATE = 50.0


@dataclass
class Music:
    """Activations (frames,) with what is true of them: beats in frames and their places."""

    beats: np.ndarray
    places: np.ndarray
    beat: np.ndarray
    downbeat: np.ndarray


HARDLY = 0.1  # of a beat that is missing: what the shipped ear says where nobody strikes it


def music(
    tempo: float, seconds: float = 30.0, bar: int = 4, first: int = 0, jitter: float = 0.01, missing: float = 0.0,
    extra: int = 0, drift: float = 0.0, begin: float = 0.7, seed: int = 0,
) -> Music:  # fmt: skip
    """drift: share by which the tempo has changed after 30 s. first: the place of the first beat. extra: false peaks."""
    rng, times = np.random.default_rng(seed), [begin]
    while times[-1] < seconds:
        times.append(times[-1] + 60 / (tempo * (1 + drift * times[-1] / 30)))
    beats = np.array(times[:-1]) * RATE
    places = (first + np.arange(len(beats))) % bar
    found = Music(beats, places, np.full(round(seconds * RATE), 0.01), np.full(round(seconds * RATE), 0.004))
    for frame, place in zip(beats + rng.normal(0, jitter, len(beats)) * RATE, places, strict=True):
        if rng.random() >= missing:
            _peak(found.beat, frame, rng.uniform(0.75, 0.95))
            _peak(found.downbeat, frame, rng.uniform(0.5, 0.9) if place == 0 else rng.uniform(0.02, 0.2))
        else:
            _peak(found.beat, frame, HARDLY)
    for _ in range(extra):
        _peak(found.beat, rng.uniform(0, len(found.beat)), rng.uniform(0.1, 0.6))
    return found


def _peak(row: np.ndarray, frame: float, height: float) -> None:
    np.maximum(row, height * np.exp(-0.5 * ((np.arange(len(row)) - frame) / 1.0) ** 2), out=row)


def decide(pointer: BarPointer, heard: Music) -> list[Beat]:
    beats: list[Beat] = []
    for beat, downbeat in zip(heard.beat, heard.downbeat, strict=True):
        pointer.hear(beat, downbeat)
        beats += pointer.decided()
    return [*beats, *pointer.flush()]


def right(beats: list[Beat], heard: Music) -> tuple[float, float, float]:
    """Return the share of true beats that were found, of found ones that are true, and of these in the right place."""
    away = np.abs(np.array([beat.frame for beat in beats])[:, None] - heard.beats)
    places = np.array([beat.place for beat in beats]) == heard.places[away.argmin(1)]
    near = away.min(1) < 0.07 * RATE
    return float((away.min(0) < 0.07 * RATE).mean()), float(near.mean()), float(places[near].mean())


@pytest.mark.parametrize("tempo", [60.0, 90.0, 120.0, 174.0])
def test_beats_and_bars_are_found_through_jitter_from_the_first_on(tempo):
    heard = music(tempo)
    assert right(decide(BarPointer(RATE), heard), heard) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    "told",
    [
        {"tempo": 60.0, "extra": 20}, {"tempo": 90.0, "missing": 0.15}, {"tempo": 120.0, "missing": 0.15, "extra": 30},
        {"tempo": 174.0, "missing": 0.1, "extra": 15}, {"tempo": 100.0, "drift": 0.1}, {"tempo": 100.0, "drift": -0.1},
    ],
    ids=["false peaks", "missing", "both", "both, fast", "faster", "slower"],
)  # fmt: skip
@pytest.mark.parametrize("seed", [1, 2])
def test_missing_and_false_peaks_and_drift_do_not_shake_it(told, seed):
    heard = music(**told, seed=seed)
    found, true, placed = right(decide(BarPointer(RATE), heard), heard)
    assert found > 0.9  # the first beats may be among the missing
    assert min(true, placed) > 0.95


@pytest.mark.parametrize("first", [1, 2, 3])
def test_music_may_begin_amid_a_bar(first):
    heard = music(96.0, first=first)
    beats = decide(BarPointer(RATE), heard)
    assert beats[0].place == first
    assert right(beats, heard) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("bar", [2, 3])
def test_bars_of_other_lengths_are_counted(bar):
    heard = music(108.0, bar=bar)
    beats = decide(BarPointer(RATE, (4, bar)), heard)
    assert {beat.beats_a_bar for beat in beats[24:]} == {bar}
    assert right(beats[24:], heard)[1:] == (1.0, 1.0)


def test_a_bar_that_is_cut_short_is_the_only_place_where_counting_breaks_off():
    first, second = music(100.0, 11.49), music(100.0, 18.0, begin=0.0)  # 18 beats, and then a downbeat
    second.beats = second.beats + len(first.beat)
    whole = Music(
        *(np.concatenate([getattr(part, name) for part in (first, second)]) for name in Music.__annotations__)
    )
    beats = decide(BarPointer(RATE), whole)
    assert right(beats[-12:], whole)[1:] == (1.0, 1.0)
    for one, after in pairwise(beats):
        assert after.frame > one.frame
        assert after.place in (0, one.place + 1)
        assert after.place < after.beats_a_bar
        assert after.place == 0 or after.beats_a_bar == one.beats_a_bar


def test_decided_beats_have_sounded_the_lag_ago_at_least_and_soon_after_it():
    heard, pointer, waits = music(120.0), BarPointer(RATE, lag_seconds=2.0), []
    for frame, (beat, downbeat) in enumerate(zip(heard.beat, heard.downbeat, strict=True)):
        pointer.hear(beat, downbeat)
        waits += [frame - beat.frame for beat in pointer.decided() if frame > 8 * RATE]
    assert min(waits) >= 2.0 * RATE - 1
    assert max(waits) <= 2.0 * RATE + 4


@pytest.mark.parametrize("kind", ["silence", "noise", "hum", "rare peaks"])
def test_it_stays_unlocked_where_there_is_no_beat(kind):
    rng, frames = np.random.default_rng(5), 3000
    beat = {
        "silence": np.zeros(frames),
        "noise": rng.uniform(0, 0.1, frames) ** 2,
        "hum": np.full(frames, 0.04),
        "rare peaks": np.where(rng.random(frames) < 0.01, 0.5, 0.01),
    }[kind]
    pointer = BarPointer(RATE)
    for value in beat:
        pointer.hear(value, value / 4)
        assert not pointer.locked
    assert pointer.flush() == ()


def test_it_locks_within_eight_beats_lets_go_in_silence_and_finds_the_next_song():
    first, second = music(80.0, 20.0), music(140.0, 20.0)
    pointer, locked = BarPointer(RATE), []
    for beat, downbeat in zip(first.beat, first.downbeat, strict=True):
        pointer.hear(beat, downbeat)
        locked.append(pointer.locked)
    assert locked.index(True) < first.beats[8]
    for _ in range(round(10 * RATE)):
        pointer.hear(0.0, 0.0)
    assert not pointer.locked
    found = right(list(pointer.decided()), first)
    assert min(found[:2]) > 0.95
    later = decide(pointer, second)
    second.beats = second.beats + len(first.beat) + 10 * RATE
    assert min(right(later, second)) > 0.95


@pytest.mark.parametrize("tempo", [66.0, 120.0, 170.0])
def test_what_is_said_now_is_in_phase_and_counts_on(tempo):
    heard, pointer, said = music(tempo, first=2), BarPointer(RATE), []
    for frame, (beat, downbeat) in enumerate(zip(heard.beat, heard.downbeat, strict=True)):
        pointer.hear(beat, downbeat)
        if pointer.locked:
            said.append((frame, pointer.transport(frame * 320, 16_000)))
    late = [(frame, told) for frame, told in said if 8 * RATE < frame < heard.beats[-1]]
    true = np.interp([frame for frame, _ in late], heard.beats, np.arange(len(heard.beats))) + 2
    apart = (np.array([told.beat for _, told in late]) - true + 2) % 4 - 2
    assert np.percentile(np.abs(apart), 95) < 0.12
    assert np.percentile(np.abs(np.array([told.tempo_bpm for _, told in late]) / tempo - 1), 90) < 0.03
    positions = np.array([told.position for _, told in late])
    assert np.diff(positions).min() > -0.25
    assert abs(positions[-1] - positions[0] - true[-1] + true[0]) < 0.25
    counted = np.array([4 * told.bar + told.beat for _, told in late])
    assert np.abs(np.round(counted - positions - counted[0] + positions[0])).max() == 0


def test_a_transport_carries_on_ahead_and_its_samples_are_of_any_rate():
    heard, pointer = music(120.0), BarPointer(RATE)
    for beat, downbeat in zip(heard.beat, heard.downbeat, strict=True):
        pointer.hear(beat, downbeat)
    now, later = pointer.transport(29 * 48_000, 48_000), pointer.transport(31 * 48_000, 48_000)
    assert later.position - now.position == pytest.approx(2 * now.tempo_bpm / 60)
    assert later.tempo_bpm == now.tempo_bpm
    assert pointer.transport(29 * 16_000, 16_000).position == pytest.approx(now.position)


def test_it_is_deterministic_however_often_it_is_asked_and_after_a_reset():
    heard, pointer = music(111.0, missing=0.1, extra=20), BarPointer(RATE)
    beats = decide(pointer, heard)
    for _ in range(500):
        pointer.hear(0.5, 0.3)
    pointer.reset()
    assert not pointer.locked
    for beat, downbeat in zip(heard.beat, heard.downbeat, strict=True):
        pointer.hear(beat, downbeat)
    assert [*pointer.decided(), *pointer.flush()] == beats


def test_its_state_does_not_grow_and_values_of_no_sense_do_not_harm_it():
    pointer, heard = BarPointer(RATE), music(120.0, 60.0)
    heard.beat[100::97] = np.nan
    heard.downbeat[50::89] = np.inf
    sizes = []
    for _ in range(3):
        for beat, downbeat in zip(heard.beat, heard.downbeat, strict=True):
            pointer.hear(beat, downbeat)
            pointer.decided()
        lattice = vars(pointer._lattice)
        sizes.append(sum(value.nbytes for value in lattice.values() if isinstance(value, np.ndarray)))
        assert all(np.isfinite(lattice[name]).all() for name in ("_sums", "_bests"))
    assert pointer.locked
    assert len(set(sizes)) == 1


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"frame_rate": 5.0}, "frame_rate is 5 Hz; allowed: 20 to 400"),
        ({"bars": ()}, "bars is"),
        ({"bars": (4, 4)}, "bars is"),
        ({"bars": (1,)}, "bars is"),
        ({"lag_seconds": -1.0}, "lag_seconds is -1; allowed: 0 to 30"),
    ],
)
def test_numbers_out_of_range_are_refused(told, says):
    with pytest.raises(ValueError, match=says):
        BarPointer(**({"frame_rate": RATE} | told))


def test_a_transport_before_a_beat_is_found_is_refused():
    with pytest.raises(ValueError, match="no beat is found yet"):
        BarPointer(RATE).transport(0, 16_000)
