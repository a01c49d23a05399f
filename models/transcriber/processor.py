"""The transcriber as a stream processor: one hop of audio in, the notes it decided about out."""

from collections.abc import Mapping

import numpy as np

from models.block import Block, silence
from models.events import Event, moved, time_order
from models.manifest import Manifest
from models.step import Step
from models.stream import StreamSpec, stream_spec
from models.transcriber.decode import DecodeSettings, NoteTracker

CHANGEABLE = ("sensitivity", "lowest", "highest")


class TranscriberProcessor:
    """Audio to notes, by one look-ahead head of the network."""

    def __init__(self, manifest: Manifest, step: Step, settings: Mapping[str, float | str]) -> None:
        head = manifest.head(float(settings["look_ahead_ms"]))
        self._head = manifest.heads.index(head)
        self._delay_hops = head.look_ahead // manifest.hop
        self._decode = DecodeSettings.of_head(manifest.settings, self._head)
        self._spec = stream_spec(manifest, head, "live" if settings["stream"] == "live" else "commit")
        self._step = step
        self._values = {name: float(settings[name]) for name in CHANGEABLE}
        self.reset()

    @property
    def spec(self) -> StreamSpec:
        """What it eats and gives."""
        return self._spec

    def reset(self) -> None:
        """Forget everything heard; parameters stay."""
        self._state = self._step.initial_state()
        self._tracker = NoteTracker(self._decode)
        self._end = 0
        for name, value in self._values.items():
            self.set(name, value)

    def set(self, name: str, value: float | str) -> None:
        """Change sensitivity, lowest or highest; see StreamProcessor.set."""
        if name not in CHANGEABLE:
            raise KeyError(name)
        self._values[name] = float(value)
        setattr(self._tracker, name, float(value))

    def process(self, block: Block) -> Block:
        """Take one hop; see StreamProcessor.process."""
        hop, head = self._spec.hop, self._head
        self._end = block.end
        outputs, self._state = self._step({"audio": block.samples}, self._state)
        frame_start = block.start // hop - self._delay_hops
        events = self._tracker.step(
            float(frame_start), *(outputs[k][0, head] for k in ("onset", "frame", "velocity", "shift"))
        )
        placed = [self._placed(event, block.end) for event in events if event.sample >= 0]
        return Block(block.start, silence(0, hop), tuple(sorted(placed, key=time_order)))

    def flush(self) -> Block:
        """Return the ends of the notes that still sound."""
        return Block(self._end, np.zeros((0, 0), np.float32), tuple(self._tracker.end_all(float(self._end))))

    def _placed(self, event: Event, end: int) -> Event:
        """Turn hops into samples; a live event leaves with the last sample of its hop."""
        return moved(event, float(end - 1) if self._spec.kind == "live" else event.sample * self._spec.hop)
