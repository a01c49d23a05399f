"""The transcriber as a stream processor: one hop of audio in, what was played out.

    audio -> gate, tuning -> step (network) -> tracker (notes), pedal, bend -> voice (pitch, channel, when it leaves)

A commit event lies at its place. A live event leaves a constant time after its place (`hold`), or as soon as it is
known where that is later, so that what a player hears does not jitter with the hops.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from models.block import Block, silence
from models.events import Event, time_order
from models.manifest import Manifest
from models.step import Step, only_step
from models.stream import StreamKind, StreamSpec, stream_spec
from models.transcriber.decode import Clock, DecodeSettings, NoteTracker
from models.transcriber.expression import BendTracker, InputGate, PedalTracker
from models.transcriber.tuning import A4, TuningFinder, tuning_taps
from models.transcriber.voice import Voice

CHANGEABLE = ("sensitivity", "lowest", "highest", "gate_db", "tuning_hz", "pedal", "bend", "transpose", "channel")
GATE_SECONDS = 0.05  # the gate stays open so long after the last sample above it


class TranscriberProcessor:
    """Audio to notes, by the look-ahead and kind of stream that were chosen."""

    def __init__(self, manifest: Manifest, steps: Mapping[str, Step], settings: Mapping[str, float | str]) -> None:
        head = manifest.head(float(settings["look_ahead_ms"]))
        kind: StreamKind = "live" if settings["stream"] == "live" else "commit"
        own = manifest.settings
        self._clock = Clock(manifest.sample_rate, manifest.hop, own["phases"], tuple(own["look_ahead"]))
        self._bins_per_semitone = int(own["bins_per_semitone"])
        instrument = own["instruments"][settings["instrument"]]
        streams = instrument.get("streams") or own["networks"][instrument["network"]]
        chosen = streams[kind][f"{head.look_ahead_ms:g}"]
        self._decode = DecodeSettings.read(chosen)
        self._hold = float(chosen["hold"]) if kind == "live" else None
        self._has_pedal, self._has_bend = bool(instrument["pedal"]), bool(instrument["bend"])
        self._single = bool(instrument["single"])
        spec = stream_spec(manifest, head, kind)
        self._spec = replace(spec, live_delay=round(chosen["live_delay"])) if kind == "live" else spec
        self._step = only_step(steps)
        self._values = {name: settings[name] for name in CHANGEABLE}
        self.reset()

    @property
    def spec(self) -> StreamSpec:
        """What it eats and gives."""
        return self._spec

    def reset(self) -> None:
        """Forget everything heard; parameters stay."""
        self._state = self._step.initial_state()
        self._end = 0
        self._tracker = NoteTracker(self._decode, self._clock, self._single)
        self._pedal = PedalTracker(self._decode.frame_head, self._decode.pedal, self._clock)
        self._bend = BendTracker(self._decode.frame_head, self._clock)
        self._gate = InputGate(GATE_SECONDS * self._clock.sample_rate)
        self._tuning = TuningFinder(self._clock.sample_rate)
        self._voice = Voice(self._hold, self._clock.sample_rate)
        for name, value in self._values.items():
            self.set(name, value)

    def set(self, name: str, value: float | str) -> None:
        """Change a parameter that is not fixed; see StreamProcessor.set."""
        if name not in CHANGEABLE:
            raise KeyError(name)
        self._values[name] = value
        if name in ("sensitivity", "lowest", "highest"):
            setattr(self._tracker, name, float(value))
        elif name == "gate_db":
            self._gate.level = 10 ** (float(value) / 20)
        elif name == "transpose":
            self._voice.transpose = round(float(value))
        elif name == "channel":
            self._voice.channel = round(float(value)) - 1

    def process(self, block: Block) -> Block:
        """Take one hop; see StreamProcessor.process."""
        self._end = end = block.end
        inputs = {"audio": block.samples, "tuning": self._tuning_taps(block.samples[0])}
        outputs, self._state = self._step(inputs, self._state)
        events = self._tracker.step(end, outputs, self._gate.is_open(end, block.samples[0]))
        events += self._expression(end, outputs)
        leaving = (self._voice.say(event, end) for event in sorted(events, key=time_order) if event.sample >= 0)
        placed = sorted((event for event in leaving if event is not None), key=time_order)
        return Block(block.start, silence(0, self._spec.hop), tuple(placed))

    def flush(self) -> Block:
        """Return the ends of the notes that still sound, and of what bends or sustains them."""
        end = float(self._end)
        owed = self._tracker.end_all(end) + self._pedal.move(end, False) + self._bend.move(end, 0.0)
        said = (self._voice.say(event, self._end + 1) for event in owed)
        return Block(self._end, np.zeros((0, 0), np.float32), tuple(e for e in said if e is not None))

    def _expression(self, end: int, outputs: Mapping[str, np.ndarray]) -> list[Event]:
        events: list[Event] = []
        if self._has_pedal:
            wanted = self._values["pedal"] == "on"
            events += self._pedal.step(end, outputs) if wanted else self._pedal.move(float(end), False)
        if self._has_bend:
            wanted = self._values["bend"] == "on"
            sounding, onset = self._tracker.sounding, self._tracker.onset
            events += self._bend.step(end, outputs, sounding, onset) if wanted else self._bend.move(float(end), 0.0)
        return events

    def _tuning_taps(self, samples: np.ndarray) -> np.ndarray:
        """Return (1, taps): the weights that bring the instrument's scale to A4 = 440 Hz."""
        given = float(self._values["tuning_hz"])
        if given == 0:
            self._tuning.listen(samples)
        semitones = 12 * math.log2(given / A4) if given else self._tuning.semitones
        return tuning_taps(semitones, self._bins_per_semitone)[None]
