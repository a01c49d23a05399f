"""Every impulse comes out at exactly the latency that the ports declare."""

from bisect import bisect_left
from collections.abc import Callable
from typing import Any

import pytest

RATE = 48_000
IMPULSES = [4801 + 1537 * i for i in range(60)]  # at ever other places of block and hop
FRAMES = IMPULSES[-1] + 24_000


def disturbed(take: dict[str, Any], frame: int, reach: int = 4800) -> bool:
    """Whether the frame clock was broken within `reach` after `frame`: what was on its way then may be lost."""
    return any(abs(broken - frame) <= reach for broken, _ in take["jumps"])


def delays(take: dict[str, Any], played: list[int], heard: list[int]) -> list[int]:
    """Return for each frame of `played` how long after it something was first heard; undisturbed ones only."""
    found = []
    for frame in played:
        place = bisect_left(heard, frame)
        if not disturbed(take, frame):
            found.append(heard[place] - frame if place < len(heard) else -1)
    return found


def play(client: Any, take: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Let the take run; return it and the client's statistics."""
    take.say("start")
    heard = take.until(lambda line: "impulses_at" in line, 20.0)
    client.process.terminate()
    return heard, client.until(lambda line: "callbacks" in line)


def mostly(found: list[int], exact: int, incidents: int) -> None:
    """Assert that all but as many as there were incidents are exact, and at least half in any case."""
    wrong = [delay for delay in found if delay != exact]
    assert len(found) >= len(IMPULSES) // 2, f"only {len(found)} undisturbed"
    assert len(wrong) <= incidents, (wrong, exact, incidents)
    assert len(found) - len(wrong) >= len(IMPULSES) // 2


@pytest.mark.jack
@pytest.mark.parametrize("period", [256, 64])
def test_notes_and_audio_leave_at_the_declared_frame(
    period: int,
    jack_servers: Callable[..., Any],
    backline_server: int,
    jack_client: Callable[..., Any],
    take: Callable[..., Any],
) -> None:
    server = jack_servers(period)
    client = jack_client(server, backline_server)
    active = client.json()
    assert active["bridge"] == 2 * period
    running = take(server, active["active"], IMPULSES, FRAMES, notes=[sample + 700 for sample in IMPULSES])
    declared = server.latency(f"{active['active']}:midi_out", "capture")
    assert declared == (active["declared_latency"],) * 2
    assert server.latency(f"{active['active']}:audio_out", "capture") == declared
    assert server.latency(f"{active['active']}:audio_in", "playback") == declared
    heard, statistics = play(client, running)
    incidents = 2 * (statistics["xruns"] + statistics["late_blocks"] + statistics["late_events"] + heard["xruns"])
    onsets = [frame for frame, status, *_ in heard["midi"] if status & 0xF0 == 0x90]
    offsets = [frame for frame, status, *_ in heard["midi"] if status & 0xF0 == 0x80]
    mostly(delays(heard, heard["impulses_at"], onsets), declared[0], incidents)
    mostly(delays(heard, heard["notes_at"], heard["audio_at"]), declared[0], incidents)
    assert abs(len(onsets) - len(offsets)) <= incidents, "a cycle that the recorder lost may have held one of the two"


@pytest.mark.jack
def test_a_live_stream_declares_nothing_and_answers_within_a_hop_and_the_bridge(
    jack_servers: Callable[..., Any], backline_server: int, jack_client: Callable[..., Any], take: Callable[..., Any]
) -> None:
    server = jack_servers(64)
    client = jack_client(server, backline_server, settings={"stream": "live"})
    active = client.json()
    running = take(server, active["active"], IMPULSES, FRAMES, audio=False)
    assert server.latency(f"{active['active']}:midi_out", "capture") == (0, 0)
    heard, statistics = play(client, running)
    onsets = [frame for frame, status, *_ in heard["midi"] if status & 0xF0 == 0x90]
    found = delays(heard, heard["impulses_at"], onsets)
    incidents = 2 * (statistics["xruns"] + statistics["late_blocks"] + heard["xruns"])
    hop, look_ahead = 128, 112  # the probe's own
    assert sum(not look_ahead < delay <= look_ahead + hop + 2 * 64 for delay in found) <= incidents, found
    assert all(frame % 64 == onsets[0] % 64 for frame in onsets), "a live note leaves at the first frame of a cycle"
