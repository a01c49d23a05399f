"""Signal to latent space: samples in; out, what each pitch does, and of up to three notes their places and symbols.

A causal trunk with weights shared by all pitches says how sure each pitch is to sound. The surest ones take the slots, so that no
slot belongs to an instrument; each is read off the trunk and its own partials as a place in the space, and the symbols are
what the symbols' decoder says of that place. `forward` hears whole sequences of one phase's frames (training), `step` one hop
with its state.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.layers.mixing import IntervalMixing
from models.layers.recurrence import PitchwiseRecurrence
from models.translator.config import GROUPS, LOWEST_PITCH, PITCHES, TranslatorConfig
from models.translator.features import GAIN, SCALE, VariableQ
from models.translator.space import SymbolDecoder, bounded, side_by_side

BRIGHT_HZ = (1000.0, 2000.0, 4000.0)
_LOUDNESS = 1 + len(BRIGHT_HZ) + 7  # numbers that say how loud and bright a note is, but those of its bands
SUMMED_BINS, SUMMED_WINDOWS = 24, (1, 3)  # of the spectrum as a whole, beside a slot's own partials


class Listener(nn.Module):
    """See the module's docstring; `decoder` is the symbols'."""

    def __init__(self, config: TranslatorConfig, decoder: SymbolDecoder) -> None:
        super().__init__()
        self.config, self.decoder = config, decoder
        channels, spectral, windows = config.channels, config.spectral_channels, len(config.windows)
        self.features = VariableQ(config)
        self.spectral = nn.Conv1d(windows, spectral, 5, padding=2)
        self.harmonic = nn.Linear(spectral * len(config.harmonics), channels)
        self.pitch_bias = nn.Parameter(torch.zeros(PITCHES, channels))
        self.mixing = IntervalMixing(channels, config.narrow_channels, channels, config.intervals)
        self.recurrence = PitchwiseRecurrence(channels, channels, config.phases)
        self.head = nn.Linear(3 * channels, config.head_channels)
        self.sure = nn.Linear(config.head_channels, 2)
        self.pitch = nn.Parameter(0.5 * torch.randn(PITCHES, config.pitch_channels))
        summed = len(SUMMED_WINDOWS) * (config.bins // SUMMED_BINS)
        seen = 3 * channels + windows * config.own_harmonics + config.pitch_channels + summed + 2
        self.slot_in = nn.Linear(seen, config.slot_channels)
        self.slot_hidden = nn.Linear(config.slot_channels, config.slot_channels)
        self.place = nn.Linear(config.slot_channels, 2 * (config.latent - config.loudness))
        self.loudness_in = nn.Linear(
            _LOUDNESS + len(config.bands_hz) - 1 + GROUPS["instrument"], config.loudness_channels
        )
        self.loudness = nn.Linear(config.loudness_channels, 2 * config.loudness)
        with torch.no_grad():
            self.sure.bias[:] = -4.0  # most pitches are silent
        starts = _steps(config.harmonics, config)
        self._below, self._starts = max(0, -min(starts)), [max(0, -min(starts)) + start for start in starts]
        self._above = max(0, config.bins_per_semitone * (PITCHES - 1) + max(starts) + 1 - config.bins)
        gathered, own = _places(config.harmonics, config), _places(tuple(range(1, config.own_harmonics + 1)), config)
        hertz = (
            440
            * 2 ** ((torch.arange(PITCHES) + LOWEST_PITCH - 69) / 12)[:, None]
            * torch.arange(1, config.own_harmonics + 1)
        )
        ends = [*pairwise(config.bands_hz), *((least, float("inf")) for least in BRIGHT_HZ)]
        bands = torch.stack([((hertz >= low) & (hertz < high)).float() for low, high in ends], -1)
        self.register_buffer("hertz", hertz, persistent=False)  # (pitches, harmonics)
        self.register_buffer("bands", bands, persistent=False)  # (pitches, harmonics, bands)
        self.register_buffer("gathered", gathered, persistent=False)  # (pitches, harmonics), bins + 1 being none
        self.register_buffer("own", own, persistent=False)

    def forward(self, audio: Tensor, levelled: Tensor, taught: Tensor | None = None) -> dict[str, Tensor]:
        """(batch, samples), `levelled` (batch, 1) and `taught` (batch, frames, pitches), 1 where a pitch shall have a slot ->
        logits `active` and `onset` (batch, frames, pitches), and of the slots (batch, frames, slots, …) their `pitch`, what is
        `seen` of it, and the `mean` and `log_variance` of its place."""
        with torch.no_grad():
            spectra = self.features(audio, self.config.frame).transpose(1, 2)  # (batch, frames, windows, bins)
        batch, frames = spectra.shape[:2]
        spectra = spectra.flatten(0, 1)
        harmonic = self._evidence(spectra, self._gather)
        mixed = torch.relu(self.mixing(harmonic))
        remembered = self.recurrence(mixed.unflatten(0, (batch, frames))).flatten(0, 1)
        trunk = torch.cat([harmonic, mixed, remembered], -1)
        sure = self.sure(torch.relu(self.head(trunk)))
        asked = sure[..., 0] if taught is None else sure[..., 0] + 100 * taught.flatten(0, 1)
        pitch, seen = self._slots(trunk, spectra, sure[..., 0], asked, levelled.repeat_interleave(frames, 0))
        mean, log_variance = self.read(seen, pitch)
        found = {
            "active": sure[..., 0],
            "onset": sure[..., 1],
            "pitch": pitch,
            "seen": seen,
            "mean": mean,
            "log_variance": log_variance,
        }
        return {name: value.unflatten(0, (batch, frames)) for name, value in found.items()}

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        """The state before the first hop: silence and zeros."""
        return {
            "audio": self.features.initial_state(batch),
            "recurrence": self.recurrence.initial_state(batch, PITCHES),
        }

    def step(
        self, audio: Tensor, levelled: Tensor, state: dict[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """(batch, hop), `levelled` (batch, 1) and the state -> `active` and `onset` (batch, pitches), `position` (batch, slots,
        latent) and the probabilities of each group of symbols and `sounding`, of every slot; and the new state."""
        spectra, heard = self.features.step(audio, state["audio"])
        harmonic = self._evidence(spectra, self._gather_at_once)
        mixed = torch.relu(self.mixing.step(harmonic.flatten(0, 1), PITCHES))
        remembered, memory = self.recurrence.step(mixed, state["recurrence"])
        trunk = torch.cat([harmonic, mixed.reshape(harmonic.shape), remembered.reshape(harmonic.shape)], -1)
        sure = self.sure(torch.relu(self.head(trunk)))
        pitch, seen = self._slots(trunk, spectra, sure[..., 0], sure[..., 0], levelled)
        mean, _ = self.read(seen, pitch)
        outputs = {"active": sure[..., 0].sigmoid(), "onset": sure[..., 1].sigmoid(), "position": mean}
        return outputs | self.decoder.probabilities(mean), {"audio": heard, "recurrence": memory}

    def _evidence(self, spectra: Tensor, gather: Callable[[Tensor], Tensor]) -> Tensor:
        """(n, windows, bins) -> (n, pitches, channels)."""
        hidden = torch.relu(self.spectral(spectra)).transpose(1, 2)  # (n, bins, channels)
        return torch.relu(self.harmonic(gather(hidden)) + self.pitch_bias)

    def _gather(self, hidden: Tensor) -> Tensor:
        """(n, bins, channels) -> (n, pitches, harmonics * channels): slices, whose gradients are cheap."""
        padded = functional.pad(hidden, (0, 0, self._below, self._above))
        stride = self.config.bins_per_semitone
        slices = [padded[:, start : start + stride * (PITCHES - 1) + 1 : stride] for start in self._starts]
        return torch.cat(slices, -1)

    def _gather_at_once(self, hidden: Tensor) -> Tensor:
        """The same in one operation, which is faster for one hop."""
        padded = functional.pad(hidden, (0, 0, 0, 1))
        return torch.index_select(padded, 1, self.gathered.flatten()).reshape(
            hidden.shape[0], PITCHES, self.harmonic.in_features
        )

    def read(self, seen: Tensor, pitch: Tensor) -> tuple[Tensor, Tensor]:
        """What is seen of notes (…, features) and their rows (…) -> mean and log variance of their places (…, latent)."""
        hidden = self._drop(torch.relu(self.slot_in(self._drop(seen))))
        hidden = torch.relu(hidden + self.slot_hidden(hidden))
        who = bounded(self.place(hidden))
        instrument = self.decoder.who(who[0])[..., : GROUPS["instrument"]].softmax(-1).detach()
        loud = torch.tanh(self.loudness_in(torch.cat([self._loudness(seen, pitch), instrument], -1)))
        return side_by_side(who, bounded(self.loudness(loud)))

    def _loudness(self, seen: Tensor, pitch: Tensor) -> Tensor:
        """What says how hard a note is played, and no more, so that it holds for notes that were never heard: how loud its partials
        are, together and in bands, how bright, its pitch as a smooth curve, how many notes there are, and whether levels say anything."""
        windows, harmonics = len(self.config.windows), self.config.own_harmonics
        first = 3 * self.config.channels
        partials = seen[..., first : first + windows * harmonics].unflatten(-1, (windows, harmonics))
        power = (torch.expm1(partials.amax(-2) / SCALE) / GAIN).square()
        total = power.sum(-1, keepdim=True) + 1e-12
        summed = (power.unsqueeze(-1) * self.bands[pitch]).sum(-2)
        bands, bright = summed.split([len(self.config.bands_hz) - 1, len(BRIGHT_HZ)], -1)
        centre = torch.log((power * self.hertz[pitch]).sum(-1, keepdim=True) / total + 1) - 6
        first_share = torch.log(power[..., :1] / total + 1e-4) / 4
        height = (pitch.to(power.dtype).unsqueeze(-1) + LOWEST_PITCH - 60) / 24
        levels = [torch.log(total) / 4 + 2, torch.log(bands + 1e-9) / 4 + 3, torch.log(bright / total + 1e-5) / 4]
        return torch.cat([*levels, centre, first_share, height, height.square(), height**3, seen[..., -2:]], -1)

    def _drop(self, values: Tensor) -> Tensor:
        return functional.dropout(values, self.config.dropout, self.training)

    def _slots(
        self, trunk: Tensor, spectra: Tensor, sure: Tensor, asked: Tensor, levelled: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Rows (n, slots) of the pitches that are asked for most, and what is seen of each (n, slots, features): the trunk, its
        partials, its row, the spectrum as a whole, how many notes there seem to be, and whether levels say nothing."""
        slots, windows = self.config.slots, len(self.config.windows)
        pitch = torch.topk(asked, slots).indices
        own = torch.gather(trunk, 1, pitch.unsqueeze(-1).expand(-1, -1, trunk.shape[-1]))
        places = self.own[pitch].flatten(1).unsqueeze(1).expand(-1, windows, -1)
        partials = torch.gather(functional.pad(spectra, (0, 1)), 2, places)  # (n, windows, slots * harmonics)
        partials = partials.unflatten(2, (slots, -1)).transpose(1, 2).flatten(2)
        whole = torch.index_select(spectra, 1, torch.tensor(SUMMED_WINDOWS)).unflatten(2, (-1, SUMMED_BINS)).mean(-1)
        count = sure.sigmoid().sum(1, keepdim=True)
        common = torch.cat([whole.flatten(1), count, levelled], 1).unsqueeze(1).expand(-1, slots, -1)
        return pitch, torch.cat([own, partials, self.pitch[pitch], common], -1)


def _steps(multiples: tuple[float, ...], config: TranslatorConfig) -> list[int]:
    """How many bins above a pitch each multiple of its frequency lies."""
    return [round(12 * config.bins_per_semitone * math.log2(multiple)) for multiple in multiples]


def _places(multiples: tuple[float, ...], config: TranslatorConfig) -> Tensor:
    """Return (pitches, multiples): the bins of each pitch's multiples; the bin after the last where there is none."""
    places = config.bins_per_semitone * torch.arange(PITCHES)[:, None] + torch.tensor(_steps(multiples, config))
    return torch.where((places >= 0) & (places < config.bins), places, config.bins)
