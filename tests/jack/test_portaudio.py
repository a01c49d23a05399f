"""Audio through PortAudio without a sound card: its JACK devices, and its ALSA devices by ALSA's own way into JACK.

The library, its callback and its clock are the real ones; what differs from a sound card is what lies behind ALSA.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest

from plugin_bridge.client import BridgeClient
from server.audio.portaudio import DeviceSettings, spawn

jack = pytest.importorskip("jack")
rtmidi = pytest.importorskip("rtmidi")
pytest.importorskip("sounddevice", exc_type=(ImportError, OSError))  # OSError: no libportaudio2
pytestmark = pytest.mark.jack
PLUG_IN = [*Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_jack.so")]
ALSA_CONFIG = """
</usr/share/alsa/alsa.conf>
pcm.bus {
  type jack
  playback_ports { 0 system:playback_1 1 system:playback_2 }
  capture_ports { 0 system:capture_1 1 system:capture_2 }
}
"""
NO_PLUG_IN = pytest.mark.skipif(not PLUG_IN, reason="ALSA's JACK plug-in (libasound2-plugins) is not installed")
DEVICES = [pytest.param("bus", id="ALSA", marks=NO_PLUG_IN), pytest.param("system", id="JACK")]
EVERY = 10_240  # frames between impulses: a whole number of periods
COMMAND_LINE = (sys.executable, "-P", "-c", "import sys; from server.cli import main; sys.exit(main())")
SECONDS = 40.0  # PortAudio tries every device there is


@pytest.fixture
def server(jack_servers: Callable[..., Any], jack_default: Callable[[Any], None], tmp_path: Path,
           monkeypatch: pytest.MonkeyPatch) -> Any:  # fmt: skip
    """A JACK server that PortAudio and ALSA's plug-in find."""
    found = jack_servers(256)
    jack_default(found)
    (tmp_path / "alsa.conf").write_text(ALSA_CONFIG)
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(tmp_path / "alsa.conf"))
    return found


class Instrument:
    """A JACK client that gives an impulse every EVERY frames and keeps how loud it hears something."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.client = jack.Client("play", no_start_server=True, servername=server.name)
        self._out, self._in = self.client.outports.register("out"), self.client.inports.register("in")
        self.loudest, self.given, self._frame = 0.0, 0, 0
        self.plays = True
        self.client.set_process_callback(self._process)
        self.client.activate()

    def _process(self, frames: int) -> None:
        out = self._out.get_array()
        out[:] = 0.0
        self._frame += frames
        if self.plays and self._frame % EVERY == 0:
            out[17] = 0.9
            self.given += 1
        self.loudest = max(self.loudest, float(np.abs(self._in.get_array()).max()))

    def connect(self) -> None:
        """Be heard by, and hear, whoever else there is but the system."""
        for port in self.client.get_ports(is_audio=True):
            if port.name.split(":")[0] not in ("system", "play"):
                with suppress(jack.JackError):
                    self.client.connect(self._out, port) if port.is_input else self.client.connect(port, self._in)

    def close(self) -> None:
        self.client.deactivate()
        self.client.close()


@pytest.fixture
def instrument(server: Any) -> Iterator[Instrument]:
    found = Instrument(server)
    yield found
    found.close()


class Said:
    """A player's process: the lines it prints, as they come."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def line(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def until(self, name: str) -> Any:
        while name not in (found := self.line()):
            pass
        return found

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()


@pytest.fixture
def play(server: Any) -> Iterator[Callable[..., Said]]:
    """A function (port, **DeviceSettings) -> a player, active."""
    started: list[Said] = []

    def start(port: int, **options: Any) -> Said:
        started.append(Said(spawn(DeviceSettings(**{"model": "probe", "port": port} | options))))
        return started[-1]

    yield start
    for player in started:
        player.end()


@pytest.mark.parametrize("device", DEVICES)
def test_what_a_device_hears_comes_out_of_a_midi_port_and_declares_what_it_takes(
    device: str, server: Any, backline_server: int, play: Callable[..., Said], ears: Callable[..., Any],
    instrument: Instrument,
) -> None:  # fmt: skip
    ear = ears(server, "synth")
    player = play(backline_server, audio_in=device, midi_out="midi:synth")
    active = player.line()
    assert (active["sample_rate"], active["block"], active["midi_out"]) == (48_000, 256, "ear:synth")
    assert active["latency_in"] >= 256, "a device holds a block at least"
    assert active["declared_latency"] == active["latency_in"] + active["stream_latency"] + 2 * 256
    instrument.connect()
    events = [player.until("midi") for _ in range(20)]
    assert {event["due"] - event["place"] for event in events} == {active["stream_latency"]}
    nominal = 1000 * active["declared_latency"] / 48_000
    assert {round(event["waited_ms"], 1) for event in events} == {round(nominal, 1)}, "it is one constant"
    onsets = [event["place"] for event in events if event["midi"][0] == 0x90]
    spacing = [b - a for a, b in pairwise(onsets)]
    assert sorted(spacing)[len(spacing) // 2] == EVERY, "a sample of the device is a sample of the stream"
    ear.wait(10)
    player.process.terminate()
    statistics = player.until("blocks")
    assert statistics["problem"] == ""
    assert statistics["events"] >= 20
    assert player.process.wait(SECONDS) == 0
    kinds = [message[0] & 0xF0 for message in ear.heard]
    assert kinds.count(0x90) == kinds.count(0x80) > 0


@NO_PLUG_IN
def test_a_note_that_comes_in_by_midi_goes_out_as_sound(
    server: Any, backline_server: int, play: Callable[..., Said], instrument: Instrument
) -> None:
    instrument.plays = False
    player = play(backline_server, audio_in="bus", audio_out="bus", midi_in="virtual:keys")
    active = player.line()
    assert active["latency_out"] >= 256
    instrument.connect()
    hand = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name="hand")
    ports = hand.get_ports()
    hand.open_port(next(index for index, name in enumerate(ports) if name.endswith(":keys")))
    deadline = time.monotonic() + SECONDS
    while instrument.loudest < 0.2:
        assert time.monotonic() < deadline, "the impulse of no note was heard"
        hand.send_message((0x90, 60, 127))
        hand.send_message((0x80, 60, 0))
        time.sleep(0.1)
    hand.close_port()
    hand.delete()


@NO_PLUG_IN
def test_a_midi_file_goes_out_as_sound_and_with_it_the_player_ends(
    server: Any, backline_server: int, play: Callable[..., Said], instrument: Instrument, tmp_path: Path
) -> None:
    instrument.plays = False
    track = mido.MidiTrack()
    for _ in range(12):
        track += [mido.Message("note_on", note=60, time=240), mido.Message("note_off", note=60, time=240)]
    mido.MidiFile(tracks=[track]).save(tmp_path / "clip.mid")
    player = play(backline_server, audio_out="bus", clip=str(tmp_path / "clip.mid"))
    active = player.line()
    assert active["declared_latency"] == active["stream_latency"] + active["bridge"], "what goes out hears nothing"
    instrument.connect()
    statistics = player.until("blocks")
    assert statistics["problem"] == ""
    assert instrument.loudest > 0.2, "no note of the clip was heard"
    assert statistics["blocks"] * 256 >= 7 * 48_000, "six seconds and one more"
    assert player.process.wait(SECONDS) == 0


@pytest.mark.parametrize("device", DEVICES)
def test_a_note_ends_with_the_engine_that_began_it_and_then_with_the_server(
    device: str, server: Any, holding: Any, play: Callable[..., Said], ears: Callable[..., Any]
) -> None:
    ear = ears(server, "synth")
    player = play(holding.port, audio_in=device, midi_out="midi:synth")
    player.line()
    on, off = (0x90, 64, 100), (0x80, 64, 0)
    strike(holding, ear, 1)
    holding.silent = True
    assert ear.wait(2) == [on, off]
    holding.silent = False
    strike(holding, ear, 3)  # it plays on when the engine is back
    holding.close()
    assert ear.wait(4) == [on, off, on, off]
    assert "the Backline server does not take this stream any more" in player.until("blocks")["problem"]
    assert player.process.wait(SECONDS) == 2


def test_a_midi_clock_is_the_transport_and_its_stop_ends_what_sounds(
    server: Any, holding: Any, play: Callable[..., Said], ears: Callable[..., Any]
) -> None:
    ear = ears(server, "synth")
    player = play(holding.port, audio_in="system", midi_in="virtual:keys", midi_out="midi:synth")
    player.line()
    hand = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name="hand")
    hand.open_port(next(index for index, name in enumerate(hand.get_ports()) if name.endswith(":keys")))
    stopped = threading.Event()

    def tick() -> None:  # 125 beats a minute
        hand.send_message((0xFA,))
        while not stopped.wait(0.02):
            hand.send_message((0xF8,))
        hand.send_message((0xFC,))

    clock = threading.Thread(target=tick)
    clock.start()
    try:
        deadline = time.monotonic() + SECONDS
        while not any(60 < transport.tempo <= 150 for transport in holding.transports):
            assert time.monotonic() < deadline, "the clock was not followed"
            time.sleep(0.05)
        strike(holding, ear, 1)
    finally:
        stopped.set()
        clock.join()
    assert ear.wait(2) == [(0x90, 64, 100), (0x80, 64, 0)]
    assert not holding.transports[-1].playing
    hand.close_port()
    hand.delete()


def strike(holding: Any, ear: Any, count: int) -> None:
    """Let a note begin; again where it came so late, on a busy machine, that it was not begun."""
    for _ in range(5):
        holding.strike = True
        with suppress(AssertionError):
            ear.wait(count, 3.0)
            return
    pytest.fail("no note was heard")


@pytest.mark.parametrize("device", DEVICES)
def test_a_device_that_vanishes_is_one_sentence_and_the_server_stays(
    device: str, server: Any, backline_server: int, play: Callable[..., Said]
) -> None:
    player = play(backline_server, audio_in=device)
    player.line()
    server.process.kill()
    problem = player.until("blocks")["problem"]
    assert re.match(
        rf"the audio device '{device} .*' (gives nothing any more|has stopped); all notes were ended", problem
    )
    errors = player.process.communicate(timeout=SECONDS)[1]
    assert player.process.returncode == 2
    assert errors == f"backline: {problem}\n"
    bridge = BridgeClient(port=backline_server)
    deadline = time.monotonic() + SECONDS
    while json.loads(str(bridge.request("/backline/status")[3])):
        assert time.monotonic() < deadline, "the stream is closed"
        time.sleep(0.05)
    bridge.close()


def test_a_device_process_that_is_killed_is_one_sentence(
    server: Any, backline_server: int, play: Callable[..., Said]
) -> None:
    player = play(backline_server, audio_in="system")
    player.line()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if parent == str(player.process.pid) and b"portaudio_device" in (folder / "cmdline").read_bytes():
                os.kill(int(folder.name), signal.SIGKILL)
    assert "ended; all notes were ended" in player.until("blocks")["problem"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"audio_in": "nobody"}, "there is no audio input 'nobody'; there are: "),
        ({"audio_in": "system", "rate": 44_100}, "no sample rate suits 'system (JACK)' (48000 Hz); refused were 44100 Hz: "),
        ({"audio_in": "system", "channel": 3}, "--channel is 3; 'system (JACK)' has 2"),
        ({"audio_in": "system", "midi_out": "midi:nobody"}, "there is no MIDI output 'nobody'; there are: "),
        ({"audio_in": "system", "model": "nobody"}, "nobody"),
        ({"audio_in": "system", "settings": {"stream": "sideways"}}, "stream is 'sideways'; allowed: commit, live"),
        ({"audio_in": "system", "port": 9}, "no server answers at 127.0.0.1:9"),
    ],
)  # fmt: skip
def test_a_wrong_word_is_one_sentence_and_code_2(
    options: dict[str, Any], sentence: str, server: Any, backline_server: int
) -> None:
    player = spawn(DeviceSettings(**{"model": "probe", "port": backline_server} | options))
    _, errors = player.communicate(timeout=SECONDS)
    assert player.returncode == 2
    assert len(errors.splitlines()) == 1
    assert sentence in errors


def test_the_command_line_plays_a_device_writes_the_take_and_names_the_devices(
    server: Any, backline_server: int, instrument: Instrument, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(p for p in sys.path if p))
    monkeypatch.setenv("COLUMNS", "200")
    words = [*COMMAND_LINE, "live", "probe", "--server", f"127.0.0.1:{backline_server}", "--input", "system", "--output",
             str(tmp_path / "take.mid"), "--plain"]  # fmt: skip
    player = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job has it ignored
    )  # fmt: skip
    assert player.stdout is not None
    assert "'system (JACK)'; live: notes leave as soon as they are known" in player.stdout.readline()
    instrument.connect()
    for _ in range(3):
        assert "C4" in player.stdout.readline()
    player.send_signal(signal.SIGINT)
    out, errors = player.communicate(timeout=SECONDS)
    assert (player.returncode, errors) == (0, "")
    assert "wrote" in out
    notes = [m for m in mido.MidiFile(tmp_path / "take.mid") if m.type == "note_on"]
    assert len(notes) >= 3
    assert json.loads((tmp_path / "take.latency.json").read_text())["device"] == "'system (JACK)'"
    found = subprocess.run([*COMMAND_LINE, "doctor"], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert "system (JACK): 2 in" in found.stdout
