"""How late a stream is, in host samples, and why: one constant, fixed when the stream opens.

Theory. A model of rate `m` works in hops of `hop` samples and decides about its sample s once it has heard
s + look_ahead. The hop that holds s + look_ahead ends at the latest at s + look_ahead + hop - 1. With the host at
rate `h`, model sample e needs host input up to e * h/m + reach, where `reach` is half the resampler's filter.
The host place of s is rounded to a whole sample (half a sample at most). So a result about host sample n can
always leave at

    n + ceil((look_ahead + hop - 1) * h/m + reach + 1/2)      (h != m)
    n + look_ahead + hop - 1                                  (h == m)

and never has to leave later. Audio out passes a second resampler of the same reach. The bridge is what the
path to the device needs for itself (two maximum blocks in real time, none on a virtual clock). Where no audio comes in, a
hop waits for no filter but for the host sample before its end, which rounding moves by h/m at most.
"""

from dataclasses import dataclass
from math import ceil

from models.stream import StreamSpec

FILTER_HALF_WIDTH = 32
"""Zero crossings on each side of the resampling filter: 2 ms at 16 kHz, 80 dB of stop band (server.resample)."""


@dataclass(frozen=True, slots=True)
class Latency:
    """The parts of a stream's latency, each in host samples.

    adaptation: blocks into hops, at most hop - 1 model samples.
    look_ahead: the future a decision waits for, the window part included.
    resampler: filters at the border; 0 where host and model share a rate.
    bridge: the path between device and engine.
    quantise: how far a note may go back to its line in the rhythm.
    """

    adaptation: int
    look_ahead: int
    resampler: int
    bridge: int = 0
    quantise: int = 0

    @property
    def total(self) -> int:
        """Input sample to output event or sample, in host samples."""
        return self.adaptation + self.look_ahead + self.resampler + self.bridge + self.quantise


def resampler_reach(host_rate: int, model_rate: int) -> int:
    """Return the host samples on one side of the resampling filter between the two rates; 0 if they are equal."""
    if host_rate == model_rate:
        return 0
    return ceil(FILTER_HALF_WIDTH * max(1.0, host_rate / model_rate))


def declare_latency(spec: StreamSpec, host_rate: int, bridge: int = 0) -> Latency:
    """Return the latency that a commit stream of `spec` declares to a host of `host_rate` Hz."""
    if host_rate == spec.sample_rate:
        return Latency(spec.hop - 1, spec.look_ahead, 0, bridge)
    ratio = host_rate / spec.sample_rate
    adaptation, look_ahead = ceil((spec.hop - 1) * ratio), ceil(spec.look_ahead * ratio)
    one_way = resampler_reach(host_rate, spec.sample_rate) + 1
    resampler = (one_way if spec.channels_in else ceil(ratio)) + (one_way if spec.channels_out else 0)
    return Latency(adaptation, look_ahead, resampler, bridge)


def live_delay(spec: StreamSpec, host_rate: int) -> int:
    """Return the constant by which a live stream's emissions are placed back, in host samples."""
    if spec.planned:
        return 0
    ratio = host_rate / spec.sample_rate
    return round(spec.live_delay * ratio) + (resampler_reach(host_rate, spec.sample_rate) if spec.channels_in else 0)
