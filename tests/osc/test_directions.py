"""A model of several graphs over the wire: a stream is opened in a direction and is what the model is there."""

import json
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pythonosc.osc_message import OscMessage

from plugin_bridge.client import BridgeError, BridgeStream, osc
from plugin_bridge.protocol import AudioMessage, MidiMessage

RATE, ON = 48_000, 0x90


@pytest.fixture(scope="module")
def mirrors(mirror_folder: Path, tmp_path_factory: pytest.TempPathFactory, start_server) -> Iterator[Any]:
    """A server that knows the same model as a folder, `mirror`, and as a file, `packed`."""
    folder = tmp_path_factory.mktemp("both")
    shutil.copytree(mirror_folder / "mirror", folder / "mirror")
    shutil.make_archive(str(folder / "packed"), "zip", mirror_folder / "mirror")
    with start_server("--models", str(folder)) as running:
        yield running


def play(stream: BridgeStream, clicks: tuple[int, ...] = (), start: int = 0) -> tuple[list[int], list[int]]:
    """Send 0.2 s with clicks; return where notes begin and where impulses sound, in samples after their latency."""
    audio, notes, sounds = np.zeros((1, 9_728), np.float32), [], []
    audio[0, list(clicks)] = 0.9
    for first in range(0, audio.shape[1], 512):
        assert stream.send(start + first, audio[:, first : first + 512])
        for message in stream.wait(start + first + 512):
            if isinstance(message, MidiMessage) and message.status & 0xF0 == ON and message.data2:
                notes.append(message.place - start)
            elif isinstance(message, AudioMessage):
                loud = np.flatnonzero(np.abs(message.samples[0]) > 0.5)
                sounds += [int(place) + message.start - start - stream.latency for place in loud]
    assert stream.refused == []
    return notes, sounds


def told(port: int, address: str) -> list[Any]:
    """Return what the server answers at a parameter's address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(10.0)
        asking.sendto(osc(address), ("127.0.0.1", port))
        answer = OscMessage(asking.recv(65536))
    assert answer.address == address
    return list(answer.params)


@pytest.mark.parametrize("model", ["mirror", "packed"])
def test_each_direction_is_played_beside_the_others(mirrors, model):
    settings = [{"direction": direction, "pace": "free"} for direction in ("listen", "play", "through")]
    listening, playing, through = (mirrors.client.open_stream(model, RATE, each) for each in settings)
    playing.send_midi(4_000, ON, 60, 100)
    assert play(listening, (1_000, 3_000)) == ([1_000, 3_000], [])
    assert play(playing, (1_000,)) == ([], [4_000])
    assert play(through, (1_000, 3_000)) == ([], [1_000, 3_000])
    for stream in (listening, playing, through):
        stream.close()


def test_without_a_direction_it_is_the_models_own(mirrors):
    stream = mirrors.client.open_stream("mirror", RATE, {"pace": "free"})
    assert play(stream, (1_000,)) == ([1_000], [])
    assert told(mirrors.port, f"/backline/stream/{stream.number}/direction") == ["listen"]
    stream.close()


def test_a_stream_has_the_parameters_of_its_direction(mirrors):
    listening = mirrors.client.open_stream("mirror", RATE, {"direction": "listen"})
    playing = mirrors.client.open_stream("mirror", RATE, {"direction": "play"})
    ask = mirrors.client.request
    assert told(mirrors.port, f"/backline/stream/{playing.number}/direction") == ["play"]
    assert ask(f"/backline/stream/{listening.number}/swing", 60.0) == [60.0]
    for words in (
        (f"/backline/stream/{playing.number}/swing", 60.0),
        ("/backline/stream/set", playing.number, "swing", "60"),
        ("/backline/stream/open", "mirror", RATE, json.dumps({"direction": "play", "quantise": "1/8"})),
    ):
        with pytest.raises(
            BridgeError, match=r"model 'mirror' has no parameter '(swing|quantise)'; it has: stream, direction"
        ):
            ask(*words)
    with pytest.raises(
        BridgeError, match="direction is chosen when the stream opens and cannot be changed while it runs"
    ):
        ask("/backline/stream/set", playing.number, "direction", "listen")
    with pytest.raises(BridgeError, match="direction is 'back'; allowed: listen, play, through"):
        ask("/backline/stream/open", "mirror", RATE, json.dumps({"direction": "back"}))
    listening.close()
    playing.close()


def test_models_are_told_with_their_directions(mirrors):
    rows = json.loads(str(mirrors.client.request("/backline/models")[0]))
    ways = {direction: (each["in"], each["out"]) for direction, each in rows["mirror"]["directions"].items()}
    assert ways == {"listen": (["audio"], ["notes"]), "play": (["notes"], ["audio"]), "through": (["audio"], ["audio"])}
    assert (rows["mirror"]["in"], rows["mirror"]["out"]) == ways["listen"]
    assert rows["probe"]["directions"] == {}


def test_an_engine_that_takes_over_plays_on_in_the_direction(mirrors):
    stream = mirrors.client.open_stream("mirror", RATE, {"direction": "through", "pace": "free"})
    assert play(stream, (1_000,)) == ([], [1_000])
    lost = mirrors.row(stream.number)["process"]
    os.kill(lost, signal.SIGKILL)
    assert mirrors.row(stream.number)["process"] != lost
    assert play(stream, (2_000,), start=RATE) == ([], [2_000])
    stream.close()


@pytest.mark.parametrize("name", ["./mirror", "mirror/", "packed.zip"])
def test_over_the_wire_a_model_goes_by_its_name(mirrors, name):
    with pytest.raises(BridgeError, match="over the wire models go by name, never by path"):
        mirrors.client.load(name)
