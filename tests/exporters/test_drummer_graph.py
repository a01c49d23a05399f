"""The drummer's step becomes a graph with the clock of beats that gives what torch gives."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from exporters.errors import ExportError
from exporters.onnx_export import describe_graph, trace
from exporters.parity import check_parity
from exporters.players import EXPORTERS
from exporters.self_check import check_graph
from models.drummer.config import HEARD, LONGEST_BAR, SIXTEENTHS, DrummerConfig
from models.drummer.kit import PARTS
from models.drummer.manifest import read_styles
from models.drummer.network import DrummerNetwork
from models.layers.checkpoint import write_tensors
from models.model_file import read_manifest


def test_a_checkpoint_becomes_a_drummer_with_its_styles_and_figures(tmp_path: Path):
    torch.manual_seed(2)
    network, pattern = DrummerNetwork(DrummerConfig(hidden=32, summary=8)), np.zeros((4, SIXTEENTHS, len(PARTS)))
    pattern[0, 0, 0] = 0.75
    card = {"config": network.config.to_json(), "figures": json.dumps({"songs": {"own": 0.5}})}
    card["styles"] = json.dumps({"polka": pattern.ravel().tolist()})
    write_tensors(tmp_path / "drummer.safetensors", network.state_dict(), card)
    EXPORTERS["drummer"](tmp_path / "drummer.safetensors", tmp_path / "drummer.onnx", {"measured": 1.0})
    manifest = read_manifest(tmp_path / "drummer.onnx")
    assert [graph.clock for graph in manifest.graphs] == ["beat"]
    assert manifest.parameter("style").choices == ("auto", "polka")
    assert np.array_equal(read_styles(manifest)["polka"], pattern)
    assert manifest.quality == {"validation songs own": 0.5, "measured": 1.0}


def test_what_is_no_checkpoint_of_a_drummer_is_refused(tmp_path: Path):
    write_tensors(tmp_path / "other.safetensors", {"weight": torch.zeros(3)}, {"config": "{}"})
    for name, reason in (
        ("none.safetensors", "there is no checkpoint"),
        ("other.safetensors", "is no checkpoint of this drummer"),
    ):
        with pytest.raises(ExportError, match=reason):
            EXPORTERS["drummer"](tmp_path / name, tmp_path / "drummer.onnx", {})
    assert not (tmp_path / "drummer.onnx").exists()


@pytest.mark.parametrize("summary", [8, 24])
def test_a_beat_in_onnx_equals_torch(summary: int, tmp_path: Path):
    torch.manual_seed(1)
    network = DrummerNetwork(DrummerConfig(hidden=32, summary=summary)).eval()
    inputs = {
        "whole": (SIXTEENTHS, len(HEARD)), "whole_place": (LONGEST_BAR,), "part": (SIXTEENTHS, len(HEARD) + 1),
        "order": (LONGEST_BAR, LONGEST_BAR), "tempo": (1,),
    }  # fmt: skip
    graph = replace(describe_graph("plan", network, inputs), clock="beat")
    path = tmp_path / "plan.onnx"
    onnx.save(trace(network, graph), path)
    assert check_graph(path, graph) == []
    assert check_parity(network, path, graph) < 1e-5  # measured 1e-6
