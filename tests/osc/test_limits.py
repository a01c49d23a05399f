"""Nobody takes more than a share: past each figure of server.limits stands one sentence, and all others are served."""

import asyncio
import json
import socket

import aiohttp
import pytest
from pythonosc.osc_message import OscMessage

from plugin_bridge.client import BridgeClient, BridgeError, osc
from plugin_bridge.protocol_page import page
from server.limits import (
    COMMANDS_A_SECOND,
    COMMANDS_AT_ONCE,
    LONGEST_ADDRESS,
    LONGEST_SETTINGS,
    MOST_ADDRESSES,
    MOST_CONNECTIONS,
    MOST_STREAMS_A_CLIENT,
    MOST_STREAMS_IN_ALL,
    MOST_WAITING,
    REFUSALS_AT_ONCE,
    STRANGERS_A_SECOND,
    TOKEN_SECONDS,
)


@pytest.fixture(scope="module")
def server(start_server, held_folder):
    """A server of this module's own."""
    with start_server("--models", str(held_folder)) as running:
        running.page = running.process.stdout.readline().rstrip("/\n").rpartition("//")[2]
        yield running


def test_one_client_leaves_streams_to_the_others(server):
    half = MOST_STREAMS_A_CLIENT // 2
    streams = [server.client.open_stream(model, 48_000) for model in ("probe", "held") for _ in range(half)]
    with pytest.raises(
        BridgeError, match=rf"^{MOST_STREAMS_A_CLIENT} streams of this client are open, which is the most; close one$"
    ):
        server.client.open_stream("probe", 48_000)
    streams.pop().close()
    other = BridgeClient(port=server.port)
    one_more = other.open_stream("held", 48_000)
    one_more.close()
    other.close()
    streams.append(server.client.open_stream("held", 48_000))
    for stream in streams:
        stream.close()
    server.client.open_stream("probe", 48_000).close()


def test_a_flood_of_one_client_delays_itself_alone_and_is_not_answered_by_another(server):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flood:
        flood.connect(("127.0.0.1", server.port))
        flood.settimeout(0.5)
        for number in range(3 * COMMANDS_AT_ONCE):
            flood.send(osc("/backline/nowhere", number))
        assert server.client.request("/backline/sync", 9) == [9]
        answers: list[OscMessage] = []
        try:
            while True:
                answers.append(OscMessage(flood.recv(65536)))
        except TimeoutError:
            pass
        assert len(answers) < 2 * COMMANDS_AT_ONCE
        assert len(answers) >= REFUSALS_AT_ONCE // 4
        flood.send(osc("/backline/sync", 4))
        flood.settimeout(10)
        while answers[-1].address != "/backline/synced":
            answers.append(OscMessage(flood.recv(65536)))


def test_settings_have_an_end(server):
    text = json.dumps({"pace": "free", "title": "x" * LONGEST_SETTINGS})
    with pytest.raises(BridgeError, match=rf"^settings are not JSON of up to {LONGEST_SETTINGS} signs: they have \d+$"):
        server.client.request("/backline/stream/open", "probe", 48_000, text)


def test_a_listener_to_addresses_is_told_where_its_end_is(server):
    async def listen() -> list[object]:
        async with aiohttp.ClientSession() as session, session.ws_connect(f"http://{server.page}/") as one:
            await one.send_json({"COMMAND": "LISTEN", "DATA": "/" + LONGEST_ADDRESS * "x"})
            for number in range(MOST_ADDRESSES + 1):
                await one.send_json({"COMMAND": "LISTEN", "DATA": f"/{number}"})
            told = [OscMessage((await one.receive()).data) for _ in range(2)]
            await one.send_bytes(osc("/backline/sync", 3))
            return [message.params for message in (*told, OscMessage((await one.receive()).data))]

    assert asyncio.run(listen()) == [
        ["LISTEN", f"an address has {LONGEST_ADDRESS + 1} signs; allowed: up to {LONGEST_ADDRESS}"],
        ["LISTEN", f"{MOST_ADDRESSES} addresses are listened to already, which is the most"],
        [3],
    ]


def test_connections_that_ask_nothing_do_not_take_all_files(server):
    host, port = server.page.split(":")
    many = [socket.create_connection((host, int(port)), 10) for _ in range(MOST_CONNECTIONS)]
    with socket.create_connection((host, int(port)), 10) as one:
        assert one.recv(65536).endswith(f"{MOST_CONNECTIONS} connections are open, which is the most\n".encode())
    assert server.client.request("/backline/sync", 1) == [1]
    for each in many:
        each.close()
    request = f"GET /page/style.css HTTP/1.1\r\nHost: {server.page}\r\nConnection: close\r\n\r\n".encode()
    for _ in range(100):  # until their ends have come in
        with socket.create_connection((host, int(port)), 10) as one:
            one.sendall(request)
            if one.recv(12) == b"HTTP/1.1 200":
                return
    raise AssertionError("the places were not given back")


def test_the_page_of_the_wire_says_the_figures():
    text = " ".join(page().split())
    assert f"{MOST_STREAMS_IN_ALL} streams in all, {MOST_STREAMS_A_CLIENT} of one client" in text
    assert (
        f"{COMMANDS_A_SECOND} commands a second of one, of which what comes faster waits its turn, up to {MOST_WAITING}"
        in text
    )
    assert f"within {TOKEN_SECONDS:g} s" in text
    assert STRANGERS_A_SECOND == 10
    assert "ten a second for all strangers together" in text
