"""Wrong input to the command line: one sentence on standard error, exit code 2, and nothing left behind."""

import json
from contextlib import suppress
from pathlib import Path

import mido
import numpy as np
import onnx
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper

from models.model_file import graph_checksum
from models.registry import bundled_files
from server.errors import BacklineError
from server.midi.file import read_midi


def left(folder: Path) -> list[str]:
    """Return the names of all that lies in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing.wav", "there is no file"),
        ("missing.mid", "there is no file"),
        ("text.wav", "cannot read"),
        ("empty.wav", "cannot read"),
        ("header.wav", "cannot read"),
        ("none.wav", "holds no audio (0 samples)"),
        ("good.txt", "is no audio file by its name; allowed: .wav .flac"),
        ("folder.wav", "cannot read"),
        ("folder.mid", "Is a directory"),
        ("slow.wav", "sample rate is 7000 Hz; allowed: 8000 to 192000"),
        ("fast.wav", "sample rate is 200000 Hz; allowed: 8000 to 192000"),
        ("text.mid", "as MIDI"),
        ("empty.mid", "as MIDI"),
        ("cut.mid", "as MIDI"),
        ("type2.mid", "share no clock"),
        ("timecode.mid", "share no clock"),
        ("no_clock.mid", "share no clock"),
        ("no_note.mid", "holds no note"),
        ("years.mid", "allowed: up to 6 h"),
    ],
)
def test_an_input_that_cannot_be_played_is_named_with_its_reason(backline, inputs, tmp_path, name, reason):
    said = backline(
        "run",
        "probe",
        inputs / name,
        "-o",
        tmp_path / "out.mid",
        "-o",
        tmp_path / "out.wav",
        "--log",
        tmp_path / "log.jsonl",
    )
    assert reason in said.sentence
    assert name in said.sentence or "Hz" in reason
    assert left(tmp_path) == []


def test_audio_that_was_cut_off_is_played_as_far_as_it_goes(backline, inputs, tmp_path):
    assert backline("run", "probe", inputs / "cut.wav", "-o", tmp_path / "out.mid").code == 0
    notes = [message for message in mido.MidiFile(tmp_path / "out.mid") if message.type == "note_on"]
    assert len(notes) == 3  # of five


@pytest.mark.parametrize("name", ["nan.wav", "six.wav"])
def test_odd_audio_is_played(backline, inputs, tmp_path, name):
    assert backline("run", "probe", inputs / name, "-o", tmp_path / "out.wav", "-o", tmp_path / "out.mid").code == 0
    audio, rate = soundfile.read(tmp_path / "out.wav")
    assert rate == (44_100 if name == "six.wav" else 48_000)
    assert np.isfinite(audio).all()
    assert left(tmp_path) == ["out.mid", "out.wav"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["nobody", "good.wav", "-o", "OUT/a.mid"], "there is no model 'nobody'; there are: probe"),
        (["good.wav", "probe", "-o", "OUT/a.mid"], "there is no model 'good.wav'"),
        (["missing.onnx", "good.wav", "-o", "OUT/a.mid"], "cannot read model file missing.onnx"),
        (["probe", "good.wav", "-o", "OUT/a.mid", "--set", "volume=3"], "no parameter 'volume'; it has: stream"),
        (["probe", "good.wav", "-o", "OUT/a.mid", "--set", "stream=maybe"], "stream is 'maybe'; allowed: commit, live"),
        (["probe", "good.wav", "-o", "OUT/a.mid", "--set", "stream"], "--set is 'stream'; it is written NAME=VALUE"),
        (["probe", "good.wav", "-o", "OUT/a.mid", "--set", "=live"], "it is written NAME=VALUE"),
        (["probe", "good.wav", "-o", "OUT/a.mid", "--block", "0"], "--block: 0 samples; allowed: 1 to 65536"),
        (["probe", "good.wav", "-o", "OUT/a.mid", "--block", "-5"], "--block"),
        (["probe", "good.wav", "-o", "OUT/a.mid", "--block", "many"], "--block: many samples; allowed"),
        (["probe", "good.wav", "-o", "OUT/a.mid", "--block", "65537"], "--block: 65537 samples; allowed"),
        (
            ["probe", "good.wav", "-o", "OUT/a.mid", "--provider", "abacus"],
            "provider is 'abacus'; allowed: auto, cpu, cuda",
        ),
        (["probe", "good.wav", "-o", "OUT/a.mid", "--beats", "b.txt"], "does not follow beats"),
        (["probe", "good.wav", "-o", "OUT/nowhere/a.mid"], "there is no folder OUT/nowhere"),
        (["probe", "good.wav", "-o", "OUT"], "it is a folder"),
        (["probe", "good.wav", "-o", "OUT/a.mid", "--log", "OUT/nowhere/l.jsonl"], "there is no folder"),
        (["probe", "good.wav", "-o", "OUT/a.txt"], "by its name an output is .mid or audio: .wav .flac .ogg"),
        (["probe", "good.wav", "-o", "OUT/a.mp3"], "cannot write OUT/a.mp3"),
        (
            ["held", "good.wav", "-o", "OUT/a.wav", "--models", "MODELS"],
            "model 'held' gives notes, so it cannot write OUT/a.wav",
        ),
        (
            ["held", "good.mid", "-o", "OUT/a.mid", "--models", "MODELS"],
            "model 'held' takes audio, and good.mid is MIDI",
        ),
        (
            ["held", "good.wav", "-o", "OUT/a.mid", "--models", "MODELS", "--set", "sensitivity=1.5"],
            "'1.5'; allowed: 0 to 1",
        ),
        (
            ["held", "good.wav", "-o", "OUT/a.mid", "--models", "MODELS", "--set", "lowest=nan"],
            "lowest is 'nan'; allowed: 0 to 127",
        ),
        (
            ["held", "good.wav", "-o", "OUT/a.mid", "--models", "MODELS", "--set", "look_ahead_ms=20"],
            "allowed: auto, 0, 48",
        ),
        (["probe", "good.wav", "-o", "OUT/a.mid", "--models", "OUT/nowhere"], "there is no folder OUT/nowhere"),
        (["probe", "good.wav"], "the following arguments are required: -o/--output"),
        (["probe", "good.wav", "-o", "OUT/a.mid", "--loud"], "unrecognized arguments: --loud"),
        ([], "the following arguments are required"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_a_command_that_makes_no_sense_is_refused(backline, inputs, held_folder, tmp_path, monkeypatch, words, reason):
    monkeypatch.chdir(inputs)
    words = [word.replace("OUT", str(tmp_path)).replace("MODELS", str(held_folder)) for word in words]
    assert reason.replace("OUT", str(tmp_path)) in backline("run", *words).sentence
    assert left(tmp_path) == []


def test_no_command_and_an_unknown_one_are_refused(backline):
    assert "required: COMMAND" in backline().sentence
    assert "invalid choice: 'play'" in backline("play").sentence


def stamped(path: Path, target: Path, **changes: object) -> Path:
    """Copy a model file with fields of its manifest changed; the checksum is right unless it is among them."""
    model = onnx.load(path)
    (entry,) = (entry for entry in model.metadata_props if entry.key == "backline")
    manifest = json.loads(entry.value) | changes
    del model.metadata_props[:]
    onnx.save(model, target)
    manifest["checksum"] = changes.get("checksum", graph_checksum(target.read_bytes()))
    helper.set_model_props(model, {"backline": json.dumps(manifest)})
    onnx.save(model, target)
    return target


PROBE = bundled_files()["probe"]
GRAPH = {"name": "step", "clock": "hop", "inputs": [{"name": "audio", "shape": [128]}], "outputs": [], "state": []}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"contract": 2}, "contract is 2; this Backline reads contract 1"),
        ({"decoder": "oracle"}, "decoder is 'oracle'; allowed: probe, transcriber"),
        ({"decoder": "transcriber"}, "transcriber"),
        ({"checksum": "sha256:0"}, "is damaged: its graph does not match the manifest's checksum"),
        ({"hop": 127}, "'probe' cannot work with this graph"),
        ({"hop": "long"}, "hop"),
        ({"sample_rate": 7}, "sample_rate is 7; allowed: 8000 to 192000"),
        ({"graphs": []}, "at least one graph"),
        ({"graphs": [GRAPH]}, "its manifest says"),
        ({"colour": "red"}, "colour"),
    ],
    ids=lambda value: value if isinstance(value, str) else "manifest",
)
def test_a_model_file_that_breaks_its_manifest_is_refused_and_listed_with_its_reason(
    backline, inputs, tmp_path, changes, reason
):
    (models := tmp_path / "models").mkdir()
    (out := tmp_path / "out").mkdir()
    path = stamped(PROBE, models / "broken.onnx", **changes)
    for words in ((path,), ("broken", "--models", models)):
        said = backline("run", *words, inputs / "good.wav", "-o", out / "a.mid")
        assert reason in said.sentence
    listed = backline("models", "--json", "--models", models)
    assert listed.code == 0
    rows = json.loads(listed.out)
    assert reason in rows["broken"]["problem"]
    assert "title" in rows["probe"]
    assert left(out) == []


def test_a_corrupt_a_foreign_and_an_empty_model_file_are_refused(backline, inputs, tmp_path):
    whole = PROBE.read_bytes()
    foreign = onnx.load(PROBE)
    del foreign.metadata_props[:]
    onnx.save(foreign, tmp_path / "foreign.onnx")
    (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.onnx").write_text("This is no model.\n")
    (tmp_path / "empty.onnx").touch()
    (tmp_path / "noise.onnx").write_bytes(np.random.default_rng(0).bytes(5000))
    (tmp_path / "folder.onnx").mkdir()
    (out := tmp_path / "out").mkdir()
    for name, reason in (
        ("foreign", "has no Backline manifest"),
        ("cut", "not an ONNX file"),
        ("text", "not an ONNX file"),
        ("empty", "not an ONNX file"),
        ("noise", "not an ONNX file"),
        ("folder", "has no manifest.json"),
    ):
        assert reason in backline("run", tmp_path / f"{name}.onnx", inputs / "good.wav", "-o", out / "a.mid").sentence
    assert left(out) == []
    rows = json.loads(backline("models", "--json", "--models", tmp_path).out)
    assert {name for name, row in rows.items() if "problem" in row} == {
        "foreign",
        "cut",
        "text",
        "empty",
        "noise",
        "folder",
    }


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 80), values=st.binary(min_size=1, max_size=6), keep=st.integers(1, 120))
def test_no_damage_to_a_midi_file_makes_more_than_a_sentence(inputs, tmp_path, place, values, keep):
    whole = (inputs / "good.mid").read_bytes()
    (tmp_path / "damaged.mid").write_bytes((whole[:place] + values + whole[place + len(values) :])[:keep])
    with suppress(BacklineError):
        assert read_midi(tmp_path / "damaged.mid", 48_000)


@pytest.mark.parametrize(
    "words", [("run", "probe", "missing.wav", "-o", "a.mid"), ("run", "probe"), ("serve", "--port", "99999")]
)
def test_the_installed_command_says_the_same(command_line, words, tmp_path):
    said = command_line(*words, cwd=tmp_path)
    assert said.returncode == 2
    assert said.stderr.startswith("backline: ")
    assert said.stderr.count("\n") == 1
    assert said.stdout == ""
    assert left(tmp_path) == []
