"""A file through a stream on a virtual clock: the same path as live, as fast as the machine allows.

The file is fed in host blocks, the last one filled up with silence, and then silence until the last event that
speaks about the file has left. Events that speak about what lies behind the file's end are dropped, and notes that
sound there are ended there, so that the result does not depend on the block size. Audio and a spectrogram's frames are
handed on as they come, each at its place in the file: the stream's latency is taken off.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from models.block import Samples, silence
from models.events import ControlChange, Event, HostEvent, NoteOff, NoteOn, PitchBend, Transport, moved
from server.files import write_text_whole
from server.live_stream import LiveStream
from server.magnitude_output import SpectrumFrame
from server.note_ledger import NoteLedger
from server.scheduler import Emission

Progress = Callable[[float], None]
OnAudio = Callable[[Samples], None]
OnFrame = Callable[[SpectrumFrame], None]


@dataclass(slots=True)
class Take:
    """What came out of a stream: (emission, host sample at which the block that carried it ended), the beat found, and audio."""

    rate: int
    emissions: list[tuple[Emission, int]] = field(default_factory=list)
    found: list[Transport] = field(default_factory=list)
    audio: Samples = field(default_factory=lambda: silence(0, 0))
    _ledger: NoteLedger = field(default_factory=NoteLedger)

    def events(self) -> list[Event]:
        """Return the events at the samples they speak about, in that order."""
        return [moved(e.event, e.place) for e, _ in sorted(self.emissions, key=lambda pair: pair[0].place)]

    def keep(self, emissions: list[Emission], block_end: int, length: int) -> None:
        """Take what a block carried out, as far as it speaks about the first `length` samples; notes end there at last."""
        for emission in emissions:
            if isinstance(emission.event, NoteOff):
                emission = replace(emission, place=min(emission.place, length))
            elif emission.place >= length:
                continue
            if self._ledger.admit(emission.event):
                self.emissions.append((emission, block_end))

    def end(self, length: int, block_end: int) -> None:
        """End what still sounds at the file's end."""
        self.emissions += [(Emission(block_end, length, off), block_end) for off in self._ledger.end_all(length)]


def long_silence(count: int) -> Samples:
    """Return (1, count) of silence that takes no memory; it is read only."""
    return np.broadcast_to(np.zeros((1, 1), np.float32), (1, count))


def host_blocks(length: int, block: int, tail: int) -> Iterator[tuple[int, int]]:
    """Yield (start, samples of the file in it) of full blocks until the file and `tail` samples after it are through."""
    for start in range(0, length + tail + 1, block):
        yield start, max(0, min(block, length - start))


class Trim:
    """Audio that comes piece by piece, less the `late` samples before the file's first one, and `length` samples of it."""

    def __init__(self, late: int, length: int, on_audio: OnAudio) -> None:
        self._skip, self._left, self._on_audio = late, length, on_audio

    def take(self, audio: Samples) -> None:
        """Hand on of (channels, n) what lies in the file."""
        skipped = min(self._skip, audio.shape[1])
        self._skip -= skipped
        inside = audio[:, skipped : skipped + self._left]
        self._left -= inside.shape[1]
        if inside.shape[1]:
            self._on_audio(inside)


def run_stream(stream: LiveStream, samples: Samples, events: tuple[HostEvent, ...] = (), block: int = 64,
               progress: Progress = lambda _: None, on_audio: OnAudio | None = None,
               on_frame: OnFrame | None = None) -> Take:  # fmt: skip
    """Feed `samples` (1, n) and `events` (in time order) to `stream` in blocks of `block` and return what came out, in file time.

    on_audio: takes the audio as it comes, (channels, n) each; without it the take holds it all. on_frame: as on_audio.
    """
    length, take = samples.shape[1], Take(stream.host_rate)
    audio: list[Samples] = []
    trim = Trim(stream.latency.total, length, on_audio or audio.append)
    ahead = 0
    audio_tail = stream.latency.total if stream.spec.channels_out else 0
    for start, count in host_blocks(length, block, max(stream.tail, audio_tail)):
        chunk = samples[:, start : start + count]
        if count < block:
            chunk = np.concatenate([chunk, silence(1, block - count)], axis=1)
        first = ahead
        while ahead < len(events) and events[ahead].sample < start + block:
            ahead += 1
        outgoing = stream.process(start, chunk, events[first:ahead])
        take.keep(outgoing.emissions, start + block, length)
        take.found += outgoing.found
        if stream.spec.channels_out:
            trim.take(outgoing.audio)
        for frame in outgoing.frames:
            if on_frame is not None and frame.place < length:
                on_frame(frame)
        if start % (256 * block) == 0:
            progress(min(1.0, start / length))
    take.end(length, start + block)
    progress(1.0)
    if audio:
        take.audio = np.concatenate(audio, axis=1)
    return take


def log_line(emission: Emission, block_end: int, rate: int) -> str:
    """Return one event as a line of JSON: what it is, its place in the stream, and when it was out."""
    event = emission.event
    row: dict[str, object] = {}
    if isinstance(event, NoteOn | NoteOff):
        row = {
            "type": "note_on" if isinstance(event, NoteOn) else "note_off",
            "pitch": event.pitch,
            "velocity": event.velocity,
        }
    elif isinstance(event, ControlChange):
        row = {"type": "control_change", "control": event.control, "value": event.value}
    elif isinstance(event, PitchBend):
        row = {"type": "pitch_bend", "value": event.value}
    row |= {
        "channel": event.channel,
        "time_s": round(emission.place / rate, 9),
        "emitted_s": round(block_end / rate, 9),
    }
    return json.dumps(row)


def write_log(path: Path, take: Take) -> None:
    """Write the events of a take in the order they left, a JSON line each; whole or not at all."""
    lines = [log_line(emission, end, take.rate) for emission, end in take.emissions]
    write_text_whole(path, "".join(line + "\n" for line in lines))
