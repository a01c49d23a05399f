"""Follows a MIDI clock: 24 ticks a beat, with start, stop, continue and song position, through jitter of some milliseconds.

A tick says how far the music is (the count of ticks is the truth) and, less exactly, when. The time of ticks is a straight
line fitted to those that were heard: a filter of second order whose gains are those of least squares over all ticks since it
locked, until TICKS_OF_MEMORY; from then on it forgets. A single tick off its line is jitter; where the line is left on one
side for several ticks the tempo has changed, and the memory begins anew.

It knows no metre (the clock tells none, so 4/4 is taken) and no device: whoever has a MIDI input feeds it.
"""

from math import floor

from models.events import Transport

TICKS_A_BEAT = 24
TICKS_A_SIXTEENTH = 6  # song position is told in sixteenths
BEATS_A_BAR = 4.0
TICKS_OF_MEMORY = 48  # two beats: 3 ms of jitter become 0.2 % of tempo
TICKS_TO_LOCK = 6  # before that many a tempo is a guess and none is told
SHORT_MEMORY = 6  # ticks believed again after a change of tempo
DRIFT_SHARE = 0.2  # of the mean error that a tick moves: a change is seen within about five of them
SPREAD_SHARE = 0.04  # of the usual size of an error, which tells jitter from drift
DRIFT_OF_SPREAD, DRIFT_SECONDS = 1.6, 0.002  # a mean error that this clock's jitter does not make
SLOWEST_BPM, FASTEST_BPM = 20.0, 400.0


class ClockFollower:
    """One clock at one sample rate. Feed it in the order of samples."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._least = rate * 60 / FASTEST_BPM / TICKS_A_BEAT
        self._most = rate * 60 / SLOWEST_BPM / TICKS_A_BEAT
        self._least_drift = DRIFT_SECONDS * rate
        self._tick = self._heard = 0.0  # the last tick: where the line has it, and where it was heard
        self._period = 0.0  # samples a tick
        self._known = 0  # ticks in memory
        self._drift = self._spread = 0.0  # mean error of late, and its usual size
        self._next = 0  # what the next tick is called, counted from the song's beginning
        self._playing = self._starting = False
        self._began: tuple[float, float] = (0.0, 0.0)  # sample and position at which it began to play

    def clock(self, sample: float) -> None:
        """Hear a tick."""
        self._time(sample)
        if self._starting:
            self._starting, self._playing = False, True
            self._began = sample, self._next / TICKS_A_BEAT
        self._next += self._playing

    def start(self) -> None:
        """Begin with the song's beginning at the next tick."""
        self._next, self._starting, self._playing = 0, True, False

    def go_on(self) -> None:
        """Continue at the next tick where it stands."""
        if not self._playing:
            self._starting = True

    def stop(self) -> None:
        """Stand from here on."""
        self._starting = self._playing = False

    def locate(self, sixteenths: int) -> None:
        """Stand at a song position."""
        self._next = TICKS_A_SIXTEENTH * sixteenths
        self._starting, self._playing = self._starting or self._playing, False

    def is_alive(self, sample: float) -> bool:
        """Whether ticks still come."""
        return self._known > 0 and sample - self._heard <= 2 * self._most

    def at(self, sample: float) -> Transport:
        """Return what the clock says of `sample`, at most a tick ahead of the last one heard."""
        locked = self._known >= TICKS_TO_LOCK and self.is_alive(sample)
        if not locked:
            return Transport(sample, self._playing, self._host_sample(sample, 0.0))
        tempo = 60 * self._rate / (self._period * TICKS_A_BEAT)
        ahead = min(1.0, max(-1.0, (sample - self._tick) / self._period)) - 1.0 if self._playing else 0.0
        position = max(0.0, (self._next + ahead) / TICKS_A_BEAT)
        bars = floor(position / BEATS_A_BAR)
        return Transport(
            sample, self._playing, self._host_sample(sample, tempo), tempo, position, bars + 1,
            position - bars * BEATS_A_BAR, BEATS_A_BAR,
        )  # fmt: skip

    def _host_sample(self, sample: float, tempo: float) -> int:
        """Return a clock of samples as a host has one: it goes on while music plays, and jumps where the song does."""
        if self._playing:
            return round(sample - self._began[0] + self._began[1] * self._samples_a_beat(tempo))
        return round(self._next / TICKS_A_BEAT * self._samples_a_beat(tempo))

    def _samples_a_beat(self, tempo: float) -> float:
        return self._rate * 60 / (tempo or 120.0)

    def _time(self, sample: float) -> None:
        interval, self._heard = sample - self._heard, sample
        if not self._known or interval > 2 * self._most:
            self._tick, self._period, self._known = sample, 0.0, 1
            self._drift = self._spread = 0.0
            return
        error = sample - (self._tick + self._period)
        if self._known == 1 or abs(error) > self._period / 2:
            self._tick, self._known, self._drift = sample, 2, 0.0
            self._period = self._allowed(interval)
            return
        self._drift += DRIFT_SHARE * (error - self._drift)
        self._spread += SPREAD_SHARE * (abs(error) - self._spread)
        if abs(self._drift) > max(self._least_drift, DRIFT_OF_SPREAD * self._spread) and self._known > SHORT_MEMORY:
            self._known, self._drift = SHORT_MEMORY, 0.0
        count = self._known = min(TICKS_OF_MEMORY, self._known + 1)
        # Least squares over `count` ticks, one by one: how much of an error is place, how much is tempo.
        self._tick += self._period + error * 2 * (2 * count - 1) / (count * (count + 1))
        self._period = self._allowed(self._period + error * 6 / (count * (count + 1)))

    def _allowed(self, period: float) -> float:
        return min(self._most, max(self._least, period))
