"""Basic Pitch on a window that is slid over a recording, as one would use it live: run by the Python that has it, not by ours.

    PYTHON rolling_basic_pitch.py SOUND.wav HOP_MS     prints {"version": ..., "windows": [...]}

It imports nothing of Backline. A window is the network's own, 43,844 samples at 22,050 Hz (1.99 s), and ends HOP_MS after the one
before; before the recording there is silence. Of each: "end" in seconds of the recording, "compute" in seconds of wall
clock, "notes": [onset in seconds of the recording, pitch] each. Thresholds are the package's defaults; bends are not asked for.
"""

import json
import sys
import time
from importlib.metadata import version
from typing import Any  # Any: the package has no types

ONSET, FRAME = 0.5, 0.3  # the defaults of basic_pitch.inference.predict
SHORTEST_FRAMES = 11  # and its least length of a note, 127.7 ms


def roll(sound: str, hop_ms: float) -> list[dict[str, Any]]:
    """Return what was heard in every window."""
    import numpy
    import soundfile
    import soxr
    from basic_pitch import ICASSP_2022_MODEL_PATH  # type: ignore[import-not-found]
    from basic_pitch.constants import AUDIO_N_SAMPLES, AUDIO_SAMPLE_RATE  # type: ignore[import-not-found]
    from basic_pitch.inference import Model  # type: ignore[import-not-found]
    from basic_pitch.note_creation import model_output_to_notes  # type: ignore[import-not-found]

    samples, rate = soundfile.read(sound, dtype="float32", always_2d=True)
    mono = soxr.resample(samples.mean(axis=1), rate, AUDIO_SAMPLE_RATE).astype(numpy.float32)
    padded = numpy.concatenate([numpy.zeros(AUDIO_N_SAMPLES, numpy.float32), mono])
    model, hop = Model(ICASSP_2022_MODEL_PATH), round(hop_ms / 1000 * AUDIO_SAMPLE_RATE)

    def hear(end: int) -> list[tuple[float, int]]:
        found = model.predict(padded[end : end + AUDIO_N_SAMPLES][None, :, None])
        output = {name: values[0] for name, values in found.items()}
        _, notes = model_output_to_notes(output, ONSET, FRAME, min_note_len=SHORTEST_FRAMES, include_pitch_bends=False)
        began = (end - AUDIO_N_SAMPLES) / AUDIO_SAMPLE_RATE
        return sorted((round(began + float(onset), 4), int(pitch)) for onset, _, pitch, *_ in notes)

    hear(len(mono))  # caches and libraries are cold once
    windows = []
    for end in range(hop, len(mono) + 1, hop):
        start = time.perf_counter()
        notes = hear(end)
        compute = time.perf_counter() - start
        windows.append({"end": end / AUDIO_SAMPLE_RATE, "compute": round(compute, 6), "notes": notes})
    return windows


def main(words: list[str]) -> int:
    """Run the command line."""
    sound, hop_ms = words
    print(json.dumps({"version": version("basic-pitch"), "windows": roll(sound, float(hop_ms))}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
