"""The OSC address space over HTTP and WebSocket, and a stream's parameters as addresses of their own."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from pythonosc.osc_message import OscMessage

from plugin_bridge.client import BridgeClient, BridgeError, BridgeStream, osc
from plugin_bridge.protocol_table import TABLE


@pytest.fixture
def stream(server) -> Iterator[BridgeStream]:
    """An open stream of the model `held`."""
    opened = server.client.open_stream("held", 48_000, {"look_ahead_ms": 48, "pace": "free"})
    yield opened
    with suppress(BridgeError):
        opened.close()


def test_the_host_is_described(server, page):
    info = page.json("/?HOST_INFO")
    assert (info["OSC_IP"], info["OSC_PORT"], info["OSC_TRANSPORT"]) == ("127.0.0.1", server.port, "UDP")
    assert (info["WS_IP"], info["WS_PORT"]) == ("127.0.0.1", page.port)
    assert info["TCP_FRAMING"] == "SLIP"
    over_tcp = BridgeClient(port=info["TCP_PORT"], tcp=True)
    assert over_tcp.request("/backline/sync", 3) == [3]
    over_tcp.close()
    assert info["EXTENSIONS"]["LISTEN"] is True
    assert "CRITICAL" not in info["EXTENSIONS"], "only what is there is named"


def test_every_command_of_the_protocol_is_in_the_tree(page):
    for entry in TABLE:
        if entry.direction == "command":
            node = page.json(entry.address)
            assert node["FULL_PATH"] == entry.address
            assert node["ACCESS"] == 2
            assert node.get("TYPE", "") == entry.tags
            assert node["DESCRIPTION"].startswith(entry.meaning)


def test_every_node_is_found_at_its_path(page, stream):
    seen = 0

    def walk(node):
        nonlocal seen
        seen += 1
        for name, child in node.get("CONTENTS", {}).items():
            assert child["FULL_PATH"] == node["FULL_PATH"].rstrip("/") + "/" + name
            assert ("VALUE" in child) == bool(child["ACCESS"] & 1)
            walk(child)

    root = page.json("/")
    walk(root)
    assert seen > 30
    number = str(stream.number)
    assert root["CONTENTS"]["backline"]["CONTENTS"]["stream"]["CONTENTS"][number] == page.json(
        f"/backline/stream/{number}"
    )


def test_parameters_are_described_by_the_manifest(page, stream):
    base = f"/backline/stream/{stream.number}"
    sensitivity = page.json(f"{base}/sensitivity")
    assert sensitivity == {
        "FULL_PATH": f"{base}/sensitivity", "TYPE": "f", "ACCESS": 3, "VALUE": [0.5], "RANGE": [{"MIN": 0.0, "MAX": 1.0}],
        "CLIPMODE": ["both"], "DESCRIPTION": "0 misses soft notes, 1 hears what is not there", "TAGS": ["parameter"],
    }  # fmt: skip
    head = page.json(f"{base}/look_ahead_ms")
    assert (head["ACCESS"], head["TYPE"], head["VALUE"]) == (1, "s", ["48"])
    assert head["RANGE"] == [{"VALS": ["auto", "0", "48"]}]
    assert head["UNIT"] == ["time.ms"]
    assert page.json(f"{base}/pedal")["VALUE"] == [True]
    assert page.json(f"{base}/status/rate")["VALUE"] == [48_000]


def test_one_attribute_can_be_asked_for(page, stream):
    base = f"/backline/stream/{stream.number}"
    assert page.json(f"{base}/gate_db?VALUE") == {"VALUE": [-100.0]}
    assert page.json(f"{base}/gate_db?UNIT=") == {"UNIT": ["gain.db"]}
    assert "sensitivity" in page.json(f"{base}?CONTENTS")["CONTENTS"]
    for path, status in (
        (f"{base}/gate_db?COLOUR", 400),
        (f"{base}/pedal?RANGE", 204),
        (f"{base}/volume?VALUE", 404),
        ("/nowhere", 404),
    ):
        assert page.ask(path)[0].status == status


def test_a_closed_stream_is_no_longer_there(page, server):
    stream = server.client.open_stream("held", 48_000)
    assert page.ask(f"/backline/stream/{stream.number}")[0].status == 200
    stream.close()
    assert page.ask(f"/backline/stream/{stream.number}")[0].status == 404


@pytest.mark.parametrize(
    ("name", "sent", "stands"),
    [
        ("sensitivity", 0.25, 0.25),
        ("sensitivity", 1, 1.0),
        ("sensitivity", 1.0000001, 1.0),
        ("gate_db", -1e9, -100.0),
        ("lowest", "33", 33.0),
        ("pedal", False, False),
        ("pedal", 1, True),
        ("pedal", 0.0, False),
        ("pedal", "off", False),
    ],
)
def test_a_parameter_is_set_at_its_own_address(server, page, stream, name, sent, stands):
    address = f"/backline/stream/{stream.number}/{name}"
    client = BridgeClient(port=server.port)
    client._socket.settimeout(10)
    client._socket.send(osc(address, sent))
    answer = OscMessage(client._socket.recv(65536))
    assert (answer.address, answer.params) == ("/backline/done", [address, pytest.approx(stands)])
    assert page.json(f"{address}?VALUE") == {"VALUE": [pytest.approx(stands)]}
    client._socket.send(osc(address))
    answer = OscMessage(client._socket.recv(65536))
    assert (answer.address, answer.params) == (address, [pytest.approx(stands)])
    client.close()


@pytest.mark.parametrize(
    ("name", "sent", "reason"),
    [
        ("sensitivity", ["loud"], "sensitivity is 'loud'; allowed: 0 to 1"),
        ("sensitivity", [float("nan")], "sensitivity is 'nan'; allowed: 0 to 1"),
        ("sensitivity", [0.1, 0.2], "sensitivity takes one value, got 2"),
        ("sensitivity", [b"1234"], "sensitivity takes one value"),
        ("pedal", ["half"], "pedal is 'half'; allowed: on, off"),
        ("stream", ["live"], "chosen when the stream opens"),
        ("volume", [1.0], "has no parameter 'volume'"),
        ("volume", [], "has no parameter 'volume'"),
    ],
)
def test_a_parameter_that_cannot_be_set_is_refused_with_a_reason(server, stream, name, sent, reason):
    with pytest.raises(BridgeError, match=reason):
        server.client.request(f"/backline/stream/{stream.number}/{name}", *sent)


def test_a_parameter_of_no_stream_is_refused(server):
    with pytest.raises(BridgeError, match="there is no stream 999"):
        server.client.request("/backline/stream/999/sensitivity", 0.5)


def test_a_listener_hears_every_change_as_osc_until_it_ignores(server, connect, stream):
    address = f"/backline/stream/{stream.number}/transpose"
    listener = connect("/")
    listener.send({"COMMAND": "LISTEN", "DATA": address})
    listener.send(osc("/backline/sync", 1))
    assert OscMessage(listener.next()).params == [1], "what was said before is done"
    server.client.request("/backline/stream/set", stream.number, "transpose", "12")
    heard = OscMessage(listener.next())
    assert (heard.address, heard.params) == (address, [12.0])
    listener.send(osc(address, -5.0))
    heard = [OscMessage(listener.next()) for _ in range(2)]
    assert {(message.address, str(message.params)) for message in heard} == {
        ("/backline/done", f"['{address}', -5.0]"), (address, "[-5.0]")}  # fmt: skip
    listener.send({"COMMAND": "IGNORE", "DATA": address})
    listener.send(osc(address, 3.0))
    assert OscMessage(listener.next()).address == "/backline/done"
    listener.send(osc("/backline/sync", 2))
    assert OscMessage(listener.next()).params == [2]


def test_a_listener_hears_a_switch_and_the_level(server, connect, stream, noise):
    listener, base = connect("/"), f"/backline/stream/{stream.number}"
    for name in ("pedal", "status/level"):
        listener.send({"COMMAND": "LISTEN", "DATA": f"{base}/{name}"})
    server.client.request(f"{base}/pedal", 0)
    assert OscMessage(listener.next()).params == [False]
    stream.send(0, noise(4096, level=0.1))
    list(stream.wait(4096))
    heard = OscMessage(listener.next())
    assert heard.address == f"{base}/status/level"
    assert 0.1 < heard.params[0] < 0.6


def test_a_listener_is_told_of_streams_that_come_and_go(server, connect):
    listener = connect("/")
    listener.send(osc("/backline/sync", 1))
    listener.next()
    stream = server.client.open_stream("held", 48_000)
    path = f"/backline/stream/{stream.number}"
    assert listener.next() == {"COMMAND": "PATH_ADDED", "DATA": path}
    stream.close()
    assert listener.next() == {"COMMAND": "PATH_REMOVED", "DATA": path}


@pytest.mark.parametrize("nonsense", [b"", b"hello", b"\0" * 8, osc("/nowhere", 1), osc("/backline/stream/7777/x", 1)])
def test_a_listener_that_talks_nonsense_is_served_on(connect, nonsense):
    listener = connect("/")
    listener.send(nonsense)
    assert OscMessage(listener.next()).address == "/backline/fail"
    for text in ({"COMMAND": "DANCE", "DATA": "/"}, {"COMMAND": "LISTEN"}, {"DATA": [1]}):
        listener.send(text)
    listener.send(osc("/backline/sync", 9))
    assert OscMessage(listener.next()).params == [9]


def test_a_listener_cannot_end_the_server(server, connect):
    listener = connect("/")
    listener.send(osc("/backline/quit"))
    assert OscMessage(listener.next()).address == "/backline/fail"
    assert server.client.request("/backline/sync", 4) == [4]


def test_keeping_has_an_address_of_its_own(server, page, stream):
    assert page.json(f"/backline/stream/{stream.number}/keep")["ACCESS"] == 2
    assert server.client.request(f"/backline/stream/{stream.number}/keep", 0) == [0]
    with pytest.raises(BridgeError, match="there is no stream 999"):
        server.client.request("/backline/stream/999/keep", 0)
