"""The native client says what the soak's says and hears what it hears; what an engine misses is in its account. No time is asserted."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.command import Options
from benchmarks.native.stream_client import Played, StreamClient, extras, last_notes
from benchmarks.record import ROOT
from benchmarks.serving import Server
from benchmarks.soak_material import make_material
from benchmarks.soak_streams import EIGHT, Client, Part, transport_at
from plugin_bridge.protocol import (
    MidiMessage,
    TransportMessage,
    pack_midi,
    pack_midi_in,
    pack_processed,
    pack_transport,
    parse,
)

FREE = {"pace": "free"}  # an engine drops nothing, however busy the machine is
IMPULSES = next(part for part in EIGHT if part.model == "probe")
KEYS = next(part for part in EIGHT if part.plays == "midi")


@pytest.fixture(scope="module")
def server(program):
    with Server(Options(1.0)) as running:
        running.load("probe")
        yield running


def play(server: Server, part: Part, streams: int, seconds: float) -> Played:
    opened = [server.client.open_stream(part.model, part.rate, part.settings) for _ in range(streams)]
    with StreamClient(part, opened, seconds) as client:
        assert client.wait("began") < client.wait("over")
        return client.finish()


def heard_by_python(server: Server, part: Part, blocks: int) -> Client:
    """The soak's own client, which sends as many blocks as the engine takes."""
    stream = server.client.open_stream(part.model, part.rate, part.settings)
    client = Client(part, stream, make_material(part.plays, part.rate, 1))
    for turn in range(blocks):
        client.send(time.monotonic())
        if turn % 32 == 31:
            client._hear(stream.wait(client.place, timeout=30.0))
    client._hear(stream.wait(client.place, timeout=30.0))
    client._pending.clear()
    client.end()
    return client


@pytest.mark.parametrize("block", [64, 441, 1024])
@pytest.mark.parametrize("part", EIGHT, ids=lambda part: part.name)
def test_beside_its_blocks_it_says_what_the_soaks_client_says(part, block):
    part, seconds = replace(part, block=block), 10.0
    material, expected = make_material(part.plays, part.rate, 3), []
    for place in range(0, round(seconds * part.rate), block):
        told = transport_at(part, place)
        expected += [(place, pack_transport(TransportMessage(7, *told)))] if told else []
        expected += [(place, pack_midi_in(7, *row)) for row in material.midi_in(place, block)]
    said = [
        (int.from_bytes(row[:8], sys.byteorder), row[12:])
        for row in extras(part, material, 7, seconds)
        if row[8:12] == (len(row) - 12).to_bytes(4, sys.byteorder)
    ]
    assert [row for row in said if row[0] < round(seconds * part.rate)] == expected
    assert bool(expected) == (part.told or part.plays == "midi")


@pytest.mark.parametrize("block", [64, 480])
def test_every_block_of_every_stream_is_answered_and_every_note_ends(server, block):
    part = replace(IMPULSES, block=block, settings=FREE)
    played = play(server, part, 4, 0.5)
    assert played.blocks >= 4 * 1.0 * part.rate / block
    assert played.lost == ()
    assert played.hanging == played.doubled == played.stray == played.refused == 0
    assert played.note_ons == played.note_offs > 4 * 20
    assert played.scheduling in ("fifo", "normal")
    assert played.used > 0
    assert played.furthest_behind >= 0


@pytest.mark.parametrize("part", [IMPULSES, KEYS], ids=lambda part: part.name)
def test_it_hears_what_the_soaks_client_hears(server, part):
    part = replace(part, settings={**part.settings, **FREE})
    server.load(part.model)
    played = play(server, part, 1, 0.5)
    account = heard_by_python(server, part, played.blocks).account
    assert (played.note_ons, played.note_offs) == (account.note_ons, account.note_offs)
    assert (played.doubled, played.stray, played.hanging) == (account.doubled, account.stray, account.hanging)
    assert played.audio == played.blocks
    assert played.refused == 0


def test_a_stopped_engine_is_in_the_account(server):
    part = replace(IMPULSES, block=64)
    streams = [server.client.open_stream(part.model, part.rate) for _ in range(2)]
    with ExitStack() as ends, StreamClient(part, streams, 1.0) as client:
        began = client.wait("began")
        engines = server.engines()
        for engine in engines:
            os.kill(engine, signal.SIGSTOP)
            ends.callback(os.kill, engine, signal.SIGCONT)
        time.sleep(0.1)
        ends.close()
        over = client.wait("over")
        played = client.finish()
    assert played.late or played.lost
    assert all(began <= moment <= over for moment, _ in played.late)
    assert all(seconds > 2 * part.block / part.rate for _, seconds in played.late)
    assert all(moment >= began and blocks > 0 for moment, blocks in played.lost)
    assert len(played.late) + sum(blocks for _, blocks in played.lost) <= played.blocks


def alone(program, folder, *words: str, silent: str = "2000") -> "subprocess.CompletedProcess[str]":
    """Run it with one stream to a socket that nobody reads from; `silent`: samples of its audio."""
    audio = folder / "audio"
    audio.write_bytes(bytes(4 * int(silent)))
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here,
    ):
        there.bind(("127.0.0.1", 0))
        here.connect(there.getsockname())
        stream = [str(here.fileno()), "1", "48000", "64", str(audio), "1000", "-"]
        command = [str(program), "-l", "2", "-f", "0", *words, *stream]
        return subprocess.run(
            command, pass_fds=[here.fileno()], capture_output=True, text=True, timeout=30, check=False
        )


def test_blocks_that_an_answer_jumps_over_are_lost_and_what_is_sent_is_the_material(program, tmp_path):
    sound = np.arange(1479, dtype=np.float32)
    sound[1000:] = sound[:479]
    sound.tofile(tmp_path / "audio")
    notes = [(0x90, 60, 9), (0x90, 60, 9), (0x80, 61, 0), (0x92, 5, 1)]  # one is doubled, one is stray, two sound on
    with ExitStack() as ends:
        there, here = (ends.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2))
        there.bind(("127.0.0.1", 0))
        there.settimeout(0.1)
        here.connect(there.getsockname())
        words = [
            "-s",
            "0.3",
            "-w",
            "0",
            "-l",
            "2",
            str(here.fileno()),
            "7",
            "48000",
            "480",
            str(tmp_path / "audio"),
            "1000",
            "-",
        ]
        process = ends.enter_context(
            subprocess.Popen([str(program), *words], pass_fds=[here.fileno()], stdout=subprocess.PIPE)
        )
        place = answers = 0
        while process.poll() is None:
            try:
                datagram, sender = there.recvfrom(1 << 16)
            except TimeoutError:
                continue
            block = parse(datagram)
            assert (block.stream, block.start, block.samples.shape) == (7, place, (1, 480))
            assert np.array_equal(block.samples[0], sound[place % 1000 :][:480])
            place += 480
            if place == 480:
                for row in notes:
                    there.sendto(pack_midi(MidiMessage(7, 0, 0, *row)), sender)
            if place % (3 * 480) == 0:  # of three blocks one is answered, and says nothing of those before
                there.sendto(pack_processed(7, place, 0), sender)
                answers += 1
        account = json.loads(process.stdout.read().splitlines()[-1])
    assert process.returncode == 0
    assert account["blocks"] == place // 480
    assert answers > 0
    assert sum(blocks for _, blocks in account["lost"]) == account["blocks"] - answers
    assert {blocks for _, blocks in account["lost"][:answers]} == {2}
    assert [account[name] for name in ("note_ons", "note_offs", "doubled", "stray", "refused")] == [3, 1, 1, 1, 0]
    assert account["sounding"] == [[[0, 60], [2, 5]]]


def test_what_is_never_answered_is_lost(program, tmp_path):
    said = alone(program, tmp_path, "-p", str(os.getpid()), "-s", "0.2", "-w", "0")
    assert '"late": [], "lost": [[' in said.stdout
    assert said.returncode == 0


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["-s", "x"], "-s is 'x'; allowed: 0 to 100000 seconds"),
        (["-s", "1", "-l", "0"], "-l is '0'; allowed: 1 to 1000"),
        (["-w", "1"], "-s and -l are missing"),
        (["-s", "1", "7"], "8 words tell of streams; allowed: 7 for each"),
        (["-s", "1", "-p", "1"], "process 1, which started it, has ended"),
        (["-s", "1", "-c", "5000"], "a core is '5000'"),
        (["-s", "1", "-z"], "invalid option"),
    ],
)
def test_a_wrong_word_is_answered_by_a_sentence(program, tmp_path, words, reason):
    done = alone(program, tmp_path, *words)
    assert done.returncode == 2
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_sound_that_is_too_short_is_refused(program, tmp_path):
    done = alone(program, tmp_path, "-s", "1", silent="1062")
    assert done.returncode == 2
    assert "has 1062 samples; needed: the length and a block less one" in done.stderr


def test_it_dies_with_who_started_it(program, tmp_path):
    (tmp_path / "audio").write_bytes(bytes(8000))
    code = f"""
import os, socket, subprocess
here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
here.connect(("127.0.0.1", 9))
stream = [str(here.fileno()), "1", "48000", "480", {str(tmp_path / "audio")!r}, "1000", "-"]
words = ["-p", str(os.getpid()), "-s", "600", "-w", "0", "-l", "2"]
child = subprocess.Popen([{str(program)!r}, *words, *stream], pass_fds=[here.fileno()], stdout=subprocess.PIPE)
print(child.stdout.readline().decode(), end="", flush=True)
os._exit(0)
"""
    # What it says as an error goes where ours does, so that our end is seen only after its own.
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0
    assert b'"began"' in done.stdout


def test_the_ends_that_come_with_a_streams_close_are_counted():
    last = [
        MidiMessage(1, 5, 5, *row)
        for row in ((0x80, 60, 0), (0x91, 61, 9), (0x90, 62, 9), (0x90, 62, 0), (0x80, 63, 0))
    ]
    assert last_notes({(0, 60), (1, 61)}, last) == (2, 3, 1, 1, 1)
