"""How a player's vibrato is, measured from the pitch of long notes: what `expression` plays by hand and from files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.performer.material import Excerpt

LONG = 0.4  # seconds: of shorter notes too little is seen
STEP = 0.008  # seconds between the points that are compared
SLOWEST, FASTEST = 4.0, 8.0  # Hz
ONSET_SHARE = 0.5  # of the final depth: where the vibrato counts as having set in


def measure_vibrato(excerpts: Sequence[Excerpt]) -> dict[str, float]:
    """`vibrato_semitones` (half of its width), `vibrato_hertz` and `vibrato_delay` (seconds): medians over the long notes."""
    depths, rates, growths = [], [], []
    for excerpt in excerpts:
        for index, (onset, offset, _, _) in enumerate(excerpt.notes):
            points = excerpt.f0[excerpt.f0[:, 0] == index, 1:]
            if offset - onset < LONG or len(points) < 0.7 * (offset - onset) / STEP:
                continue
            times = np.arange(onset + 0.03, offset - 0.03, STEP)
            pitch = np.interp(times, points[:, 0], points[:, 1])
            pitch -= np.polyval(np.polyfit(times, pitch, 2), times)
            spectrum = np.abs(np.fft.rfft(pitch * np.hanning(len(pitch)), 1024))
            hertz = np.fft.rfftfreq(1024, STEP)
            band = (hertz >= SLOWEST) & (hertz <= FASTEST)
            rates.append(hertz[band][spectrum[band].argmax()])
            depths.append(2 * spectrum[band].max() / np.hanning(len(pitch)).sum())
            growths.append(np.abs(pitch[: round(0.4 / STEP)]))
    if not depths:
        return {"vibrato_semitones": 0.0, "vibrato_hertz": 5.5, "vibrato_delay": 0.1}
    grown = np.mean([row[: min(map(len, growths))] for row in growths], 0)
    grown = np.convolve(grown, np.full(9, 1 / 9), "valid")
    delay = STEP * int(np.argmax(grown >= ONSET_SHARE * grown[len(grown) // 2 :].mean()))
    return {
        "vibrato_semitones": round(float(np.median(depths)), 4),
        "vibrato_hertz": round(float(np.median(rates)), 2),
        "vibrato_delay": round(max(0.05, delay), 3),
    }
