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
from models.manifest import Manifest, ManifestError
from models.performer.attack import Attack
from models.performer.config import CONTROLS, FEATURES, INSTRUMENTS, PerformerConfig
from models.performer.expression import Expression
from models.performer.keys import SUSTAIN, Keys
from models.performer.loudness import as_range
from models.performer.score import Voice, Voices
from models.phase.frames import Frames
from models.phase.informed import Informed
from models.phase.oscillators import Oscillators
from models.phase.stream import Hint
from models.step import Step
from models.stream import StreamSpec, stream_spec

CLIP_EARLY = 0.8  # of a hop, 6 ms: a note known ahead begins so much before its onset, so that its rise is about there
CHANGEABLE = ("dynamics", "range", "brightness", "vibrato", "room", "gain_db", "transpose")
SILENCE = 1e-6  # a magnitude below this is none, and nothing rings any more
LONGEST_RING = 6.0  # seconds after the last note
_AGE, _VELOCITY = FEATURES.index("age"), FEATURES.index("velocity")


class PerformerProcessor:
    """Notes to the sound of the chosen instrument."""

    def __init__(self, manifest: Manifest, step: Step, settings: Mapping[str, float | str]) -> None:
        self._config = config = PerformerConfig.from_json(manifest.settings["config"])
        head = manifest.head(float(settings["look_ahead_ms"]))
        self._spec = stream_spec(manifest, head, "live" if settings["stream"] == "live" else "commit")
        self._look_ahead = head.look_ahead // config.hop
        self._parameters = {name: manifest.parameter(name) for name in CHANGEABLE}
        self._shows = any(port.kind == "magnitude" for port in manifest.outputs)
        self._step = step
        _check(manifest, config)
        own = manifest.settings["instruments"][settings["instrument"]]
        self._lowest, self._highest = int(own["lowest"]), int(own["highest"])
        self._brightness = float(own.get("brightness", 0.0))
        self._own, self._instrument = own, INSTRUMENTS.index(str(settings["instrument"]))
        self._fold = settings["out_of_range"] == "octave"
        frames = Frames(config.n_fft, config.hop)
        self._silence = np.zeros(frames.bins, np.complex128)
        self._overlap = 2 * config.reach // config.hop  # hops that a frame is heard in
        self._phase = Informed(frames, config.sample_rate, reach=config.reach)
        self._attack = Attack(frames) if config.reach == config.hop else None
        # without an attack of its own a note begins with its hop, which is early enough
        self._early = min(CLIP_EARLY * config.hop, head.look_ahead) if self._attack else 0  # samples
        self._oscillators = Oscillators(config.voices, config.hop, config.sample_rate)
        self._harmonics = np.arange(1, config.partials + 1)
        self._spread = np.random.default_rng(7).random(config.partials)  # phases of a tone's partials, in cycles
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
        self._oscillators.reset()
        self._numbers = [-1] * self._config.voices  # of the note that each slot's oscillator belongs to
        self._phase.reset()
        self._idle, self._still_heard = True, self._overlap  # hops until what was drawn before is over
        while self._still_heard:  # a first note begins out of silence, as any other does
            self._rest()
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
        while (self._end - start < longest) and (self._end - start < least or not self._idle):
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
        if self._idle and not active.any():
            return self._rest()
        slots = self._voices.slots
        woken = self._idle
        if woken:
            self._begin(next(voice for voice in slots if voice is not None), start)
        features[:, _VELOCITY] += self._expression.dynamics(slots)
        moved = pitches + self._expression.semitones(slots, centre, self._values["vibrato"])
        inputs = {
            "voices": features[None],
            "pitches": moved[None].astype(np.float32),
            "controls": self._controls()[None],
        }
        outputs, self._state = self._step(inputs, self._state)
        if not active.any() and outputs["magnitude"].max() < SILENCE:
            self._idle = True
            return self._rest()
        self._still_heard = self._overlap
        hint, starts = self._hint(moved, centre, active, outputs)
        spectrum = self._phase.spectrum(hint)
        gain = 10 ** (self._values["gain_db"] / 20)
        samples = self._phase.add(gain * spectrum)
        if starts and self._attack is not None:
            samples += gain * self._attack.correction(self._started(hint, starts, spectrum, woken), start)
        return samples, gain * spectrum

    def _begin(self, first: Voice, start: int) -> None:
        """Play on out of silence; the noise lies on the note's own samples and not on the hop's, so that it moves with the note."""
        self._idle = False
        self._state = self._step.initial_state()
        place = min(max(round(first.onset) - start, 0), self._config.hop)
        self._phase.renew_noise(first.number, self._config.hop - place)

    def _rest(self) -> tuple[np.ndarray, np.ndarray]:
        """As `_render`, where nothing is drawn: what was drawn before runs out."""
        if not self._still_heard:
            return np.zeros(self._config.hop, np.float32), self._silence
        self._still_heard -= 1
        return self._phase.add(self._silence), self._silence

    def _hint(
        self, pitches: np.ndarray, centre: int, active: np.ndarray, outputs: Mapping[str, np.ndarray]
    ) -> tuple[Hint, dict[int, Voice]]:
        """What the frame is, and which of its voices begin with it, by their places among the active ones."""
        hertz = 440 * 2 ** ((pitches.astype(np.float64) - 69) / 12)
        begins, starts = np.full(len(hertz), np.nan), {}
        for slot, voice in enumerate(self._voices.slots):
            if voice is not None and voice.number != self._numbers[slot]:
                self._numbers[slot] = voice.number
                starts[int(active[:slot].sum())] = voice
                begins[slot] = hertz[slot] * (centre - voice.onset) / self._config.sample_rate  # at its start it is 0
        phase = self._oscillators.advance(hertz, begins)[active, None] * self._harmonics + self._spread
        scale = self._config.n_fft / 4
        frequency, amplitude = hertz[active, None] * self._harmonics, outputs["amplitude"][0][active]
        return Hint(frequency.ravel(), amplitude.ravel(), phase.ravel(), scale * outputs["noise"][0]), starts

    def _started(
        self, hint: Hint, starts: Mapping[int, Voice], spectrum: np.ndarray, woken: bool
    ) -> list[tuple[np.ndarray, float, bool]]:
        """Each new voice's part of the frame, its onset, and whether it follows no other closely and so rises slowly; out of silence
        the noise is the first one's too."""
        parts = []
        for place, voice in starts.items():
            own = slice(place * self._config.partials, (place + 1) * self._config.partials)
            part = Hint(hint.frequency[own], hint.amplitude[own], hint.phase[own])
            parts.append((self._phase.partials(part), voice.onset, voice.slur < 0.5))
        if woken:
            rest = spectrum - sum(part for part, _, _ in parts)
            parts.append((rest, min(voice.onset for voice in starts.values()), True))
        return parts

    def _controls(self) -> np.ndarray:
        values = np.zeros(len(CONTROLS), np.float32)
        values[CONTROLS.index("dynamics")] = self._values["dynamics"]
        values[CONTROLS.index("brightness")] = self._values["brightness"] + self._brightness
        values[CONTROLS.index("room")] = self._values["room"]
        values[len(CONTROLS) - len(INSTRUMENTS) + self._instrument] = 1.0
        return values


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
