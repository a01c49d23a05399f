"""What happens to a JACK client when something around it is slow, fast, gone or wrong."""

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from plugin_bridge.client import BridgeClient
from server.audio.jack import JackSettings, spawn

pytestmark = pytest.mark.jack
IMPULSES = [4801 + 1537 * i for i in range(60)]
FRAMES = IMPULSES[-1] + 24_000


def whole(running: Any, word: str) -> dict[str, Any]:
    """Let the take run and return it."""
    running.say(word)
    found: dict[str, Any] = running.until(lambda line: "impulses_at" in line, 30.0)
    return found


def on_and_off(take: dict[str, Any]) -> tuple[int, int]:
    """How many note-ons and note-offs were heard."""
    kinds = [status & 0xF0 for _, status, *_ in take["midi"]]
    return kinds.count(0x90), kinds.count(0x80)


def engines_of(port: int) -> list[int]:
    """The process numbers of a server's engines: those whose parent listens at `port`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if any(b"server.engine" in word for word in words) and parent_serves(folder, port):
                found.append(int(folder.name))
    return sorted(found)


def parent_serves(folder: Path, port: int) -> bool:
    """Whether a process's parent holds the UDP port."""
    parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
    links = [str(link.readlink()) for link in Path(f"/proc/{parent}/fd").iterdir()]
    rows = [line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:]]
    return any(row[1].endswith(f":{port:04X}") and f"socket:[{row[9]}]" in links for row in rows)


def test_freewheel_loses_nothing_and_places_as_real_time_does(
    jack_servers: Callable[..., Any], backline_server: int, jack_client: Callable[..., Any], take: Callable[..., Any]
) -> None:
    server = jack_servers(256)
    client = jack_client(server, backline_server)
    active = client.json()
    began = time.monotonic()
    heard = whole(take(server, active["active"], IMPULSES, FRAMES, notes=[s + 700 for s in IMPULSES]), "fast")
    assert time.monotonic() - began < 25
    onsets = [frame for frame, status, *_ in heard["midi"] if status & 0xF0 == 0x90]
    assert len(heard["impulses_at"]) == len(IMPULSES)
    assert abs(len(onsets) - len(IMPULSES)) <= 2 * heard["xruns"]
    if not heard["jumps"] and not heard["xruns"]:  # else the frame clock is no measure, or the recorder lost a cycle
        assert {b - a for a, b in zip(heard["impulses_at"], onsets, strict=True)} == {active["declared_latency"]}
        assert {b - a for a, b in zip(heard["notes_at"], heard["audio_at"], strict=True)} == {
            active["declared_latency"]
        }
        assert on_and_off(heard) == (len(IMPULSES), len(IMPULSES))


def test_a_longer_period_is_declared_anew_and_a_shorter_one_keeps_the_latency(
    jack_servers: Callable[..., Any], backline_server: int, jack_client: Callable[..., Any], take: Callable[..., Any]
) -> None:
    server = jack_servers(128)
    client = jack_client(server, backline_server)
    active = client.json()
    for period, bridge in ((512, 1024), (64, 1024)):
        server.ask("jack_bufsize", str(period))
        declared = active["stream_latency"] + bridge
        wait_for(lambda declared=declared: server.latency(f"{active['active']}:midi_out", "capture") == (declared,) * 2)
    heard = whole(take(server, active["active"], IMPULSES, FRAMES, audio=False), "start")
    onsets = [frame for frame, status, *_ in heard["midi"] if status & 0xF0 == 0x90]
    if not heard["jumps"] and not heard["xruns"]:
        assert {b - a for a, b in zip(heard["impulses_at"], onsets, strict=True)} == {declared}
    assert onsets


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Look again and again until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_every_note_ends_and_playing_goes_on_when_the_engine_fails(
    number: int,
    jack_servers: Callable[..., Any],
    backline_server: int,
    jack_client: Callable[..., Any],
    take: Callable[..., Any],
) -> None:
    server = jack_servers(256)
    client = jack_client(server, backline_server)
    active = client.json()
    dense = list(range(4801, 4 * 48_000, 1201))
    running = take(server, active["active"], dense, dense[-1] + 24_000, audio=False)
    running.say("start")
    for _ in range(20):
        running.until(lambda line: "midi" in line)
    victims = engines_of(backline_server)
    assert victims
    os.kill(victims[0], number)
    heard = running.until(lambda line: "impulses_at" in line, 30.0)
    struck, ended = on_and_off(heard)
    assert abs(struck - ended) <= 2 * heard["xruns"], "a cycle that the recorder lost may have held one of the two"
    assert heard["midi"][-1][0] > heard["impulses_at"][-1] - 48_000, "no note after the engine was replaced"
    client.process.terminate()
    assert client.until(lambda line: "callbacks" in line)["problem"] == ""


def test_a_jack_server_that_dies_is_named_and_the_backline_server_stays(
    jack_servers: Callable[..., Any], backline_server: int, jack_client: Callable[..., Any]
) -> None:
    server = jack_servers(128)
    client = jack_client(server, backline_server)
    client.json()
    server.process.kill()
    statistics = client.until(lambda line: "callbacks" in line)
    assert "JACK server ended" in statistics["problem"]
    assert client.process.wait(10) == 2
    assert client.errors().splitlines() == [f"backline: {statistics['problem']}"]
    bridge = BridgeClient(port=backline_server)
    assert json.loads(str(bridge.request("/backline/status")[3])) == {}, "the stream is closed"
    bridge.close()


def test_a_backline_server_that_dies_is_named(
    jack_servers: Callable[..., Any], backline_server: int, jack_client: Callable[..., Any]
) -> None:
    client = jack_client(jack_servers(256), backline_server)
    client.json()
    bridge = BridgeClient(port=backline_server)
    bridge.request("/backline/quit")
    bridge.close()
    assert "Backline server" in client.until(lambda line: "callbacks" in line)["problem"]
    assert client.process.wait(10) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"server_name": "no-such-server"}, "no JACK server called 'no-such-server' answers; start one with `jackd -d"),
        ({"model": "nobody"}, "nobody"),
        ({"settings": {"stream": "sideways"}}, "stream is 'sideways'; allowed: commit, live"),
        ({"port": 9}, "no server answers at 127.0.0.1:9"),
        ({"connect": [("audio_in", "nobody:nothing")]}, "`jack_lsp` lists the ports there are"),
    ],
)
def test_a_wrong_word_is_one_sentence_and_code_2(
    options: dict[str, Any], words: str, jack_servers: Callable[..., Any], backline_server: int
) -> None:
    settings = {"model": "probe", "port": backline_server, "server_name": jack_servers(256).name} | options
    client = spawn(JackSettings(**settings))
    _, errors = client.communicate(timeout=30)
    assert client.returncode == 2
    assert len(errors.splitlines()) == 1
    assert words in errors
