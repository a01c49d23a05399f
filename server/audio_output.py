"""A player's audio on its way out: model hops by content place in, host blocks at exact samples out."""

import numpy as np

from models.block import Block, Samples, silence
from server.resample import Resampler


class AudioOutput:
    """Holds audio by the host sample it speaks about; what is not there yet is silence."""

    def __init__(self, host_rate: int, model_rate: int, channels: int, seconds: float = 4.0) -> None:
        self._ring = silence(channels, int(seconds * host_rate))
        self._resampler = Resampler(model_rate, host_rate) if host_rate != model_rate else None
        self._reach = self._resampler.reach if self._resampler else 0
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._ring[...] = 0.0
        self._written = 0  # host samples of content that are final
        self._window = silence(self._ring.shape[0], self._reach)
        self._window_start = -self._reach

    def push(self, block: Block) -> None:
        """Take the next hop of content; content before sample 0 is the silence before the stream."""
        samples = block.samples[:, max(0, -block.start) :]
        if not samples.shape[1]:
            return
        if self._resampler is None:
            self._write(samples)
            return
        self._window = np.concatenate([self._window, samples], axis=1)
        ready = self._resampler.outputs_within(self._window_start + self._window.shape[1])
        if ready > self._written:
            first = self._written
            self._write(self._resampler.compute(self._window, self._window_start, first, ready - first))
            drop = self._resampler.first_input(ready) - self._window_start
            if drop > 0:
                self._window, self._window_start = self._window[:, drop:], self._window_start + drop

    def pull(self, start: int, count: int) -> Samples:
        """Return content start .. start + count - 1, (channels, count); each sample once, silence where there is none."""
        result = silence(self._ring.shape[0], count)
        if not result.size:
            return result
        first, last = max(start, 0, self._written - self._ring.shape[1]), min(start + count, self._written)
        if first < last:
            place = first % self._ring.shape[1]
            head = min(last - first, self._ring.shape[1] - place)
            result[:, first - start : first - start + head] = self._ring[:, place : place + head]
            result[:, first - start + head : last - start] = self._ring[:, : last - first - head]
        return result

    def _write(self, samples: Samples) -> None:
        place = self._written % self._ring.shape[1]
        head = min(samples.shape[1], self._ring.shape[1] - place)
        self._ring[:, place : place + head] = samples[:, :head]
        self._ring[:, : samples.shape[1] - head] = samples[:, head:]
        self._written += samples.shape[1]
