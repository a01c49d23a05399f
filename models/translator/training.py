"""Trains the translator: hears mixtures of real notes, says their symbols; plays notes, and is held against what they were made of.

The output folder holds `renders/` and the banks (made once, then read), the checkpoint `translator.safetensors` (averaged weights,
figures in its card), `resume.safetensors` and `curve.jsonl`. Stopping and starting again continues.
"""

from __future__ import annotations

import json
import logging
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.layers.averaging import average_into
from models.layers.checkpoint import read_run, read_tensors, write_run, write_tensors
from models.translator.config import GROUPS, LOWEST_PITCH, PITCHES, SYMBOLS, TranslatorConfig
from models.translator.dynamics import learn_dynamics
from models.translator.judging import Figures, judge
from models.translator.losses import (
    CROSS,
    FOLLOWING,
    NO_MUSIC,
    ONSET,
    PRIOR,
    SOUNDING,
    activation_loss,
    level_loss,
    symbol_loss,
    symbols_of_notes,
)  # fmt: skip
from models.translator.map import draw_map
from models.translator.material import ANALYSED, Bank, Excerpt, Excerpts, no_music, stored_bank
from models.translator.network import TranslatorNetwork
from models.translator.notes import Note, find_notes, on_side
from models.translator.renders import rendered_notes
from models.translator.space import divergence, drawn, one_hot
from models.translator.voices import describe

logger = logging.getLogger(__name__)

CHECKPOINT, RESUME = "translator.safetensors", "resume.safetensors"
HOPS, BATCH, PLAYED, PLAYED_HOPS = 144, 6, 24, 112  # hops and excerpts heard in a step, notes and hops played
RATE, WARMUP_STEPS, AVERAGING, GRADIENT_LIMIT = 3e-3, 100, 0.995, 5.0
SAID, SETTLING_STEPS, SETTLING_RATE = 96, 800, 3e-3  # sets of symbols said in a step, and steps of saying alone
DIVERGENCE_STEPS = 400.0  # until the divergences count in full
JUDGED = 96  # mixtures of two and of three
JOINT_SHARE = 0.6  # of the minutes; the rest is for dynamics alone
RELEASE_SECONDS, PIANO_RELEASE_SECONDS = 0.05, 0.08  # a key let go in training: the level falls by 8.7 dB in each
OTHERS, OTHERS_SECONDS = 640, 4.0
RENDERED = ("violin", "trumpet")  # of which there are no real notes here: these are held out of the fonts too


def notes_of(data: Path, output: Path) -> dict[str, list[Note]]:
    """The notes of each bank: all that is trained on, and what is kept aside."""
    real, rendered = find_notes(data), rendered_notes(output / "renders")
    alone = [note for note in rendered if note.instrument in RENDERED]
    return {
        "train": on_side(real + rendered, "train"),
        "validation": on_side(real + alone, "validation"),
        "test": on_side(real + alone, "test"),
        "other": on_side(rendered, "other"),
    }


def banks(
    data: Path, output: Path, config: TranslatorConfig, names: tuple[str, ...] = ("train", "validation")
) -> dict[str, Bank]:
    """Those banks, made in `output` where they are not there yet; what is trained on is brought to its labels, the rest as it is."""
    notes = notes_of(data, output) if not all((output / f"bank_{name}.npz").exists() for name in names) else {}
    return {
        name: stored_bank(output / f"bank_{name}.npz", notes.get(name, []), config, name == "train", name == "train")
        for name in names
    }


def train(
    data: Path, output: Path, *, minutes: float, seed: int = 1, start_from: Path | None = None,
    config: TranslatorConfig | None = None,
) -> Path:  # fmt: skip
    """Make what is missing, train for `minutes` of a core (earlier runs count), return the checkpoint.

    Raises:
        FileNotFoundError: there is nothing to train on.
    """
    config = config or TranslatorConfig()
    output.mkdir(parents=True, exist_ok=True)
    found = banks(data, output, config)
    others = output / "no_music.npy"
    if not others.exists():
        np.save(others, no_music(OTHERS, OTHERS_SECONDS, config, seed))
    return learn(
        found["train"], found["validation"], np.load(others), output, minutes=minutes, seed=seed, config=config,
        start_from=start_from,
    )  # fmt: skip


def learn(
    bank: Bank, validation: Bank, others: np.ndarray, output: Path, *, minutes: float, seed: int, config: TranslatorConfig,
    validate_every_minutes: float = 5.0, hops: int = HOPS, batch: int = BATCH, judged: int = JUDGED,
    start_from: Path | None = None,
) -> Path:  # fmt: skip
    """Train on a bank, watching another by so many `judged` mixtures; return the checkpoint. start_from: a checkpoint whose
    listener and player a new run begins with, as far as they have the same sizes; the space it settles itself."""
    output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    _keep_freed_memory()
    network, averaged = TranslatorNetwork(config), TranslatorNetwork(config)
    averaged.load_state_dict(network.state_dict())
    averaged.eval()
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.02, betas=(0.9, 0.98))
    card = read_run(output / RESUME, network, averaged, optimizer) or {"step": "0", "elapsed": "0"}
    step, elapsed = int(card["step"]), float(card["elapsed"])
    excerpts, sums = Excerpts(bank, others, hops, config), dict[str, float]()
    next_validation = elapsed + 60 * validate_every_minutes
    if step == 0:
        if start_from is not None:
            logger.info("%d of %d tensors come from %s", *_take_over(network, start_from), start_from)
        _settle(network)
        averaged.load_state_dict(network.state_dict())
    logger.info("%d parameters, %d notes, from step %d", network.parameter_count, len(bank.pitch), step)
    joint = 60 * JOINT_SHARE * minutes
    while elapsed < joint:
        began = time.process_time()
        rng = np.random.default_rng([seed, step])  # of this step alone: a run that stopped goes on as if it had not
        torch.manual_seed(int(np.random.default_rng([step, seed, 1]).integers(1 << 31)))
        drawn_now = [excerpts.draw(rng) for _ in range(batch)]
        warm = min(1.0, step / DIVERGENCE_STEPS)
        losses = _hear(network, bank, drawn_now, warm) | _say(network, warm) | _play(network, bank, rng)
        rate = RATE * min(1.0, (step + 1) / WARMUP_STEPS)
        rate *= 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, elapsed / joint)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        sum(losses.values()).backward()  # type: ignore[union-attr]
        if torch.isfinite(torch.nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_LIMIT)):
            optimizer.step()
            average_into(averaged.parameters(), network.parameters(), step, AVERAGING)
        step += 1
        sums = {name: 0.98 * sums.get(name, value.item()) + 0.02 * value.item() for name, value in losses.items()}
        elapsed += time.process_time() - began
        if elapsed >= min(joint, next_validation):
            draw_map(averaged)
            figures = judge(averaged, validation, count=judged, seed=1)
            _keep(output, network, averaged, optimizer, figures, sums, step, elapsed)
            next_validation = elapsed + 60 * validate_every_minutes
    if elapsed < 60 * minutes:
        learn_dynamics(
            averaged,
            bank,
            others,
            hops,
            60 * minutes - elapsed,
            seed,
            lambda steps: logger.info("dynamics: %d steps", steps),
        )
        draw_map(averaged)
        figures = judge(averaged, validation, count=judged, seed=1)
        _keep(output, network, averaged, optimizer, figures, sums, step, 60 * minutes)
    return output / CHECKPOINT


def _hear(network: TranslatorNetwork, bank: Bank, excerpts: list[Excerpt], warm: float) -> dict[str, Tensor]:
    """Signal to symbols, and through the space to what each note of a mixture was made of."""
    audio = torch.from_numpy(np.stack([e.audio for e in excerpts]))
    levelled = torch.tensor([[e.levelled] for e in excerpts])
    last = slice(network.config.phases - 1, None, network.config.phases)  # the hop with which a frame ends
    playing = torch.from_numpy(np.stack([e.playing[last] for e in excerpts]).astype(np.int64))
    begins = torch.from_numpy(np.stack([e.onsets[last] for e in excerpts]))
    sounding = (playing >= 0).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = network.listener(audio, levelled, sounding)
    found = {name: value.float() if value.is_floating_point() else value for name, value in found.items()}
    weights = torch.tensor([1.0 if len(e.begins) else NO_MUSIC for e in excerpts])
    losses = {
        "active": activation_loss(found["active"], sounding, weights),
        "onset": ONSET * activation_loss(found["onset"], begins, weights),
    }
    heard = torch.gather(playing, 2, found["pitch"])  # (batch, frames, slots): which note each slot holds
    place = drawn(found["mean"], found["log_variance"])
    logits, any_note = network.decoder(place)
    taken = heard >= 0
    losses["sounding"] = SOUNDING * functional.binary_cross_entropy_with_logits(any_note, taken.float())
    symbols = symbols_of_notes(bank, heard[taken], found["pitch"][taken] + LOWEST_PITCH, heard=True)
    losses |= {f"heard {name}": value for name, value in symbol_loss(logits[taken], symbols).items()}
    said = network.encoder(one_hot(symbols))
    mean, log_variance = found["mean"][taken], found["log_variance"][taken]
    known = (symbols[:, 3] >= 0).float()
    # The symbols' places lead: they would otherwise fall together while the listener cannot tell notes yet.
    apart = (1 - FOLLOWING) * divergence(mean, log_variance, *(part.detach() for part in said))
    apart = apart + FOLLOWING * divergence(mean, log_variance, *said)
    cross = (apart * known).sum() / known.sum().clamp(min=1)
    losses["cross"] = warm * CROSS * cross
    losses["prior"] = warm * PRIOR * divergence(found["mean"], found["log_variance"]).mean()
    silent = network.encoder(torch.zeros(1, SYMBOLS))
    losses["silent"] = (
        warm * CROSS * 0.1 * divergence(found["mean"][~taken], found["log_variance"][~taken], *silent).mean()
    )
    losses["through"] = _through(network, bank, excerpts, heard, place)
    return losses


def _through(network: TranslatorNetwork, bank: Bank, excerpts: list[Excerpt], heard: Tensor, place: Tensor) -> Tensor:
    """Signal -> place -> signal, of one note of each excerpt that has any: the separate notes of a mixture are what is asked for."""
    rows = []
    for number, excerpt in enumerate(excerpts):
        begins = [row for row in excerpt.begins if row[0] < excerpt.playing.shape[0] - 24]
        if begins:
            first, index, pitch = begins[number % len(begins)]
            rows.append((number, int(first), int(index), int(pitch)))
    if not rows:
        return torch.zeros(())
    phases, frames = network.config.phases, min(40, heard.shape[1])
    places, valid = [], []
    for number, first, index, _ in rows:
        span = slice(first // phases, first // phases + frames)
        own = heard[number, span] == index  # (frames, slots)
        taken = (place[number, span] * own.unsqueeze(-1)).sum(1)
        places.append(functional.pad(taken, (0, 0, 0, frames - len(taken))))
        valid.append(functional.pad(own.any(1), (0, frames - len(own))))
    there, frames = torch.stack(valid).repeat_interleave(phases, 1), frames * phases
    ages = np.tile(np.arange(1, frames + 1) * network.config.hop / network.config.sample_rate, (len(rows), 1))
    features = describe(ages, np.full(ages.shape, np.nan), np.arange(frames)[None] == np.zeros((len(rows), 1)))
    pitches = torch.tensor([[float(pitch)] for *_, pitch in rows]).expand(-1, frames)
    said = network.player(torch.stack(places).repeat_interleave(phases, 1), pitches, torch.from_numpy(features))
    return 0.5 * _levels(bank, [index for _, _, index, _ in rows], said, there)


def _take_over(network: TranslatorNetwork, checkpoint: Path) -> tuple[int, int]:
    """Take the signal's sides of a checkpoint; return how many of how many tensors fitted. Raises FileNotFoundError."""
    if not checkpoint.is_file():
        raise FileNotFoundError(f"there is no checkpoint {checkpoint} to start from")
    stored, own = read_tensors(checkpoint)[0], network.state_dict()
    asked = [name for name in own if name.startswith(("listener.", "player.")) and "coder." not in name]
    fitting = {name: stored[name] for name in asked if name in stored and stored[name].shape == own[name].shape}
    network.load_state_dict(own | fitting)
    return len(fitting), len(asked)


def _settle(network: TranslatorNetwork) -> None:
    """Learn symbols by themselves first: they need no sound, and a space that has an order is one to be tied to."""
    optimizer = torch.optim.Adam([*network.encoder.parameters(), *network.decoder.parameters()], lr=SETTLING_RATE)
    for _ in range(SETTLING_STEPS):
        optimizer.zero_grad()
        sum(_say(network, 1.0).values()).backward()  # type: ignore[union-attr]
        optimizer.step()


def _say(network: TranslatorNetwork, warm: float) -> dict[str, Tensor]:
    """Symbols to symbols, of notes that nobody has to have played, and silence."""
    pitches = torch.randint(LOWEST_PITCH, LOWEST_PITCH + PITCHES, (SAID,))
    instrument, dynamics = torch.randint(GROUPS["instrument"], (SAID,)), torch.randint(GROUPS["dynamics"], (SAID,))
    symbols = torch.stack([instrument, pitches % 12, pitches // 12 - 1, dynamics], -1)
    mean, log_variance = network.encoder(one_hot(symbols))
    logits, any_note = network.decoder(drawn(mean, log_variance))
    losses = {f"said {name}": value for name, value in symbol_loss(logits, symbols).items()}
    silent, silent_variance = network.encoder(torch.zeros(SAID // 4, SYMBOLS))
    _, none = network.decoder(drawn(silent, silent_variance))
    losses["said sounding"] = SOUNDING * (functional.softplus(-any_note).mean() + functional.softplus(none).mean()) / 2
    losses["said prior"] = warm * PRIOR * divergence(mean, log_variance).mean()
    return losses


def _play(network: TranslatorNetwork, bank: Bank, rng: np.random.Generator) -> dict[str, Tensor]:
    """Symbols to signal."""
    weight = np.where(bank.real, 1.0, 0.15) * (bank.dynamics >= 0)
    for instrument in np.unique(bank.instrument):  # instruments alike
        own = bank.instrument == instrument
        weight[own] /= max(weight[own].sum(), 1e-9)
    chosen = rng.choice(len(weight), PLAYED, p=weight / weight.sum())
    symbols = symbols_of_notes(bank, torch.from_numpy(chosen), torch.from_numpy(bank.pitch[chosen]))
    place = drawn(*network.encoder(one_hot(symbols)))
    frames = min(PLAYED_HOPS, ANALYSED)
    seconds = network.config.hop / network.config.sample_rate
    end = np.where(rng.random(PLAYED) < 0.6, np.exp(rng.uniform(np.log(4), np.log(frames), PLAYED)), 1e9)[:, None]
    ages = np.tile(np.arange(1, frames + 1.0), (PLAYED, 1))
    features = describe(ages * seconds, np.where(ages > end, (ages - end) * seconds, np.nan), ages == 1)
    pitches = torch.from_numpy(bank.pitch[chosen].astype(np.float32))[:, None].expand(-1, frames)
    said = network.player(place.unsqueeze(1).expand(-1, frames, -1), pitches, torch.from_numpy(features))
    valid = torch.from_numpy(ages <= np.maximum(bank.steady[chosen], 6)[:, None])
    fall = np.where(bank.instrument[chosen] == _PIANO, PIANO_RELEASE_SECONDS, RELEASE_SECONDS)[:, None]
    down = torch.from_numpy((8.686 * np.maximum(ages - end, 0) * seconds / fall).astype(np.float32))
    return {"played": _levels(bank, list(chosen), said, valid, down)}


_PIANO = 7


def _levels(
    bank: Bank, indices: list[int], said: tuple[Tensor, Tensor], valid: Tensor, down: Tensor | None = None
) -> Tensor:
    """Levels said of notes from their beginning on, against what they were made of; `down` dB below it, as a key is let go."""
    frames = valid.shape[1]
    total = torch.zeros(())
    for part, levels, weight in zip(said, (bank.partials, bank.noise), (1.0, 0.4), strict=True):
        heard = torch.from_numpy(levels[indices, 1 : frames + 1].astype(np.float32))
        total = total + weight * level_loss(part, heard if down is None else heard - down.unsqueeze(-1), valid)
    return total


def _keep(
    output: Path, network: TranslatorNetwork, averaged: TranslatorNetwork, optimizer: torch.optim.Optimizer, figures: Figures,
    sums: dict[str, float], step: int, elapsed: float,
) -> None:  # fmt: skip
    row = {"step": step, "minutes": round(elapsed / 60, 2)} | {n: round(v, 4) for n, v in sums.items()} | figures
    with (output / "curve.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
    logger.info("%s", row)
    card = {
        name: json.dumps(value)
        for name, value in {"config": network.config.to_json(), "figures": figures, "step": step}.items()
    }
    write_tensors(output / CHECKPOINT, averaged.state_dict(), card | {"minutes": f"{elapsed / 60:.1f}"})
    write_run(output / RESUME, network, averaged, optimizer, {"step": str(step), "elapsed": str(elapsed)})


def _keep_freed_memory() -> None:
    """Have glibc keep large blocks: asking the kernel for them anew each step costs a third of the step."""
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # not glibc
        return
    mallopt(-4, 0)  # M_MMAP_MAX: no block of its own mapping
    mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD, bytes
    mallopt(-2, 2**29)  # M_TOP_PAD, bytes
