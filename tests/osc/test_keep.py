"""Keep what was just played: by OSC, by a parameter and by the command line, as files a DAW opens."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile
from pythonosc.osc_message import OscMessage

from plugin_bridge.client import BridgeClient, BridgeError, osc
from server.midi.file import read_midi
from server.server_process import own_server

RATE = 48_000
CLICKS = (1000, 9000, 20_001, 40_000)
TICK = RATE * 60 / 97 / 960  # of the files, in samples


@pytest.fixture(scope="module")
def takes(tmp_path_factory):
    """The folder that the server keeps takes in."""
    return tmp_path_factory.mktemp("takes")


@pytest.fixture(scope="module")
def server(start_server, takes):
    """A server with a folder of its own for takes."""
    with start_server("--takes", str(takes)) as running:
        yield running


@pytest.fixture(scope="module")
def played(server):
    """A commit stream of the probe that has heard a second and a half with four clicks."""
    stream = server.client.open_stream("probe", RATE, {"pace": "free"})
    audio = np.zeros((1, RATE + RATE // 2), np.float32)
    audio[0, CLICKS] = 0.5
    stream.send_transport(0, True, 0, 97.0)
    for start in range(0, audio.shape[1], 1000):
        stream.send(start, audio[:, start : start + 1000])
        list(stream.wait(start + 1000))
    yield stream, audio
    stream.close()


def test_the_take_is_written_with_its_notes_at_their_onsets(server, played, takes):
    stream, audio = played
    midi, wave = stream.keep("onsets")
    assert sorted(path.name for path in (takes / "onsets").iterdir()) == sorted([Path(midi).name, Path(wave).name])
    assert Path(midi).stem == Path(wave).stem
    assert Path(midi).stem.endswith(f"-probe-{stream.number}")
    heard, rate = soundfile.read(wave, dtype="float32")
    assert rate == RATE
    assert np.abs(heard - audio[0]).max() < 2**-22  # 24 bits
    onsets = [event.sample for event in read_midi(Path(midi), RATE) if type(event).__name__ == "NoteOn"]
    assert onsets == pytest.approx(CLICKS, abs=TICK)  # a tick of the file
    tempi = [message.tempo for message in mido.MidiFile(midi) if message.type == "set_tempo"]
    assert tempi == [mido.bpm2tempo(97)], "the clip's beats are the host's"


def test_only_the_last_seconds_where_so_many_are_asked_for_and_names_never_clash(server, played, takes):
    stream, audio = played
    paths = {
        str(path)
        for _ in range(3)
        for path in server.client.request("/backline/stream/keep", stream.number, "last ones", 1)
    }
    assert len(paths) == 6
    assert {Path(path).name for path in paths} == {path.name for path in (takes / "last ones").iterdir()}
    for path in sorted(paths):
        if path.endswith(".wav"):
            assert np.abs(soundfile.read(path)[0] - audio[0, -RATE:]).max() < 2**-22
        else:
            onsets = [event.sample for event in read_midi(Path(path), RATE) if type(event).__name__ == "NoteOn"]
            assert onsets == pytest.approx([40_000 - RATE // 2], abs=TICK)


def test_what_cannot_be_kept_is_refused_with_one_sentence(server, played, takes):
    stream, _ = played
    silent = server.client.open_stream("probe", RATE)
    (takes / "file").write_text("")
    before = sorted(takes.rglob("*"))
    for arguments, reason in (
        ((99, ""), "there is no stream 99"),
        ((silent.number, ""), "nothing was played on this stream yet"),
        ((stream.number, "file"), "cannot keep anything in file: "),
        ((stream.number, str(takes)), "the name of a folder among the takes, never a path"),
        ((stream.number, "", 0), "seconds are 0; allowed: 1 to 120"),
        ((stream.number, "", 121), "seconds are 121; allowed: 1 to 120"),
        ((stream.number,), "takes 2 to 3 arguments"),
    ):
        with pytest.raises(BridgeError) as refused:
            server.client.request("/backline/stream/keep", *arguments)
        assert reason in str(refused.value)
        assert "\n" not in str(refused.value)
    silent.close()
    assert sorted(takes.rglob("*")) == before


def test_a_folder_for_takes_that_is_none_refuses_the_server(command_line, tmp_path):
    said = command_line("serve", "--port", "0", "--takes", tmp_path / "none")
    assert (said.returncode, said.stderr) == (2, f"backline: there is no folder {tmp_path / 'none'}\n")


def test_a_full_disk_leaves_neither_file(server, played, takes):
    if os.geteuid() != 0:
        pytest.skip("needs root: mounts a small tmpfs")
    small = takes / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", small], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        with pytest.raises(BridgeError, match=r"^cannot write [^\n]*\.wav: No space left on device$"):
            server.client.request("/backline/stream/keep", played[0].number, "small")
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_the_parameter_keeps_on_its_rise_only(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with own_server() as (_, port):
        client = BridgeClient(port=port)
        stream = client.open_stream("probe", RATE, {"pace": "free"})
        stream.send(0, np.full((1, 4800), 0.01, np.float32))
        list(stream.wait(4800))
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener.connect(("127.0.0.1", port))
        listener.settimeout(20)
        listener.send(osc("/backline/notify", 1))
        listener.recv(65536)
        for value in (0, 1, 1, 1.0):
            client.request("/backline/stream/set", stream.number, "keep", value)
        event = OscMessage(listener.recv(65536))
        assert event.params[0] == "keep"
        assert f"stream {stream.number} kept in {tmp_path}/Backline/" in event.params[1]
        client.request("/backline/stream/set", stream.number, "keep", 0)
        client.request("/backline/stream/set", stream.number, "keep", 1)
        assert OscMessage(listener.recv(65536)).params[0] == "keep"
        for value in (0.0, 1.0):  # as a controller's button does
            listener.send(osc(f"/backline/stream/{stream.number}/keep", value))
            assert OscMessage(listener.recv(65536)).address == "/backline/done"
        assert OscMessage(listener.recv(65536)).params[0] == "keep"
        assert len(list((tmp_path / "Backline").iterdir())) == 6
        with pytest.raises(BridgeError, match="keep is 'yes'; allowed: 0, 1"):
            client.request("/backline/stream/set", stream.number, "keep", "yes")
        listener.close()
        stream.close()
        client.close()


def test_the_command_line_keeps_the_only_stream(server, played, command_line, tmp_path):
    stream, _ = played
    at = ("--server", f"127.0.0.1:{server.port}")
    done = command_line("keep", "-o", tmp_path, "--seconds", 1, *at)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.split()) == sorted(str(path) for path in tmp_path.iterdir())
    other = server.client.open_stream("probe", RATE)
    several = command_line("keep", *at)
    assert several.returncode == 2
    assert several.stderr == f"backline: several streams are open; name one of {stream.number}, {other.number}\n"
    for number in range(2, 7):  # several within a second: their names never clash, and a pair keeps one stem
        again = command_line("keep", stream.number, "-o", tmp_path, "--seconds", 1, *at)
        assert (again.returncode, again.stderr) == (0, "")
        stems = [path.stem for path in tmp_path.iterdir()]
        assert all(stems.count(stem) == 2 for stem in stems)
        assert len(set(stems)) == number
    other.close()
    for words, reason in (
        (("--seconds", 0), "seconds are 0; allowed: 1 to 120"),
        (("--server", "here"), "--server is 'here'; it is written HOST:PORT"),
        (("--server", "127.0.0.1:1"), "no server answers at 127.0.0.1:1"),
        (("-o", tmp_path / "none", *at), f"there is no folder {tmp_path / 'none'}"),
    ):
        refused = command_line("keep", *words)
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
        assert reason in refused.stderr


def test_a_take_outlives_its_engine(server):
    stream = server.client.open_stream("probe", RATE, {"pace": "free"})
    server.client.load("probe")
    audio = np.zeros((1, 9600), np.float32)
    audio[0, 500] = 0.5
    stream.send(0, audio)
    list(stream.wait(9600))
    row = server.row(stream.number)
    os.kill(row["process"], 9)
    deadline = time.monotonic() + 20
    while not server.row(stream.number).get("swaps"):
        assert time.monotonic() < deadline
    stream.send(9600, audio)
    list(stream.wait(19_200))
    midi, wave = map(str, server.client.request("/backline/stream/keep", stream.number, ""))
    assert np.abs(soundfile.read(wave)[0] - np.tile(audio[0], 2)).max() < 2**-22
    assert read_midi(Path(midi), RATE)[0].sample == pytest.approx(500, abs=TICK)
    stream.close()


def test_audio_that_came_too_late_to_be_played_is_kept_all_the_same(server):
    stream = server.client.open_stream("probe", RATE)
    audio = (0.1 * np.random.default_rng(0).standard_normal((1, 2 * RATE))).astype(np.float32)
    stream.send(0, audio[:, :1000])
    list(stream.wait(1000))
    engine = server.row(stream.number)["process"]
    os.kill(engine, signal.SIGSTOP)
    try:
        for start in range(1000, audio.shape[1], 1000):
            stream.send(start, audio[:, start : start + 1000])
    finally:
        os.kill(engine, signal.SIGCONT)
    list(stream.wait(audio.shape[1]))
    assert server.row(stream.number)["stale_samples"] > RATE
    _, wave = stream.keep()
    assert np.abs(soundfile.read(wave)[0] - audio[0]).max() < 2**-22
    stream.close()
