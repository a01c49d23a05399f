"""The instruments that measure latency add none of their own, and what they say of the JACK client is what it declares."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from ctypes.util import find_library
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.command import Options
from benchmarks.native.build import BuildError, build
from benchmarks.native.jack_probe import JackProbe
from benchmarks.native.jackd import Jackd, jackd
from benchmarks.native.take import Take
from benchmarks.serving import Server
from server.audio.jack import JackSettings, spawn
from server.errors import BacklineError

WIRE = [("play:out", "record:in"), ("play:midi_out", "record:midi_in")]
NOTE = (0x90, 60, 100)


def impulses(block: int, count: int = 12) -> list[int]:
    """Frames at ever other places of the block, further apart than any delay."""
    return [1_001 + (1_537 + 4 * block) * turn for turn in range(count)]


@pytest.fixture(scope="module", autouse=True)
def _what_it_needs() -> None:
    if shutil.which("jackd") is None or find_library("jack") is None:
        pytest.skip("jackd is not installed")
    try:
        build("jack_probe")
    except BuildError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def server() -> Iterator[Jackd]:
    with jackd(256) as running:
        yield running


@pytest.fixture(scope="module")
def backline() -> Iterator[Server]:
    with Server(Options(1.0)) as running:
        running.load("probe")
        yield running


@pytest.mark.jack
@pytest.mark.parametrize(("block", "rate"), [(16, 48_000), (1000, 44_100), (4096, 96_000)])
def test_a_wire_takes_no_time(block: int, rate: int) -> None:
    places = impulses(block, 6)
    notes = [(place + 401, *NOTE) for place in places]
    with (
        jackd(block, rate) as running,
        JackProbe(running, WIRE, places, notes, frames=places[-1] + 4 * block + 4_800) as probe,
    ):
        probe.say("start")
        take = probe.finish(30.0)
    if not take.jumps:
        assert [frame - take.began for frame in take.impulses] == places
        assert [(frame - take.began, *data) for frame, *data in take.notes] == notes
    assert not any(take.delays(take.impulses, [frame for frame, _ in take.audio]))
    assert not any(take.delays([frame for frame, *_ in take.notes], take.onsets))
    assert len(take.delays(take.impulses, take.onsets)) + take.incidents >= 3


@pytest.mark.jack
@pytest.mark.parametrize("kind", ["commit", "live"])
def test_the_jack_client_answers_at_the_frame_that_its_ports_declare(
    server: Jackd, backline: Server, kind: str
) -> None:
    places = impulses(server.period, 20)
    notes = [(place + 700, *NOTE) for place in places]
    settings = JackSettings("probe", port=backline.port, server_name=server.name, settings={"stream": kind})
    client = spawn(settings)
    assert client.stdout is not None
    try:
        active = json.loads(client.stdout.readline())
        name = active["active"]
        connect = [("play:out", f"{name}:audio_in"), ("play:midi_out", f"{name}:midi_in"),
                   (f"{name}:audio_out", "record:in"), (f"{name}:midi_out", "record:midi_in")]  # fmt: skip
        with JackProbe(server, connect, places, notes, frames=places[-1] + 24_000) as probe:
            declared = probe.latency(f"{name}:midi_out")["capture"]
            probe.say("start")
            take = probe.finish(30.0)
    finally:
        client.terminate()
        last, _ = client.communicate(timeout=10)
    late = json.loads(last)["late_blocks"] + json.loads(last)["late_events"]
    assert declared == [active["declared_latency"]] * 2
    mostly(take, take.impulses, take.onsets, range(113, 113 + 128 + 512) if kind == "live" else declared, late)
    held = active["stream_latency"] or 239  # a live stream declares nothing, and its audio has the probe's own latency
    mostly(take, [frame for frame, *_ in take.notes], [f for f, _ in take.audio], [held + active["bridge"]], late)
    assert not take.sounding() or take.incidents


def mostly(take: Take, played: list[int], heard: list[int], allowed: "range | list[int]", late: int) -> None:
    """Assert that all delays are allowed but as many as there were incidents, and that half can be told."""
    found = take.delays(played, heard)
    assert len(found) >= len(played) / 2
    assert len([delay for delay in found if delay not in allowed]) <= 2 * (late + take.incidents), found


@pytest.mark.jack
def test_what_is_heard_is_kept_sample_by_sample(server: Jackd, noise, tmp_path: Path) -> None:

    sound, kept = noise(7_001)[0], tmp_path / "heard.f32"
    with JackProbe(server, WIRE, sound=sound, frames=24_000, capture=kept) as probe:
        probe.say("start")
        take = probe.finish()
    heard = np.fromfile(kept, np.float32)[take.began - take.captured :] if take.captured >= 0 else np.zeros(0)
    if take.jumps:
        pytest.skip("JACK lost cycles while it was recorded")
    assert np.array_equal(heard[:24_000], np.resize(sound, 24_000))


@pytest.mark.jack
def test_a_port_that_is_not_there_and_a_server_that_is_not_there_are_named(server: Jackd) -> None:
    with pytest.raises(BacklineError, match="no port nobody:in"):
        JackProbe(server, [("play:out", "nobody:in")])
    nobody = Jackd("backline-nobody", 48_000, 256, "normal", 0)
    with pytest.raises(BacklineError, match="backline-nobody: no JACK server"):
        JackProbe(nobody, [])
    with JackProbe(server, []) as probe, pytest.raises(BacklineError, match="no port nobody:in"):
        probe.latency("nobody:in")


@pytest.mark.parametrize(("line", "reason"), [("impulse", "a line is"), ("midi 5 90 3c 64\nimpulse 4", "not go back")])
def test_a_plan_that_makes_no_sense_is_refused(line: str, reason: str, tmp_path: Path) -> None:
    plan = tmp_path / "plan"
    plan.write_text(line + "\n")
    done = subprocess.run([build("jack_probe"), "-p", plan], capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 2
    assert reason in done.stderr
    assert str(plan) in done.stderr


def test_a_sound_in_another_format_is_refused(tmp_path: Path, noise) -> None:

    path = tmp_path / "short.wav"
    soundfile.write(path, noise(100)[0], 48_000, subtype="PCM_16")
    done = subprocess.run([build("jack_probe"), "-w", path], capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 2
    assert "32-bit floats" in done.stderr
