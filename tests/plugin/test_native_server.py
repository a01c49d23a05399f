"""The plug-in's core against real servers: it starts one, finds it again, and no note hangs whatever dies.

`session` is a host without a device: it plays a click on every tenth of a second in real time and prints what leaves.
"""

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from plugin_bridge.client import BridgeClient, BridgeError

PATIENCE_SECONDS = 60.0
RATE = 48_000
OFF, LIVE = 0, 2
OFFLINE = ("wait",)


class Session:
    """A running session and what it printed so far."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self.reported = -1
        self.clicks: list[int] = []
        self.status: list[int] = []
        self.midi: list[tuple[int, int, int, int]] = []
        self.end: tuple[int, int] | None = None
        self._rest = b""

    @property
    def onsets(self) -> list[int]:
        """Frames at which notes began."""
        return [frame for frame, status, _, velocity in self.midi if status & 0xF0 == 0x90 and velocity]

    @property
    def exact(self) -> list[int]:
        """Clicks whose notes left exactly where reported."""
        onsets = set(self.onsets)
        return [click for click in self.clicks if click + self.reported in onsets]

    def until(self, wanted: Callable[[], bool]) -> None:
        """Read until something holds; fail where it does not within PATIENCE_SECONDS."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not wanted():
            if b"\n" not in self._rest:
                ready = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]
                assert ready, (
                    f"nothing new within {PATIENCE_SECONDS:g} s; status {self.status}, {len(self.midi)} messages"
                )
                more = os.read(self.process.stdout.fileno(), 1 << 16)
                assert more, f"the session ended too soon; status {self.status}"
                self._rest += more
            line, found, rest = self._rest.partition(b"\n")
            if found:
                self._rest = rest
                self._take(*line.decode().split())

    def finish(self) -> None:
        """Have it end, and assert that nothing hangs."""
        self.process.send_signal(signal.SIGTERM)
        self.until(lambda: self.end is not None)
        assert self.end is not None
        assert self.end[1] == 0, self.midi[-20:]
        sounding: set[int] = set()
        for _, status, pitch, velocity in self.midi:
            starts = status & 0xF0 == 0x90 and velocity > 0
            assert starts != (pitch in sounding), self.midi
            sounding ^= {pitch}

    def _take(self, word: str, *numbers: str) -> None:
        values = tuple(map(int, numbers))
        if word == "open":
            self.reported = values[0]
        elif word == "click":
            self.clicks.append(values[0])
        elif word == "status":
            self.status.append(values[0])
        elif word == "midi":
            self.midi.append((values[0], values[1], values[2], values[3]))
        elif word == "end":
            self.end = (values[0], values[1])


@pytest.fixture
def play(checks: Path, backline_command: Path, tmp_path: Path) -> Iterator[Callable[..., Session]]:
    """A function (port, model, seconds, settings, rate, block, words, command) that starts a session; those that run are killed."""
    begun: list[subprocess.Popen[bytes]] = []

    def start(port: int, model: str = "probe", seconds: float = 300.0, settings: str = "", rate: int = 48_000, block: int = 256,
              words: Sequence[str] = (), command: Path = backline_command) -> Session:  # fmt: skip
        around = os.environ | {"BACKLINE_PORT": str(port), "BACKLINE_COMMAND": str(command), "HOME": str(tmp_path)}
        line = [checks / "session", model, settings, str(rate), str(block), str(seconds), *words]
        begun.append(subprocess.Popen(line, env=around, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
        return Session(begun[-1])

    yield start
    for process in begun:
        process.kill()
        process.communicate()


def servers_of(session: Session) -> list[int]:
    """Return the process numbers of servers that a session started and that run."""
    children = Path(f"/proc/{session.process.pid}/task").glob("*/children")
    return [int(number) for path in children for number in path.read_text().split()]


def quit_server(port: int) -> None:
    """End a server that nobody holds."""
    client = BridgeClient(port=port)
    with suppress(BridgeError):
        client.request("/backline/quit")
    client.close()


def test_it_starts_a_server_and_another_one_when_that_is_killed(play, own_port: int) -> None:
    session = play(own_port)
    try:
        session.until(lambda: len(session.exact) >= 5)
        (server,) = servers_of(session)
        os.kill(server, signal.SIGKILL)
        lost = len(session.status)
        session.until(lambda: len(session.status) > lost)
        session.until(lambda: session.status[-1] == LIVE)
        found = len(session.exact)
        session.until(lambda: len(session.exact) >= found + 5)
        session.finish()
    finally:
        quit_server(own_port)


def test_the_server_outlives_the_host_and_keeps_what_was_played(play, own_port: int, tmp_path: Path) -> None:
    session = play(own_port, words=("keep",))
    try:
        session.until(lambda: list((tmp_path / "Backline").glob("*.mid")) != [])
        session.finish()
        client = BridgeClient(port=own_port)
        assert client.request("/backline/sync", 7) == [7]
        client.close()
    finally:
        quit_server(own_port)


def test_without_a_server_sound_passes_and_the_status_says_off(play, own_port: int, tmp_path: Path) -> None:
    session = play(own_port, seconds=1.0, command=tmp_path / "nobody")
    session.until(lambda: session.end is not None)
    assert session.end == (0, 0)
    assert set(session.status) == {OFF}
    assert not session.midi
    assert session.reported == 0


def test_a_stream_that_somebody_closed_is_opened_again(play, start_server) -> None:
    with start_server() as server:
        session = play(server.port)
        session.until(lambda: len(session.exact) >= 3)
        (number,) = json.loads(str(server.client.request("/backline/status")[3]))
        server.client.request("/backline/stream/close", int(number))
        session.until(lambda: session.status[-1] != LIVE)
        session.until(lambda: session.status[-1] == LIVE)
        found = len(session.exact)
        session.until(lambda: len(session.exact) >= found + 3)
        session.finish()


@pytest.mark.parametrize(("rate", "block"), [(48_000, 64), (44_100, 1000), (96_000, 8192), (48_000, 20_000)])
def test_offline_every_note_is_there_and_exact(play, start_server, rate: int, block: int) -> None:
    with start_server() as server:
        session = play(server.port, seconds=5.0, rate=rate, block=block, words=OFFLINE)
        session.until(lambda: session.end is not None)
        due = [click for click in session.clicks if click + session.reported + block < 5 * rate]
        assert len(due) > 30
        assert session.exact[: len(due)] == due
        assert len(session.onsets) == len(session.exact)


def test_offline_a_player_gives_the_same_notes_at_every_block_size(play, start_server) -> None:
    with start_server() as server:
        heard = []
        for block in (64, 1000):
            session = play(server.port, "transcriber", 4.0, rate=48_000, block=block, words=OFFLINE)
            session.until(lambda at=session: at.end is not None)
            assert session.end is not None
            assert session.end[0] == 0, "sound that passes is not as late as reported"
            moved = [(frame - session.reported, *rest) for frame, *rest in session.midi]
            heard.append([message for message in moved if message[0] < 3 * 48_000])
        assert heard[0] == heard[1]


def test_a_loop_cuts_what_is_under_way_and_leaves_the_latency_as_it_was(play, start_server) -> None:
    with start_server() as server:
        session = play(server.port, seconds=6.0, block=1600, words=("wait", "loop"))
        session.until(lambda: session.end is not None)
    assert session.end is not None
    assert session.end[1] == 0
    kept = [click for click in session.clicks if click // RATE == (click + session.reported) // RATE]
    assert len(kept) > 40
    assert set(kept) <= set(session.exact)
    assert len(session.onsets) == len(session.exact) < len(session.clicks)
