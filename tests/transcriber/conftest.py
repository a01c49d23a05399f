"""What the transcriber's tests share: outputs as a network would give them that knows what is played."""

from collections.abc import Callable

import numpy as np
import pytest

from models.transcriber.config import TranscriberConfig
from models.transcriber.targets import Score, stack_heads

Outputs = dict[str, np.ndarray]
CONFIG = TranscriberConfig()


def told(score: Score, hops: int) -> Outputs:
    """Return what every head is told to say: (hops, heads, pitches) float32 each, `pedal` (hops, heads).

    Odd hops end with a frame of the targets; even ones are the other phase's, for which all lies a hop later.
    """
    frames = hops // 2 + 1
    hop = CONFIG.hop
    later = Score(score.notes + np.array([hop, hop, 0, 0]), score.pedal + hop, score.bend + np.array([hop, 0]))
    even, odd = stack_heads([later], frames, CONFIG), stack_heads([score], frames, CONFIG)
    outputs = {}
    for name, value in odd.items():
        in_turn = np.stack([even[name][0].numpy(), value[0].numpy()], 1)
        outputs[name] = in_turn.reshape(-1, *value.shape[2:])[:hops]
    return outputs


@pytest.fixture(scope="session", name="told")
def told_fixture() -> Callable[[Score, int], Outputs]:
    """The function `told`."""
    return told
