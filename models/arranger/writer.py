"""Latents and soft features -> the notes of two bars, a sixteenth at a time.

PianoTree's decoder in two levels: a unit that goes through the sixteenths, and one that goes through a sixteenth's notes from the
lowest up. Which keys are struck, the decoder says, or the features do (`boldness`, set on validation songs): the latter is nearer to
human arrangements, since soft features do not run away from what was heard. `Writer.step` is one sixteenth with its notes unrolled;
`Writer.forward` runs the same equations over two bars whose notes are known.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence

from models.arranger.config import FEATURE, FEATURES, KEYS, LATENT, LONGEST, SLOTS
from models.arranger.encoder import LEARNED
from models.arranger.sizes import ArrangerConfig

SURE_OF_NOTHING = 1e-4
FORBIDDEN = -1e4
END = KEYS
BASS_KEYS, BASS_SURE = 35, 0.4  # up to G3; a step has a bass if that is so likely, though no key of it is
EMPTY = {"pitch": -1.0, "length": 1.0, "sure": 0.0}


class Writer(nn.Module):
    """A sixteenth at a time. State: `hidden` (hidden,) and `last` (2, KEYS): lengths just written, and what of them still sounds."""

    def __init__(self, config: ArrangerConfig) -> None:
        super().__init__()
        self.config = config
        self.begin = nn.Linear(LATENT, config.hidden)
        self.feel = nn.Linear(FEATURE - 1, config.embedding)
        self.recall = nn.Linear(2 * KEYS, config.embedding)
        self.mood = nn.Linear(LATENT, config.embedding)
        self.time = nn.GRU(3 * config.embedding, config.hidden)
        self.enter = nn.Linear(config.hidden + config.embedding, config.notes)
        self.pitches = nn.Embedding(KEYS + 1, config.embedding)
        self.lengths = nn.Embedding(LONGEST + 1, config.embedding)
        self.unit = nn.GRU(config.embedding, config.notes)
        self.pitch = nn.Linear(config.notes, KEYS + 1)
        self.length = nn.Linear(config.notes + config.embedding, LONGEST)
        self.trust = nn.Parameter(torch.tensor([0.3, 0.5]))
        self.register_buffer("stop", torch.tensor(0.5))  # a sixteenth ends where the chance of it is higher
        self.register_buffer("boldness", torch.tensor(0.0))  # above 0, features decide: more notes the lower it is
        self.register_buffer("keys", torch.arange(KEYS + 1), persistent=False)

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        """Return what is known before anything was written."""
        zeros = self.begin.weight.new_zeros
        return {"hidden": zeros(batch, self.config.hidden), "last": zeros(batch, 2, KEYS)}

    def step(
        self, z: Tensor, feature: Tensor, first: Tensor, allowed: Tensor, state: dict[str, Tensor], hurry: bool = False
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Write one sixteenth: `pitch`, `length`, `sure`, (batch, SLOTS) each, and the new state.

        first: (batch, 1) 1 where a window begins. allowed: (batch, KEYS) 1 where a key may be struck. pitch: keys from 0, or -1.
        hurry: look no further once all of the batch have ended; not for an exported graph.
        """
        hidden = torch.where(first > 0, torch.tanh(self.begin(z)), state["hidden"])
        last = state["last"] * (1 - first).unsqueeze(-1)
        felt = torch.relu(self.feel(_learned(feature)))
        recalled = torch.relu(self.recall(last.flatten(1)))
        hidden = _cell(self.time, torch.cat([self.mood(z), felt, recalled], -1), hidden)
        hint = self._hint(feature)
        bound, chances = feature[:, LEARNED : LEARNED + 1], feature[:, -KEYS:]
        bass = _bass(chances)
        within = torch.tanh(self.enter(torch.cat([hidden, felt], -1)))
        # what is written goes into a roll, by one-hot rows
        before, struck = self.pitches.weight[END].expand_as(felt), torch.zeros_like(hint)
        lowest = torch.full_like(first, -1.0)
        written: dict[str, list[Tensor]] = {"pitch": [], "length": [], "sure": []}
        for _ in range(SLOTS):
            within = _cell(self.unit, before, within)
            free = allowed * (self.keys[:KEYS] > lowest).to(allowed.dtype)
            logits = self.pitch(within) + functional.pad(hint, (0, 1))
            chance = torch.softmax(logits + FORBIDDEN * functional.pad(1 - free, (0, 1)), -1)
            open_ = (lowest < KEYS).to(chance.dtype) * (free.sum(-1, keepdim=True) > 0).to(chance.dtype)
            bold = free * torch.maximum((chances >= self.boldness * bound).to(chance.dtype), bass)
            by_features = (self.boldness > 0).to(chance.dtype)
            goes_on = by_features * bold.amax(-1, keepdim=True) + (1 - by_features) * (chance[:, END:] <= self.stop).to(
                chance.dtype
            )
            goes_on = goes_on * open_
            # the lowest key that is bold enough, or the likeliest
            key = torch.where(self.boldness > 0, bold, chance[:, :KEYS]).argmax(-1, keepdim=True)
            sure = torch.where(self.boldness > 0, chances, chance[:, :KEYS]).gather(-1, key)
            embedded = self.pitches(key.squeeze(-1))
            length = self.length(torch.cat([within, embedded], -1)).argmax(-1, keepdim=True) + 1
            written["pitch"].append(goes_on * (key.to(chance.dtype) + 1) - 1)
            written["length"].append(1 + goes_on * (length.to(chance.dtype) - 1))
            written["sure"].append(goes_on * sure)
            is_key = (self.keys[:KEYS] == key).to(chance.dtype) * goes_on
            struck = struck + is_key * length / LONGEST
            before = embedded + self.lengths(length.squeeze(-1))
            lowest = goes_on * key + (1 - goes_on) * KEYS
            if hurry and not bool(goes_on.any()):
                break
        outputs = {name: torch.cat(rows, -1) for name, rows in written.items()}
        if hurry and outputs["pitch"].shape[1] < SLOTS:
            left = SLOTS - outputs["pitch"].shape[1]
            outputs = {name: functional.pad(rows, (0, left), value=EMPTY[name]) for name, rows in outputs.items()}
        return outputs, {"hidden": hidden, "last": torch.stack([struck, _sounding(last)], 1)}

    def forward(
        self, z: Tensor, features: Tensor, pitch: Tensor, length: Tensor, recalled: Tensor | None = None
    ) -> Written:
        """Return what it says of notes that are known.

        pitch, length: (batch, WINDOW, SLOTS) int64: keys from 0 in rising order, -1 where there is none, and lengths from 1.
        recalled: (batch, WINDOW, 2, KEYS) what it believes that it wrote before each step; without it the notes themselves.
        """
        recalled = remembered(pitch, length) if recalled is None else recalled
        felt = torch.relu(self.feel(_learned(features)))
        mood = self.mood(z).unsqueeze(1).expand_as(felt)
        inputs = torch.cat([mood, felt, torch.relu(self.recall(recalled.flatten(2)))], -1)
        hidden, _ = self.time(inputs.transpose(0, 1), torch.tanh(self.begin(z)).unsqueeze(0))
        entered = torch.tanh(self.enter(torch.cat([hidden.transpose(0, 1), felt], -1))).flatten(0, 1)
        pitch, length = pitch.flatten(0, 1), length.flatten(0, 1)
        count = ((pitch >= 0).sum(1) + 1).clamp(max=SLOTS)
        before_pitch = functional.pad(torch.where(pitch >= 0, pitch, END)[:, :-1], (1, 0), value=END)
        before_length = functional.pad(torch.where(pitch >= 0, length, 0)[:, :-1], (1, 0), value=0)
        order = torch.argsort(count, descending=True, stable=True)
        counts = count[order]

        def used(values: Tensor) -> Tensor:
            return pack_padded_sequence(values[order], counts, batch_first=True).data

        rows = torch.arange(len(order)).unsqueeze(1).expand(-1, SLOTS)
        packed = pack_padded_sequence(rows[order], counts, batch_first=True)
        of = packed.data
        from_pitch, from_length = used(before_pitch), used(before_length)
        start = (from_length > 0).unsqueeze(-1)
        embedded = self.pitches(from_pitch) + torch.where(start, self.lengths(from_length), 0.0)
        states = self.unit(packed._replace(data=embedded), entered[order].unsqueeze(0))[0].data
        hint = functional.pad(self._hint(features.flatten(0, 1)), (0, 1))
        logits = self.pitch(states) + hint[of]
        under = torch.where(start.squeeze(-1), from_pitch, -1)
        logits = logits + FORBIDDEN * (self.keys <= under.unsqueeze(-1)).to(logits.dtype)
        key, long = used(pitch), used(length)
        key = torch.where(key >= 0, key, END)
        lengths = self.length(torch.cat([states, self.pitches(key)], -1))
        return Written(logits, lengths, key, torch.where(key < END, long - 1, -1), of)

    def _hint(self, feature: Tensor) -> Tensor:
        """Return what the features alone say of each key: (…, FEATURE) -> (…, KEYS)."""
        if self.config.plain:
            return torch.zeros_like(feature[..., :KEYS])
        chance = feature[..., len(FEATURES) :].clamp(SURE_OF_NOTHING, 1 - SURE_OF_NOTHING)
        odds = torch.log(chance / (1 - chance))
        return self.trust[0] * odds[..., :KEYS] + self.trust[1] * odds[..., KEYS:]


class Written(NamedTuple):
    """What the writer says of the cells that are used, the empty one after a sixteenth's last note with them.

    pitch: (cells, KEYS + 1) logits, the last of the end. length: (cells, LONGEST) logits. key: (cells,) what there is, KEYS for the
    end. long: (cells,) length - 1, or -1 at the end. of: (cells,) sixteenth in the flattened batch.
    """

    pitch: Tensor
    length: Tensor
    key: Tensor
    long: Tensor
    of: Tensor


def as_roll(pitch: Tensor, length: Tensor) -> Tensor:
    """Return lengths in LONGEST where notes begin: (…, SLOTS) twice -> (…, KEYS)."""
    roll = torch.zeros(*pitch.shape[:-1], KEYS + 1)
    value = torch.where(pitch >= 0, length.clamp(max=LONGEST) / LONGEST, 0.0)
    return roll.scatter(-1, torch.where(pitch >= 0, pitch, KEYS), value)[..., :KEYS]


def remembered(pitch: Tensor, length: Tensor) -> Tensor:
    """Return what `Writer.step` has as `last` before each step: (batch, WINDOW, 2, KEYS)."""
    roll = as_roll(pitch, length)
    last, rows = torch.zeros_like(torch.stack([roll[:, 0], roll[:, 0]], 1)), []
    for step in range(roll.shape[1]):
        rows.append(last)
        last = torch.stack([roll[:, step], _sounding(last)], 1)
    return torch.stack(rows, 1)


def _learned(feature: Tensor) -> Tensor:
    """Return features without the bound, which follows from the others."""
    return torch.cat([feature[..., :LEARNED], feature[..., LEARNED + 1 :]], -1)


def _bass(chances: Tensor) -> Tensor:
    """Return 1 at the likeliest of the lowest keys where any of them is likely: (batch, KEYS) -> (batch, KEYS)."""
    low = chances[:, :BASS_KEYS]
    likely = 1 - torch.prod(1 - low, -1, keepdim=True) >= BASS_SURE
    return functional.pad((likely & (low >= low.amax(-1, keepdim=True))).to(chances.dtype), (0, KEYS - BASS_KEYS))


def _sounding(last: Tensor) -> Tensor:
    """Return what still sounds a step later: (batch, 2, KEYS) -> (batch, KEYS)."""
    return (last.amax(1) - 1 / LONGEST).clamp(min=0)


def _cell(unit: nn.GRU, values: Tensor, last: Tensor) -> Tensor:
    """One step of a unit in plain products: (batch, inputs) and (batch, hidden) -> (batch, hidden)."""
    from_input = functional.linear(values, unit.weight_ih_l0, unit.bias_ih_l0)
    from_state = functional.linear(last, unit.weight_hh_l0, unit.bias_hh_l0)
    reset_in, update_in, new_in = from_input.chunk(3, -1)
    reset_state, update_state, new_state = from_state.chunk(3, -1)
    update = torch.sigmoid(update_in + update_state)
    candidate = torch.tanh(new_in + torch.sigmoid(reset_in + reset_state) * new_state)
    return candidate + update * (last - candidate)
