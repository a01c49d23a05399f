"""When is a note known to somebody who hears windows of two seconds, one after the other?

At first sight: when the first window that holds it ends and has been computed. Seen twice: the same of the second of two windows on
end that agree about it, since what the edge of a window says is often taken back by the next. A window waits for the one before
where computing takes longer than the hop. Nothing here is heard by JACK: the time is the recording's, plus computing.
"""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.end_to_end_material import RATE, Material
from benchmarks.end_to_end_scores import Heard, judge, rows_of
from benchmarks.record import Row
from benchmarks.transcription_programs import TITLES, find_peers
from server.errors import BacklineError

PEER = "basic_pitch"
SCRIPT = Path(__file__).with_name("rolling_basic_pitch.py")
HOPS_MS = (250, 500)
SIGHTS = {1: "at first sight", 2: "seen twice"}
SAME_SECONDS = 0.05  # two windows mean one note if they place it so near
EDGE_SECONDS = 0.1  # at a window's start: a note there may have begun before it
WINDOW_SECONDS = 43_844 / 22_050  # the network's own
PATIENCE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Window:
    """What one window gave. end, compute: seconds of the recording and of wall clock. notes: onset in seconds, and pitch."""

    end: float
    compute: float
    notes: tuple[tuple[float, int], ...]


def basic_pitch_rows(material: Material, python: Path | None) -> list[Row]:
    """Return the rows of Basic Pitch, or the one that says why there are none. Raises BacklineError."""
    title = TITLES[PEER]
    if PEER not in find_peers(python):
        return [{"case": title, "missing": f"{python} does not have it" if python else "no --peers-python was given"}]
    assert python is not None
    rows = []
    for hop_ms in HOPS_MS:
        version, windows = ask(python, material, hop_ms)
        compute = float(np.median([window.compute for window in windows]))
        for sights, said in SIGHTS.items():
            outcome = judge(material.strikes, known(windows, sights))
            found = rows_of(f"{title}, every {hop_ms} ms, {said}", outcome)
            rows += [found[0] | {"compute_p50_ms": round(1000 * compute, 1)}, *found[1:]]
            rows = [row | {"version": version} for row in rows]
    return rows


def ask(python: Path, material: Material, hop_ms: float) -> tuple[str, list[Window]]:
    """Return the peer's version, and what it heard in windows that end `hop_ms` apart. Raises BacklineError."""
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "sound.wav"
        soundfile.write(sound, material.sound, RATE, subtype="FLOAT")
        words = [str(python), str(SCRIPT), str(sound), str(hop_ms)]
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BacklineError(f"cannot run {TITLES[PEER]} with {python}: {error}") from error
    if done.returncode:
        raise BacklineError(f"{TITLES[PEER]} failed: {done.stderr.strip()[-500:]}")
    heard = json.loads(done.stdout.splitlines()[-1])
    windows = [Window(w["end"], w["compute"], tuple((on, pitch) for on, pitch in w["notes"])) for w in heard["windows"]]
    return heard["version"], windows


def known(windows: Sequence[Window], sights: int) -> list[Heard]:
    """Return each note once `sights` windows on end agree about it, `left` being the sample at which it is known."""
    told: list[tuple[float, int]] = []
    found: list[Heard] = []
    free = 0.0  # when the one before has been computed
    for number, window in enumerate(windows):
        free = max(window.end, free) + window.compute
        before = windows[max(0, number - sights + 1) : number]
        for onset, pitch in _inside(window):
            if len(before) < sights - 1 or not all(_holds(other.notes, onset, pitch) for other in before):
                continue
            if not _holds(told, onset, pitch):
                found.append(Heard(round(onset * RATE), pitch, round(free * RATE)))
            told.append((onset, pitch))  # a place that moves a little from window to window stays the same note's
    return found


def _inside(window: Window) -> list[tuple[float, int]]:
    """Return the notes that began within the window for sure."""
    began = window.end - WINDOW_SECONDS
    return [(onset, pitch) for onset, pitch in window.notes if began <= 0 or onset >= began + EDGE_SECONDS]


def _holds(notes: Sequence[tuple[float, int]], onset: float, pitch: int) -> bool:
    return any(note == pitch and abs(place - onset) <= SAME_SECONDS for place, note in notes)
