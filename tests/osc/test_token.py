"""A server that asks for a token: whoever has not said it gets one sentence and nothing else, on every port it has."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from pythonosc.osc_message import OscMessage

from plugin_bridge.client import BridgeClient, BridgeError, osc
from plugin_bridge.protocol import TOKEN_WANTED, pack_audio, pack_token
from plugin_bridge.slip import SlipReader, frame
from server.child_process import start_python
from server.commands.serve import READY
from server.gate import Gate
from server.limits import MOST_PEERS, STRANGERS_A_SECOND
from server.pace import Pace, Paces

TOKEN = "the-token-of-these-tests"
WRONG = ("", "the-token-of-these-test", TOKEN + "x", "é" * 20, "a" * 900)
PATIENCE = 10.0


@pytest.fixture(scope="module")
def server(start_server, tmp_path_factory) -> Iterator[object]:
    """A server with a token, and a client that has it."""
    file = tmp_path_factory.mktemp("token") / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o600)
    with start_server("--token-file", str(file)) as running:
        running.client.token = TOKEN
        running.page = running.process.stdout.readline().rstrip("/\n").rpartition("//")[2]
        yield running


HAD = (
    set()
)  # the ports of all strangers: the system may give one of them out again, and a server knows who has said its token


def stranger(port: int) -> socket.socket:
    """Return a socket that nobody knows."""
    while True:
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.connect(("127.0.0.1", port))
        own = one.getsockname()[1]
        if own not in HAD:
            break
        one.close()
    HAD.add(own)
    one.settimeout(PATIENCE)
    return one


def asked(one: socket.socket, packet: bytes) -> list[object]:
    """Send a packet; return the address of the answer and its arguments. Waits a while where strangers are told nothing."""
    deadline = time.monotonic() + 3 * PATIENCE
    one.settimeout(1.5)
    while time.monotonic() < deadline:
        one.send(packet)
        try:
            message = OscMessage(one.recv(65536))
        except TimeoutError:
            continue
        return [message.address, *message.params]
    raise AssertionError("nothing was answered")


@pytest.mark.parametrize("said", WRONG, ids=len)
def test_a_stranger_is_refused_until_it_says_the_token(server, said):
    with stranger(server.port) as one, stranger(server.port) as other:
        assert asked(one, osc("/backline/status")) == ["/backline/fail", "/backline/status", TOKEN_WANTED]
        assert asked(one, osc("/backline/token", said)) == [
            "/backline/fail", "/backline/token", "that is not this server's token"]  # fmt: skip
        assert asked(one, osc("/backline/sync", 1))[0] == "/backline/fail"
        assert asked(one, osc("/backline/token", TOKEN)) == ["/backline/done", "/backline/token"]
        assert asked(one, osc("/backline/sync", 1)) == ["/backline/synced", 1]
        assert asked(other, osc("/backline/sync", 1))[:2] == ["/backline/fail", "/backline/sync"], (
            "another port is another"
        )


@pytest.mark.parametrize(
    "packet",
    [b"", b"hello", b"#bundle\0" + bytes(8), b"/" * 60_000, osc("/backline/token"), osc("/backline/token", TOKEN, TOKEN),
     osc("/backline/quit"), osc("/backline/stream/1/keep", 1)],
    ids=lambda packet: f"{packet[:16]!r}",
)  # fmt: skip
def test_nothing_else_that_a_stranger_says_is_heard(server, packet):
    with stranger(server.port) as one:
        one.send(packet)
        assert asked(one, osc("/backline/sync", 1))[0] == "/backline/fail"
    assert server.client.request("/backline/sync", 2) == [2]


def test_token_and_command_may_come_in_one_bundle(server):
    parts = (osc("/backline/token", TOKEN), osc("/backline/sync", 5))
    bundle = b"#bundle\0" + (1).to_bytes(8, "big") + b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    with stranger(server.port) as one:
        assert asked(one, bundle) == ["/backline/done", "/backline/token"]
        assert OscMessage(one.recv(65536)).params == [5]


def test_a_flood_of_strangers_is_hardly_answered_and_holds_nobody_up(server):
    with stranger(server.port) as one:
        for number in range(500):
            one.send(osc("/backline/sync", number))
        assert server.client.request("/backline/sync", 3) == [3]
        one.settimeout(0.2)
        answers = 0
        try:
            while one.recv(65536):
                answers += 1
        except TimeoutError:
            pass
        assert answers < 100


def test_over_tcp_too_and_no_data_passes_before(server):
    stream = server.client.open_stream("probe", 48_000, {"pace": "free"})
    block = pack_audio(stream.number, 0, np.zeros((1, 64), np.float32))
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as one:
        one.sendall(frame(block) + frame(osc("/backline/token", TOKEN)) + frame(osc("/backline/sync", 4)))
        packets: list[bytes] = []
        reader = SlipReader()
        while not packets or OscMessage(packets[-1]).address != "/backline/synced":
            data = one.recv(65536)
            assert data
            packets += [packet for packet in reader.feed(data) if isinstance(packet, bytes)]
        assert server.row(stream.number)["position"] == 0
        one.sendall(frame(block))
        while b"/backline/processed" not in packets[-1]:
            packets += [packet for packet in reader.feed(one.recv(65536)) if isinstance(packet, bytes)]
    assert server.row(stream.number)["position"] == 64
    stream.close()


def test_a_connection_that_says_no_token_is_ended(server):
    with socket.create_connection(("127.0.0.1", server.port), 3 * PATIENCE) as one:
        data = b""
        while more := one.recv(65536):
            data += more
    assert b"no token was said within 5 s" in data


def test_a_data_port_hears_no_stranger(server):
    stream = server.client.open_stream("probe", 48_000, {"pace": "free"})
    port = server.row(stream.number)["port"]
    for said in (b"", *map(pack_token, WRONG)):
        with stranger(port) as one:
            if said:
                one.send(said)
            one.send(pack_audio(stream.number, 48_000, np.ones((1, 64), np.float32)))
    assert server.row(stream.number)["position"] == 0
    with stranger(port) as one:
        assert asked(one, pack_audio(stream.number, 0, np.ones((1, 64), np.float32))) == [
            "/backline/fail", "data port", TOKEN_WANTED]  # fmt: skip
        one.send(pack_token(TOKEN))
        assert asked(one, pack_audio(stream.number, 0, np.zeros((1, 64), np.float32)))[0] == "/backline/audio"
    assert server.row(stream.number)["position"] == 64
    stream.close()


@pytest.mark.parametrize("tcp", [False, True])
def test_a_client_that_has_it_plays_on_when_its_engine_is_killed(server, tcp):
    client = BridgeClient(port=server.port, tcp=tcp, token=TOKEN)
    client.load("probe")
    stream = client.open_stream("probe", 48_000, {"pace": "free"})
    stream.send(0, np.zeros((1, 256), np.float32))
    list(stream.wait(256))
    os.kill(server.row(stream.number)["process"], signal.SIGKILL)
    deadline = time.monotonic() + 20
    while not server.row(stream.number).get("swaps"):
        assert time.monotonic() < deadline
    click = np.zeros((1, 4096), np.float32)
    click[0, 100] = 0.9
    stream.send(256, click)
    assert [m.place for m in stream.wait(4352) if getattr(m, "status", 0) == 0x90] == [356]
    assert stream.refused == []
    stream.close()
    client.close()


def test_a_client_without_it_is_told_what_to_do(server):
    client = BridgeClient(port=server.port, token="")
    with pytest.raises(BridgeError, match=r"^this server asks for its token: say /backline/token TOKEN first$"):
        client.request("/backline/status")
    client.close()


def test_the_command_line_takes_it_from_the_environment(server, command_line, monkeypatch):
    at = ("keep", "99", "--server", f"127.0.0.1:{server.port}")
    assert "asks for its token" in command_line(*at).stderr
    monkeypatch.setitem(command_line.__globals__["ENVIRONMENT"], "BACKLINE_TOKEN", TOKEN)
    assert "there is no stream 99" in command_line(*at).stderr


def get(url: str, **options: object) -> tuple[int, str, dict[str, str]]:
    """Ask over HTTP, redirects not followed; return status, body, headers."""
    headers = [f"{name}: {value}" for name, value in dict(options).items()]
    host, _, path = url.partition("/")
    with socket.create_connection((host.split(":")[0], int(host.split(":")[1])), PATIENCE) as one:
        lines = [f"GET /{path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers, "", ""]
        one.sendall("\r\n".join(lines).encode())
        data = b""
        while more := one.recv(65536):
            data += more
    head, _, body = data.decode().partition("\r\n\r\n")
    lines = head.split("\r\n")
    return int(lines[0].split()[1]), body, {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}


def test_the_page_and_the_address_space_ask_for_it(server):
    for path in (
        "/",
        "/page/page.js",
        "/backline/sync",
        "/?HOST_INFO",
        "/?token=" + TOKEN[:-1],
        "/?token=",
        "/page/live",
    ):
        status, body, _ = get(server.page + path)
        assert status == 401
        assert body == "this server asks for its token: add ?token=TOKEN, or the header Authorization: Bearer TOKEN\n"
    assert get(server.page + "/", Authorization=f"Bearer {TOKEN}x")[0] == 401
    assert get(server.page + "/", Cookie="backline_token=no")[0] == 401
    assert '"FULL_PATH": "/"' in get(f"{server.page}/?token={TOKEN}")[1]
    for query in (f"HOST_INFO&token={TOKEN}", f"token={TOKEN}&HOST_INFO"):
        assert '"OSC_PORT"' in get(f"{server.page}/?{query}")[1]
    assert get(server.page + "/", Authorization=f"Bearer {TOKEN}")[0] == 200


def test_a_browser_has_it_as_a_cookie_that_no_script_reads(server):
    status, _, headers = get(f"{server.page}/?token={TOKEN}", Accept="text/html")
    assert (status, headers["location"]) == (303, "/")
    assert "HttpOnly" in headers["set-cookie"]
    assert "SameSite=Strict" in headers["set-cookie"]
    cookie = headers["set-cookie"].split(";")[0]
    status, body, _ = get(server.page + "/", Accept="text/html", Cookie=cookie)
    assert status == 200
    assert TOKEN not in body
    assert get(server.page + "/page/page.js", Cookie=cookie)[0] == 200


def test_the_sockets_of_pages_and_listeners_ask_for_it(server):
    asyncio.run(_sockets(server.page))


async def _sockets(page: str) -> None:
    async with aiohttp.ClientSession() as session:
        for path in ("/", "/page/live"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(f"http://{page}{path}")
            assert refused.value.status == 401
            connection = await session.ws_connect(f"http://{page}{path}?token={TOKEN}")
            await connection.close()


def test_no_process_has_it_among_its_arguments(server):
    server.client.load("probe")
    for process in (server.process.pid, *server.engines()):
        assert TOKEN.encode() not in Path(f"/proc/{process}/cmdline").read_bytes()


def test_where_other_machines_reach_it_one_is_made_and_printed_once(monkeypatch):
    monkeypatch.delenv("BACKLINE_TOKEN", raising=False)
    process = start_python(
        "import sys; from server.cli import main; sys.exit(main())", "serve", "--port", "0", "--host", "0.0.0.0", "--allow-remote",
        "--verbose", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
    try:
        host, _, port = process.stdout.readline().removeprefix(READY).rpartition(":")
        assert host == "0.0.0.0"
        token = process.stderr.readline().removeprefix(
            "backline made a token for this run; clients need it as BACKLINE_TOKEN: "
        )
        assert re.fullmatch(r"[\w-]{32}\n", token)
        for tcp in (False, True):
            client = BridgeClient(port=int(port), tcp=tcp, token=token.strip())
            stream = client.open_stream("probe", 48_000, {"pace": "free"})
            stream.send(0, np.zeros((1, 64), np.float32))
            list(stream.wait(64))
            stream.close()
            client.close()
    finally:
        process.terminate()
        said, errors = process.communicate(timeout=20)
    assert token.strip() not in said + errors


def test_a_token_file_that_is_not_there_is_made_for_its_owner_alone(start_server, tmp_path):
    file = tmp_path / "token"
    with start_server("--token-file", str(file)) as running:
        assert file.stat().st_mode & 0o777 == 0o600
        with pytest.raises(BridgeError, match="asks for its token"):
            running.client.request("/backline/sync", 1)
        running.client.token = file.read_text().strip()
        assert running.client.request("/backline/sync", 1) == [1]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has 0 signs"),
        ("short", "has 5 signs"),
        ("with spaces in it is none", "others than it may"),
        ("x" * 201, "201"),
    ],
)
def test_a_token_that_is_none_refuses_the_server(command_line, tmp_path, text, reason):
    file = tmp_path / "token"
    file.write_text(text)
    file.chmod(0o600)
    said = command_line("serve", "--port", "0", "--token-file", file)
    assert said.returncode == 2
    assert reason in said.stderr
    assert said.stderr.count("\n") == 1
    assert not text or f" {text} " not in said.stderr


def test_a_server_without_a_token_is_said_one_all_the_same(start_server):
    with start_server() as running:
        client = BridgeClient(port=running.port, token=TOKEN)
        stream = client.open_stream("probe", 48_000, {"pace": "free"})
        stream.send(0, np.zeros((1, 64), np.float32))
        list(stream.wait(64))
        assert stream.refused == []
        stream.close()
        client.close()


def test_strangers_are_told_so_many_times_a_second():
    now = [0.0]
    gate = Gate(TOKEN, lambda: now[0])
    assert sum(gate.may_refuse() for _ in range(100)) == STRANGERS_A_SECOND
    now[0] = 0.5
    assert sum(gate.may_refuse() for _ in range(100)) == STRANGERS_A_SECOND // 2


def test_who_was_not_heard_for_longest_is_forgotten():
    gate = Gate(TOKEN)
    for number in range(MOST_PEERS + 10):
        assert gate.hear(number, TOKEN)
        assert gate.passes(0)
    assert [number for number in range(MOST_PEERS + 10) if not gate.passes(number)] == list(range(1, 11))


def test_a_pace_lets_some_through_at_once_and_then_so_many_a_second():
    now = [0.0]
    pace = Pace(10, 5, lambda: now[0])
    assert [pace.take() for _ in range(7)] == pytest.approx([0, 0, 0, 0, 0, 0.1, 0.2])
    now[0] = 100.0
    assert [pace.take() for _ in range(6)] == pytest.approx([0, 0, 0, 0, 0, 0.1])
    for _ in range(1000):
        pace.take()
        pace.give_back()
    assert pace.take() == pytest.approx(0.2), "whoever is refused owes nothing"
    many = Paces(10, 5, lambda: now[0])
    for peer in range(3 * MOST_PEERS):
        assert many.of(peer).take() == 0
    assert len(many._peers) == MOST_PEERS
