"""Beats in seconds: of a file, which stands for a host's transport, or as a player found them.

a beat a line, its time in seconds and its number in the bar -> beats -> transport events, a tempo for every beat
what a player said of the beat that it found                 ->       -> a tempo map for the .mid, every beat a quarter note
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, isfinite
from pathlib import Path

from models.events import Transport
from server.errors import BacklineError

SHORTEST_BEAT, LONGEST_BEAT = 0.06, 60.0  # seconds: 1 to 1000 bpm
MOST_BEATS_A_BAR = 32
FASTEST_LEAD_BPM = 900.0  # that DAWs take in a tempo map
SHORT_BARS = (16, 64)  # of these notes the first bar is made, where a whole one would be too fast
SAME_BEAT = 0.3  # of a beat: what a found one moves by when it is told again


@dataclass(frozen=True, slots=True)
class Beats:
    """seconds: of each beat, rising. numbers: of each in its bar, from 1."""

    seconds: tuple[float, ...]
    numbers: tuple[int, ...]

    @property
    def usual_bar(self) -> int:
        """How many beats most bars have."""
        lengths = Counter(self._bars())
        return max(lengths, key=lambda length: (lengths[length], length)) if lengths else max(self.numbers)

    def transports(self, rate: int) -> tuple[Transport, ...]:
        """Return what a host would tell that plays these beats, at samples of `rate`; it stops a beat after the last."""
        places = [round(seconds * rate) for seconds in self.seconds]
        lengths = [later - place for place, later in pairwise(places)]
        lengths.append(lengths[-1])
        usual, sizes = self.usual_bar, iter(self._bars())
        size, bar, told = usual, 0 if self.numbers[0] == 1 else 1, []
        for index, (place, length, number) in enumerate(zip(places, lengths, self.numbers, strict=True)):
            if number == 1:
                bar, size = bar + 1, max(usual, next(sizes, usual))
            tempo, beats = 60 * rate / length, float(max(size, number))
            told.append(Transport(place, True, place, tempo, float(index), bar, number - 1.0, beats))
        end = places[-1] + lengths[-1]
        return (*told, Transport(end, False, end, 60 * rate / lengths[-1], float(len(places))))

    def tempo_map(self, ticks_per_beat: int) -> "TempoMap":
        """Return the beats as a MIDI file has them, the first downbeat on a bar's line.

        Where the time before it is too short for a bar of the song, a shorter bar comes first.
        """
        first, usual = self.seconds[0], self.usual_bar
        own = self.seconds[1] - first
        downbeat = self.numbers.index(1) if 1 in self.numbers else 0
        counts = [
            beats for beats in range(-downbeat % usual, 4096, usual) if beats and 60 * beats <= FASTEST_LEAD_BPM * first
        ]
        metres = [(0, usual, 4)]
        if counts:
            lead = min(counts, key=lambda beats: abs(beats - first / own)) * ticks_per_beat
        else:
            short = _short_bar(first, own)
            lead = round(first / own * ticks_per_beat)
            if short is not None:
                lead = short[0] * 4 * ticks_per_beat // short[1]
                bars = ((0, *short), *([(lead, downbeat, 4)] if downbeat else []))
                metres = [*bars, (lead + downbeat * ticks_per_beat, usual, 4)]
        ticks = [lead + index * ticks_per_beat for index in range(len(self.seconds))]
        before = [(0.0, 0)] if lead else []
        return TempoMap((*before, *zip(self.seconds, ticks, strict=True)), ticks_per_beat, tuple(metres))

    def _bars(self) -> list[int]:
        """How many beats each bar has that begins and ends here."""
        starts = [index for index, number in enumerate(self.numbers) if number == 1]
        return [end - start for start, end in pairwise(starts)]


@dataclass(frozen=True, slots=True)
class TempoMap:
    """points: (seconds, tick), rising, between which the tempo is constant; the last one goes on. metres: (tick, over, under)."""

    points: tuple[tuple[float, int], ...]
    ticks_per_beat: int
    metres: tuple[tuple[int, int, int], ...]

    def tick(self, seconds: float) -> float:
        """Return the tick of a time, with its fraction."""
        later = bisect_right(self.points, seconds, key=lambda point: point[0])
        first = min(max(0, later - 1), len(self.points) - 2)
        (begin, tick), (end, after) = self.points[first], self.points[first + 1]
        return tick + (seconds - begin) * (after - tick) / (end - begin)

    def tempos(self) -> list[tuple[int, int]]:
        """Return (tick, microseconds a beat); rounding does not add up."""
        micro = [round(1e6 * seconds) for seconds, _ in self.points]
        ticks = [tick for _, tick in self.points]
        return [
            (tick, max(1, round((end - begin) * self.ticks_per_beat / (after - tick))))
            for (begin, end), (tick, after) in zip(pairwise(micro), pairwise(ticks), strict=True)
        ]


def _short_bar(first: float, beat: float) -> tuple[int, int] | None:
    """Return the metre of a bar that ends at `first` seconds, so that the next begins there; None: too soon for any, or at once.

    beat: seconds that one lasts.
    """
    for under in SHORT_BARS:
        most = int(first * FASTEST_LEAD_BPM * under / 240)
        if most:
            return max(1, min(most, round(first / beat * under / 4))), under
    return None


def found_beats(found: Sequence[Transport], rate: int, length: int) -> Beats | None:
    """Return the beats in the first `length` samples of what a player said of them from one sample to the next; none where it is silent.

    Where it took another beat for it, one is longer or shorter.
    """
    seconds: list[float] = []
    numbers: list[int] = []
    for said, end in zip(found, [*(later.sample for later in found[1:]), float(length)], strict=False):
        samples_a_beat = 60 * rate / said.tempo_bpm
        beat = ceil(said.position)
        while (place := said.sample + (beat - said.position) * samples_a_beat) < end:
            if not seconds or place / rate - seconds[-1] > SAME_BEAT * samples_a_beat / rate:
                seconds.append(place / rate)
                numbers.append(round(beat - said.position + said.beat) % round(said.beats_a_bar) + 1)
            beat += 1
    return Beats(tuple(seconds), tuple(numbers)) if len(seconds) > 1 else None


def read_beats(path: Path) -> Beats:
    """Read a file of beats. Raises BacklineError that names the first line that is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is no text" if isinstance(error, UnicodeDecodeError) else error.strerror or error
        raise BacklineError(f"cannot read {path} as beats: {reason}") from error
    rows = [(place, line.split()) for place, line in enumerate(text.splitlines(), 1) if line.strip()]
    beats = [_beat(path, place, words) for place, words in rows]
    if len(beats) < 2:
        raise BacklineError(f"{path} has {len(beats)} beats; allowed: two or more, a line each")
    for (place, _), (one, _), (next_one, _) in zip(rows[1:], beats, beats[1:], strict=False):
        if not SHORTEST_BEAT <= next_one - one <= LONGEST_BEAT:
            raise BacklineError(
                f"{path}, line {place}: the beat at {next_one:g} s follows one at {one:g} s; "
                f"allowed: {SHORTEST_BEAT:g} to {LONGEST_BEAT:g} s later"
            )
    return Beats(tuple(seconds for seconds, _ in beats), tuple(number for _, number in beats))


def _beat(path: Path, place: int, words: Sequence[str]) -> tuple[float, int]:
    try:
        seconds, number = float(words[0]), float(words[1])
        if not isfinite(seconds) or not isfinite(number):
            raise ValueError
    except (ValueError, IndexError) as error:
        raise BacklineError(
            f"{path}, line {place} is '{' '.join(words):.60}'; a line is a time in seconds and the beat's number in its bar, as in 12.5 1"
        ) from error
    if seconds < 0:
        raise BacklineError(f"{path}, line {place}: the time is {seconds:g} s; allowed: 0 and more")
    if number != int(number) or not 1 <= number <= MOST_BEATS_A_BAR:
        raise BacklineError(f"{path}, line {place}: the beat's number is {number:g}; allowed: 1 to {MOST_BEATS_A_BAR}")
    return seconds, int(number)
