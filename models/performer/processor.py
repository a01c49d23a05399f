"""The performer as a stream processor: one hop of notes in, as many samples of a player's sound out.

    events -> voices (slots, what is said of each) -> step (network) -> partials and noise -> phases -> overlap-add

A head that looks ahead plays everything so much later and knows what comes; by hand the first one plays at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from models.block import Block
from models.events import ControlChange, HostEvent, NoteOff, NoteOn, PitchBend, Transport
from models.keys import SUSTAIN, Keys
from models.manifest import Manifest, ManifestError
from models.performer.config import CONTROLS, FEATURES, INSTRUMENTS, PerformerConfig
from models.performer.expression import Expression
from models.performer.loudness import as_range
from models.performer.score import Voice, Voices
from models.phase.sounding import Begin, Sounding
from models.step import Step, only_step
from models.stream import StreamSpec, stream_spec

CLIP_EARLY = 0.8  # of a hop, 6 ms: a note known ahead begins so much before its onset, so that its rise is about there
CHANGEABLE = ("dynamics", "range", "brightness", "vibrato", "room", "gain_db", "transpose")
SILENCE = 1e-6  # a magnitude below this is none, and nothing rings any more
LONGEST_RING = 6.0  # seconds after the last note
_AGE, _VELOCITY = FEATURES.index("age"), FEATURES.index("velocity")


class PerformerProcessor:
    """Notes to the sound of the chosen instrument."""

    def __init__(self, manifest: Manifest, steps: Mapping[str, Step], settings: Mapping[str, float | str]) -> None:
        self._config = config = PerformerConfig.from_json(manifest.settings["config"])
        head = manifest.head(float(settings["look_ahead_ms"]))
        self._spec = stream_spec(manifest, head, "live" if settings["stream"] == "live" else "commit")
        self._look_ahead = head.look_ahead // config.hop
        self._parameters = {name: manifest.parameter(name) for name in CHANGEABLE}
        self._shows = any(port.kind == "magnitude" for port in manifest.outputs)
        self._step = only_step(steps)
        _check(manifest, config)
        own = manifest.settings["instruments"][settings["instrument"]]
        self._lowest, self._highest = int(own["lowest"]), int(own["highest"])
        self._brightness = float(own.get("brightness", 0.0))
        self._own, self._instrument = own, INSTRUMENTS.index(str(settings["instrument"]))
        self._fold = settings["out_of_range"] == "octave"
        self._sounding = Sounding(
            config.n_fft, config.hop, config.reach, config.sample_rate, config.voices, config.partials
        )
        # without an attack of its own a note begins with its hop, which is early enough
        self._early = min(CLIP_EARLY * config.hop, head.look_ahead) if config.reach == config.hop else 0  # samples
        self._values = {name: float(settings[name]) for name in CHANGEABLE}
        self.reset()

    @property
    def spec(self) -> StreamSpec:
        """What it eats and gives."""
        return self._spec

    def reset(self) -> None:
        """Forget everything played; parameters stay."""
        self._state = self._step.initial_state()
        self._voices = Voices(self._config, self._look_ahead)
        self._expression = Expression(self._own, self._config.sample_rate)
        self._keys = Keys(self._voices)
        self._coming: deque[ControlChange | PitchBend] = deque()
        self._rolling = False
        self._sounding.reset()
        self._end = 0

    def set(self, name: str, value: float | str) -> None:
        """Change a parameter that is not fixed; see StreamProcessor.set."""
        if name not in CHANGEABLE:
            raise KeyError(name)
        self._values[name] = float(self._parameters[name].parse(value))

    def process(self, block: Block) -> Block:
        """Take one hop; see StreamProcessor.process."""
        for event in block.events:
            self._take(event)
        self._end = block.end
        start = block.start - self._spec.look_ahead
        samples, spectrum = self._render(start)
        shown = (np.abs(spectrum) * (4 / self._config.n_fft)).astype(np.float32)[None] if self._shows else None
        return Block(start, samples[None], (), shown)

    def flush(self) -> Block:
        """End all notes and return what still rings."""
        self._keys.end_all(self._end)
        start, hop = self._end, self._config.hop
        ringing = [np.zeros(0, np.float32)]
        least = self._spec.look_ahead + self._config.n_fft
        longest = least + LONGEST_RING * self._config.sample_rate
        while (self._end - start < longest) and (self._end - start < least or not self._sounding.idle):
            self._end += hop
            ringing.append(self._render(self._end - hop - self._spec.look_ahead)[0])
        return Block(start - self._spec.look_ahead, np.concatenate(ringing)[None])

    def _take(self, event: HostEvent) -> None:
        if isinstance(event, NoteOn):
            early = replace(
                event, sample=max(0.0, event.sample - self._early)
            )  # nothing is heard before a stream begins
            self._keys.press(early, self._played(event.pitch), as_range(event.velocity, self._values["range"]))
        elif isinstance(event, NoteOff):
            self._keys.release(event)
        elif isinstance(event, Transport):
            if self._rolling and not event.playing:  # one that stands still is told of again and again
                self._keys.end_all(event.sample)
            self._rolling = event.playing
        elif isinstance(event, ControlChange) and event.control == SUSTAIN:
            self._keys.move_pedal(event)
        else:
            self._coming.append(event)

    def _played(self, pitch: int) -> int | None:
        """The pitch moved into the instrument's range by octaves, or None if it is left out."""
        pitch += round(self._values["transpose"])
        if self._lowest <= pitch <= self._highest:
            return pitch
        if not self._fold:
            return None
        while pitch < self._lowest:
            pitch += 12
        while pitch > self._highest:
            pitch -= 12
        return pitch if pitch >= self._lowest else None

    def _render(self, start: int) -> tuple[np.ndarray, np.ndarray]:
        """The samples (hop,) from sample `start` on, and the frame (bins,) that adds to them."""
        centre = start + self._config.reach
        while self._coming and self._coming[0].sample < centre:
            self._expression.take(self._coming.popleft())
        features, pitches = self._voices.hop(start)
        active = features[:, _AGE] > 0
        slots = self._voices.slots
        if self._sounding.idle:
            if not active.any():
                return self._sounding.rest()
            self._state = self._step.initial_state()
        features[:, _VELOCITY] += self._expression.dynamics(slots)
        moved = pitches + self._expression.semitones(slots, centre, self._values["vibrato"])
        inputs = {
            "voices": features[None],
            "pitches": moved[None].astype(np.float32),
            "controls": self._controls()[None],
        }
        outputs, self._state = self._step(inputs, self._state)
        if not active.any() and outputs["magnitude"].max() < SILENCE:
            return self._sounding.rest()
        notes = [None if voice is None else _begin(voice) for voice in slots]
        hertz = 440 * 2 ** ((moved.astype(np.float64) - 69) / 12)
        levels = {name: outputs[name][0] for name in ("amplitude", "noise")}
        return self._sounding.next(start, notes, hertz, levels, 10 ** (self._values["gain_db"] / 20))

    def _controls(self) -> np.ndarray:
        values = np.zeros(len(CONTROLS), np.float32)
        values[CONTROLS.index("dynamics")] = self._values["dynamics"]
        values[CONTROLS.index("brightness")] = self._values["brightness"] + self._brightness
        values[CONTROLS.index("room")] = self._values["room"]
        values[len(CONTROLS) - len(INSTRUMENTS) + self._instrument] = 1.0
        return values


def _begin(voice: Voice) -> Begin:
    """Of a note; one that follows no other closely rises slowly."""
    return voice.number, voice.onset, voice.slur < 0.5


def _check(manifest: Manifest, config: PerformerConfig) -> None:
    """Raise ManifestError where the graph has not the tensors that its sizes say: a stream runs none before its first note."""
    graph = manifest.graphs[0]
    wanted = {
        "voices": (config.voices, len(FEATURES)), "pitches": (config.voices,), "controls": (len(CONTROLS),),
        "amplitude": (config.voices, config.partials), "noise": (config.bins,), "magnitude": (config.bins,),
    }  # fmt: skip
    found = {tensor.name: tensor.shape for tensor in (*graph.inputs, *graph.outputs)}
    if found != wanted:
        raise ManifestError(f"the graph's tensors are {found}; a performer of these sizes has {wanted}")
