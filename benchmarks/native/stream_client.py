"""Run stream_client: streams that are open already play in real time as a DAW's would, and an account of all that came back.

    with StreamClient(part, streams, seconds) as client:
        client.wait("began")
        client.wait("over")
        account = client.finish()

Python opens and closes the streams; between, the program has their sockets. Every wait has an end.
"""

import json
import os
import select
import struct
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any  # Any: lines are JSON

from benchmarks.native.build import build
from benchmarks.soak_material import NOTE_OFF, NOTE_ON, Material, make_material
from benchmarks.soak_streams import Part, transport_at
from plugin_bridge.client import BridgeStream
from plugin_bridge.protocol import AudioMessage, MidiMessage, TransportMessage, pack_midi_in, pack_transport
from server.audio.jack_cycle import BRIDGE_PERIODS
from server.child_process import end_process
from server.errors import BacklineError

SETTLE_SECONDS = 1.0  # before anything counts: first blocks meet cold caches
PATIENCE_SECONDS = 30.0
AUDIO_PRIORITY = (
    65  # of a thread that JACK calls, where the server has 70: it does not wait for an engine, which has 50
)
_EXTRA = struct.Struct("=qi")  # the first sample of the block that a datagram precedes, and its bytes


@dataclass(frozen=True, slots=True)
class Played:
    """What came back to all streams of a client. Moments are seconds of time.monotonic; late and lost are of the counted time.

    late: (moment, seconds since the block was sent). lost: (moment, blocks that were never answered). blocks, notes: of the whole time.
    held: blocks that waited for the next, since nothing happened in them. refused: datagrams that are no answer to a block.
    furthest_behind: seconds by which a block was sent too late. used: seconds of processor time in the counted time.
    """

    blocks: int
    held: int
    late: tuple[tuple[float, float], ...]
    lost: tuple[tuple[float, int], ...]
    note_ons: int
    note_offs: int
    doubled: int
    stray: int
    hanging: int
    audio: int
    refused: int
    furthest_behind: float
    used: float
    scheduling: str


class StreamClient:
    """A running client; a context manager. The streams are its own until `finish`, which closes them. It dies with who started it."""

    def __init__(
        self, part: Part, streams: Sequence[BridgeStream], seconds: float, cores: Collection[int] = (), seed: int = 1
    ) -> None:
        """Start it: all streams begin at one moment, and what is late or lost counts for `seconds` once all is warm.

        Args: cores: those it keeps to. seed: of the material. Raises BacklineError where it cannot be compiled.
        """
        program, material = build("stream_client"), make_material(part.plays, part.rate, seed)
        self._streams, self._seconds, self._rest = streams, seconds, b""
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        audio = folder / "audio"
        material.audio.tofile(audio)
        words = ["-p", str(os.getpid()), "-s", str(seconds), "-w", str(SETTLE_SECONDS), "-l", str(BRIDGE_PERIODS)]
        words += ["-f", str(AUDIO_PRIORITY)]
        words += ["-c", ",".join(map(str, sorted(cores)))] if cores else []
        for stream in streams:
            said = b"".join(extras(part, material, stream.number, SETTLE_SECONDS + seconds))
            extra = folder / str(stream.fileno())
            if said:
                extra.write_bytes(said)
            words += [str(value) for value in (stream.fileno(), stream.number, part.rate, part.block)]
            words += [str(audio), str(material.length), str(extra) if said else "-"]
        self._process = subprocess.Popen(
            [str(program), *words], pass_fds=[stream.fileno() for stream in streams], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip

    def __enter__(self) -> "StreamClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        end_process(self._process, 1.0)
        self._process.stdout.close()
        self._process.stderr.close()
        self._folder.cleanup()

    def wait(self, name: str) -> float:
        """Return the moment at which the counted time `began` or was `over`. Raises BacklineError where it ended before."""
        return float(self._line()[name])

    def finish(self) -> Played:
        """Wait for the account, close the streams and count what sounds on. Raises BacklineError, BridgeError."""
        said = self._line()
        while "sounding" not in said:
            said = self._line()
        more = [
            last_notes({(key[0], key[1]) for key in keys}, stream.finish())
            for stream, keys in zip(self._streams, said.pop("sounding"), strict=True)
        ]
        for place, name in enumerate(("note_ons", "note_offs", "doubled", "stray")):
            said[name] += sum(notes[place] for notes in more)
        late, lost = (tuple(map(tuple, said.pop(name))) for name in ("late", "lost"))
        return Played(late=late, lost=lost, hanging=sum(notes[4] for notes in more), **said)

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        deadline = time.monotonic() + SETTLE_SECONDS + self._seconds + PATIENCE_SECONDS
        while b"\n" not in self._rest:
            if not select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise BacklineError(f"stream_client says nothing for {self._seconds + PATIENCE_SECONDS:g} s")
            data = os.read(self._process.stdout.fileno(), 1 << 16)
            if not data:
                raise BacklineError(self._process.stderr.read().decode().strip() or "stream_client ended early")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found


def extras(part: Part, material: Material, number: int, seconds: float) -> Iterator[bytes]:
    """Yield what a part says beside its blocks in `seconds` and a little more, in order, as stream_client reads it.

    It is what a Client of the soak says before each block: the transport once a second, and the messages of the block's samples.
    """
    end, block = round((seconds + 1) * part.rate), part.block
    said: list[tuple[int, bool, bytes]] = []  # before which block, notes after the transport, datagram
    for second in count():
        place = -(-second * part.rate // block) * block
        told = transport_at(part, place)
        if told is None or place >= end:
            break
        said.append((place, False, pack_transport(TransportMessage(number, *told))))
    for turn in range(0, end if material.midi else 0, material.length):
        for sample, *midi in material.midi:
            said.append(((turn + sample) // block * block, True, pack_midi_in(number, turn + sample, *midi)))
    for place, _, datagram in sorted(said, key=lambda each: each[:2]):
        yield _EXTRA.pack(place, len(datagram)) + datagram


def last_notes(
    sounding: set[tuple[int, int]], messages: Sequence[MidiMessage | AudioMessage]
) -> tuple[int, int, int, int, int]:
    """Return how many note-ons, note-offs, doubled and stray ones a stream's last messages are, and what sounds on after them.

    sounding: channel and pitch of what sounded before; it is changed.
    """
    ons = offs = doubled = stray = 0
    for message in messages:
        if not isinstance(message, MidiMessage):
            continue
        kind, key = message.status & 0xF0, (message.status & 0x0F, message.data1)
        if kind == NOTE_ON and message.data2:
            ons, doubled = ons + 1, doubled + (key in sounding)
            sounding.add(key)
        elif kind in (NOTE_ON, NOTE_OFF):
            offs, stray = offs + 1, stray + (key not in sounding)
            sounding.discard(key)
    return ons, offs, doubled, stray, len(sounding)
