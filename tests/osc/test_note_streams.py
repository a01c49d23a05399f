"""What every stream of notes can be asked for, over the wire: quantised notes and a channel for each, with a real engine."""

from typing import Any

import pytest

from models.block import silence
from models.events import Event, NoteOn
from plugin_bridge.client import BridgeClient, BridgeError, BridgeStream, _udp_socket
from plugin_bridge.protocol import MidiMessage
from server.midi.message import from_bytes
from server.midi.mpe import configuration

RATE, BLOCK = 48_000, 480
LATENCY = 239  # the probe's own


@pytest.fixture
def client(server: Any) -> Any:
    found = BridgeClient(port=server.port)
    yield found
    found.close()


def play(stream: BridgeStream, clicks: list[int], first: int, last: int) -> list[MidiMessage]:
    """Send clicks in silence from sample `first` to `last`; return the MIDI that comes back."""
    heard: list[MidiMessage] = []
    for start in range(first, last, BLOCK):
        samples = silence(1, BLOCK)
        samples[0, [click - start for click in clicks if start <= click < start + BLOCK]] = 0.9
        stream.send(start, samples)
        heard += [m for m in stream.wait(start + BLOCK) if isinstance(m, MidiMessage)]
    return heard


def events(heard: list[MidiMessage], sample: int = 0) -> list[Event | None]:
    return [from_bytes(sample, m.status, m.data1, m.data2) for m in heard]


def test_a_quantised_stream_declares_more_and_keeps_to_it(client: BridgeClient) -> None:
    stream = client.open_stream("probe", RATE, {"quantise": "1/16", "tempo_bpm": 120, "pace": "free"})
    assert stream.latency == LATENCY + 3000
    heard = play(stream, [1000, 7000, 16_000], 0, 24_000)
    onsets = [m for m in heard if m.status == 0x90]
    assert [m.place for m in onsets] == [0, 6000, 18_000]
    assert {m.due - m.place for m in heard} == {stream.latency}
    client.request("/backline/stream/set", stream.number, "quantise_strength", "50")
    assert [m.place for m in play(stream, [31_000], 24_000, 38_400) if m.status == 0x90] == [30_500]
    with pytest.raises(BridgeError, match="mpe is chosen when the stream opens"):
        client.request("/backline/stream/set", stream.number, "mpe", "on")
    stream.close()


def test_a_zone_is_introduced_to_every_client_and_after_a_reset(client: BridgeClient, server: Any) -> None:
    introduction = list(configuration(0))
    stream = client.open_stream("probe", RATE, {"mpe": "on", "pace": "free"})
    heard = events(play(stream, [1000, 3000], 0, 4800))
    assert heard[: len(introduction)] == introduction
    assert [e.channel for e in heard if isinstance(e, NoteOn)] == [1, 2]
    client.request("/backline/stream/reset", stream.number)
    assert events(play(stream, [], 4800, 5280)) == introduction
    other = BridgeClient(port=server.port)
    port = stream._socket.getpeername()[1]
    taken_over = BridgeStream(other, stream.number, stream.latency, 0, _udp_socket("127.0.0.1", port))
    assert events(play(taken_over, [], 5280, 5760)) == introduction
    stream.close()
    taken_over._socket.close()
    other.close()


def test_a_wrong_word_is_refused_with_what_is_allowed(client: BridgeClient) -> None:
    for settings, sentence in (
        ({"quantise": "1/5"}, "quantise is '1/5'; allowed: off, 1/4, 1/4t, 1/8"),
        ({"mpe": "yes"}, "mpe is 'yes'; allowed: off, on"),
        ({"quantise": "1/8", "tempo_bpm": 0}, "tempo_bpm is '0'; allowed: 20 to 300 bpm"),
        ({"swing": 80}, "swing is '80'; allowed: 50 to 75 %"),
    ):
        with pytest.raises(BridgeError, match=sentence):
            client.open_stream("probe", RATE, settings)
