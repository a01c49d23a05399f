"""The ear: spectra in; beats, chords, notes, the voice and the bass of a full mix out, frame by frame.

Convolutions share their weights among pitches and hear each pitch with its harmonics; chords are read in twelve rotations by the same
weights, so that every key is heard alike; a recurrence over the whole spectrum knows the beat and tells the voice from the band. All of
it is causal; it was taught to speak of the frame EAR_AHEAD before the last one. `forward` hears whole sequences (training), `step` one
frame with its state (live), with the same result.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any  # Any: JSON

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.arranger.config import BANDS, BANDS_A_SEMITONE, CHORD, HEARD, MEL_BANDS, PITCHES, ROOTS
from models.layers.checkpoint import read_card

HARMONICS = (-12, 0, 12, 19, 24, 28)  # semitones: an octave below to the fifth harmonic
MIDDLE_DB, SCALE_DB = -50.0, 20.0
BASS_PITCHES = 24  # the lowest two octaves count as bass in a chord
CHORD_FRAMES = 21  # over which chords are smoothed: EAR_AHEAD each side
MELS = slice(BANDS - MEL_BANDS, BANDS)


@dataclass(frozen=True, slots=True)
class EarConfig:
    """bands, channels: of the convolutions. context: width of the recurrence. reduced: channels of a pitch that it reads.

    pulse: channels of the strokes, which it reads beside them.

    colours: channels of a pitch class in a chord. chords: hidden width there.
    """

    bands: int = 12
    channels: int = 24
    context: int = 96
    reduced: int = 4
    pulse: int = 24
    colours: int = 8
    chords: int = 64

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> EarConfig:
        fields: dict[str, Any] = json.loads(text)
        return EarConfig(**fields)


class TimeConvolution(nn.Module):
    """A convolution that is causal in time: (batch, inputs, frames, places) -> (batch, outputs, frames, places)."""

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int], stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.inputs, self.before = inputs, (kernel[0] - 1) * dilation
        self.conv = nn.Conv2d(inputs, outputs, kernel, (1, stride), (0, kernel[1] // 2), (dilation, 1))

    def forward(self, values: Tensor) -> Tensor:
        found: Tensor = self.conv(functional.pad(values, (0, 0, self.before, 0)))
        return found

    def initial_state(self, batch: int, places: int) -> Tensor:
        return torch.zeros(batch, self.inputs, self.before, places)

    def step(self, values: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, inputs, 1, places) and what was there before -> the same at this frame, and the new state."""
        heard = torch.cat([state, values], 2)
        return self.conv(heard), heard[:, :, 1:]


class EarNetwork(nn.Module):
    """See the module's docstring."""

    def __init__(self, config: EarConfig) -> None:
        super().__init__()
        self.config, c = config, config
        self.bands1 = TimeConvolution(1, c.bands, (3, 5))
        self.bands2 = TimeConvolution(c.bands, 16, (3, 5), BANDS_A_SEMITONE)
        self.harmonic = nn.Conv2d(16 * len(HARMONICS), c.channels, 1)
        self.deep = nn.ModuleList(
            [
                TimeConvolution(c.channels, c.channels, (3, 3), dilation=2),
                TimeConvolution(c.channels, c.channels, (3, 1), dilation=4),
                TimeConvolution(c.channels, c.channels, (3, 1), dilation=8),
            ]
        )
        self.reduce = nn.Conv2d(c.channels, c.reduced, 1)
        self.pulse1 = TimeConvolution(2 * MEL_BANDS, c.pulse, (5, 1))
        self.pulse2 = TimeConvolution(c.pulse, c.pulse, (5, 1), dilation=4)
        self.whole = nn.Linear(c.reduced * PITCHES + c.pulse, c.context)
        self.recurrence = nn.GRU(c.context, c.context, batch_first=True)
        self.beat = nn.Linear(2 * c.context, 2)
        self.told = nn.Linear(2 * c.context, c.channels)
        self.notes = nn.Conv2d(c.channels, c.channels, 1)
        self.heads = nn.Conv2d(c.channels, len(HEARD), 1)
        self.pitch_bias = nn.Parameter(torch.zeros(len(HEARD), 1, PITCHES))
        self.colour = nn.Conv2d(c.channels, c.colours, 1)
        self.chord1 = nn.Linear(12 * 2 * c.colours, c.chords)
        self.chord2 = nn.Linear(c.chords, 3)
        self.no_chord = nn.Linear(2 * c.context, 2)
        with torch.no_grad():
            self.heads.bias.fill_(-3.0)
            self.beat.bias.fill_(-3.0)
        turns = (torch.arange(12)[:, None] + torch.arange(12)) % 12
        self.register_buffer("turns", turns.reshape(-1), persistent=False)

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    def forward(self, spectrum: Tensor) -> dict[str, Tensor]:
        """(batch, frames, BANDS) dB -> each output (batch, frames, ...), from silence."""
        return {name: _bounded(name, value) for name, value in self.logits(spectrum).items()}

    def logits(self, spectrum: Tensor) -> dict[str, Tensor]:
        """What `forward` gives before it is bounded; for the losses."""
        scaled = (spectrum - MIDDLE_DB) / SCALE_DB
        hidden = torch.relu(self.bands1(scaled[:, None, :, : BANDS - MEL_BANDS]))
        hidden = torch.relu(self.bands2(hidden))
        hidden = torch.relu(self.harmonic(_with_harmonics(hidden)))
        for layer in self.deep:
            hidden = hidden + torch.relu(layer(hidden))
        mel = scaled[..., MELS]
        before = functional.pad(mel, (0, 0, 1, 0), value=-2.0)[:, :-1]
        strokes = torch.cat([mel, torch.relu(mel - before)], -1).transpose(1, 2).unsqueeze(-1)
        pulse = torch.relu(self.pulse2(torch.relu(self.pulse1(strokes))))
        whole = self._whole(hidden, pulse)
        remembered, _ = self.recurrence(whole)
        colours = functional.pad(self._colours(hidden), (0, 0, CHORD_FRAMES - 1, 0))
        smooth = colours.unfold(1, CHORD_FRAMES, 1).mean(-1)
        return self._read(hidden, torch.cat([whole, remembered], -1), smooth, scaled)

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        """The state before the first frame: silence and zeros."""
        c = self.config
        state = {
            "bands1": self.bands1.initial_state(batch, BANDS - MEL_BANDS),
            "bands2": self.bands2.initial_state(batch, BANDS - MEL_BANDS),
            "pulse1": self.pulse1.initial_state(batch, 1),
            "pulse2": self.pulse2.initial_state(batch, 1),
            "mel": torch.full((batch, MEL_BANDS), -2.0),
            "recurrence": torch.zeros(batch, c.context),
            "colours": torch.zeros(batch, CHORD_FRAMES - 1, 12 * 2 * c.colours),
        }
        return state | {f"deep{n}": layer.initial_state(batch, PITCHES) for n, layer in enumerate(self.deep)}

    def step(self, spectrum: Tensor, state: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """(batch, BANDS) dB and the state -> each output (batch, ...), and the new state."""
        scaled, new = (spectrum - MIDDLE_DB) / SCALE_DB, {}
        hidden, new["bands1"] = self.bands1.step(scaled[:, None, None, : BANDS - MEL_BANDS], state["bands1"])
        hidden, new["bands2"] = self.bands2.step(torch.relu(hidden), state["bands2"])
        hidden = torch.relu(self.harmonic(_with_harmonics(torch.relu(hidden))))
        for n, layer in enumerate(self.deep):
            heard, new[f"deep{n}"] = layer.step(hidden, state[f"deep{n}"])
            hidden = hidden + torch.relu(heard)
        mel = scaled[:, MELS]
        new["mel"] = mel
        strokes = torch.cat([mel, torch.relu(mel - state["mel"])], -1)[:, :, None, None]
        pulse, new["pulse1"] = self.pulse1.step(strokes, state["pulse1"])
        pulse, new["pulse2"] = self.pulse2.step(torch.relu(pulse), state["pulse2"])
        whole = self._whole(hidden, torch.relu(pulse))[:, 0]
        new["recurrence"] = self._remember(whole, state["recurrence"])
        colours = torch.cat([state["colours"], self._colours(hidden)], 1)
        new["colours"] = colours[:, 1:]
        context = torch.cat([whole, new["recurrence"]], -1)[:, None]
        read = self._read(hidden, context, colours.mean(1, keepdim=True), scaled[:, None])
        return {name: _bounded(name, value)[:, 0] for name, value in read.items()}, new

    def _whole(self, hidden: Tensor, pulse: Tensor) -> Tensor:
        """(batch, channels, frames, PITCHES) and (batch, pulse, frames, 1) -> (batch, frames, context)."""
        reduced = torch.relu(self.reduce(hidden)).permute(0, 2, 1, 3).flatten(2)
        return torch.relu(self.whole(torch.cat([reduced, pulse.squeeze(-1).transpose(1, 2)], -1)))

    def _colours(self, hidden: Tensor) -> Tensor:
        """-> (batch, frames, 12 * 2 * colours): each pitch class in the bass and above, from C."""
        colours = torch.relu(self.colour(hidden))  # (batch, colours, frames, PITCHES)
        classes = []
        for part in (colours[..., :BASS_PITCHES], colours[..., BASS_PITCHES:]):
            padded = functional.pad(part, (4, -(part.shape[-1] + 4) % 12))  # E1 is 4 above C
            classes.append(padded.unflatten(-1, (-1, 12)).amax(-2))
        return torch.cat(classes, 1).permute(0, 2, 3, 1).flatten(2)  # 12, then 2 * colours

    def _read(self, hidden: Tensor, context: Tensor, colours: Tensor, scaled: Tensor) -> dict[str, Tensor]:
        told = self.told(context).transpose(1, 2).unsqueeze(-1)  # (batch, channels, frames, 1)
        notes = torch.relu(self.notes(hidden) + told)
        heard = (self.heads(notes) + self.pitch_bias).transpose(1, 2)  # (batch, frames, HEARD, PITCHES)
        classes = colours.unflatten(-1, (12, -1))  # (batch, frames, 12, 2 * colours)
        turned = torch.index_select(classes, 2, self.turns).unflatten(2, (12, 12)).flatten(3)
        each = self.chord2(torch.relu(self.chord1(turned)))  # (batch, frames, 12, 3)
        none = self.no_chord(context)
        chord = torch.cat([each[..., 0], none[..., :1], each[..., 1], each[..., 2], none[..., 1:]], -1)
        loudness = scaled[..., MELS].mean(-1, keepdim=True)
        return {"beat": self.beat(context), "chord": chord, "heard": heard, "loudness": loudness}

    def _remember(self, values: Tensor, last: Tensor) -> Tensor:
        """A step of the recurrence in plain products, as in models/layers/recurrence.py."""
        unit = self.recurrence
        from_input = functional.linear(values, unit.weight_ih_l0, unit.bias_ih_l0)
        from_state = functional.linear(last, unit.weight_hh_l0, unit.bias_hh_l0)
        size = self.config.context
        gates = torch.sigmoid(from_input[:, : 2 * size] + from_state[:, : 2 * size])
        reset, update = gates.chunk(2, 1)
        candidate = torch.tanh(from_input[:, 2 * size :] + reset * from_state[:, 2 * size :])
        return candidate + update * (last - candidate)


def load_ear(checkpoint: Path) -> EarNetwork:
    """Build the network of a checkpoint, in evaluation mode."""
    from safetensors.torch import load_file

    network = EarNetwork(EarConfig.from_json(read_card(checkpoint)["config"]))
    network.load_state_dict(load_file(checkpoint))
    return network.eval()


def _with_harmonics(hidden: Tensor) -> Tensor:
    """(batch, channels, frames, PITCHES) -> (batch, channels * HARMONICS, frames, PITCHES)."""
    below, above = -min(HARMONICS), max(HARMONICS)
    padded = functional.pad(hidden, (below, above))
    return torch.cat([padded[..., below + h : below + h + PITCHES] for h in HARMONICS], 1)


def _bounded(name: str, value: Tensor) -> Tensor:
    if name == "chord":
        rest = torch.sigmoid(value[..., ROOTS : ROOTS + 12])
        return torch.cat([value[..., :ROOTS].softmax(-1), rest, value[..., ROOTS + 12 : CHORD].softmax(-1)], -1)
    return torch.sigmoid(value)
