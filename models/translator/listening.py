"""The translator that listens: one hop of audio in; the notes that were decided out, and the symbols' probabilities.

A commit event lies at its place. A live event leaves at the end of the hop that decides it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from models.block import Block
from models.events import Event, NoteOff, NoteOn, time_order
from models.manifest import Manifest
from models.step import Step, Tensors
from models.stream import StreamSpec, stream_spec
from models.translator.config import GROUPS
from models.translator.tracker import NoteTracker, TrackerSettings

CHANGEABLE = ("sensitivity", "gate_db", "lowest", "highest", "transpose", "channel", "input_gain_db", "level")
GATE_SECONDS = 0.05  # the gate stays open so long after the last sample above it
SHORTEST_SECONDS = 0.01  # a live note is not ended before it has sounded so long
LEVELS = ("recorded", "any")


class Listening:
    """Audio to notes, by the look-ahead and kind of stream that were chosen."""

    def __init__(self, manifest: Manifest, step: Step, settings: Mapping[str, float | str]) -> None:
        head = manifest.head(float(settings["look_ahead_ms"]))
        live = settings["stream"] == "live"
        chosen = manifest.settings["decoding"]["live" if live else "commit"]
        spec = stream_spec(manifest, head, "live" if live else "commit")
        self._spec = replace(spec, live_delay=round(chosen["live_delay"])) if live else spec
        self._live, self._rate = live, manifest.sample_rate
        self._decode = TrackerSettings.read(chosen["tracker"])
        self._shows = any(port.kind == "magnitude" for port in manifest.outputs)
        self._parameters = {name: manifest.parameter(name) for name in CHANGEABLE}
        self._step = step
        self._values = {name: settings[name] for name in CHANGEABLE}
        self.reset()

    @property
    def spec(self) -> StreamSpec:
        """What it eats and gives."""
        return self._spec

    def reset(self) -> None:
        """Forget everything heard; parameters stay."""
        self._state = self._step.initial_state()
        self._tracker = NoteTracker(self._decode, self._spec.hop, self._rate, self._spec.earliest)
        self._end = self._open_until = 0
        self._sent: dict[
            int, tuple[int, int, float]
        ] = {}  # pitch heard -> pitch and channel it was sent as, sample it left
        self._left: dict[tuple[int, int], float] = {}  # pitch and channel sent -> sample at which its last end left
        self._follow()

    def set(self, name: str, value: float | str) -> None:
        """Change a parameter that is not fixed; see StreamProcessor.set."""
        if name not in CHANGEABLE:
            raise KeyError(name)
        self._values[name] = self._parameters[name].parse(value)
        self._follow()

    def process(self, block: Block) -> Block:
        """Take one hop; see StreamProcessor.process."""
        self._end = end = block.end
        samples = np.clip(np.nan_to_num(block.samples), -1e3, 1e3) * np.float32(self._gain)
        if np.abs(samples).max(initial=0) > self._gate:
            self._open_until = end + round(GATE_SECONDS * self._rate)
        inputs = {"audio": samples, "levelled": np.array([[self._levelled]], np.float32)}
        outputs, self._state = self._step(inputs, self._state)
        decided = sorted(self._tracker.step(end, outputs, end <= self._open_until), key=time_order)
        events = [said for event in decided if (said := self._say(event, end)) is not None]
        shown = _shown(outputs)[None] if self._shows else None
        return Block(
            block.start, np.zeros((0, self._spec.hop), np.float32), tuple(sorted(events, key=time_order)), shown
        )

    def flush(self) -> Block:
        """Return the ends of the notes that still sound."""
        said = [self._say(event, self._end + 1) for event in self._tracker.end_all(float(self._end))]
        return Block(self._end, np.zeros((0, 0), np.float32), tuple(event for event in said if event is not None))

    def _say(self, event: Event, end: int) -> Event | None:
        """The event as it leaves, None where it has no pitch. A note ends as what it was started as."""
        if isinstance(event, NoteOff):
            if event.pitch not in self._sent:
                return None
            pitch, channel, left = self._sent.pop(event.pitch)
            leaves = max(end - 1.0, left + SHORTEST_SECONDS * self._rate) if self._live else event.sample
            self._left[pitch, channel] = leaves
            return NoteOff(leaves, pitch, event.velocity, channel)
        assert isinstance(event, NoteOn)
        pitch = event.pitch + round(float(self._values["transpose"]))
        if not 0 <= pitch <= 127:
            return None
        channel = round(float(self._values["channel"])) - 1
        leaves = end - 1.0 if self._live else float(event.sample)
        leaves = max(leaves, self._left.get((pitch, channel), leaves))
        self._sent[event.pitch] = pitch, channel, leaves
        return NoteOn(leaves, pitch, event.velocity, channel)

    def _follow(self) -> None:
        """Take up the parameters."""
        values = self._values
        self._tracker.sensitivity = float(values["sensitivity"])
        self._tracker.lowest, self._tracker.highest = float(values["lowest"]), float(values["highest"])
        self._gate, self._gain = 10 ** (float(values["gate_db"]) / 20), 10 ** (float(values["input_gain_db"]) / 20)
        self._levelled = float(LEVELS.index(str(values["level"])))


def _shown(outputs: Tensors) -> np.ndarray:
    """(slots * (1 + SYMBOLS),) float32: of each slot how surely it sounds, and the probabilities of each group of symbols."""
    parts = [outputs["sounding"][0][:, None], *(outputs[name][0] for name in GROUPS)]
    return np.concatenate(parts, 1).ravel().astype(np.float32)
