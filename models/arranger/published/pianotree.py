"""Latents and features become notes: PianoTree's decoder (Wang et al., ISMIR 2020), a recurrence over sixteenths and in each another over
its notes. A duration is five bits, each decided alone.

A tree is (batch, STEPS, slots, 1 + DURATION_BITS): pitch, SOS, EOS or PAD, and the bits of the duration less one, the highest first.
`forward` is taught, step by step or all at once where every token is told; `decide` is one sixteenth of greedy writing, which
inference and the exported graph share. Called by `network` and `export`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.arranger.published.config import DURATION_BITS, DURATION_PAD, EOS, PAD, SOS, STEPS, PublishedConfig
from models.arranger.published.corrections import Corrections
from models.arranger.published.recurrence import Summary, step

SYMBOLS = PAD  # that can be said: pitches, SOS, EOS
NOTE = SYMBOLS + DURATION_BITS


@dataclass(frozen=True, slots=True)
class Coins:
    """Which tokens the decoder is told. steps: after which sixteenths their true notes. notes: (STEPS, slots) after which notes."""

    steps: list[bool]
    notes: list[list[bool]]

    @property
    def all_told(self) -> bool:
        return all(self.steps) and all(map(all, self.notes))


class PianoTree(nn.Module):
    """z and embedded features -> pitches and durations."""

    def __init__(self, config: PublishedConfig, corrections: Corrections, dimensions: int, features: int) -> None:
        super().__init__()
        self.slots, self.end_summed = config.slots, corrections.end_summed
        self.to_hidden = nn.Linear(dimensions, config.time_hidden)
        self.to_input = nn.Linear(dimensions, config.time_input)
        self.first = nn.Parameter(torch.rand(2 * config.summary_hidden))
        self.embedding = nn.Linear(NOTE, config.note_embedding)
        self.summary = Summary(config.note_embedding, config.summary_hidden)
        inputs = config.time_input + 2 * config.summary_hidden + features
        self.time = nn.GRU(inputs, config.time_hidden, batch_first=True)
        self.to_notes = nn.Linear(config.time_hidden, config.notes_hidden)
        self.notes = nn.GRU(config.time_hidden + config.note_embedding, config.notes_hidden, batch_first=True)
        self.pitch = nn.Linear(config.notes_hidden, SYMBOLS)
        self.duration = nn.Linear(config.notes_hidden, 2 * DURATION_BITS)
        if not corrections.pruned:
            self.duration_first = nn.Parameter(torch.rand(DURATION_BITS))
            self.duration_unit = nn.GRU(DURATION_BITS, config.duration_hidden, batch_first=True)
            self.duration_hidden = nn.Linear(SYMBOLS + config.notes_hidden, config.duration_hidden)

    def forward(self, z: Tensor, tree: Tensor, coins: Coins, features: Tensor | None) -> tuple[Tensor, Tensor]:
        """Read a tree and say each of its notes, told as the coins fall.

        features: (batch, STEPS, embedded). Returns pitch (batch, STEPS, slots - 1, SYMBOLS) and duration (…, DURATION_BITS, 2), logits.
        """
        told = self.embed(tree)  # (batch, STEPS, slots, embedding)
        lengths = self.slots - (tree[..., 0] == PAD).sum(-1)  # (batch, STEPS)
        sums = self.summary(told.flatten(0, 1), lengths.flatten()).unflatten(0, lengths.shape)
        if coins.all_told:
            return self._at_once(z, told, sums, features)
        hidden, given, token = self.begin(z)
        said: list[tuple[Tensor, Tensor]] = []
        for place in range(STEPS):
            hidden = self._time(hidden, given, token, None if features is None else features[:, place])
            pitch, duration, wrote = self._sixteenth(hidden, told[:, place], coins.notes[place])
            said.append((pitch, duration))
            token = sums[:, place] if coins.steps[place] else self.sum_up(wrote)
        return torch.stack([one for one, _ in said], 1), torch.stack([one for _, one in said], 1)

    def begin(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(batch, dimensions) -> the hidden state, what every sixteenth is given, and the token before the first."""
        return self.to_hidden(z), self.to_input(z), self.first.expand(len(z), -1)

    def decide(self, hidden: Tensor, given: Tensor, token: Tensor, feature: Tensor | None) -> tuple[Tensor, ...]:
        """Write one sixteenth, greedily.

        Returns the notes (batch, slots - 1, 1 + DURATION_BITS) as a tree has them but after an EOS not emptied, the new hidden state and
        the token for the next.
        """
        hidden = self._time(hidden, given, token, feature)
        _, _, wrote = self._sixteenth(hidden, None, [False] * self.slots)
        return wrote[:, 1:], hidden, self.sum_up(wrote)

    def embed(self, notes: Tensor) -> Tensor:
        """(…, 1 + DURATION_BITS) integers -> (…, embedding); of PAD there is no symbol."""
        symbols = functional.one_hot(notes[..., 0], PAD + 1)[..., :SYMBOLS]
        return self.embedding(torch.cat([symbols, notes[..., 1:]], -1).to(self.embedding.weight.dtype))

    def sum_up(self, wrote: Tensor) -> Tensor:
        """Summarise what was written: (batch, slots, 1 + DURATION_BITS) with SOS first -> (batch, 2 * summary_hidden)."""
        ended = wrote[:, :, 0] == EOS
        before_end = (ended.int().cumsum(1) == 0).sum(1)  # SOS and notes
        if self.end_summed:
            bits = torch.where(ended[..., None], DURATION_PAD, wrote[..., 1:])
            wrote = torch.cat([wrote[..., :1], bits], -1)
            lengths = (before_end + 1).clamp(max=self.slots)
        else:
            lengths = before_end.clamp(max=self.slots - 1)
        return self.summary(self.embed(wrote), lengths)

    def sos(self, batch: int) -> Tensor:
        """(batch, 1 + DURATION_BITS): what stands before the first note."""
        row = torch.tensor([SOS, *[DURATION_PAD] * DURATION_BITS], device=self.first.device)
        return row.expand(batch, -1)

    def _time(self, hidden: Tensor, given: Tensor, token: Tensor, feature: Tensor | None) -> Tensor:
        return step(self.time, torch.cat([token, given] if feature is None else [token, given, feature], -1), hidden)

    def _sixteenth(self, hidden: Tensor, told: Tensor | None, coins: list[bool]) -> tuple[Tensor, Tensor, Tensor]:
        """Say the notes of one sixteenth: logits of pitches and durations, and the notes chosen, (batch, slots, 1 + DURATION_BITS)."""
        inner, wrote = self.to_notes(hidden), [self.sos(len(hidden))]
        token = self.embed(wrote[0])
        pitches, durations = [], []
        for slot in range(1, self.slots):
            inner = step(self.notes, torch.cat([hidden, token], -1), inner)
            pitch, duration = self._note(inner)
            pitches.append(pitch)
            durations.append(duration)
            wrote.append(torch.cat([pitch.argmax(-1, keepdim=True), duration.argmax(-1)], -1))
            token = told[:, slot] if told is not None and coins[slot] else self.embed(wrote[-1])
        return torch.stack(pitches, 1), torch.stack(durations, 1), torch.stack(wrote, 1)

    def _at_once(self, z: Tensor, told: Tensor, sums: Tensor, features: Tensor | None) -> tuple[Tensor, Tensor]:
        """The same where every token is told: two runs of the library's units."""
        hidden, given, first = self.begin(z)
        tokens = torch.cat([first[:, None], sums[:, :-1]], 1)
        parts = [tokens, given[:, None].expand(-1, STEPS, -1)] + ([] if features is None else [features])
        times = self.time(torch.cat(parts, -1), hidden[None])[0].flatten(0, 1)  # (batch * STEPS, hidden)
        notes = told.flatten(0, 1)[:, :-1]
        given = torch.cat([times[:, None].expand(-1, self.slots - 1, -1), notes], -1)
        inner = self.notes(given, self.to_notes(times)[None])[0]
        pitch, duration = self._note(inner)
        return pitch.unflatten(0, (len(z), STEPS)), duration.unflatten(0, (len(z), STEPS))

    def _note(self, inner: Tensor) -> tuple[Tensor, Tensor]:
        return self.pitch(inner), self.duration(inner).unflatten(-1, (DURATION_BITS, 2))
