"""The translator that plays: one hop of notes in, as many samples out, with no look-ahead.

Symbols of each voice become a place in the space, which `steering` moves about.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np

from models.block import Block
from models.events import ControlChange, HostEvent, NoteOff, NoteOn, PitchBend, Transport
from models.keys import SUSTAIN, Keys
from models.manifest import Manifest
from models.phase.sounding import Sounding
from models.step import Step
from models.stream import StreamSpec, stream_spec
from models.translator.config import SYMBOLS, TranslatorConfig
from models.translator.notes import DYNAMICS
from models.translator.paths import Label
from models.translator.steering import Steering
from models.translator.symbols import symbols_of
from models.translator.voices import Voices

BEND_RANGE = 2.0  # semitones
EXPRESSION = 11  # the controller


class Playing:
    """Notes to audio through the latent space."""

    def __init__(self, manifest: Manifest, step: Step, settings: Mapping[str, float | str]) -> None:
        self._config = config = TranslatorConfig.from_json(manifest.settings["config"])
        head = manifest.head(float(settings["look_ahead_ms"]))
        self._spec = stream_spec(manifest, head, "commit")
        self._shows = any(port.kind == "magnitude" for port in manifest.outputs)
        self._step = step
        self._sounding = Sounding(
            config.n_fft, config.hop, config.reach, config.sample_rate, config.voices, config.partials
        )
        self._steering = Steering(manifest, settings, config.hop, config.sample_rate)
        self._end = 0
        self.reset()

    @property
    def spec(self) -> StreamSpec:
        """What it eats and gives."""
        return self._spec

    def reset(self) -> None:
        """Forget everything played; parameters stay."""
        self._state = self._step.initial_state()
        self._voices = Voices(self._config)
        self._keys = Keys(self._voices)
        self._sounding.reset()
        self._coming: deque[PitchBend | ControlChange] = deque()
        self._bend, self._loud = np.zeros(16), np.ones(16)  # semitones, and share of the dynamics, of each channel
        self._rolling, self._end = False, 0
        self._steering.reset()
        self._strengths: dict[int, tuple[float, ...]] = {}  # a note's number -> dynamics of its two ends as they sound

    def set(self, name: str, value: float | str) -> None:
        """Change a parameter that is not fixed; see StreamProcessor.set."""
        self._steering.set(name, value)

    def process(self, block: Block) -> Block:
        """Take one hop; see StreamProcessor.process."""
        for event in block.events:
            self._take(event)
        self._end = block.end
        samples, spectrum = self._render(block.start)
        shown = (np.abs(spectrum) * (4 / self._config.n_fft)).astype(np.float32)[None] if self._shows else None
        return Block(block.start, samples.astype(np.float32)[None], (), shown)

    def flush(self) -> Block:
        """End all notes and return what still rings."""
        self._keys.end_all(self._end)
        start = self._end
        ringing: list[np.ndarray] = []
        while not ringing or not self._sounding.idle or ringing[-1].any():
            self._end += self._config.hop
            ringing.append(self._render(self._end - self._config.hop)[0])
        return Block(start, np.concatenate(ringing).astype(np.float32)[None])

    def _take(self, event: HostEvent) -> None:
        if isinstance(event, NoteOn):
            pitch = event.pitch + self._steering.transpose
            self._keys.press(event, pitch if 0 <= pitch <= 127 else None, event.velocity)
        elif isinstance(event, NoteOff):
            self._keys.release(event)
        elif isinstance(event, Transport):
            if self._rolling and not event.playing:  # one that stands still is told of again and again
                self._keys.end_all(event.sample)
            if event.playing and not self._rolling:
                self._steering.begin(event.sample)
            self._rolling = event.playing
        elif isinstance(event, ControlChange) and event.control == SUSTAIN:
            self._keys.move_pedal(event)
        else:
            self._coming.append(event)

    def _render(self, start: int) -> tuple[np.ndarray, np.ndarray]:
        """The samples (hop,) from sample `start` on, and the frame (bins,) that adds to them."""
        self._wheel(start + self._config.hop)
        labels = self._steering.step(start, start + self._config.hop)
        features = self._voices.hop(start)
        notes = self._voices.begins()
        if all(note is None for note in notes):
            self._steering.settle()  # out of silence nothing has to move
            self._strengths = {}
            return self._sounding.rest()
        symbols, pitches = self._symbols(labels)
        inputs = {
            "symbols": symbols[None, :, 0],
            "targets": symbols[None, :, 1],
            "morph": self._steering.morph(),
            "position": self._steering.position(),
            "pitches": pitches[None].astype(np.float32),
            "features": features[None],
        }
        outputs, self._state = self._step(inputs, self._state)
        levels = {name: outputs[name][0] for name in ("amplitude", "noise")}
        hertz = 440 * 2 ** ((pitches - 69) / 12)
        return self._sounding.next(start, notes, hertz, levels, self._steering.gain)

    def _wheel(self, until: int) -> None:
        """Take up the bends and the controllers of this hop."""
        while self._coming and self._coming[0].sample < until:
            event = self._coming.popleft()
            if isinstance(event, PitchBend):
                self._bend[event.channel] = BEND_RANGE * event.value / 8192
            elif event.control == EXPRESSION:
                self._loud[event.channel] = event.value / 127
            else:
                self._steering.turn(event)

    def _symbols(self, labels: tuple[Label, Label]) -> tuple[np.ndarray, np.ndarray]:
        """Symbols of the voices and what they morph to (voices, 2, SYMBOLS), and their pitches as they sound (voices,)."""
        whole = np.zeros((len(self._voices.slots), 2, SYMBOLS), np.float32)
        pitches = np.full(len(whole), 60.0)
        before, self._strengths = self._strengths, {}
        for slot, voice in enumerate(self._voices.slots):
            if voice is None:
                continue
            pitches[slot] = voice.pitch + self._bend[voice.channel]
            added = (len(DYNAMICS) - 1) * (self._steering.strength + self._loud[voice.channel] - 1)
            wanted = tuple(added + (voice.dynamics if label.dynamics is None else label.dynamics) for label in labels)
            now = before.get(voice.number, wanted)
            self._strengths[voice.number] = strengths = tuple(map(self._steering.eased, wanted, now))
            for end, (label, strength) in enumerate(zip(labels, strengths, strict=True)):
                whole[slot, end] = symbols_of(label.instrument or 0, voice.pitch, strength)
        return self._steering.mixed(whole), pitches
