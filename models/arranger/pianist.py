"""The pianist: notes that the network wrote -> what two hands and a foot do, bar by bar.

    notes -> voices, register, density (voicing) -> hands -> velocities (touch) -> keys struck and let go, the pedal

What was done is never taken back. A key that is held over the bar line may yet be let go sooner than was said: a Release tells it.
Equal notes, bars and values give equal playing. The processor owns it, and ends what sounds when a song breaks off.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from models.arranger.grid import Written
from models.arranger.hands import Hands, Key
from models.arranger.pedal import Foot
from models.arranger.played import Action, BarHeard, Pedal, Played, Release, action_order
from models.arranger.touch import velocity
from models.arranger.voicing import ADDED, BASS, MELODY, Voiced, dense, in_register, voices

__all__ = ["VALUES", "BarHeard", "Pedal", "Pianist", "Played", "Release"]

VALUES = ("density", "register", "dynamics", "pedal", "melody", "seed")
# What goes when hands are short: see `hands.Key`. Sureness, 0..1, is added to a note's own.
LOWEST_WEIGHT, MELODY_WEIGHT, HIGHEST_WEIGHT, HELD_MELODY_WEIGHT, WRITTEN_WEIGHT = 6.0, 5.0, 4.0, 3.0, 1.0
HELD_LOWEST_WEIGHT, HELD_WEIGHT, ADDED_WEIGHT, HELD_ADDED_WEIGHT = 0.8, 0.5, 0.0, -1.0


class Pianist:
    """One stream's."""

    def __init__(self, values: Mapping[str, float | str]) -> None:
        """Args: values: VALUES by name, as `read` takes them."""
        self._hands, self._foot = Hands(), Foot()
        self.read(values)

    def read(self, values: Mapping[str, float | str]) -> None:
        """Take what is asked for from the next bar on.

        density: 0.25..2 times as many notes. register: -24..24 semitones, as whole octaves. dynamics: 0..1, how far velocities
        stray. pedal: on or off. melody: in or out. seed: of what is left to chance.
        """
        self._density, self._register = float(values["density"]), float(values["register"])
        self._dynamics, self._seed = float(values["dynamics"]), round(float(values["seed"]))
        self._pedal, self._melody = values["pedal"] == "on", values["melody"] == "in"

    def reset(self) -> None:
        """Hold nothing, with the pedal up. It tells nobody: who calls it ends what sounds."""
        self._hands.reset()
        self._foot.reset()

    def play(self, notes: Sequence[Written], bar: BarHeard) -> tuple[Action, ...]:
        """Return what is done in a bar, in order; call once for every bar, in order.

        notes: those that begin in the bar count. Of what is returned a note may last beyond the bar.
        """
        chosen = dense(in_register(voices(notes, bar, self._melody), self._register), self._density, bar.chords)
        before = list(self._hands.held)
        ends = [key.end for key in before]
        struck = self._strike(chosen, bar)
        lets_go = [Release(key.end, key.pitch) for key, end in zip(before, ends, strict=True) if key.end < end]
        keys = [*before, *(key for key, _ in struck)]
        held = [any(key.begin < step + 1 and key.end > step for key in keys) for step in range(bar.steps)]
        begun = {key.begin for key, _ in struck}
        moves = self._foot.play(held, [step in begun for step in range(bar.steps)], bar.chords, self._pedal)
        played = self._touch(struck, keys, bar)
        self._hands.turn(bar.steps, bar.seconds_a_step)
        return tuple(sorted([*lets_go, *moves, *played], key=action_order))

    def _strike(self, notes: Sequence[Voiced], bar: BarHeard) -> list[tuple[Key, str]]:
        """Return the keys that are struck, each with its voice, as long as they are held."""
        steps: dict[int, list[Voiced]] = defaultdict(list)
        for one in notes:
            steps[one.note.step].append(one)
        struck = []
        for step, together in sorted(steps.items()):
            held = {key.pitch for key in self._hands.held if key.end > step}
            together = [one for one in together if one.voice != ADDED or one.note.pitch not in held]
            written = [one for one in together if one.voice != ADDED]
            wishes = [_key(one, one in written[:1], one in written[-1:]) for one in together]
            voice = {one.note.pitch: one.voice for one in together}
            keys = self._hands.strike(step, wishes, bar.seconds_a_step)
            struck += [(key, voice[key.pitch]) for key in keys]
        return struck

    def _touch(self, struck: Sequence[tuple[Key, str]], keys: Sequence[Key], bar: BarHeard) -> list[Played]:
        chance = np.random.default_rng([self._seed, int(bar.number < 0), abs(bar.number)]).normal(size=(bar.steps, 128))
        played = []
        for key, voice in struck:
            step = int(key.begin)
            top = key.pitch == max(other.pitch for other in keys if other.begin <= step < other.end)
            hard = velocity(step, key.pitch, voice, top, bar, self._dynamics, float(chance[step, key.pitch]))
            played.append(Played(key.begin, key.end - key.begin, key.pitch, hard, key.hand))
        return played


def _key(one: Voiced, lowest: bool, highest: bool) -> Key:
    """Return a note as a key to be struck, with what it weighs."""
    note = one.note
    weight, held = WRITTEN_WEIGHT + note.sure, HELD_WEIGHT
    if one.voice == ADDED:
        weight, held = ADDED_WEIGHT, HELD_ADDED_WEIGHT
    elif lowest:
        weight, held = LOWEST_WEIGHT, HELD_LOWEST_WEIGHT if one.voice == BASS else HELD_WEIGHT
    elif highest:
        weight = HIGHEST_WEIGHT
    if one.voice == MELODY:
        weight, held = max(MELODY_WEIGHT, weight), HELD_MELODY_WEIGHT
    return Key(float(note.step), float(note.step + note.length), note.pitch, weight, held)
