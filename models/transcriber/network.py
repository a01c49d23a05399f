"""The transcriber network: samples in; for every look-ahead head, what each pitch does, and the sustain pedal, out.

A causal trunk computes one vector a pitch and frame; the heads read it, with what the trunk said some frames ago, and a
head that may look ahead was taught to speak about a frame that has passed. `forward` hears whole sequences (training),
`step` one hop with its state (live), with the same weights and the same result: the frames of the phases are so many
sequences side by side in `forward`, and take turns in `step`. Not here: thresholds and notes, which are `decode`'s.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.layers.checkpoint import read_card
from models.layers.convolution import CausalConvolution, DelayTaps
from models.layers.mixing import IntervalMixing
from models.layers.recurrence import PitchwiseRecurrence
from models.transcriber.config import PITCHES, TranscriberConfig
from models.transcriber.features import LogFrequencySpectrum

OUTPUTS = ("onset", "frame", "velocity", "shift", "offset", "bend")  # of every head and pitch
SHIFT_REACH = 2.5  # frames either side within which an onset can be placed
BEND_REACH = 2.5  # semitones


class TranscriberNetwork(nn.Module):
    """See the module's docstring; `config` gives all sizes."""

    def __init__(self, config: TranscriberConfig) -> None:
        super().__init__()
        self.config = config
        channels, spectral = config.channels, config.spectral_channels
        self.features = LogFrequencySpectrum(config)
        self.spectral_in = nn.Conv2d(len(config.windows), spectral, (config.spectral_frames, 5), padding=(0, 2))
        self.spectral = nn.Conv2d(spectral, spectral, (1, 5), padding=(0, 2))
        self.harmonic = nn.Linear(spectral * len(config.harmonics), config.harmonic_channels)
        self.harmonic_low = nn.Linear(spectral * len(config.harmonics), config.harmonic_channels, bias=False)
        self.pitch_bias = nn.Parameter(torch.zeros(PITCHES, config.harmonic_channels))
        self.time_conv = CausalConvolution(config.harmonic_channels, channels, 3, config.phases)
        self.mixing0 = IntervalMixing(channels, config.narrow_channels, channels, config.intervals)
        self.recurrence0 = PitchwiseRecurrence(channels, channels, config.phases)
        self.mixing1 = IntervalMixing(channels, config.narrow_channels, channels, config.intervals)
        self.recurrence1 = PitchwiseRecurrence(channels, channels, config.phases)
        self.head_hidden = nn.Linear(3 * channels, channels)
        self.memory = nn.Linear(3 * channels, config.memory_channels)
        self.taps = DelayTaps(config.memory_channels, config.memory_delays, config.phases)
        self.head_decision = nn.Linear(
            channels + config.memory_channels * len(config.memory_delays), config.head_channels
        )
        self.heads = nn.Linear(config.head_channels, len(config.look_ahead) * len(OUTPUTS))
        self.pedal_in = nn.Linear(2 * channels, config.pedal_channels)
        self.pedal_recurrence = PitchwiseRecurrence(config.pedal_channels, config.pedal_channels, config.phases)
        self.pedal_heads = nn.Linear(2 * config.pedal_channels, len(config.look_ahead))
        with torch.no_grad():
            bias = self.heads.bias.view(len(OUTPUTS), -1)
            bias[OUTPUTS.index("onset")] = bias[OUTPUTS.index("offset")] = -4.0  # they are rare
            bias[OUTPUTS.index("frame")] = -2.0
            self.heads.weight.view(len(OUTPUTS), -1)[OUTPUTS.index("bend")] = bias[OUTPUTS.index("bend")] = 0.0
        offsets = [round(12 * config.bins_per_semitone * float(torch.log2(torch.tensor(h)))) for h in config.harmonics]
        self._below, self._above = (
            -min(offsets),
            config.bins_per_semitone * (PITCHES - 1) + max(offsets) + 1 - config.bins,
        )
        self._starts = [self._below + offset for offset in offsets]
        places = torch.tensor(self._starts)[None] + config.bins_per_semitone * torch.arange(PITCHES)[:, None]
        self.register_buffer("harmonic_places", places.reshape(-1), persistent=False)  # (pitches * harmonics,)

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    def forward(self, audio: Tensor) -> dict[str, Tensor]:
        """(batch, samples) -> each output (batch, hops, heads, pitches), `pedal` without pitches; from silence."""
        batch, phases = len(audio), self.config.phases
        spectra = self.features(audio, self.config.hop)  # (batch, windows, hops, bins)
        hops = spectra.shape[2]
        spectra = functional.pad(spectra, (0, 0, 0, -hops % phases)).unflatten(2, (-1, phases))
        sequences = spectra.permute(0, 3, 1, 2, 4).flatten(0, 1)  # (batch * phases, windows, frames, bins)
        found = {}
        for name, value in self._read(sequences).items():
            in_turn = value.unflatten(0, (batch, phases)).transpose(1, 2).flatten(1, 2)
            found[name] = self._bounded(name, in_turn[:, :hops])
        return found

    def logits(self, audio: Tensor) -> dict[str, Tensor]:
        """What `forward` gives before it is bounded, of one phase: (batch, frames, …). For the losses."""
        with torch.no_grad():
            spectra = self.features(audio, self.config.frame)
        return self._read(spectra)

    def _read(self, spectra: Tensor) -> dict[str, Tensor]:
        spectra = functional.pad(spectra, (0, 0, self.config.spectral_frames - 1, 0))
        hidden = torch.relu(self.spectral_in(spectra))
        hidden = torch.relu(self.spectral(hidden)).permute(0, 2, 3, 1)  # (batch, frames, bins, channels)
        padded = functional.pad(hidden, (0, 0, self._below, self._above))
        stride = self.config.bins_per_semitone
        gathered = torch.cat(
            [padded[:, :, start : start + stride * (PITCHES - 1) + 1 : stride] for start in self._starts], -1
        )
        hidden = torch.relu(self._weigh_harmonics(gathered))  # (batch, frames, pitches, channels)
        timed = torch.relu(self.time_conv(hidden))
        first = self.recurrence0(torch.relu(self.mixing0(timed)))
        second = self.recurrence1(torch.relu(self.mixing1(first)))
        trunk = torch.cat([timed, first, second], -1)
        now = torch.relu(self.head_hidden(trunk))
        outputs = self._read_heads(now, self.taps(self.memory(trunk)))
        heard = self._hear_pedal(now)
        remembered = self.pedal_recurrence(heard.unsqueeze(2)).squeeze(2)
        return outputs | {"pedal": self.pedal_heads(torch.cat([heard, remembered], -1))}

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        """The state before the first hop: silence and zeros."""
        hops = (self.config.spectral_frames - 1) * self.config.phases
        spectra = torch.zeros(batch, len(self.config.windows), hops, self.config.bins)
        return {
            "audio": self.features.initial_state(batch),
            "spectra": spectra,
            "time_conv": self.time_conv.initial_state(batch, PITCHES),
            "recurrence0": self.recurrence0.initial_state(batch, PITCHES),
            "recurrence1": self.recurrence1.initial_state(batch, PITCHES),
            "memory": self.taps.initial_state(batch, PITCHES),
            "pedal": self.pedal_recurrence.initial_state(batch, 1),
        }

    def step(
        self, audio: Tensor, tuning: Tensor, state: dict[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """(batch, hop), `tuning.tuning_taps` (batch, taps) and the state -> each output (batch, heads, pitches), `pedal`
        without pitches, and the new state."""
        spectrum, heard = self.features.step(audio, tuning, state["audio"])
        spectra = torch.cat([state["spectra"], spectrum.unsqueeze(2)], 2)
        hidden = torch.relu(self.spectral_in(spectra[:, :, :: self.config.phases]))
        hidden = torch.relu(self.spectral(hidden)).permute(0, 2, 3, 1).squeeze(1)  # (batch, bins, channels)
        hidden = torch.relu(self._weigh_harmonics_at_once(hidden))
        # From here on one row is one pitch of one stream: a product, its bias and its bound are then one node.
        timed, time_conv = self.time_conv.step(hidden.flatten(0, 1), state["time_conv"])
        timed = torch.relu(timed)
        first = torch.relu(self.mixing0.step(timed, PITCHES))
        first, recurrence0 = self.recurrence0.step(first, state["recurrence0"])
        second = torch.relu(self.mixing1.step(first, PITCHES))
        second, recurrence1 = self.recurrence1.step(second, state["recurrence1"])
        trunk = torch.cat([timed, first, second], 1)
        remembered, memory = self.taps.step(self.memory(trunk), state["memory"])
        now = torch.relu(self.head_hidden(trunk))
        decision = torch.relu(self.head_decision(torch.cat([now, remembered], 1)))
        outputs = self._read_heads_at_once(decision)
        heard_pedal = self._hear_pedal(now.reshape(-1, PITCHES, self.config.channels))
        held, pedal = self.pedal_recurrence.step(heard_pedal, state["pedal"])
        outputs["pedal"] = torch.sigmoid(self.pedal_heads(torch.cat([heard_pedal, held], 1)))
        new_state = {
            "audio": heard,
            "spectra": spectra[:, :, 1:],
            "time_conv": time_conv,
            "recurrence0": recurrence0,
            "recurrence1": recurrence1,
            "memory": memory,
            "pedal": pedal,
        }
        return outputs, new_state

    def _weigh_harmonics_at_once(self, hidden: Tensor) -> Tensor:
        """(batch, bins, channels) -> (batch, pitches, channels): the lowest pitches and the others, each one product."""
        padded = functional.pad(hidden, (0, 0, self._below, self._above))
        low, places, width = self.config.low_pitches, self.harmonic_places, self.harmonic.in_features
        first = low * len(self.config.harmonics)
        weighed = [
            torch.index_select(padded, 1, heard).reshape(-1, pitches, width) @ weight.t()
            for pitches, heard, weight in (
                (low, places[:first], self.harmonic.weight + self.harmonic_low.weight),
                (PITCHES - low, places[first:], self.harmonic.weight),
            )
        ]
        return torch.cat(weighed, 1) + (self.harmonic.bias + self.pitch_bias)

    def _read_heads_at_once(self, decision: Tensor) -> dict[str, Tensor]:
        """(batch * pitches, channels) -> each output, bounded (batch, heads, pitches)."""
        read = self.heads(decision).reshape(-1, PITCHES, self.heads.out_features).transpose(1, 2)
        heads = read.split(len(self.config.look_ahead), 1)
        return {name: self._bounded(name, value) for name, value in zip(OUTPUTS, heads, strict=True)}

    def _weigh_harmonics(self, gathered: Tensor) -> Tensor:
        """(…, pitches, channels * harmonics) -> (…, pitches, channels)."""
        low = self.harmonic_low(gathered[..., : self.config.low_pitches, :])
        low = functional.pad(low, (0, 0, 0, PITCHES - self.config.low_pitches))
        return self.harmonic(gathered) + low + self.pitch_bias

    def _read_heads(self, now: Tensor, remembered: Tensor) -> dict[str, Tensor]:
        """(…, pitches, channels), now and as remembered -> each output (…, heads, pitches)."""
        decision = torch.relu(self.head_decision(torch.cat([now, remembered], -1)))
        read = self.heads(decision).transpose(-1, -2)  # (…, outputs * heads, pitches)
        heads = len(self.config.look_ahead)
        return {name: read[..., n * heads : (n + 1) * heads, :] for n, name in enumerate(OUTPUTS)}

    def _hear_pedal(self, now: Tensor) -> Tensor:
        """(…, pitches, channels) -> (…, pedal channels): the mean key and the loudest in each channel."""
        return torch.relu(self.pedal_in(torch.cat([now.mean(-2), now.amax(-2)], -1)))

    def _bounded(self, name: str, value: Tensor) -> Tensor:
        if name in ("shift", "bend"):
            return (SHIFT_REACH if name == "shift" else BEND_REACH) * torch.tanh(value)
        return torch.sigmoid(value)


def load_network(checkpoint: Path) -> TranscriberNetwork:
    """Build the network of a checkpoint, in evaluation mode."""
    from safetensors.torch import load_file

    network = TranscriberNetwork(TranscriberConfig.from_json(json.loads(read_card(checkpoint)["config"])))
    network.load_state_dict(load_file(checkpoint))
    return network.eval()
