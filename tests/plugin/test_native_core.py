"""The core of the native plug-in without a framework: queue, ledger, wire, placement, transport, and all of them in the exchange."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from plugin_bridge.protocol import TransportMessage, pack_audio, pack_midi_in, pack_transport

EVENTS = int(os.environ.get("BACKLINE_MIDI_EVENTS", "100000"))
"""The full number is 1000000."""


@pytest.mark.parametrize("part", ["queue", "threads", "ledger", "outbox", "wire", "audio", "transport"])
def test_a_part_keeps_its_laws(checks: Path, part: str) -> None:
    done = subprocess.run([checks / "units", part], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_exchange_puts_every_sample_and_event_where_it_was_reported(checks: Path) -> None:
    done = subprocess.run([checks / "studio"], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_datagrams_are_those_of_the_protocol(checks: Path) -> None:
    done = subprocess.run([checks / "units", "datagrams"], capture_output=True, text=True, check=True)
    samples = np.array([[0.5, -1.0, 0.25]], np.float32)
    expected = [
        pack_audio(7, 1 << 40, samples),
        pack_midi_in(7, 12345, 0x93, 60, 100),
        pack_transport(TransportMessage(7, 96_000, True, -480, 123.5, -2.25, 4, 1.5, 3.0)),
    ]
    assert [bytes.fromhex(line) for line in done.stdout.split()] == expected


def test_no_midi_event_is_lost_doubled_reordered_or_hanging(checks: Path) -> None:
    words = [checks / "property", str(EVENTS), "1"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split()[0]) >= EVENTS


def test_the_parameters_are_those_of_the_manifests(command_line, tmp_path: Path) -> None:
    native = Path(__file__).parents[2] / "plugin_bridge" / "native"
    models = command_line("models", "--json")
    assert models.returncode == 0, models.stderr
    words = [sys.executable, native / "describe_players.py"]
    made = subprocess.run(words, input=models.stdout, capture_output=True, text=True, check=True)
    assert made.stdout == (native / "plugin" / "players.hpp").read_text(), (
        "run: backline models --json | python3 plugin_bridge/native/describe_players.py > plugin_bridge/native/plugin/players.hpp"
    )


def test_a_text_is_no_parameter_of_a_plug_in(command_line, translator_folder: Path) -> None:
    models = command_line("models", "--json", "--models", translator_folder)
    row = json.loads(models.stdout)["translator"]["directions"]["play"]["parameters"]
    assert row["path"]["text"]
    words = [sys.executable, Path(__file__).parents[2] / "plugin_bridge" / "native" / "describe_players.py"]
    made = subprocess.run(words, input=models.stdout, capture_output=True, text=True, check=True).stdout
    assert f"translator_play_parameters, {len(row) - 2}}}," in made, "all but the path and the direction"
    assert '{"space_6", "Space 6", ' in made
    assert '"path"' not in made


def test_a_model_of_several_directions_is_a_player_in_each(command_line, mirror_folder: Path) -> None:
    native = Path(__file__).parents[2] / "plugin_bridge" / "native"
    models = command_line("models", "--json", "--models", mirror_folder)
    assert models.returncode == 0, models.stderr
    words = [sys.executable, native / "describe_players.py"]
    made = subprocess.run(words, input=models.stdout, capture_output=True, text=True, check=True).stdout
    listening, playing = ("mirror_listen_parameters", 6), ("mirror_play_parameters", 1)
    for direction, (parameters, count) in (("listen", listening), ("play", playing)):
        assert f'{{"mirror {direction}", "mirror", "{direction}", {parameters}, {count}}},' in made
    assert "mirror_listen_quantise" in made
    assert "mirror_play_quantise" not in made
    assert '{"direction"' not in made, "a player has its own"
