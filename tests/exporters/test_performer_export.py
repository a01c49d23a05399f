"""A performer's checkpoint becomes a file with its instruments, manners, sizes and figures, or is refused with a reason."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from exporters.errors import ExportError
from exporters.parity import check_parity
from exporters.players import export_performer
from models.block import Block
from models.events import NoteOn
from models.model_file import read_manifest
from models.performer.config import PerformerConfig
from models.performer.manifest import INSTRUMENTS
from models.performer.network import PerformerNetwork, load_network
from models.registry import open_processor
from server.onnx_step import OnnxStep, open_session

TINY = PerformerConfig(
    sample_rate=16_000, n_fft=512, hop=128, voices=2, partials=8, own_partials=3, envelope_points=5, noise_points=4,
    body_points=6, voice_channels=6, common_channels=5, bands=16, multi_bands=(2,), look_ahead=(0, 3), reach=128, rooms=2,
)  # fmt: skip
MANNERS = {
    "flute": {"vibrato_semitones": 0.1, "vibrato_hertz": 5.0, "vibrato_delay": 0.2},
    "violin": {"vibrato_semitones": 0.3, "vibrato_hertz": 6.0, "vibrato_delay": 0.1},
}
CARD = {
    "config": json.dumps(TINY.to_json()), "step": "7", "minutes": "1.0",
    "manners": json.dumps(MANNERS), "figures": json.dumps({"violin test_piece 0": 7.5}),
}  # fmt: skip


@pytest.fixture
def write_checkpoint(tmp_path) -> Callable[..., Path]:
    """A function (card) -> a checkpoint of random weights."""

    def write(card: dict[str, str]) -> Path:
        torch.manual_seed(1)
        save_file(PerformerNetwork(TINY).state_dict(), tmp_path / "performer.safetensors", card)
        return tmp_path / "performer.safetensors"

    return write


def test_the_file_plays_the_instruments_of_its_checkpoint(write_checkpoint, tmp_path):
    checkpoint, path = write_checkpoint(CARD), tmp_path / "performer.onnx"
    assert export_performer(checkpoint, path, {"mel distance": 6.0}) < 1e-3
    manifest = read_manifest(path)
    assert PerformerConfig.from_json(manifest.settings["config"]) == TINY
    assert (manifest.sample_rate, manifest.hop) == (16_000, 128)
    assert [(head.look_ahead_ms, head.look_ahead) for head in manifest.heads] == [(0.0, 0), (24.0, 384)]
    assert manifest.parameter("instrument").choices == ("flute", "violin")
    assert manifest.settings["instruments"]["flute"] == INSTRUMENTS["flute"] | MANNERS["flute"]
    assert manifest.quality == {"mel_db violin test_piece 0 ahead": 7.5, "mel distance": 6.0}
    assert [(port.kind, port.channels) for port in manifest.outputs] == [("audio", 1), ("magnitude", 0)]
    assert manifest.resolve({})["look_ahead_ms"] == 24
    assert manifest.resolve({"stream": "live"})["look_ahead_ms"] == 0
    network = load_network(checkpoint)
    for batch in (1, 5):
        assert check_parity(network, path, manifest.graphs[0], hops=5, batch=batch) < 1e-3
    step = OnnxStep(open_session(path), manifest.graphs[0])
    processor = open_processor(manifest, {"step": step}, manifest.resolve({"instrument": "flute", "stream": "live"}))
    events = (NoteOn(5, 72, 90), NoteOn(6, 76, 90), NoteOn(7, 79, 90))  # one more than it has voices
    given = [
        processor.process(Block(n * 128, np.zeros((0, 128), np.float32), events if n == 0 else ())) for n in range(9)
    ]
    assert all(np.isfinite(block.samples).all() and block.samples.any() for block in given[1:])
    assert given[3].magnitude is not None
    assert given[3].magnitude.shape == (1, 257)


@pytest.mark.parametrize("missing", ["config", "manners", "figures"])
def test_a_checkpoint_without_what_the_manifest_needs_is_refused(write_checkpoint, tmp_path, missing):
    checkpoint = write_checkpoint({name: value for name, value in CARD.items() if name != missing})
    with pytest.raises(ExportError, match="is no checkpoint of this performer"):
        export_performer(checkpoint, tmp_path / "performer.onnx", {})
    assert not (tmp_path / "performer.onnx").exists()


def test_what_is_no_checkpoint_is_refused(tmp_path):
    other = tmp_path / "other.safetensors"
    with pytest.raises(
        ExportError, match=r"there is no checkpoint .*other\.safetensors; `backline train performer` makes one"
    ):
        export_performer(other, tmp_path / "performer.onnx", {})
    with pytest.raises(ExportError, match="there is no checkpoint None"):
        export_performer(None, tmp_path / "performer.onnx", {})
    other.write_bytes(b"not a checkpoint")
    with pytest.raises(ExportError, match="is no checkpoint of this performer"):
        export_performer(other, tmp_path / "performer.onnx", {})
    assert [path.name for path in tmp_path.iterdir()] == ["other.safetensors"]
