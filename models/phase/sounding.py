"""Voices made of partials and noise, hop by hop, as samples: oscillators, main lobes, overlap-add, and onsets at their sample.

Who has a network say the levels of the partials has everything else here. A frame is heard for `reach` samples either side of its
middle; where that is a hop it speaks of the hop that ends there, and a note begins at its sample. Called by processors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from models.phase.attack import Attack
from models.phase.frames import Frames
from models.phase.informed import Informed
from models.phase.oscillators import Oscillators
from models.phase.stream import Hint

Begin = tuple[int, float, bool]
"""A voice's note: its number, which no other note of the stream has, its onset in samples, and whether it rises slowly, see `attack`."""


class Sounding:
    """One stream's sound of so many voices. One owner."""

    def __init__(self, n_fft: int, hop: int, reach: int, sample_rate: int, voices: int, partials: int) -> None:
        self._n_fft, self._hop, self._reach, self._rate, self._partials = n_fft, hop, reach, sample_rate, partials
        self._overlap = 2 * reach // hop  # hops that a frame is heard in
        frames = Frames(n_fft, hop)
        self._silence = np.zeros(frames.bins, np.complex128)
        self._phase = Informed(frames, sample_rate, reach=reach)
        self._attack = Attack(frames) if reach == hop else None
        self._oscillators = Oscillators(voices, hop, sample_rate)
        self._harmonics = np.arange(1, partials + 1)
        self._spread = np.random.default_rng(7).random(partials)  # phases of a tone's partials, in cycles
        self._numbers = [-1] * voices
        self.reset()

    def reset(self) -> None:
        """Forget everything that sounded."""
        self._oscillators.reset()
        self._numbers = [-1] * len(self._numbers)
        self._phase.reset()
        self.idle, self._still_heard = True, self._overlap  # hops until what was drawn before is over
        while self._still_heard:  # a first note begins out of silence, as any other does
            self.rest()

    def rest(self) -> tuple[np.ndarray, np.ndarray]:
        """The next samples (hop,) and frame (bins,) of silence; what was drawn before runs out."""
        self.idle = True
        if not self._still_heard:
            return np.zeros(self._hop, np.float32), self._silence
        self._still_heard -= 1
        return self._phase.add(self._silence), self._silence

    def next(
        self,
        start: int,
        notes: Sequence[Begin | None],
        hertz: np.ndarray,
        levels: Mapping[str, np.ndarray],
        gain: float,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The samples (hop,) from sample `start` on and their frame (bins,). notes, hertz: of each voice; None does not sound. levels:
        `amplitude` (voices, partials) and `noise` (bins,), a sinusoid of amplitude 1 being 1 at its peak."""
        woken = self.idle
        if woken:  # the noise lies on the note's own samples and not on the hop's, so that it moves with the note
            self.idle = False
            number, onset, _ = next(note for note in notes if note is not None)
            self._phase.renew_noise(number, self._hop - min(max(round(onset) - start, 0), self._hop))
        self._still_heard = self._overlap
        hint, starts = self._hint(start + self._reach, notes, hertz, levels)
        spectrum = self._phase.spectrum(hint)
        samples = self._phase.add(gain * spectrum)
        if starts and self._attack is not None:
            samples += gain * self._attack.correction(self._started(hint, starts, spectrum, woken), start)
        return samples, gain * spectrum

    def _hint(
        self, centre: int, notes: Sequence[Begin | None], hertz: np.ndarray, levels: Mapping[str, np.ndarray]
    ) -> tuple[Hint, dict[int, Begin]]:
        """What the frame is, and which of its voices begin with it: place among those that sound -> note."""
        sounds = np.array([note is not None for note in notes])
        begins, starts = np.full(len(hertz), np.nan), {}
        for slot, note in enumerate(notes):
            if note is not None and note[0] != self._numbers[slot]:
                self._numbers[slot] = note[0]
                starts[int(sounds[:slot].sum())] = note
                begins[slot] = hertz[slot] * (centre - note[1]) / self._rate  # at its start it is 0
        phase = self._oscillators.advance(hertz, begins)[sounds, None] * self._harmonics + self._spread
        frequency = hertz[sounds, None] * self._harmonics
        amplitude, noise = levels["amplitude"][sounds], self._n_fft / 4 * levels["noise"]
        return Hint(frequency.ravel(), amplitude.ravel(), phase.ravel(), noise), starts

    def _started(
        self, hint: Hint, starts: Mapping[int, Begin], spectrum: np.ndarray, woken: bool
    ) -> list[tuple[np.ndarray, float, bool]]:
        """Each new voice's part of the frame, its onset and its rise; out of silence the noise is the first one's too."""
        parts = []
        for place, (_, onset, slow) in starts.items():
            own = slice(place * self._partials, (place + 1) * self._partials)
            part = Hint(hint.frequency[own], hint.amplitude[own], hint.phase[own])
            parts.append((self._phase.partials(part), onset, slow))
        if woken:
            first, slow = min((onset, slow) for _, onset, slow in starts.values())
            parts.append((spectrum - sum(part for part, _, _ in parts), first, slow))
        return parts
