"""A real DAW, headless: Ardour plays a track through the plug-in and records its notes, driven over Ardour's own OSC.

Ardour runs on its own dummy device, which needs neither JACK nor a display. It moves what it records back by the latency that the
plug-in reports. Its MIDI lies on a grid of 1920 ticks a quarter, 12.5 samples at 120 bpm: that far from the sample it may be.
"""

import fcntl
import json
import os
import select
import shutil
import socket
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from pythonosc.osc_message import OscMessage

from models.events import Event, NoteOn
from plugin_bridge.client import osc
from server.audio.file import read_audio
from server.midi.file import read_midi
from server.model_store import find_model, open_stream
from server.run_file import run_stream

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("ardour_session.lua")
TAKES = ROOT / "server" / "takes"
RATE = 48_000
GRID = 6.5  # samples: half of Ardour's tick, and a rounding
SURFACE_PORT = 3819  # where Ardour listens, if nobody else does
PATIENCE = 60.0

Notes = list[tuple[int, float]]  # pitch, sample

pytestmark = pytest.mark.skipif(
    shutil.which("ardour7-lua") is None, reason="Ardour 7 (package ardour) is not installed"
)


class Ardour:
    """An Ardour that has a session open, and a socket that speaks OSC with it."""

    def __init__(self, process: "subprocess.Popen[str]", answers: socket.socket) -> None:
        self._process, self._socket = process, answers
        self._said: deque[str] = deque(maxlen=20)  # the last lines that do not say where the transport is
        self._wait(lambda *_: True)
        # No bank, the tracks alone, no feedback, and the answers to this socket.
        self.send("/set_surface", 0, 3, 0, 0, 0, 0, self._socket.getsockname()[1])

    def send(self, address: str, *arguments: float) -> None:
        """Send a command."""
        self._socket.sendto(osc(address, *arguments), ("127.0.0.1", SURFACE_PORT))

    def ask(self, address: str, *arguments: float, end: str) -> list[list[object]]:
        """Send a question; return the answers before the one that has `end` for its address or its first argument."""
        self.send(address, *arguments)
        answers: list[list[object]] = []
        while True:
            answer = OscMessage(self._socket.recv(65536))
            if end in (answer.address, *answer.params[:1]):
                return answers
            answers.append(list(answer.params))

    def parameters(self, track: int) -> dict[str, tuple[int, float]]:
        """Return the parameters of a track's plug-in: name -> number, value."""
        rows = self.ask("/strip/plugin/descriptor", track, 1, end="/strip/plugin/descriptor_end")
        return {str(row[3]): (int(str(row[2])), float(str(row[-1]))) for row in rows}

    def roll(self, until: int) -> int:
        """Record from where it stands until a sample; return the latency that the track has there.

        Recording ends before the transport does: stopped at once, two of Ardour's threads may both end the take, and it crashes.
        """
        self.send("/rec_enable_toggle", 1.0)
        self.send("/transport_play")
        _, latency = self._wait(lambda sample, rolling: rolling and sample >= until)
        self.send("/rec_enable_toggle", 0.0)
        self._wait(lambda sample, _: sample >= until + RATE // 5)
        self.send("/transport_stop")
        self._wait(lambda _, rolling: not rolling)
        return latency

    def locate(self, sample: int) -> None:
        """Put the transport somewhere."""
        self.send("/locate", sample, 0)
        self._wait(lambda place, _: place == sample)

    def _wait(self, reached: Callable[[int, bool], bool]) -> tuple[int, int]:
        """Return sample and latency as soon as the transport is there."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + 2 * PATIENCE
        while time.monotonic() < deadline and select.select([self._process.stdout], [], [], PATIENCE)[0]:
            line = self._process.stdout.readline()
            assert line, f"Ardour has ended with {self._process.wait(PATIENCE)}: {''.join(self._said)}"
            if not line.startswith("AT ["):
                self._said.append(line)
            else:
                sample, rolling, latency = json.loads(line.removeprefix("AT "))
                if reached(sample, rolling):
                    return sample, latency
        pytest.fail("Ardour's transport does not get there")


class Session:
    """A session on disk with the sound on its track, and the environment that Ardour opens it in."""

    def __init__(self, folder: Path, environment: dict[str, str], sound: NDArray[np.float32]) -> None:
        self.folder, self._environment = folder, environment
        made = self._start("make", SECONDS=f"{sound.size / RATE + 0.5}")
        output, _ = made.communicate(timeout=2 * PATIENCE)
        assert "made" in output, output
        for recorded in folder.glob("interchange/*/audiofiles/*.wav"):
            length = soundfile.info(recorded).frames
            soundfile.write(recorded, np.pad(sound, (0, length - sound.size)), RATE, subtype="FLOAT")
        saved = folder / "session.ardour"
        text = saved.read_text()
        off, on = (f'name="Open Sound Control (OSC)" active="{number}"' for number in (0, 1))
        assert off in text
        saved.write_text(text.replace(off, on))

    @contextmanager
    def open(self) -> Iterator[Ardour]:
        """Load it, and end Ardour afterwards."""
        process, stop = self._start("open"), self.folder / "STOP"
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as answers:
                answers.bind(("127.0.0.1", 0))
                answers.settimeout(PATIENCE)
                yield Ardour(process, answers)
            stop.touch()
            process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
            process.communicate()
            stop.unlink(missing_ok=True)

    def take(self) -> Notes:
        """Return the notes that begin in the newest MIDI take: pitch, sample."""
        newest = max(self.folder.glob("interchange/*/midifiles/*.mid"), key=lambda path: path.stat().st_mtime_ns)
        file, tick, notes = mido.MidiFile(newest), 0, []
        for message in file.tracks[-1]:
            tick += message.time
            if message.type == "note_on" and message.velocity:
                notes.append((message.note, tick * RATE * 0.5 / file.ticks_per_beat))  # it plays at 120 bpm
        return notes

    def _start(self, what: str, **more: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(["ardour7-lua", str(SCRIPT)], env=os.environ | self._environment | {"WHAT": what} | more,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # fmt: skip


@pytest.fixture(scope="module")
def port(start_server, arranger_models) -> Iterator[int]:
    """The port of a server; one Ardour at a time, since it has one port for OSC."""
    with (Path(tempfile.gettempdir()) / "backline-test-ardour.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with start_server(*arranger_models) as server:
            server.client.load("probe")
            server.client.load("transcriber")
            server.client.load("arranger")
            yield server.port


@pytest.fixture
def session(port: int, plugins: Path, tmp_path: Path) -> Callable[[str, NDArray[np.float32]], Session]:
    """A function (plug-in, mono sound) -> Session with the sound on a track and the plug-in on it."""

    def make(plugin: str, sound: NDArray[np.float32]) -> Session:
        home = tmp_path / "home"
        home.mkdir()
        environment = {
            "HOME": str(home), "LV2_PATH": str(plugins / "lv2"), "PLUGIN": plugin, "FOLDER": str(tmp_path / "session"),
            "BACKLINE_PORT": str(port), "BACKLINE_MODEL": "probe", "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        return Session(tmp_path / "session", environment, sound)

    return make


def record(ardour: Ardour, until: int) -> int:
    """Record from the beginning until a sample, and save; return the latency of the track while it played."""
    ardour.locate(0)
    latency = ardour.roll(until)
    ardour.send("/save_state")
    ardour.ask(
        "/strip/list", end="end_route_list"
    )  # answered when it is saved; Ardour hangs where a session closes while it saves
    return latency


def test_impulses_lie_where_they_are_and_again_after_a_reload(session):
    places = np.arange(RATE // 2, 4 * RATE, 12_347)
    sound = np.zeros(4 * RATE, np.float32)
    sound[places] = 0.9
    project = session("urn:backline:effect", sound)
    latencies = []
    for saved in (0.0, 0.7):
        with project.open() as ardour:
            assert [row[1] for row in ardour.ask("/strip/list", end="end_route_list")][:2] == ["audio", "notes"]
            number, value = ardour.parameters(1)["Slot 16"]
            assert value == pytest.approx(saved)
            ardour.send("/strip/plugin/parameter", 1, 1, number, 0.7)
            latencies.append(record(ardour, round(4.2 * RATE)))
        take = project.take()
        assert [pitch for pitch, _ in take] == [60] * len(places)
        assert np.abs([place for _, place in take] - places).max() <= GRID
    assert latencies[0] == latencies[1] > 0


def test_the_take_lies_on_its_true_onsets_as_near_as_the_file_does(session):
    take, _ = read_audio(TAKES / "take.ogg")
    sound = take[:, : 8 * RATE]
    project = session("urn:backline:transcriber", sound[0])
    with project.open() as ardour:
        number, value = ardour.parameters(1)["Transpose"]
        assert value == 0
        ardour.send("/strip/plugin/parameter", 1, 1, number, 12.0)
        assert ardour.parameters(1)["Transpose"][1] == 12
        record(ardour, 9 * RATE)
    played = onsets(event for event in read_midi(TAKES / "take.mid", RATE) if event.sample < 7.5 * RATE)
    stream = open_stream(find_model("transcriber"), {"stream": "commit"}, RATE)
    file = onsets(run_stream(stream, sound).events())
    recorded = [(pitch - 12, place) for pitch, place in project.take()]
    # A hop begins elsewhere in the sound than in a file, so that single notes are placed, or heard, a little differently.
    assert abs(len(recorded) - len(file)) <= 2
    in_ardour, in_file = errors(recorded, played), errors(file, played)
    assert in_ardour.max() <= 0.01 * RATE
    assert np.median(in_ardour) <= np.median(in_file) + 0.001 * RATE


def test_drums_to_a_bass_track_are_recorded_on_the_grid_without_latency(session):
    length, eighth = 8 * RATE, RATE // 4  # Ardour plays at 120 bpm
    time = np.arange(eighth) / RATE
    sound = np.tile(0.3 * np.exp(-12 * time) * np.sin(2 * np.pi * 110 * time), length // eighth).astype(np.float32)
    project = session("urn:backline:drummer", sound)
    wanted = {"Humanise": 0.0, "Fills": 0.0, "Intro": 3.0}
    with project.open() as ardour:
        parameters = ardour.parameters(1)
        for name, value in wanted.items():
            ardour.send("/strip/plugin/parameter", 1, 1, parameters[name][0], value)
        now = ardour.parameters(1)
        assert {name: now[name][1] for name in wanted} == pytest.approx(wanted)
        latency = record(ardour, length)
    assert latency == 0
    take = project.take()
    assert {36, 38, 42} <= {pitch for pitch, _ in take}
    later = [place for _, place in take if place > RATE // 4]  # of the start it hears as it begins
    assert len(later) > 40
    sixteenths = np.array(later) / (eighth / 2)
    assert np.abs(sixteenths - np.round(sixteenths)).max() * eighth / 2 <= GRID


def test_a_songs_arrangement_is_recorded_on_the_grid_without_latency(session, song):
    length, sixteenth = 12 * RATE, RATE // 8  # Ardour plays at 120 bpm
    project = session("urn:backline:arranger", song(RATE, 24)[0])
    with project.open() as ardour:
        parameters = ardour.parameters(1)
        assert {"Melody", "Density", "Register"} <= set(parameters)
        ardour.send("/strip/plugin/parameter", 1, 1, parameters["Pedal"][0], 1.0)
        assert ardour.parameters(1)["Pedal"][1] == 1.0
        latency = record(ardour, length)
    assert latency == 0
    take = project.take()
    assert len(take) > 20
    places = np.array([place for _, place in take]) / sixteenth
    assert places.min() > 15.5, "the first bar is heard before anything is played"
    assert np.abs(places - np.round(places)).max() * sixteenth <= GRID


def onsets(events: Iterable[Event]) -> Notes:
    """Return the notes that begin."""
    return [(event.pitch, float(event.sample)) for event in events if isinstance(event, NoteOn)]


def errors(heard: Notes, played: Notes) -> NDArray[np.float64]:
    """Return how far from each played note the nearest one heard at its pitch lies, in samples."""
    return np.array([min(abs(place - other) for same, other in heard if same == pitch) for pitch, place in played])
