"""Signal to latent space: samples in; out, what each pitch does, and of up to three notes their places and symbols.

A causal trunk with weights shared by all pitches says how sure each pitch is to sound. The surest ones take the slots, so that no
slot belongs to an instrument; each is read off the trunk and its own partials as a place in the space, and the symbols are
what the symbols' decoder says of that place. `forward` hears whole sequences of one phase's frames (training), `step` one hop
with its state.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.layers.mixing import IntervalMixing
from models.layers.recurrence import PitchwiseRecurrence
from models.translator.config import GROUPS, PITCHES, TranslatorConfig
from models.translator.features import VariableQ
from models.translator.loudness import LoudnessReader
from models.translator.partials import NoteMean, OthersPartials, OwnPartials, places_of, steps_of
from models.translator.space import SymbolDecoder, bounded, side_by_side

TOLD = 3  # numbers beside what is seen
SUMMED_BINS = 24  # of the spectrum as a whole, beside a slot's own partials


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
        self.common = windows * (config.bins // SUMMED_BINS) + TOLD  # numbers beside a slot's own
        self.partials = OwnPartials(config)
        self.others = OthersPartials(config, self.partials.table)
        self.own = windows * self.partials.places
        self.since = NoteMean(config.phases, self.own)
        seen = 3 * channels + 2 * self.own + config.pitch_channels + self.common
        self.slot_in = nn.Linear(seen, config.slot_channels)
        self.slot_hidden = nn.Linear(config.slot_channels, config.slot_channels)
        self.place = nn.Linear(config.slot_channels, 2 * (config.latent - config.loudness))
        self.loudness = LoudnessReader(config, self.partials.places, self.common)
        with torch.no_grad():
            self.sure.bias[:] = -4.0  # most pitches are silent
        starts = steps_of(list(config.harmonics), config)
        self._below, self._starts = max(0, -min(starts)), [max(0, -min(starts)) + start for start in starts]
        self._above = max(0, config.bins_per_semitone * (PITCHES - 1) + max(starts) + 1 - config.bins)
        self.register_buffer("gathered", places_of(list(config.harmonics), config), persistent=False)

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
        with torch.no_grad():
            now = self.partials(spectra)
            alone = (values.unflatten(0, (batch, frames)) for values in (now, asked, sure[..., 1]))
            mean, count = (part.flatten(0, 1) for part in self.since(*alone))
        own = torch.cat([trunk, now, mean], -1)
        pitch, seen = self._slots(own, spectra, sure[..., 0], asked, count, levelled.repeat_interleave(frames, 0))
        mean, log_variance = self.read(seen, self.others(sure[..., 0].sigmoid(), pitch), pitch)
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
            "since": self.since.initial_state(batch),
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
        now = self.partials(spectra)
        mean, count, since = self.since.step(now, sure[..., 0], sure[..., 1], state["since"])
        own = torch.cat([trunk, now, mean], -1)
        pitch, seen = self._slots(own, spectra, sure[..., 0], sure[..., 0], count, levelled)
        place, _ = self.read(seen, self.others(sure[..., 0].sigmoid(), pitch), pitch)
        outputs = {"active": sure[..., 0].sigmoid(), "onset": sure[..., 1].sigmoid(), "position": place}
        return outputs | self.decoder.probabilities(place), {"audio": heard, "recurrence": memory, "since": since}

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

    def read(self, seen: Tensor, others: Tensor, pitch: Tensor) -> tuple[Tensor, Tensor]:
        """What is seen of notes (…, features), what of it is others' (…, places) and their rows (…) -> mean and log variance of their
        places (…, latent)."""
        who = self.who(seen)
        instrument = self.decoder.who(who[0])[..., : GROUPS["instrument"]].softmax(-1).detach()
        first = 3 * self.config.channels
        now, mean = seen[..., first : first + 2 * self.own].chunk(2, -1)
        loud = self.loudness(now, mean, others, seen[..., -self.common :], pitch, instrument)
        return side_by_side(who, bounded(loud))

    def who(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """The same of their places without their loudness."""
        hidden = self._drop(torch.relu(self.slot_in(self._drop(seen))))
        return bounded(self.place(torch.relu(hidden + self.slot_hidden(hidden))))

    def _drop(self, values: Tensor) -> Tensor:
        return functional.dropout(values, self.config.dropout, self.training)

    def _slots(
        self, own: Tensor, spectra: Tensor, sure: Tensor, asked: Tensor, count: Tensor, levelled: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Rows (n, slots) of the pitches that are asked for most, and what is seen of each (n, slots, features): what is its own, its
        row, and what is `told`."""
        pitch = torch.topk(asked, self.config.slots).indices
        mine = torch.gather(own, 1, pitch.unsqueeze(-1).expand(-1, -1, own.shape[-1]))
        common = self.told(spectra, torch.gather(count, 1, pitch), sure.sigmoid().sum(1, keepdim=True), levelled)
        return pitch, torch.cat([mine, self.pitch[pitch], common], -1)

    def told(self, spectra: Tensor, count: Tensor, notes: Tensor, levelled: Tensor) -> Tensor:
        """(n, slots, common): the spectrum as a whole, for how many frames each slot's note has sounded (n, slots), how many notes there
        seem to be (n, 1), and whether levels say nothing (n, 1)."""
        whole = spectra.unflatten(2, (-1, SUMMED_BINS)).mean(-1)
        age = torch.log1p(count).unsqueeze(-1) / 3
        alike = [part.unsqueeze(1).expand(-1, count.shape[1], -1) for part in (whole.flatten(1), notes, levelled)]
        return torch.cat([alike[0], age, *alike[1:]], -1)
