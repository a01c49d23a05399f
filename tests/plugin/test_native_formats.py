"""What `make plugin` built, looked at and loaded by hosts: LV2 by lilv, VST3 by pedalboard, CLAP and JACK by the linker's view."""

import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

BUNDLES = {
    "Backline": "effect",
    "BacklineInstrument": "instrument",
    "BacklineTranscriber": "transcriber",
    "BacklineDrummer": "drummer",
    "BacklineArranger": "arranger",
    "BacklinePerformer": "performer",
    "BacklineTranslator": "translator",
    "BacklineTranslatorListener": "translator_listener",
}
INSTRUMENTS = ("instrument", "performer", "translator")  # which go on a MIDI track
OWN_PARAMETERS = {
    "transcriber": {"instrument", "look_ahead_ms", "sensitivity", "tuning_hz"},
    "drummer": {
        "style",
        "density",
        "swing",
        "humanise",
        "fills",
        "intensity",
        "intro",
        "metre",
        "drum_map",
        "ahead_ms",
    },
    "arranger": {"mode", "metre", "melody", "density", "register", "dynamics", "pedal", "ahead_ms"},
    "performer": {"instrument", "look_ahead_ms", "dynamics", "brightness", "vibrato", "room"},
    "translator": {"instrument", "morph", "morph_instrument", "map_x", "map_y", "space_3", "dynamics"},
    "translator_listener": {"level", "sensitivity", "lowest", "highest", "transpose"},
}


def lv2info(plugins: Path, uri: str) -> str:
    """Return what lilv knows of a plug-in."""
    if shutil.which("lv2info") is None:
        pytest.skip("lilv-utils is not installed")
    around = os.environ | {"LV2_PATH": str(plugins / "lv2")}
    return subprocess.run(["lv2info", uri], env=around, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("symbol", BUNDLES.values())
def test_lilv_finds_the_plugin_with_its_ports(plugins: Path, symbol: str) -> None:
    found = lv2info(plugins, f"urn:backline:{symbol}")
    ports = re.findall(r"Symbol:\s+(\S+)", found)
    assert ports[-1] == "status"
    assert "lv2_latency" in ports
    assert ("lv2_audio_in_1" in ports) == (symbol not in INSTRUMENTS)
    assert found.count("http://lv2plug.in/ns/lv2core#freeWheeling") == 1
    if symbol in OWN_PARAMETERS:
        assert set(ports) >= OWN_PARAMETERS[symbol]
    else:
        inputs = [port for port in ports if not port.startswith("lv2_")]
        assert inputs == ["player", *(f"slot_{number}" for number in range(1, 17)), "keep", "wait", "late", "status"]


@pytest.mark.parametrize("name", BUNDLES)
def test_clap_and_vst3_export_their_entries(plugins: Path, name: str) -> None:
    assert ctypes.CDLL(str(plugins / "clap" / f"{name}.clap")).clap_entry
    (library,) = (plugins / "vst3" / f"{name}.vst3" / "Contents").glob("*/*.so")
    assert ctypes.CDLL(str(library)).GetPluginFactory
    assert os.access(plugins / "jack" / name, os.X_OK)


HOST = """
import json, sys
import numpy as np
import pedalboard

path, state = sys.argv[1:]
plugin = pedalboard.load_plugin(path)
if state != "-":
    plugin.raw_state = bytes.fromhex(open(state).read())
else:
    plugin.instrument, plugin.look_ahead_ms, plugin.sensitivity, plugin.tuning_hz = "guitar", "20", 0.75, 442.0
audio = np.random.default_rng(0).uniform(-0.1, 0.1, (2, 48_000)).astype(np.float32)
# pedalboard tells a plug-in of its parameters with the first block, when it is active already, and activates it again at a reset.
row = {"same": True}
for _ in range(2):
    played = plugin.process(audio, 48_000, 512, reset=True)
    row["reported"] = plugin.reported_latency_samples
    row["same"] &= bool((played == audio)[:, : -row["reported"]].all())
row |= {name: getattr(plugin, name) for name in ("instrument", "look_ahead_ms", "sensitivity", "tuning_hz", "transpose_semitones")}
print(json.dumps(row | {"state": plugin.raw_state.hex()}))
"""


def test_in_pedalboard_sound_is_as_late_as_reported_and_the_session_is_kept(
    plugins: Path, start_server, tmp_path: Path
) -> None:
    if find_spec("pedalboard") is None:
        pytest.skip("pedalboard is not installed")
    path = plugins / "vst3" / "BacklineTranscriber.vst3"
    rows = []
    with start_server() as server:
        state = "-"
        for _ in range(2):
            words = [sys.executable, "-c", HOST, path, state]
            around = os.environ | {"BACKLINE_PORT": str(server.port)}
            done = subprocess.run(words, env=around, capture_output=True, text=True, timeout=120, check=False)
            assert done.returncode == 0, done.stderr
            rows.append(json.loads(done.stdout))
            state = str(tmp_path / "state")
            Path(state).write_text(rows[-1].pop("state"))
        stream = server.client.open_stream("transcriber", 48_000, {"instrument": "guitar", "look_ahead_ms": 20})
        stream.close()
    assert rows[0] == rows[1]
    # pedalboard sets a number in a thousand steps of its range: 0.48 Hz.
    assert rows[0] == {
        "same": True, "reported": stream.latency + 2 * 512, "instrument": "guitar", "look_ahead_ms": "20",
        "sensitivity": 0.75, "tuning_hz": pytest.approx(442.0, abs=0.24), "transpose_semitones": 0.0,
    }  # fmt: skip


INSTRUMENT_HOST = """
import json, sys
import mido
import numpy as np
import pedalboard

plugin = pedalboard.load_plugin(sys.argv[1])
plugin.instrument = sys.argv[2]
notes = [mido.Message("note_on", note=69, velocity=90, time=0.5), mido.Message("note_off", note=69, time=1.0)]
for _ in range(2):  # see above: the instrument is chosen with the first block
    sound = plugin(notes, duration=2.0, sample_rate=48_000, num_channels=2, buffer_size=512, reset=True)
level = np.abs(sound).max(0)
spectrum = np.abs(np.fft.rfft(sound[0, 36_000:48_000] * np.hanning(12_000)))
print(json.dumps({
    "reported": plugin.reported_latency_samples,
    "rises": int(np.argmax(level > level.max() / 10)),
    "loudest_hz": float(spectrum[100:120].argmax() + 100) * 4,
    "peak": float(level.max()),
}))
"""


@pytest.mark.parametrize("instrument", ["violin", "flute"])
def test_in_pedalboard_the_performer_plays_a_note_as_late_as_reported(
    plugins: Path, start_server, instrument: str
) -> None:
    if find_spec("pedalboard") is None:
        pytest.skip("pedalboard is not installed")
    with start_server() as server:
        words = [sys.executable, "-c", INSTRUMENT_HOST, plugins / "vst3" / "BacklinePerformer.vst3", instrument]
        around = os.environ | {"BACKLINE_PORT": str(server.port)}
        done = subprocess.run(words, env=around, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        stream = server.client.open_stream("performer", 48_000, {"instrument": instrument})
        stream.close()
    row = json.loads(done.stdout)
    assert row["reported"] == stream.latency + 2 * 512
    assert row["peak"] > 0.01
    assert row["loudest_hz"] == pytest.approx(440, abs=8)
    # out of silence a note rises through -20 dB within 3 ms of its place
    assert row["rises"] == pytest.approx(24_000 + row["reported"], abs=144)
