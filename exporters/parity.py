"""Torch and ONNX side by side over many hops, the state carried on both sides."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from exporters.self_check import open_session
from models.manifest import GraphSpec

HOPS = 50


def check_parity(
    network: nn.Module, path: Path, graph: GraphSpec, hops: int = HOPS, batch: int = 2, constant: str = ""
) -> float:
    """Return the largest absolute difference of outputs and state between `network` and the file, over `hops` hops.

    constant: the boolean constant of the graph that is set. What is not a number makes the difference none either.
    """
    session = open_session(path, constant)
    generator = np.random.default_rng(0)
    state = network.initial_state(batch)  # type: ignore[operator]
    carried = {f"state/{name}": tensor.numpy() for name, tensor in state.items()}
    worst = 0.0
    for _ in range(hops):
        inputs = {t.name: generator.uniform(0, 0.5, (batch, *t.shape)).astype(np.float32) for t in graph.inputs}
        with torch.no_grad():
            outputs, state = network.step(*(torch.from_numpy(a) for a in inputs.values()), state)  # type: ignore[operator]
        names = [value.name for value in session.get_outputs()]
        results = dict(zip(names, session.run(None, {**inputs, **carried}), strict=True))
        expected = outputs | {f"next_state/{name}": tensor for name, tensor in state.items()}
        apart = [np.abs(results[name] - tensor.numpy()).max() for name, tensor in expected.items()]
        worst = float(np.max([worst, *apart]))
        carried = {f"state/{t.name}": results[f"next_state/{t.name}"] for t in graph.state}
    return worst
