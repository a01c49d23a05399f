"""The host's transport in time: where it is later, and whether it went on or broke off.

Who owns an output ends its notes where the transport breaks off: at a stop, and at a jump while it rolled.
"""

from dataclasses import replace
from math import floor

from models.events import Transport

SLACK_SECONDS = 0.2  # an xrun moves a host's clock forward by less than a person would move it
SELDOM_SECONDS = 1.0  # told at least this often: an engine that takes over has heard none
SAME_TEMPO = 0.002  # of a tempo: what a followed clock wanders by
SAME_BEAT = 0.01  # beats, 5 ms at 120 BPM
BACK_SLACK_SECONDS = 0.025  # and hosts' clocks step back by a little, without a loop that short


def advanced(transport: Transport, sample: float, rate: float) -> Transport:
    """Return what `transport` has become at `sample` of a stream at `rate` Hz, if nothing has happened since."""
    passed = sample - transport.sample
    if not transport.playing:
        return replace(transport, sample=sample)
    beats = passed / rate * transport.tempo_bpm / 60
    beat = transport.beat + beats
    bars = floor(beat / transport.beats_a_bar)
    return replace(
        transport,
        sample=sample,
        host_sample=transport.host_sample + round(passed),
        position=transport.position + beats,
        bar=transport.bar + bars,
        beat=max(0.0, beat - bars * transport.beats_a_bar),
    )


class TransportNews:
    """Knows what was told last, and when there is something new to tell: at any change but the course of time, and at times."""

    def __init__(self, rate: int) -> None:
        self._rate, self._seldom = rate, round(SELDOM_SECONDS * rate)
        self._told: Transport | None = None

    def is_news(self, now: Transport) -> bool:
        """Return whether to tell `now`; if so it counts as told."""
        told = self._told
        if told is not None and 0 <= now.sample - told.sample < self._seldom and self._goes_on(told, now):
            return False
        self._told = now
        return True

    def _goes_on(self, told: Transport, now: Transport) -> bool:
        expected = advanced(told, now.sample, self._rate)
        return (
            now.playing == expected.playing
            and now.beats_a_bar == expected.beats_a_bar
            and abs(now.host_sample - expected.host_sample) <= 1
            and abs(now.tempo_bpm - expected.tempo_bpm) <= SAME_TEMPO * expected.tempo_bpm
            and abs(now.position - expected.position) <= SAME_BEAT
            and abs(_counted(now) - _counted(expected)) <= SAME_BEAT
        )


def _counted(transport: Transport) -> float:
    return transport.bar * transport.beats_a_bar + transport.beat


class TransportWatch:
    """Sees a rolling transport stop, jump or turn round. Works on integers and keeps three: fit for an audio callback."""

    def __init__(self, rate: int) -> None:
        self._forward, self._back = round(SLACK_SECONDS * rate), -round(BACK_SLACK_SECONDS * rate)
        self._playing = False
        self._host_sample = self._sample = 0

    def broke_off(self, playing: bool, host_sample: int, sample: int) -> bool:
        """Return whether what rolled at the last call did not simply go on to the host's sample at our `sample`."""
        moved = host_sample - self._host_sample - (sample - self._sample)
        broke = self._playing and (not playing or not self._back <= moved <= self._forward)
        self._playing, self._host_sample, self._sample = playing, host_sample, sample
        return broke

    def forget(self) -> None:
        """Know of nothing that rolls."""
        self._playing = False
