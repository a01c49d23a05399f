"""MIDI ports without a JACK client of ours: python-rtmidi's ports, each in its process, on a JACK server of the tests' own.

ALSA's sequencer is the same library's other back-end; this needs none, so that it runs where there is no sound system.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from server.errors import BacklineError
from server.midi.ports import SEQUENCER, MidiPorts, PortChoice, find_port, list_ports, parse_port
from server.midi.rtmidi import MidiInput, MidiOutput

rtmidi = pytest.importorskip("rtmidi")
pytestmark = pytest.mark.jack
ON, OFF = (0x90, 60, 100), (0x80, 60, 0)
SECONDS = 10.0


@pytest.fixture
def server(jack_servers: Callable[..., Any], jack_default: Callable[[Any], None]) -> Any:
    if SEQUENCER.exists():
        pytest.skip("there is an ALSA sequencer, which python-rtmidi's ports take before JACK")
    found = jack_servers(128)
    jack_default(found)
    return found


@pytest.fixture
def ear(server: Any, ears: Callable[..., Any]) -> Any:
    return ears(server, "synth")


@pytest.mark.parametrize(
    ("word", "choice"),
    [
        ("midi", PortChoice("backline", True)),
        ("midi:Synth 1:in", PortChoice("Synth 1:in")),
        ("virtual:Notes", PortChoice("Notes", True)),
        ("midi:", None),
        ("virtual", None),
        ("take.mid", None),
        ("jack", None),
    ],
)
def test_a_word_means_a_port_or_none(word: str, choice: PortChoice | None) -> None:
    assert parse_port(word) == choice


def test_a_port_is_found_by_name_number_or_a_part_that_no_other_has() -> None:
    there = ("Synth A:in", "Synth B:in", "1")
    assert find_port("Synth B:in", there, "output") == 1
    assert find_port("b:", there, "output") == 1
    assert find_port("0", there, "output") == 0
    assert find_port("1", there, "output") == 2, "a whole name comes before a number"
    with pytest.raises(
        BacklineError, match=r"2 MIDI outputs have 'synth' in their names; there are: 0 'Synth A:in', 1 "
    ):
        find_port("synth", there, "output")
    with pytest.raises(BacklineError, match="there is no MIDI input '3'; there are: none; `virtual:NAME` makes one"):
        find_port("3", (), "input")


def test_ports_are_listed_and_a_missing_one_is_named(ear: Any) -> None:
    assert list_ports() == MidiPorts("JACK", (), ("ear:synth",))
    with pytest.raises(BacklineError, match="there is no MIDI output 'nobody'; there are: 0 'ear:synth'"):
        MidiOutput(PortChoice("nobody"))


def test_messages_leave_in_order_and_none_before_its_time(ear: Any) -> None:
    out = MidiOutput(PortChoice("synth"))
    assert (out.name, out.system) == ("ear:synth", "JACK")
    began = time.monotonic_ns() + 50_000_000
    times = [began + 15_000_000 * number for number in range(20)]
    for number, leaves in enumerate(times):
        out.send(leaves, 0x90, 40 + number, 100)
    expected = [(0x90, 40 + number, 100) for number in range(20)]
    deadline = time.monotonic() + SECONDS
    while len(ear.heard) < 20:
        out.beat()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert ear.heard[:20] == expected
    assert all(at >= leaves - 100_000 for at, leaves in zip(ear.at, times, strict=False)), "a note came before its time"
    counts = out.close()
    assert sorted(ear.wait(40)[20:]) == [(0x80, 40 + number, 0) for number in range(20)], "stop ends them"
    assert counts["notes"] == counts["notes_ended"] == 20
    assert counts["lost_heartbeats"] == 0


def test_a_sender_that_falls_silent_has_its_notes_ended_and_plays_on_when_it_is_back(ear: Any) -> None:
    out = MidiOutput(PortChoice("synth"))
    out.send(0, *ON)  # stale: nobody waits for it
    out.send(time.monotonic_ns(), *ON)
    assert ear.wait(2) == [ON, OFF]
    out.send(time.monotonic_ns(), *ON)
    assert ear.wait(3)[2] == ON
    counts = out.close()
    assert counts["lost_heartbeats"] >= 1
    assert counts["lost_events"] == 1


def test_a_sender_that_is_killed_leaves_no_note(ear: Any) -> None:
    code = (
        "import time; from server.midi.ports import PortChoice; from server.midi.rtmidi import MidiOutput\n"
        "out = MidiOutput(PortChoice('synth'), 100.0); out.send(time.monotonic_ns(), 144, 60, 100); time.sleep(100)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    sender = subprocess.Popen([sys.executable, "-P", "-c", code], env=environment)
    try:
        assert ear.wait(1) == [ON]
        os.kill(sender.pid, signal.SIGKILL)
        assert ear.wait(2) == [ON, OFF]
    finally:
        sender.kill()
        sender.wait()


@pytest.mark.parametrize(
    ("how", "noticed_by"),
    [(signal.SIGKILL, "listen"), (signal.SIGKILL, "send"), (signal.SIGKILL, "close"), (signal.SIGSTOP, "close")],
)
def test_a_port_process_that_dies_or_stands_still_leaves_no_note(ear: Any, how: int, noticed_by: str) -> None:
    out = MidiOutput(PortChoice("synth"), 100.0)
    for message in (ON, (0xB0, 64, 127), (0x93, 50, 90)):
        out.send(time.monotonic_ns(), *message)
    assert ear.wait(3) == [ON, (0xB0, 64, 127), (0x93, 50, 90)]
    os.kill(out._process.pid, how)
    if how == signal.SIGKILL:
        out._process.wait()
    if noticed_by == "listen":
        assert "the process of the MIDI port 'ear:synth' ended" in until_problem(out)
    elif noticed_by == "send":
        out.send(time.monotonic_ns(), *ON)
    if noticed_by != "close":
        ear.wait(6)
    out.close()
    assert out.fileno() < 0
    assert sorted(ear.wait(6)[3:]) == [OFF, (0x83, 50, 0), (0xB0, 64, 0)]


def test_a_port_that_vanishes_is_named_once(server: Any, ears: Callable[..., Any]) -> None:
    there = ears(server, "keys")
    out = MidiOutput(PortChoice("keys"), 100.0)
    out.send(time.monotonic_ns(), *ON)
    there.wait(1)
    there.close()
    assert "the MIDI port 'ear:keys' is gone" in until_problem(out)
    out.close()


def test_a_virtual_output_is_there_for_others_and_ends_what_it_started(server: Any) -> None:
    out = MidiOutput(PortChoice("notes", True))
    ear = rtmidi.MidiIn(rtmidi.API_UNIX_JACK, name="ear")
    ear.open_port(find_port("backline:notes", ear.get_ports(), "input"))
    out.send(time.monotonic_ns(), *ON)
    assert next_message(ear) == ON
    out.close()
    assert next_message(ear) == OFF
    ear.close_port()
    ear.delete()


def test_what_comes_in_is_stamped_clocks_too(server: Any) -> None:
    port = MidiInput(PortChoice("keys", True))
    hand = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name="hand")
    hand.open_port(find_port("backline:keys", hand.get_ports(), "output"))
    before = time.monotonic_ns()
    for message in ((0xFA,), ON, (0xF8,), (0xFE,), (0xC0, 5), OFF):
        hand.send_message(message)
    heard: list[tuple[int, ...]] = []
    deadline = time.monotonic() + SECONDS
    while len(heard) < 5:
        assert time.monotonic() < deadline
        heard += port.listen()
        time.sleep(0.01)
    assert [message[1:] for message in heard] == [(0xFA, 0, 0), ON, (0xF8, 0, 0), (0xC0, 5, 0), OFF]
    times = [before, *(message[0] for message in heard), time.monotonic_ns()]
    assert times == sorted(times)
    port.close()
    hand.close_port()
    hand.delete()


def test_a_carrier_that_dies_is_said_and_nothing_waits_for_ever(server: Any) -> None:
    out = MidiOutput(PortChoice("notes", True))
    out.send(time.monotonic_ns(), *ON)
    server.process.kill()
    server.process.wait()
    out.close()
    assert out.fileno() < 0
    with pytest.raises(BacklineError, match="nobody carries MIDI here: there is no ALSA sequencer"):
        MidiOutput(PortChoice("notes", True))


def until_problem(out: MidiOutput) -> str:
    deadline = time.monotonic() + SECONDS
    while not out.problem:
        out.beat()
        assert time.monotonic() < deadline
        list(out.listen())
        time.sleep(0.05)
    return out.problem


def next_message(ear: Any) -> tuple[int, ...]:
    deadline = time.monotonic() + SECONDS
    while (message := ear.get_message()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return tuple(message[0])


def test_a_file_is_played_to_a_port_to_its_last_note(server: Any, ear: Any, tmp_path: Path) -> None:
    clicks = np.zeros(36_000, np.float32)
    clicks[1000::5000] = 0.9
    soundfile.write(tmp_path / "clicks.wav", clicks, 48_000)
    words = ["live", "probe", "--input", tmp_path / "clicks.wav", "--output", "midi:synth", "--output", tmp_path / "notes.mid",
             "--set", "stream=commit", "--plain"]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    said = subprocess.run(
        [sys.executable, "-P", "-c", "import sys; from server.cli import main; sys.exit(main())", *map(str, words)],
        env=environment, capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
    assert (said.returncode, said.stderr) == (0, "")
    assert ear.wait(14) == [(status, 60, velocity) for _ in range(7) for status, velocity in ((0x90, 114), (0x80, 0))]
    apart = np.diff(ear.at[::2]) / 1e6
    assert abs(np.median(apart) - 5000 / 48) < 2 * 128 / 48, "JACK's period is all that moves them"
    assert (tmp_path / "notes.mid").exists()
