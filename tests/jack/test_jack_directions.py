"""A client at JACK has the ports of the direction that its stream was opened in."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.jack
PORTS = {
    "": {"audio_in", "midi_out"},
    "listen": {"audio_in", "midi_out"},
    "play": {"midi_in", "audio_out"},
    "through": {"audio_in", "audio_out"},
}


@pytest.fixture(scope="module")
def mirrors(mirror_folder: Path, start_server: Callable[..., Any]) -> Iterator[Any]:
    with start_server("--models", str(mirror_folder)) as running:
        yield running


@pytest.mark.parametrize("direction", PORTS)
def test_the_ports_are_those_of_the_direction(mirrors, jack_servers, jack_client, direction):
    settings = {"direction": direction} if direction else {}
    client = jack_client(jack_servers(128), mirrors.port, model="mirror", settings=settings)
    active = client.json()
    assert {port.rpartition(":")[2] for port in active["ports"]} == PORTS[direction]
    assert client.end() == 0


def test_a_direction_that_is_none_is_refused_in_a_sentence(mirrors, jack_servers, jack_client):
    client = jack_client(jack_servers(128), mirrors.port, model="mirror", settings={"direction": "back"})
    assert client.process.wait(20) == 2
    assert "direction is 'back'; allowed: listen, play, through" in client.errors()
