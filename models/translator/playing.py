"""The translator that plays: one hop of notes in, as many samples out, with no look-ahead.

Symbols of each voice become a place in the space; parameters move it: towards another instrument or dynamic, and over the map. Every
move is smoothed over some hops, so that nothing clicks.
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
from models.translator.notes import DYNAMICS, INSTRUMENTS
from models.translator.symbols import symbols_of
from models.translator.voices import Voices

POSITION = ("map_x", "map_y", "map", "space_3", "space_4", "space_5", "space_6")
NUMBERS = ("morph", *POSITION, "dynamics", "gain_db", "transpose")
WORDS = ("instrument", "morph_instrument", "morph_dynamics")
SAME = "same"
SMOOTH_SECONDS = 0.03  # until a parameter has gone two thirds of its way
BEND_RANGE = 2.0  # semitones
EXPRESSION = 11  # the controller


class Playing:
    """Notes to audio through the latent space."""

    def __init__(self, manifest: Manifest, step: Step, settings: Mapping[str, float | str]) -> None:
        self._config = config = TranslatorConfig.from_json(manifest.settings["config"])
        head = manifest.head(float(settings["look_ahead_ms"]))
        self._spec = stream_spec(manifest, head, "commit")
        self._parameters = {name: manifest.parameter(name) for name in (*NUMBERS, *WORDS)}
        self._shows = any(port.kind == "magnitude" for port in manifest.outputs)
        self._step = step
        self._sounding = Sounding(
            config.n_fft, config.hop, config.reach, config.sample_rate, config.voices, config.partials
        )
        self._keep = float(np.exp(-config.hop / (SMOOTH_SECONDS * config.sample_rate)))
        self._values: dict[str, float] = {name: float(settings[name]) for name in NUMBERS}
        self._words: dict[str, str] = {name: str(settings[name]) for name in WORDS}
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
        self._moving = dict(self._values)
        self._mixed: np.ndarray | None = None  # the instruments and targets as they sound, on their way

    def set(self, name: str, value: float | str) -> None:
        """Change a parameter that is not fixed; see StreamProcessor.set."""
        if name in NUMBERS:
            self._values[name] = float(self._parameters[name].parse(value))
        elif name in WORDS:
            self._words[name] = str(self._parameters[name].parse(value))
        else:
            raise KeyError(name)

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
            pitch = event.pitch + round(self._values["transpose"])
            self._keys.press(event, pitch if 0 <= pitch <= 127 else None, event.velocity)
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

    def _render(self, start: int) -> tuple[np.ndarray, np.ndarray]:
        """The samples (hop,) from sample `start` on, and the frame (bins,) that adds to them."""
        self._wheel(start + self._config.hop)
        features = self._voices.hop(start)
        notes = self._voices.begins()
        if all(note is None for note in notes):
            self._moving, self._mixed = dict(self._values), None  # out of silence nothing has to move
            return self._sounding.rest()
        for name, value in self._values.items():
            self._moving[name] = value + self._keep * (self._moving[name] - value)
        symbols, pitches = self._symbols()
        moving = self._moving
        inputs = {
            "symbols": symbols[None, :, 0],
            "targets": symbols[None, :, 1],
            "morph": np.array([[moving["morph"]]], np.float32),
            "position": np.array([[moving[name] for name in POSITION]], np.float32),
            "pitches": pitches[None].astype(np.float32),
            "features": features[None],
        }
        outputs, self._state = self._step(inputs, self._state)
        levels = {name: outputs[name][0] for name in ("amplitude", "noise")}
        hertz = 440 * 2 ** ((pitches - 69) / 12)
        return self._sounding.next(start, notes, hertz, levels, float(10 ** (moving["gain_db"] / 20)))

    def _wheel(self, until: int) -> None:
        """Take up the bends and the expression of this hop."""
        while self._coming and self._coming[0].sample < until:
            event = self._coming.popleft()
            if isinstance(event, PitchBend):
                self._bend[event.channel] = BEND_RANGE * event.value / 8192
            elif event.control == EXPRESSION:
                self._loud[event.channel] = event.value / 127

    def _symbols(self) -> tuple[np.ndarray, np.ndarray]:
        """Symbols of the voices and what they morph to (voices, 2, SYMBOLS), and their pitches as they sound (voices,)."""
        softest = len(DYNAMICS) - 1
        whole = np.zeros((len(self._voices.slots), 2, SYMBOLS), np.float32)
        pitches = np.full(len(whole), 60.0)
        own = INSTRUMENTS.index(self._words["instrument"])
        other = self._words["morph_instrument"]
        for slot, voice in enumerate(self._voices.slots):
            if voice is None:
                continue
            pitches[slot] = voice.pitch + self._bend[voice.channel]
            dynamics = voice.dynamics + softest * (self._moving["dynamics"] + self._loud[voice.channel] - 1)
            wanted = (
                dynamics if self._words["morph_dynamics"] == SAME else DYNAMICS.index(self._words["morph_dynamics"])
            )
            target = own if other == SAME else INSTRUMENTS.index(other)
            whole[slot] = symbols_of(own, voice.pitch, dynamics), symbols_of(target, voice.pitch, wanted)
        return self._eased(whole), pitches

    def _eased(self, whole: np.ndarray) -> np.ndarray:
        """The symbols with a change of instrument or target that is under way: shares of the old and of the new."""
        size = len(INSTRUMENTS)
        common = whole.max(0)[:, :size]  # every voice has the same instruments
        self._mixed = common if self._mixed is None else common + self._keep * (self._mixed - common)
        taken = (whole > 0).any(2, keepdims=True)
        return np.concatenate([np.where(taken, self._mixed, 0), whole[..., size:]], 2).astype(np.float32)
