"""The only place where host blocks become hops.

Blocks of any size go in; hops of exactly the model's size and rate come out, each as soon as its last input is
there. Every hop is computed at once from the same samples in the same shape, so that results do not depend on
the block size, to the bit. Of a player that hears no audio only the count of samples is kept.
"""

import numpy as np

from models.block import Samples
from server.resample import Resampler

LARGEST_BLOCK = 8192
AUDIO_LIMIT = 8.0  # full scale is 1; what is above 18 dB over it is an accident, not music


class Rebuffer:
    """Host samples in, model hops out; positions count from the stream's origin.

    needed: the position of the newest host sample that the next hop needs.
    """

    def __init__(self, host_rate: int, model_rate: int, hop: int, channels: int) -> None:
        """Args: channels: 0 where the hops carry no audio."""
        self._hop, self._channels = hop, channels
        self._rates = host_rate, model_rate
        self._resampler = Resampler(host_rate, model_rate) if host_rate != model_rate and channels else None
        history = 2 * self._resampler.reach if self._resampler else 0
        per_hop = -(-hop * host_rate // model_rate) + history
        self._buffer = np.zeros((channels, 2 * (LARGEST_BLOCK + per_hop + history) + per_hop), np.float32)
        self._out = np.zeros((channels, hop), np.float32)
        self.reset()

    def reset(self) -> None:
        """Start again at sample 0 with silence behind it."""
        lead = self._resampler.reach if self._resampler else 0
        self._start = -lead  # position of the first column still needed
        self._place, self._count = 0, lead
        self._buffer[:, :lead] = 0.0
        self._hops = 0
        self.needed = self._last_input()

    @property
    def received(self) -> int:
        """Host samples taken since the origin."""
        return self._start + self._count

    def push(self, samples: Samples) -> None:
        """Take a block of (channels or 1, up to LARGEST_BLOCK). A NaN becomes silence, an infinity full scale."""
        count = samples.shape[1]
        if not self._channels:
            self._count += count
            return
        if self._place + self._count + count > self._buffer.shape[1]:
            self._buffer[:, : self._count] = self._buffer[:, self._place : self._place + self._count]
            self._place = 0
        begin = self._place + self._count
        target = self._buffer[:, begin : begin + count]
        target[...] = samples
        # One pass tells that nearly every block is clean: its energy bounds its peak, and a NaN makes `<=` false.
        if not float(np.vdot(target, target)) <= AUDIO_LIMIT**2:
            np.nan_to_num(target, copy=False, nan=0.0, posinf=1.0, neginf=-1.0)
            np.clip(target, -AUDIO_LIMIT, AUDIO_LIMIT, out=target)
        self._count += count

    def is_ready(self) -> bool:
        """Whether the next hop is complete."""
        return self.needed < self._start + self._count

    def pop(self) -> Samples:
        """Return the next hop, (channels, hop), which is complete: see is_ready. The array is reused by the next call."""
        first = self._hops * self._hop
        window = self._buffer[:, self._place : self._place + self._count]
        self._hops += 1
        self.needed = self._last_input()
        if not self._channels:
            self._drop(self._count)
        elif self._resampler is None:
            self._out[...] = window[:, : self._hop]
            self._drop(self._hop)
        else:
            self._out[...] = self._resampler.compute(window, self._start, first, self._hop)
            self._drop(self._resampler.first_input(first + self._hop) - self._start)
        return self._out

    def _last_input(self) -> int:
        """Return the position of the newest host sample that the next hop needs."""
        end = (self._hops + 1) * self._hop
        if not self._channels:
            host_rate, model_rate = self._rates
            return -(-end * host_rate // model_rate) - 1
        return self._resampler.last_input(end - 1) if self._resampler else end - 1

    def _drop(self, count: int) -> None:
        self._place += count
        self._start += count
        self._count -= count
