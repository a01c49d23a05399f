"""A transcriber in one phase hears with every hop what the shipped one's second phase hears, and is served as any other."""

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
import soxr
import torch
from onnx import helper, numpy_helper

from exporters.branches import FIRST, SECOND
from exporters.one_phase import weights_of
from models.events import NoteOn
from models.model_file import METADATA_KEY, graph_checksum, read_manifest
from models.registry import bundled_files
from models.transcriber.config import TranscriberConfig
from models.transcriber.network import TranscriberNetwork
from models.transcriber.tuning import tuning_taps
from server.audio.file import read_audio
from server.cli import main
from server.live_routes import TAKE
from server.model_store import find_model, open_stream
from server.onnx_step import OnnxStep, open_session
from server.run_file import run_stream

SHIPPED = bundled_files()["transcriber"]
TWO, ONE = TranscriberConfig(), TranscriberConfig(hop=256, phases=1)
SECONDS = 3


@pytest.fixture(scope="module")
def thrifty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command writes of the transcriber that ships."""
    path = tmp_path_factory.mktemp("one") / "transcriber_one_phase.onnx"
    assert main(["export", "transcriber", "--one-phase", "-o", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def audio() -> np.ndarray:
    """(samples,) of the bundled take at 16 kHz, whole frames."""
    samples, rate = read_audio(TAKE)
    whole = soxr.resample(samples[0, 2 * rate : (2 + SECONDS) * rate], rate, ONE.sample_rate).astype(np.float32)
    return whole[: len(whole) // ONE.hop * ONE.hop]


@pytest.fixture
def refusal(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """A function (words...) -> the one sentence with which `backline export` refuses them."""

    def run(*words: object) -> str:
        assert main(["export", *map(str, words)]) == 2
        said = capsys.readouterr().err
        assert said.startswith("backline: ")
        assert said.count("\n") == 1
        return said

    return run


def heard(path: Path, audio: np.ndarray, constants: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return each output (hops, …) of a file's graph, called hop by hop."""
    manifest = read_manifest(path)
    step = OnnxStep(open_session(path, constants=constants), manifest.graphs[0])
    tuning, state, steps = tuning_taps(0.0, ONE.bins_per_semitone)[None], step.initial_state(), []
    for hop in audio.reshape(-1, manifest.hop):
        outputs, state = step({"audio": hop[None], "tuning": tuning}, state)
        steps.append({name: value[0].copy() for name, value in outputs.items()})
    return {name: np.stack([one[name] for one in steps]) for name in steps[0]}


def struck(pitch: int) -> np.ndarray:
    """Return (samples,) at 16 kHz of a string struck after half a second: partials that decay, the higher the sooner."""
    time = np.arange(round(1.5 * ONE.sample_rate)) / ONE.sample_rate
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    partials = [np.exp(-2 * n * time) * np.sin(2 * np.pi * n * frequency * time) / n for n in range(1, 8)]
    tone = 0.2 * np.minimum(1, time / 0.003) * np.sum(partials, 0)
    return np.concatenate([np.zeros(ONE.sample_rate // 2), tone]).astype(np.float32)


def notes(
    path: Path, samples: np.ndarray, rate: int, block: int, **settings: str | float
) -> list[tuple[int, int, int]]:
    """Return (sample, pitch, velocity) of every note that a stream of the file sends, fed in blocks."""
    take = run_stream(open_stream(find_model(str(path)), settings, rate), samples[None], block=block)
    return [(e.due, e.event.pitch, e.event.velocity) for e, _ in take.emissions if isinstance(e.event, NoteOn)]


def test_the_file_says_what_it_is(thrifty):
    manifest, shipped = read_manifest(thrifty), read_manifest(SHIPPED)
    assert (manifest.name, manifest.decoder) == ("transcriber_one_phase", "transcriber")
    assert manifest.title.startswith("Transcriber in one phase")
    assert (manifest.hop, manifest.settings["phases"]) == (256, 1)
    assert (manifest.licence, manifest.trained_on) == (shipped.licence, shipped.trained_on)
    assert manifest.parameters == shipped.parameters
    assert manifest.quality == {}, "the figures of the shipped one hold for two phases"


def test_no_threshold_is_another_and_live_notes_are_said_to_be_known_later(thrifty):
    found, shipped = (read_manifest(path).settings for path in (thrifty, SHIPPED))
    assert found["constants"] == shipped["constants"]
    changes = set()
    rows = [(found["networks"], shipped["networks"])]
    rows += [
        ({name: found["instruments"][name]["streams"]}, {name: row["streams"]})
        for name, row in shipped["instruments"].items()
        if "streams" in row
    ]
    for new, old in rows:
        for name, streams in old.items():
            for kind, row in streams.items():
                for ms, before in row.items():
                    after = new[name][kind][ms]
                    assert {k: v for k, v in after.items() if k != "live_delay"} == {
                        k: v for k, v in before.items() if k != "live_delay"
                    }
                    changes.add(after.get("live_delay", 0) - before.get("live_delay", 0))
    assert changes == {0, 64}, "half of the 128 samples that a decision may have to wait longer"


@pytest.mark.parametrize(("constants", "branch"), [((), FIRST), (("general",), SECOND)], ids=["piano", "general"])
def test_it_hears_what_the_second_phase_of_the_shipped_one_hears(thrifty, audio, constants, branch):
    one, two = heard(thrifty, audio, constants), heard(SHIPPED, audio, constants)
    tensors = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in onnx.load(thrifty).graph.initializer}
    network = TranscriberNetwork(ONE).eval()
    network.load_state_dict(weights_of(tensors, branch, ONE))
    with torch.no_grad():
        whole = network(torch.from_numpy(audio[None]))
    for name, value in one.items():
        assert np.ptp(value) > 0.1 or name == "bend", "the outputs hardly move: nothing is compared"
        assert np.abs(value - two[name][1::2]).max() < 1e-4, name
        assert np.abs(value - whole[name][0].numpy()).max() < 1e-4, name


@pytest.mark.parametrize("settings", [{}, {"stream": "live"}, {"instrument": "strings", "look_ahead_ms": "40"}])
def test_its_notes_do_not_depend_on_the_block(thrifty, settings):
    samples, rate = read_audio(TAKE)
    samples = samples[0, 2 * rate : (2 + SECONDS) * rate]
    found = [notes(thrifty, samples, rate, block, **settings) for block in (63, 64, 441, 8193)]
    assert len(found[0]) >= 5
    assert all(one == other for one, other in pairwise(found))


def test_a_commit_note_leaves_at_the_declared_latency(thrifty):
    samples, rate = read_audio(TAKE)
    declared = {}
    for path in (thrifty, SHIPPED):
        stream = open_stream(find_model(str(path)), {}, rate)
        take = run_stream(stream, samples[:, 2 * rate : 4 * rate], block=64)
        places = [e.due - e.place for e, _ in take.emissions if isinstance(e.event, NoteOn)]
        assert set(places) == {stream.declared}
        assert stream.scheduler.late == 0
        declared[path] = stream.declared
    assert declared[thrifty] == declared[SHIPPED], "a shorter wait for places makes up for a longer hop"


@pytest.mark.parametrize("stream", ["commit", "live"])
@pytest.mark.parametrize("pitch", [55, 67, 84])
def test_a_struck_string_has_the_pitch_that_the_shipped_one_hears_at_nearly_its_time(thrifty, stream, pitch):
    (one,), (two,) = (notes(path, struck(pitch), ONE.sample_rate, 64, stream=stream) for path in (thrifty, SHIPPED))
    assert one[1] == two[1] == pitch
    assert abs(one[0] - two[0]) <= ONE.hop
    assert abs(one[2] - two[2]) <= 20


def restamped(model: onnx.ModelProto, path: Path) -> Path:
    """Write a changed graph with the manifest of the shipped one and the right checksum."""
    text = read_manifest(SHIPPED).to_json()
    helper.set_model_props(model, {METADATA_KEY: text})
    checksum = graph_checksum(model.SerializeToString())
    helper.set_model_props(model, {METADATA_KEY: text.replace(read_manifest(SHIPPED).checksum, checksum)})
    path.write_bytes(model.SerializeToString())
    return path


def swapped(model: onnx.ModelProto) -> None:
    """Put what was folded in another order, so that one mixing layer is taken for the other; the graph is the same."""
    tensors = model.graph.initializer
    one, two = (n for n, t in enumerate(tensors) if t.name.startswith(FIRST) and tuple(t.dims) == (256, 48))
    first, second = onnx.TensorProto(), onnx.TensorProto()
    first.CopyFrom(tensors[one])
    second.CopyFrom(tensors[two])
    tensors[one].CopyFrom(second)
    tensors[two].CopyFrom(first)


def renamed(model: onnx.ModelProto) -> None:
    """Take the name of a weight away, everywhere."""
    name = FIRST + "network.heads.bias"
    for tensor in model.graph.initializer:
        tensor.name = "bias" if tensor.name == name else tensor.name
    for attribute in model.graph.node[0].attribute:
        for node in attribute.g.node:
            node.input[:] = ["bias" if given == name else given for given in node.input]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (swapped, "and the weights found in it differ by"),
        (renamed, 'holds no weights of this transcriber\'s shapes: .*Missing key.*"heads.bias"'),
    ],
)
def test_weights_that_are_not_what_the_graph_computes_with_are_refused(change: Callable, words, refusal, tmp_path):
    model = onnx.load(SHIPPED)
    change(model)
    path = restamped(model, tmp_path / "changed.onnx")
    said = refusal("transcriber", path, "--one-phase", "-o", tmp_path / "one.onnx")
    assert re.search(words, said)
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_transcriber_of_two_phases_is_refused(refusal, thrifty, tmp_path):
    text = tmp_path / "text.onnx"
    text.write_text("This is no model.\n")
    for path, words in (
        (thrifty, "has hops of 256 samples and 1 phase(s); --one-phase takes 128 samples and 2 phases"),
        (bundled_files()["probe"], "is a probe; --one-phase takes a transcriber"),
        (bundled_files()["translator"], "is a translator; --one-phase takes a transcriber"),
        (text, "is not an ONNX file"),
        (tmp_path / "nowhere.onnx", "nowhere.onnx"),
    ):
        said = refusal("transcriber", path, "--one-phase", "-o", tmp_path / "one.onnx")
        assert words in said
    assert list(tmp_path.iterdir()) == [text]


def test_the_option_is_for_the_transcriber_and_a_checkpoint_is_named_without_it(refusal, tmp_path):
    output = tmp_path / "one.onnx"
    said = refusal("drummer", "--one-phase", "-o", output)
    assert said == "backline: --one-phase is for the transcriber; the drummer has no phases\n"
    said = refusal("transcriber", "-o", output)
    assert "which checkpoint of the transcriber is to be exported?" in said
    assert not output.exists()
