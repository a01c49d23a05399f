"""The take that `backline live` plays: the first bars of Bach's C major prelude (BWV 846) on a sampled grand.

The notes are written here from the score, which is in the public domain, and played with a little human timing by the
Salamander grand piano (Alexander Holm, CC-BY). The transcriber was trained on that instrument, so the take shows the
path and not the quality; figures come from recordings of other pianos.

Made by: python -c "from models.sound.take import make; make('DATA/notes_salamander_piano', 'server/takes')"
"""

from pathlib import Path

import numpy as np

from models.sound.performance import Performance
from models.sound.sampler import SampledPiano

RATE = 48_000
SIXTEENTH_SECONDS = 0.185  # 81 quarters a minute
BARS = (
    (60, 64, 67, 72, 76), (60, 62, 69, 74, 77), (59, 62, 67, 74, 77), (60, 64, 67, 72, 76), (60, 64, 69, 76, 81),
    (60, 62, 66, 69, 74), (59, 62, 67, 74, 79), (59, 60, 64, 67, 72), (57, 60, 64, 67, 72), (50, 57, 62, 66, 72),
    (55, 59, 62, 67, 71),
)  # fmt: skip
FIGURE = (0, 1, 2, 3, 4, 2, 3, 4)  # the order in which a half bar plays its five notes
FINAL_CHORD = (48, 55, 60, 64, 72)


def prelude(seed: int = 846) -> Performance:
    """Return the bars as notes, with a pedal change a bar."""
    generator = np.random.default_rng(seed)
    notes: list[tuple[float, float, float, float]] = []
    now = 0.5
    for bar, pitches in enumerate(BARS):
        swell = 10 * np.sin(np.pi * bar / len(BARS))
        for place in range(16):
            index = FIGURE[place % 8]
            onset = now + place * SIXTEENTH_SECONDS + generator.normal(0, 0.006)
            length = SIXTEENTH_SECONDS * (7.5 - place % 8 if index < 2 else 1.1)
            velocity = 58 + swell + (8 if place % 8 == 0 else 0) + generator.normal(0, 4)
            notes.append((onset, onset + length, pitches[index], round(velocity)))
        now += 16 * SIXTEENTH_SECONDS
    notes += [(now + 0.03 * i, now + 2.4, pitch, 62) for i, pitch in enumerate(FINAL_CHORD)]
    starts = 0.5 + 16 * SIXTEENTH_SECONDS * np.arange(len(BARS) + 1)
    pedal = np.stack([starts + 0.08, np.append(starts[1:], now + 2.4)], 1)
    return Performance(np.array(sorted(notes)), pedal)


def make(recordings: str, folder: str) -> None:
    """Write take.ogg and its notes, take.mid, into `folder`."""
    import pretty_midi
    import soundfile

    performance = prelude()
    seconds = float(performance.notes[:, 1].max()) + 1.0
    audio = SampledPiano(Path(recordings), RATE).play(performance, seconds, np.random.default_rng(846))
    audio *= 0.5 / np.abs(audio).max()
    soundfile.write(Path(folder) / "take.ogg", audio, RATE, format="OGG", subtype="VORBIS")
    midi, piano = pretty_midi.PrettyMIDI(resolution=960), pretty_midi.Instrument(0)
    piano.notes = [pretty_midi.Note(int(v), int(p), on, off) for on, off, p, v in performance.notes]
    piano.control_changes = [
        pretty_midi.ControlChange(64, value, t) for down, up in performance.pedal for t, value in ((down, 127), (up, 0))
    ]
    midi.instruments.append(piano)
    midi.write(str(Path(folder) / "take.mid"))
