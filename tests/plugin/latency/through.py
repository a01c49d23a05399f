"""A probe that passes its audio on: an impulse in gives a note and, at the very same sample, an impulse out."""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from exporters.onnx_export import describe_graph, export
from models.probe.manifest import probe_manifest
from models.probe.network import HOP, TAIL
from models.probe.processor import PEAK_REACH


class ThroughNetwork(nn.Module):
    """The probe's delay line, with what it heard in place of what it was told to play."""

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        """The last samples, as far back as notes wait, and as far as audio does. The first is what the processor goes by."""
        return {"audio": torch.zeros(batch, TAIL), "passed": torch.zeros(batch, TAIL + PEAK_REACH)}

    def step(
        self, audio: Tensor, pulses: Tensor, state: dict[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Take audio and pulses, (batch, HOP); return audio TAIL samples late, and as late as the notes are."""
        heard = torch.cat([state["audio"], audio], dim=1)  # (batch, TAIL + HOP)
        passed = torch.cat([state["passed"], audio], dim=1)
        outputs = {"heard": heard[:, :HOP], "played": passed[:, :HOP] + 0.0 * pulses}
        return outputs, {"audio": heard[:, HOP:], "passed": passed[:, HOP:]}


def write(folder: Path) -> Path:
    """Write folder/through.onnx."""
    network = ThroughNetwork()
    graph = describe_graph("step", network, {"audio": (HOP,), "pulses": (HOP,)})
    manifest = replace(probe_manifest(graph, HOP, TAIL), name="through", title="A probe that passes its audio on")
    export(network, manifest, folder / "through.onnx")
    return folder / "through.onnx"


if __name__ == "__main__":
    write(Path(sys.argv[1]))
