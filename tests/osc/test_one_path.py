"""The same notes everywhere: any block, a file or the wire; and a log that does not flatter."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.block import Samples, silence
from plugin_bridge.client import BridgeClient
from plugin_bridge.protocol import AudioMessage, MidiMessage
from server.live_stream import LiveStream
from server.midi.file import write_midi
from server.midi.message import from_bytes
from server.model_store import find_model, open_stream
from server.run_file import Take, host_blocks, log_line, run_stream
from server.scheduler import Emission

BLOCKS = (1, 63, 64, 441, 512, 8193)
BLOCKS_A_WAIT = 32  # so many are on the way at once


@pytest.fixture(scope="module")
def takes() -> dict[str, Samples]:
    """Model -> 0.35 s at 44.1 kHz that it hears something in, with notes near both ends: clicks, or two loud stretches."""
    clicks, bursts = silence(1, 15_435), silence(1, 15_435)
    clicks[0, [0, 700, 1311, 5000, 9999, 15_000, 15_434]] = (0.9, 0.5, -0.7, 0.9, 0.3, 0.9, 0.9)
    bursts[0, 100:5000] = 0.5
    bursts[0, 7777:15_435] = 0.4
    return {"probe": clicks, "held": bursts}


@pytest.fixture(scope="module")
def make_stream(held_folder: Path) -> Callable[..., LiveStream]:
    """A function (model, kind) -> a new stream at 44.1 kHz."""

    def make(model: str, kind: str) -> LiveStream:
        return open_stream(find_model(model, held_folder), {"stream": kind}, 44_100)

    return make


def over_the_wire(client: BridgeClient, model: str, kind: str, samples: Samples, block: int) -> Take:
    """Play `samples` through a server at free pace, as `run_stream` does without one."""
    length, stream = samples.shape[1], client.open_stream(model, 44_100, {"stream": kind, "pace": "free"})
    take, audio, notes = Take(44_100), [], []
    tail = stream.latency or stream.live_delay
    for number, (start, count) in enumerate(host_blocks(length, block, tail)):
        chunk = np.concatenate([samples[:, start : start + count], silence(1, block - count)], axis=1)
        assert stream.send(start, chunk)
        if number % BLOCKS_A_WAIT == 0:
            keep(stream.wait(start + block), notes, audio)
    end = start + block
    keep(stream.wait(end), notes, audio)
    stream.client.request("/backline/stream/reset", stream.number)
    keep(stream.wait(end), notes, audio)
    assert stream.refused == []
    take.keep(notes, end, length)
    if audio:
        whole = np.concatenate([samples for _, samples in sorted(audio, key=lambda piece: piece[0])], axis=1)
        take.audio = whole[:, stream.latency : stream.latency + length]
    stream.close()
    return take


def keep(messages, notes: list[Emission], audio: list[tuple[int, Samples]]) -> None:
    for message in messages:
        if isinstance(message, MidiMessage):
            event = from_bytes(message.due, message.status, message.data1, message.data2)
            notes.append(Emission(message.due, message.place, event))
        elif isinstance(message, AudioMessage):
            audio.append((message.start, message.samples))


@pytest.mark.parametrize("kind", ["commit", "live"])
@pytest.mark.parametrize("model", ["probe", "held"])
def test_every_block_and_the_wire_give_the_same_events_and_the_same_file(
    make_stream, takes, server, tmp_path, model, kind
):
    samples, title = takes[model], "same"
    reference = run_stream(make_stream(model, kind), samples, block=64)
    write_midi(tmp_path / "reference.mid", reference.events(), 44_100, title)
    assert len(reference.events()) >= 4
    for block in BLOCKS:
        local = run_stream(make_stream(model, kind), samples, block=block)
        wire = over_the_wire(server.client, model, kind, samples, block)
        for name, take in (("file", local), ("wire", wire)):
            assert take.events() == reference.events(), f"{name}, block {block}"
            write_midi(tmp_path / "take.mid", take.events(), 44_100, title)
            assert (tmp_path / "take.mid").read_bytes() == (tmp_path / "reference.mid").read_bytes()
        if model == "probe" and kind == "commit":
            assert np.array_equal(local.audio, reference.audio)
            assert np.array_equal(wire.audio, reference.audio)


@pytest.mark.parametrize("kind", ["commit", "live"])
@pytest.mark.parametrize("model", ["probe", "held"])
@pytest.mark.parametrize("block", [1, 64, 441, 8193])
def test_running_only_the_first_seconds_logs_the_same_lines(make_stream, takes, model, kind, block):
    def lines(samples: Samples, until: float) -> list[str]:
        take = run_stream(make_stream(model, kind), samples, block=block)
        written = [log_line(emission, end, take.rate) for emission, end in take.emissions]
        return [line for line in written if json.loads(line)["emitted_s"] <= until]

    samples = takes[model]
    whole = lines(samples, 1e9)
    for seconds in (0.1137, 0.25) if block == 1 else (0.05, 0.1137, 0.25, 0.34):
        out_by_then = [line for line in whole if json.loads(line)["emitted_s"] <= seconds]
        assert lines(samples[:, : round(seconds * 44_100)], seconds) == out_by_then
    assert whole
    assert [json.loads(line)["emitted_s"] for line in whole] == sorted(json.loads(line)["emitted_s"] for line in whole)
    assert all(json.loads(line)["time_s"] <= json.loads(line)["emitted_s"] for line in whole)


def test_midi_in_gives_the_same_audio_over_the_wire(make_stream, server):
    stream = server.client.open_stream("probe", 44_100, {"pace": "free"})
    local, pieces, remote = make_stream("probe", "commit"), [], []
    note = from_bytes(5000, 0x90, 60, 100)
    for start in range(0, 20 * 512, 512):
        due = [note] if start <= 5000 < start + 512 else []
        pieces.append(local.process(start, silence(1, 512), due).audio)
        if start == 0:
            stream.send_midi(5000, 0x90, 60, 100)  # long before its block
        stream.send(start, silence(1, 512))
        remote += [message.samples for message in stream.wait(start + 512) if isinstance(message, AudioMessage)]
    stream.close()
    heard = np.concatenate(pieces, axis=1)
    assert np.array_equal(np.concatenate(remote, axis=1), heard)
    assert int(np.argmax(heard[0])) == 5000 + local.declared
