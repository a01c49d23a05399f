"""How often the right symbols are heard: of single notes, and of two and three at once, whichever slot holds them.

A note is heard for some tenths of a second from its beginning on, after a little silence. A pitch's evidence is summed over the
slots and hops in which it is the surest; as many pitches as there are notes are taken, and matched with the notes so that most
symbols are right. Called by training and by the benchmark.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations

import numpy as np
import torch

from models.step import Step
from models.translator.config import GROUPS, LOWEST_PITCH, PITCHES, TranslatorConfig
from models.translator.material import Bank
from models.translator.network import TranslatorNetwork

Figures = dict[str, float]
Hearing = Callable[[np.ndarray, bool], dict[str, np.ndarray]]
"""Mixtures (n, samples) and whether levels say nothing -> probabilities (n, frames, slots, size) of each group, and `sounding`."""
LEAD_SECONDS, HEARD_SECONDS = 0.1, 0.6
BATCH = 16


def mixtures(bank: Bank, notes: int, count: int, seed: int) -> list[list[int]]:
    """Draw `count` sets of so many notes, of different instruments and pitches, instruments alike; all single notes if count is 0.
    None where there are fewer instruments than notes."""
    if notes == 1 and count == 0:
        return [[index] for index in range(len(bank.pitch))]
    rng = np.random.default_rng([seed, notes])
    drawn: list[list[int]] = []
    instruments = np.unique(bank.instrument)
    while len(drawn) < count and len(instruments) >= notes:
        kinds = rng.choice(instruments, notes, replace=False)
        chosen = [int(rng.choice(np.flatnonzero((bank.instrument == kind) & (bank.dynamics >= 0)))) for kind in kinds]
        if len({int(bank.pitch[index]) for index in chosen}) == notes:
            drawn.append(chosen)
    return drawn


def network_hearing(network: TranslatorNetwork) -> Hearing:
    """How a network hears, one phase of it."""

    def hear(audio: np.ndarray, levelled: bool) -> dict[str, np.ndarray]:
        with torch.no_grad():
            found = network.listener(torch.from_numpy(audio), torch.full((len(audio), 1), float(levelled)))
            said = network.decoder.probabilities(found["mean"])
        return {name: value.numpy() for name, value in said.items()}

    return hear


def step_hearing(step: Step, config: TranslatorConfig) -> Hearing:
    """How a graph hears, hop by hop, as it ships."""

    def hear(audio: np.ndarray, levelled: bool) -> dict[str, np.ndarray]:
        rows = [_hop_by_hop(step, one, float(levelled), config.hop) for one in audio]
        return {name: np.stack([row[name] for row in rows]) for name in (*GROUPS, "sounding")}

    return hear


def _hop_by_hop(step: Step, audio: np.ndarray, levelled: float, hop: int) -> dict[str, np.ndarray]:
    state, said = step.initial_state(), []
    for start in range(0, len(audio) - hop + 1, hop):
        inputs = {"audio": audio[None, start : start + hop], "levelled": np.array([[levelled]], np.float32)}
        outputs, state = step(inputs, state)
        said.append({name: np.array(outputs[name][0]) for name in (*GROUPS, "sounding")})
    return {name: np.stack([one[name] for one in said]) for name in said[0]}


def summed(said: dict[str, np.ndarray], seconds: float) -> dict[str, np.ndarray]:
    """What slots say frame by frame over so many seconds, LEAD_SECONDS of silence first -> `evidence` (n, PITCHES), and for each
    pitch the mean probabilities (n, PITCHES, size) of each group, weighed by how surely it sounds."""
    frames = said["sounding"].shape[1]
    said = {name: value[:, round(frames * LEAD_SECONDS / seconds) :] for name, value in said.items()}
    pitch = 12 * (said["octave"].argmax(-1) + 1) + said["pitch_class"].argmax(-1) - LOWEST_PITCH
    inside = (pitch >= 0) & (pitch < PITCHES)
    weight = said["sounding"] * inside
    mixture = np.broadcast_to(np.arange(len(pitch))[:, None, None], pitch.shape)
    place = mixture[inside], pitch[inside]
    evidence = np.zeros((len(pitch), PITCHES))
    np.add.at(evidence, place, weight[inside])
    heard = {"evidence": evidence}
    for name, size in GROUPS.items():
        shares = np.zeros((len(pitch), PITCHES, size))
        np.add.at(shares, place, (said[name] * weight[..., None])[inside])
        heard[name] = shares / np.maximum(evidence, 1e-6)[..., None]
    return heard


def mixed(bank: Bank, chosen: Sequence[int], config: TranslatorConfig, peak: float | None) -> np.ndarray:
    """(samples,) float32: notes that begin together, after LEAD_SECONDS; each brought to a peak of its own if one is given."""
    lead, length = (round(seconds * config.sample_rate) for seconds in (LEAD_SECONDS, HEARD_SECONDS))
    audio = np.zeros((lead + length) // config.frame * config.frame, np.float32)
    for index in chosen:
        note = bank.note(index)[: len(audio) - lead]
        audio[lead : lead + len(note)] += note * (np.float32(peak / np.abs(note).max()) if peak else np.float32(1))
    return audio


def judge_mixtures(
    hear: Hearing, config: TranslatorConfig, bank: Bank, sets: Sequence[Sequence[int]], peak: float | None = None,
    levelled: bool = False,
) -> tuple[Figures, np.ndarray]:  # fmt: skip
    """Shares of notes (`loose`) and of whole mixtures (`whole`) whose symbols are right, and which notes' are: (sets, notes, groups).

    peak: each note is brought to it (level-normalised); levelled: the network is told that levels say nothing.
    """
    rights = []
    for start in range(0, len(sets), BATCH):
        some = sets[start : start + BATCH]
        audio = np.stack([mixed(bank, chosen, config, peak) for chosen in some])
        heard = summed(hear(audio, levelled), audio.shape[1] / config.sample_rate)
        for row, chosen in enumerate(some):
            rights.append(_matched(heard, row, bank, chosen))
    right = np.array(rights, float)  # (sets, notes, groups), not a number where a label is unknown
    figures: Figures = {}
    for column, name in enumerate(GROUPS):
        known = right[..., column]
        figures[name] = float(np.nanmean(known))
        if right.shape[1] > 1:
            figures[f"{name} whole"] = float(np.mean(np.nanmin(known, 1)))
    figures["pitch"] = float(np.mean(right[..., 1] * right[..., 2]))
    return figures, right


def _matched(heard: dict[str, np.ndarray], row: int, bank: Bank, chosen: Sequence[int]) -> np.ndarray:
    """(notes, groups): 1 where the symbol is right, in the order of slots by which most are."""
    surest = np.argsort(-heard["evidence"][row])[: len(chosen)]
    said = np.stack([heard[name][row, surest].argmax(-1) for name in GROUPS], -1)  # (notes, groups)
    pitch = LOWEST_PITCH + surest
    said[:, 1], said[:, 2] = pitch % 12, pitch // 12 - 1
    asked = np.array([_symbols(bank, index) for index in chosen])
    best, most = np.zeros(said.shape), -1.0
    for order in permutations(range(len(chosen))):
        right = np.where(asked < 0, np.nan, said[list(order)] == asked)
        total = float(np.nansum(right * [1, 3, 3, 1]))
        if total > most:
            best, most = right, total
    return best


def _symbols(bank: Bank, index: int) -> tuple[int, int, int, int]:
    pitch = int(bank.pitch[index])
    return int(bank.instrument[index]), pitch % 12, pitch // 12 - 1, int(bank.dynamics[index])


def judge(network: TranslatorNetwork, bank: Bank, count: int, seed: int) -> Figures:
    """What validation says: single notes, two and three at once, as far as there are instruments for them."""
    figures: Figures = {}
    for notes in (1, 2, 3):
        if sets := mixtures(bank, notes, 0 if notes == 1 else count, seed):
            found, _ = judge_mixtures(network_hearing(network), network.config, bank, sets)
            figures |= {f"{notes} {name}": round(value, 4) for name, value in found.items() if "whole" not in name}
    return figures
