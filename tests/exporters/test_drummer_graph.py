"""The drummer's step becomes a graph with the clock of beats that gives what torch gives."""

from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import torch

from exporters.onnx_export import describe_graph, trace
from exporters.parity import check_parity
from exporters.self_check import check_graph
from models.drummer.config import HEARD, LONGEST_BAR, SIXTEENTHS, DrummerConfig
from models.drummer.network import DrummerNetwork


@pytest.mark.parametrize("recurrent", [0, 24])
def test_a_beat_in_onnx_equals_torch(recurrent: int, tmp_path: Path):
    torch.manual_seed(1)
    network = DrummerNetwork(DrummerConfig(hidden=32, recurrent=recurrent)).eval()
    inputs = {
        "whole": (SIXTEENTHS, len(HEARD)), "whole_place": (LONGEST_BAR,), "part": (SIXTEENTHS, len(HEARD) + 1),
        "order": (LONGEST_BAR, LONGEST_BAR), "tempo": (1,),
    }  # fmt: skip
    graph = replace(describe_graph("plan", network, inputs), clock="beat")
    path = tmp_path / "plan.onnx"
    onnx.save(trace(network, graph), path)
    assert check_graph(path, graph) == []
    assert check_parity(network, path, graph) < 1e-5  # measured 1e-6
