"""What every test may ask for: a stream fed in blocks, and a step that runs torch instead of ONNX; more stands in the modules named."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import cycle

import numpy as np
import pytest
import torch
from hypothesis import settings
from torch import nn

from models.block import Samples
from models.events import Event
from models.step import Tensors
from server.live_stream import LiveStream
from server.scheduler import Emission

settings.register_profile("house", max_examples=60, deadline=None, derandomize=True)
settings.load_profile("house")
torch.set_num_threads(1)  # the step sizes here are too small to share

pytest_plugins = ("tests.signals", "tests.small_models", "tests.running_server")


@dataclass(slots=True)
class Heard:
    """What came out of a stream: emissions with the end of the block that carried them, and the audio, joined."""

    emissions: list[Emission] = field(default_factory=list)
    block_ends: list[int] = field(default_factory=list)
    audio: Samples = field(default_factory=lambda: np.zeros((0, 0), np.float32))


def block_sizes(block: int | tuple[int, ...], length: int, start: int = 0) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of blocks of one size, or of several in turn, until `length` samples are through."""
    sizes = cycle(block if isinstance(block, tuple) else (block,))
    while start < length:
        end = min(start + next(sizes), length)
        yield start, end
        start = end


def feed(
    stream: LiveStream,
    samples: Samples,
    block: int | tuple[int, ...],
    events: Iterable[Event] = (),
    finish: bool = True,
) -> Heard:
    """Feed (channels, n) samples and host events to `stream` block by block from sample 0; return what it gave."""
    heard, pieces, waiting = Heard(), [], sorted(events, key=lambda event: event.sample)
    for start, end in block_sizes(block, samples.shape[1]):
        due = [event for event in waiting if event.sample < end]
        waiting = waiting[len(due) :]
        outgoing = stream.process(start, samples[:, start:end], due)
        heard.emissions += outgoing.emissions
        heard.block_ends += [end] * len(outgoing.emissions)
        pieces.append(outgoing.audio)
    if finish:
        ends = stream.finish(samples.shape[1])
        heard.emissions += ends
        heard.block_ends += [samples.shape[1]] * len(ends)
    heard.audio = np.concatenate(pieces, axis=1)
    return heard


class TorchStep:
    """A torch step network as a Step, one stream."""

    def __init__(self, network: nn.Module, inputs: tuple[str, ...]) -> None:
        self._network, self._inputs = network, inputs

    def initial_state(self) -> Tensors:
        """Return the network's own initial state as arrays."""
        state = self._network.initial_state(1)
        return {name: tensor.numpy().copy() for name, tensor in state.items()}

    def __call__(self, inputs: Tensors, state: Tensors) -> tuple[Tensors, Tensors]:
        """Run one hop; see Step."""
        arguments = [torch.from_numpy(np.ascontiguousarray(inputs[name])) for name in self._inputs]
        with torch.inference_mode():
            outputs, new = self._network.step(*arguments, {name: torch.from_numpy(a) for name, a in state.items()})
        return {k: t.numpy() for k, t in outputs.items()}, {k: t.numpy().copy() for k, t in new.items()}


@pytest.fixture(name="feed", scope="session")
def feed_fixture() -> Callable[..., Heard]:
    """The function `feed`: a stream, samples and a block size in, everything that came out back."""
    return feed


@pytest.fixture(scope="session")
def torch_step() -> type[TorchStep]:
    """The class `TorchStep`."""
    return TorchStep
