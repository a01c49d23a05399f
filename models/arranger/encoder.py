"""What was heard in two bars, their chords, and what was played before -> latents and soft features.

Three latents as published (arXiv 2112.15110): chords, the audio's texture, a score's texture. The way through soft features is wider:
beside bass, intensity and melody it says for every key of every sixteenth how likely it is struck, from the encoders' running
states and by the same weights for every key (chords are seen from the key), so that what was heard on a step can be written on
that step in any key.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.arranger.config import (
    CHORD,
    FEATURE,
    FEATURES,
    HEARD,
    KEYS,
    LATENT,
    LOWEST,
    LOWEST_KEY,
    MODES,
    PITCHES,
    ROOTS,
    SIXTEENTHS,
    WINDOW,
)  # fmt: skip
from models.arranger.sizes import ArrangerConfig

BEATS = WINDOW // SIXTEENTHS
BELOW = LOWEST - LOWEST_KEY  # keys that are never heard
OCTAVE = 12
CELL_INPUTS = len(HEARD) + 4 + 4  # rows of a key: heard on it, onsets an octave off, and the prompt in both bars
BOUND_ROUNDS, LEAST_BOUND = 6, 0.06  # where nothing is likely, nothing is struck
LEARNED = FEATURES.index("bound")  # features that are learned one by one


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
