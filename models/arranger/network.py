"""The arranger's network: what was heard in two bars, their chords and what was played before -> the notes of two bars.

Three latents as published (arXiv 2112.15110): chords, the audio's texture, a score's texture. The way through soft features is
wider: beside bass, intensity and melody it says for every key of every sixteenth how likely it is struck, from the encoders'
running states and by the same weights for every key (chords are seen from the key), so that what was heard on a step can be
written on that step in any key. The decoder is PianoTree's in two levels: a unit that goes through the sixteenths, and one that
goes through a sixteenth's notes from the lowest up. Which keys are
struck, the decoder says, or the features do (`boldness`, set on validation songs): the latter is nearer to human arrangements, since
soft features do not run away from what was heard. `Writer.step` is one sixteenth with its notes unrolled; `Writer.forward` runs
the same equations over two bars whose notes are known.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence

from models.arranger.config import (
    CHORD,
    FEATURE,
    FEATURES,
    HEARD,
    KEYS,
    LATENT,
    LONGEST,
    LOWEST,
    LOWEST_KEY,
    MODES,
    PITCHES,
    ROOTS,
    SIXTEENTHS,
    SLOTS,
    WINDOW,
)  # fmt: skip
from models.layers.checkpoint import read_tensors, write_tensors

VARIANTS = ("autoregressive", "prior", "supervised", "supervised_kl", "chord_only")
BEATS = WINDOW // SIXTEENTHS
BELOW = LOWEST - LOWEST_KEY  # keys that are never heard
OCTAVE = 12
CELL_INPUTS = len(HEARD) + 4 + 4  # rows of a key: heard on it, onsets an octave off, and the prompt in both bars
SURE_OF_NOTHING = 1e-4
BOUND_ROUNDS, LEAST_BOUND = 6, 0.06  # where nothing is likely, nothing is struck
FORBIDDEN = -1e4
END = KEYS
LEARNED = FEATURES.index("bound")  # features that are learned one by one


@dataclass(frozen=True, slots=True)
class ArrangerConfig:
    """Sizes of the network, and which of VARIANTS it is.

    audio, symbols, chords: hidden values of an encoder in a direction. cell: of a key on a sixteenth. hidden, notes: of the
    decoder's two levels.
    """

    variant: str = "autoregressive"
    inner: int = 128
    audio: int = 128
    symbols: int = 96
    chords: int = 48
    chord_latent: int = 64
    audio_latent: int = 96
    context: int = 128
    cell: int = 12
    hidden: int = 256
    notes: int = 128
    embedding: int = 48

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise ValueError(f"the variant is {self.variant!r}; allowed: {', '.join(VARIANTS)}")

    @property
    def prompted(self) -> bool:
        """Whether it sees what it played before."""
        return self.variant == "autoregressive"

    @property
    def deaf(self) -> bool:
        """Whether it knows the chords alone."""
        return self.variant == "chord_only"

    @property
    def plain(self) -> bool:
        """Whether it is an audio encoder and a decoder, and no more."""
        return self.variant.startswith("supervised")

    def to_json(self) -> str:
        """Return the sizes as a JSON object."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ArrangerConfig:
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))


def sized(variant: str) -> ArrangerConfig:
    """Return a variant's sizes: as many weights as the others have, within 3 in 100."""
    if variant.startswith("supervised"):
        return ArrangerConfig(variant, inner=160, audio=194, embedding=64)
    if variant == "chord_only":
        return ArrangerConfig(variant, inner=160, symbols=136, chords=96, context=160, cell=16, embedding=64)
    return ArrangerConfig(variant, embedding=64)


class Latent(NamedTuple):
    """A posterior, (batch, values) each: mean and logarithm of the spread."""

    mean: Tensor
    spread: Tensor


class Encoded(NamedTuple):
    """z: (batch, LATENT). features: (batch, WINDOW, FEATURE) 0..1. logits: without the bound, before the sigmoid. chord: of the decoded
    chords, (batch, BEATS, CHORD) logits. latents: chord, audio, symbols; those that the variant has."""

    z: Tensor
    features: Tensor
    logits: Tensor
    chord: Tensor
    latents: dict[str, Latent]


class Encoder(nn.Module):
    """Two bars at a time; keeps nothing."""

    def __init__(self, config: ArrangerConfig) -> None:
        super().__init__()
        self.config = config
        symbol_latent = LATENT - config.chord_latent - config.audio_latent
        if not config.deaf:
            self.listen = nn.Linear(len(HEARD) * PITCHES + len(MODES), config.inner)
            self.hear = nn.GRU(config.inner, config.audio, bidirectional=True)
            self.audio = nn.Linear(2 * config.audio, 2 * (LATENT if config.plain else config.audio_latent))
        if config.plain:
            return
        self.chord_unit = nn.GRU(CHORD, config.chords, bidirectional=True)
        self.chord = nn.Linear(2 * config.chords, 2 * config.chord_latent)
        self.chord_decoder = nn.GRU(config.chord_latent, 2 * config.chords)
        self.chord_head = nn.Linear(2 * config.chords, CHORD)
        self.read = nn.Linear(KEYS, config.inner)
        self.symbol_unit = nn.GRU(config.inner, config.symbols, bidirectional=True)
        self.symbol = nn.Linear(2 * config.symbols, 2 * symbol_latent)
        running = (0 if config.deaf else 2 * config.audio) + 2 * config.chords + 2 * KEYS + len(MODES)
        self.around = nn.Linear(running, config.context)
        self.from_latent = nn.Linear(LATENT, config.context)
        self.scalars = nn.Linear(config.context, LEARNED)
        self.cells = nn.Conv2d(CELL_INPUTS, config.cell, (3, 1), padding=(1, 0))
        self.cell_chord = nn.Linear(2 * OCTAVE + OCTAVE, config.cell, bias=False)
        self.cell_register = nn.Parameter(torch.zeros(config.cell, 1, KEYS))
        self.cell_context = nn.Linear(config.context, 3 * config.cell)
        self.cell_inner = nn.Conv2d(config.cell, config.cell, (1, 3), padding=(0, OCTAVE), dilation=(1, OCTAVE))
        self.cell_out = nn.Conv2d(config.cell, 2, 1)
        nn.init.constant_(self.cell_out.bias, -3.0)
        pitch_class = torch.arange(OCTAVE)
        self.register_buffer("seen_from", (pitch_class[:, None] - pitch_class) % OCTAVE, persistent=False)
        self.register_buffer("key_class", (torch.arange(KEYS) + LOWEST_KEY) % OCTAVE, persistent=False)

    def step(
        self, heard: Tensor, chords: Tensor, prompt: Tensor, texture: Tensor, mode: Tensor, state: dict[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return `z` and `features` of the posteriors' means, with batch in front of every shape; there is no state."""
        encoded = self(heard, chords, prompt, texture, mode)
        return {"z": encoded.z, "features": encoded.features}, state

    def initial_state(self, batch: int) -> dict[str, Tensor]:
        """Return the state: there is none."""
        del batch
        return {}

    def forward(
        self, heard: Tensor, chords: Tensor, prompt: Tensor, texture: Tensor, mode: Tensor,
        draw: torch.Generator | None = None, prior: Tensor | None = None,
    ) -> Encoded:  # fmt: skip
        """Encode windows.

        heard: (batch, WINDOW, HEARD, PITCHES). chords: (batch, BEATS, CHORD). prompt, texture: (batch, WINDOW, KEYS) lengths in
        LONGEST where notes begin. mode: (batch, MODES). draw: draws from the posteriors instead of taking their means. prior:
        (batch, 1) 1 where the symbols' latent is drawn from its prior, a spread of 0.1.
        """
        config, batch = self.config, heard.shape[0]
        running, latents = [], {}
        if not config.deaf:
            said = mode.unsqueeze(1).expand(batch, WINDOW, len(MODES))
            inner = torch.relu(self.listen(torch.cat([heard.flatten(2), said], -1)))
            states, last = _run(self.hear, inner)
            latents["audio"] = _posterior(self.audio(last))
            running.append(states)
        if config.plain:
            z = _draw(latents["audio"], draw) if config.variant == "supervised_kl" else latents["audio"].mean
            nothing = heard.new_zeros(batch, WINDOW, FEATURE)
            return Encoded(z, nothing, nothing[..., 1:], heard.new_zeros(batch, BEATS, CHORD), latents)
        if not config.prompted:
            prompt, mode = (
                torch.zeros_like(prompt),
                torch.cat([mode[:, :2], torch.zeros_like(mode[:, :1]), mode[:, 3:]], -1),
            )
        chord_states, chord_last = _run(self.chord_unit, chords)
        latents["chord"] = _posterior(self.chord(chord_last))
        has_prompt, has_texture = mode[:, 2:3], mode[:, 3:4]
        prompt = prompt * has_prompt.unsqueeze(2)
        symbols = texture * has_texture.unsqueeze(2) + prompt * (1 - has_texture).unsqueeze(2)
        _, symbol_last = _run(self.symbol_unit, torch.relu(self.read(symbols)))
        said_so = torch.maximum(has_prompt, has_texture)
        posterior = _posterior(self.symbol(symbol_last))
        z_symbol = _draw(posterior, draw) * said_so
        latents["symbol"] = Latent(posterior.mean * said_so, posterior.spread * said_so)
        if prior is not None:
            z_symbol = torch.where(prior > 0, 0.1 * torch.randn(z_symbol.shape, generator=draw), z_symbol)
        z_chord = _draw(latents["chord"], draw)
        z_audio = heard.new_zeros(batch, config.audio_latent) if config.deaf else _draw(latents["audio"], draw)
        z = torch.cat([z_chord, z_audio, z_symbol], -1)
        other = torch.cat([prompt[:, WINDOW // 2 :], prompt[:, : WINDOW // 2]], 1)
        of_beat = chord_states.repeat_interleave(SIXTEENTHS, 1)
        running += [of_beat, prompt, other, mode.unsqueeze(1).expand(batch, WINDOW, len(MODES))]
        context = torch.relu(self.around(torch.cat(running, -1)) + self.from_latent(z).unsqueeze(1))
        rolls = self._keys(torch.zeros_like(heard) if config.deaf else heard, chords, prompt, other, context)
        logits = torch.cat([self.scalars(context), rolls[:, 0], rolls[:, 1]], -1)
        decoded, _ = self.chord_decoder(z_chord.unsqueeze(0).expand(BEATS, batch, config.chord_latent))
        soft = torch.sigmoid(logits)
        bound = _bound(soft[..., -KEYS:].detach()).expand(batch, WINDOW, 1)
        features = torch.cat([soft[..., :LEARNED], bound, soft[..., LEARNED:]], -1)
        return Encoded(z, features, logits, self.chord_head(decoded).transpose(0, 1), latents)

    def _keys(self, heard: Tensor, chords: Tensor, prompt: Tensor, other: Tensor, context: Tensor) -> Tensor:
        """Return (batch, 2, WINDOW, KEYS) logits: the melody strikes the key, and anything does."""
        batch = heard.shape[0]
        above = KEYS - PITCHES - BELOW
        rows = functional.pad(heard.transpose(1, 2), (BELOW, above))  # (batch, HEARD, WINDOW, KEYS)
        onsets = torch.stack([rows[:, 0], rows[:, 2]], 1)
        lower, upper = (
            functional.pad(onsets, (OCTAVE, 0))[..., :KEYS],
            functional.pad(onsets, (0, OCTAVE))[..., OCTAVE:],
        )
        notes = torch.stack([prompt, other], 1)
        inputs = torch.cat([rows, lower, upper, notes, (notes > 0).to(notes.dtype)], 1)
        kinds = torch.stack(
            [chords[..., :12], chords[..., ROOTS : ROOTS + 12], chords[..., ROOTS + 12 : ROOTS + 24]], -2
        )
        seen = kinds[..., self.seen_from.flatten()].unflatten(
            -1, (OCTAVE, OCTAVE)
        )  # (batch, beats, 3, key's class, 12)
        chord = self.cell_chord(seen.transpose(-3, -2).flatten(-2))[:, :, self.key_class]
        chord = chord.repeat_interleave(SIXTEENTHS, 1).permute(0, 3, 1, 2)  # (batch, cell, WINDOW, KEYS)
        shift, scale, again = self.cell_context(context).transpose(1, 2).unsqueeze(-1).chunk(3, 1)
        cells = torch.relu(self.cells(inputs) + chord + shift + self.cell_register)
        cells = cells + torch.relu(self.cell_inner(cells) * (1 + scale) + again)
        return self.cell_out(cells).reshape(batch, 2, WINDOW, KEYS)


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
        bound = feature[:, LEARNED : LEARNED + 1]
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
            bold = free * (feature[:, -KEYS:] >= self.boldness * bound).to(chance.dtype)
            by_features = (self.boldness > 0).to(chance.dtype)
            goes_on = by_features * bold.amax(-1, keepdim=True) + (1 - by_features) * (chance[:, END:] <= self.stop).to(
                chance.dtype
            )
            goes_on = goes_on * open_
            # the lowest key that is bold enough, or the likeliest
            key = torch.where(self.boldness > 0, bold, chance[:, :KEYS]).argmax(-1, keepdim=True)
            sure = torch.where(self.boldness > 0, feature[:, -KEYS:], chance[:, :KEYS]).gather(-1, key)
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


EMPTY = {"pitch": -1.0, "length": 1.0, "sure": 0.0}


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


class ArrangerNetwork(nn.Module):
    """Both graphs that are trained together."""

    def __init__(self, config: ArrangerConfig) -> None:
        super().__init__()
        self.config = config
        self.encode, self.write = Encoder(config), Writer(config)


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


def load_network(checkpoint: Path) -> ArrangerNetwork:
    """Return the network of a checkpoint, ready to play."""
    tensors, card = read_tensors(checkpoint)
    tensors.setdefault("write.boldness", torch.tensor(0.0))
    network = ArrangerNetwork(ArrangerConfig.from_json(card["config"]))
    network.load_state_dict(tensors)
    return network.eval()


def save(network: ArrangerNetwork, checkpoint: Path, card: dict[str, str] | None = None) -> None:
    """Write a network with its sizes and other texts."""
    write_tensors(checkpoint, network.state_dict(), {"config": network.config.to_json()} | (card or {}))


def _learned(feature: Tensor) -> Tensor:
    """Return features without the bound, which follows from the others."""
    return torch.cat([feature[..., :LEARNED], feature[..., LEARNED + 1 :]], -1)


def _bound(struck: Tensor) -> Tensor:
    """Return how likely a key must be to be worth striking, if the window's F1 is to be as high as can be expected.

    That is half of that F1 (Lipton, Elkan and Naryanaswamy 2014), at least LEAST_BOUND: (batch, WINDOW, KEYS) chances -> (batch, 1, 1).
    """
    best = torch.full_like(struck[:, :1, :1], 0.2)
    for _ in range(BOUND_ROUNDS):
        worth = (struck >= best / 2).to(struck.dtype)
        right = (worth * struck).sum((1, 2), keepdim=True)
        best = 2 * right / (worth.sum((1, 2), keepdim=True) + struck.sum((1, 2), keepdim=True)).clamp(min=1e-6)
    return (best / 2).clamp(min=LEAST_BOUND)


def _sounding(last: Tensor) -> Tensor:
    """Return what still sounds a step later: (batch, 2, KEYS) -> (batch, KEYS)."""
    return (last.amax(1) - 1 / LONGEST).clamp(min=0)


def _run(unit: nn.GRU, values: Tensor) -> tuple[Tensor, Tensor]:
    """(batch, steps, inputs) -> a two-way unit's states (batch, steps, 2 hidden) and its last ones (batch, 2 hidden)."""
    states, last = unit(values.transpose(0, 1))
    return states.transpose(0, 1), torch.cat([last[0], last[1]], -1)


def _posterior(values: Tensor) -> Latent:
    mean, spread = values.chunk(2, -1)
    return Latent(mean, spread.clamp(-6, 2))


def _draw(latent: Latent, draw: torch.Generator | None) -> Tensor:
    if draw is None:
        return latent.mean
    return latent.mean + torch.exp(latent.spread) * torch.randn(latent.mean.shape, generator=draw)


def _cell(unit: nn.GRU, values: Tensor, last: Tensor) -> Tensor:
    """One step of a unit in plain products: (batch, inputs) and (batch, hidden) -> (batch, hidden)."""
    from_input = functional.linear(values, unit.weight_ih_l0, unit.bias_ih_l0)
    from_state = functional.linear(last, unit.weight_hh_l0, unit.bias_hh_l0)
    reset_in, update_in, new_in = from_input.chunk(3, -1)
    reset_state, update_state, new_state = from_state.chunk(3, -1)
    update = torch.sigmoid(update_in + update_state)
    candidate = torch.tanh(new_in + torch.sigmoid(reset_in + reset_state) * new_state)
    return candidate + update * (last - candidate)
