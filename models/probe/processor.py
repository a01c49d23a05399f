"""Impulses to notes and notes to impulses, at exact samples: as far as its manifest has ports for them.

A sample is an impulse's peak when it is the largest of all within PEAK_REACH. Resampling spreads an impulse over its
neighbours, so the place is read between samples by a parabola through three of them: exact for an impulse on
a sample or halfway between two, within 0.11 samples elsewhere: less than half a sample even of a 192 kHz host.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.block import Block, silence
from models.events import Event, NoteOff, NoteOn, time_order
from models.manifest import Manifest
from models.step import Step, only_step
from models.stream import StreamSpec, stream_spec

PEAK_REACH = 48  # samples; 8 lobes of the widest filter (8 kHz host), past which its ringing is under the threshold
THRESHOLD = 0.1  # an impulse of a 192 kHz host is 0.23 high at 48 kHz; ringing past PEAK_REACH is under 0.05
REFRACTORY = 480  # 10 ms: one impulse is one note
NOTE_LENGTH = 240  # 5 ms, shorter than REFRACTORY so that notes never overlap
PITCH = 60


class ProbeProcessor:
    """The probe as a stream processor: audio and notes in, notes and audio out, and what it plays as a spectrogram."""

    def __init__(self, manifest: Manifest, steps: Mapping[str, Step], settings: Mapping[str, float | str]) -> None:
        graph, head = manifest.graphs[0], manifest.heads[0]
        self._spec = stream_spec(manifest, head, "live" if settings.get("stream") == "live" else "commit")
        self._tail = graph.state[0].shape[0]
        given = {port.kind for port in manifest.outputs}
        self._gives_notes, self._shows = "notes" in given, "magnitude" in given
        self._step = only_step(steps)
        self.reset()

    @property
    def spec(self) -> StreamSpec:
        """What it eats and gives."""
        return self._spec

    def reset(self) -> None:
        """Forget everything."""
        self._state = self._step.initial_state()
        self._heard = np.zeros(2 * PEAK_REACH + self._spec.hop, np.float32)
        self._pulses = np.zeros(self._spec.hop + 2 * PEAK_REACH, np.float32)
        self._last = -REFRACTORY * 1.0
        self._nothing = silence(1, self._spec.hop)

    def set(self, name: str, value: float | str) -> None:
        """The probe has nothing to change while it runs."""
        raise KeyError(name)

    def process(self, block: Block) -> Block:
        """Take one hop; see StreamProcessor.process."""
        hop = self._spec.hop
        for event in block.events:
            if isinstance(event, NoteOn):
                self._add_pulse(event.sample - block.start)
        audio = block.samples if self._spec.channels_in else self._nothing
        inputs = {"audio": audio, "pulses": self._pulses[None, :hop]}
        outputs, self._state = self._step(inputs, self._state)
        self._pulses[:-hop] = self._pulses[hop:]
        self._pulses[-hop:] = 0.0
        self._heard[:-hop] = self._heard[hop:]
        self._heard[-hop:] = outputs["heard"][0]
        events = self._find_impulses(block) if self._gives_notes else []
        played = outputs["played"].copy()
        magnitude = np.abs(np.fft.rfft(played)).astype(np.float32) if self._shows else None
        return Block(block.start - self._spec.look_ahead, played, tuple(sorted(events, key=time_order)), magnitude)

    def flush(self) -> Block:
        """Nothing is owed: every note's end left with its start."""
        return Block(0, silence(1, 0))

    def _add_pulse(self, place: float) -> None:
        """Write an impulse at `place` samples into the hop; between samples it is a windowed sinc."""
        distance = np.arange(2 * PEAK_REACH + 1) + np.floor(place) - PEAK_REACH - place
        pulse = np.sinc(distance) * np.cos(np.pi * distance / (2 * PEAK_REACH + 2)) ** 2
        # The buffer begins PEAK_REACH before the hop, so that a pulse on its first sample keeps its left side.
        first = int(np.floor(place))
        self._pulses[first : first + 2 * PEAK_REACH + 1] += pulse.astype(np.float32)[: self._pulses.size - first]

    def _find_impulses(self, block: Block) -> list[Event]:
        first = block.start - self._tail - 2 * PEAK_REACH  # the place of self._heard[0]
        heard: NDArray[np.float32] = np.abs(self._heard)
        events: list[Event] = []
        for index in np.flatnonzero(heard[PEAK_REACH:-PEAK_REACH] >= THRESHOLD) + PEAK_REACH:
            reach = heard[index - PEAK_REACH : index + PEAK_REACH + 1]
            if heard[index] < reach.max() or first + index - self._last < REFRACTORY:
                continue
            self._last = float(first + index)
            left, peak, right = (float(v) for v in self._heard[index - 1 : index + 2] * np.sign(self._heard[index]))
            place = self._last + 0.5 * (left - right) / min(left - 2 * peak + right, -1e-9)
            velocity = min(127, max(1, round(127 * peak)))
            if self._spec.kind == "live":
                place = float(block.end - 1)
            events += [NoteOn(place, PITCH, velocity), NoteOff(place + NOTE_LENGTH, PITCH)]
        return events
