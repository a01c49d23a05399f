"""Who is compared: every head of a model by the path of `backline run`, the published network, and other programs.

A program takes an audio file and gives what it heard, each note with the second at which it could first be had. Other
programs run in a Python of their own (peers.py).
"""

import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.transcription_scores import UNHELD, Part, matched, pedal_spans, reference_part, shifted
from models.manifest import Head, Manifest
from server.audio.file import read_audio
from server.errors import BacklineError
from server.evaluation import Notes, notes_of
from server.model_store import Model, open_stream
from server.run_file import run_stream

PEERS = Path(__file__).with_name("peers.py")
TITLES = {"basic_pitch": "Basic Pitch", "aubionotes": "aubionotes"}
BLOCK = 64  # host samples: the smallest that DAWs use
LATE_SECONDS = 0.25  # within which the note of a program that states no latency is looked for


@dataclass(frozen=True, slots=True)
class Program:
    """One line of the comparison.

    head_ms: the look-ahead it states, infinite where it states none. kind: live, commit, peer, or nothing where no picture
    is to show it.
    """

    name: str
    hear: Callable[[Path], Part]
    head_ms: float = np.inf
    whole_file: bool = False
    kind: str = ""


def head_program(model: Model, head: Head, stream: str, settings: Mapping[str, str | float], provider: str) -> Program:
    """Return one head of a model as a program; `stream` is live or commit."""
    chosen = {**settings, "look_ahead_ms": f"{head.look_ahead_ms:g}", "stream": stream}

    def hear(path: Path) -> Part:
        samples, rate = read_audio(path)
        take = run_stream(open_stream(model, chosen, rate, provider), samples, block=BLOCK)
        return Part(notes_of(take), pedal_spans(take.events(), rate))

    return Program(f"{stream}, {head.look_ahead_ms:g} ms", hear, head.look_ahead_ms, kind=stream)


def remembered(program: Program) -> Program:
    """Return a program that hears each file once, for several rows."""
    heard: dict[Path, Part] = {}

    def hear(path: Path) -> Part:
        if path not in heard:
            heard[path] = program.hear(path)
        return heard[path]

    return Program(program.name, hear, program.head_ms, program.whole_file, program.kind)


def nearest_head(manifest: Manifest, look_ahead_ms: float) -> Head:
    """Return the head whose look-ahead is nearest."""
    return min(manifest.heads, key=lambda head: abs(head.look_ahead_ms - look_ahead_ms))


def find_peers(python: Path | None) -> dict[str, str]:
    """Return the versions of the peers that `python` has, by name. Raises BacklineError where it cannot be asked."""
    if python is None:
        return {}
    return dict(json.loads(_ask(python, [])))


def missing_peers(peers: Mapping[str, str], python: Path | None) -> list[str]:
    """Return a line for every peer whose row is left out."""
    reason = f"{python} does not have it" if python else "no --peers-python was given"
    return [f"no row for {title}: {reason}" for name, title in TITLES.items() if name not in peers]


def peer_program(python: Path, name: str, version: str, files: Sequence[Path], cache: Path | None) -> Program:
    """Return a peer that has heard `files`, those that `cache` holds from before without running it. Raises BacklineError."""
    heard = _heard(python, name, version, files, cache)

    def hear(path: Path) -> Part:
        rows = np.array(heard[path]["notes"], float).reshape(-1, 5)
        return Part(_notes(rows, rows[:, 4]), UNHELD)

    whole = all(what["whole_file"] for what in heard.values())
    return Program(f"{TITLES[name]} {version}", hear, whole_file=whole, kind="peer" if whole else "")


def _notes(rows: NDArray[np.float64], out: NDArray[np.float64]) -> Notes:
    """Return rows of onset, offset, pitch, velocity as notes; none is shorter than a millisecond."""
    ends = np.maximum(rows[:, 1], rows[:, 0] + 1e-3)
    return Notes(np.stack([rows[:, 0], ends], 1), rows[:, 2], rows[:, 3], out)


def moved_back(program: Program, pairs: Sequence[tuple[Path, Path]]) -> Program:
    """Return a program whose notes are placed earlier by their median lateness over `pairs`; they leave when they left."""
    errors = []
    for audio, midi in pairs:
        played, found = reference_part(midi).notes, program.hear(audio).notes
        errors += [found.intervals[h, 0] - played.intervals[r, 0] for r, h in matched(played, found, LATE_SECONDS)]
    late = float(np.median(errors)) if errors else 0.0

    def hear(path: Path) -> Part:
        heard = program.hear(path)
        return Part(shifted(heard.notes, -late), heard.pedal)

    return Program(f"{program.name}, placed {1000 * late:.0f} ms earlier", hear, kind="peer")


def published_program(weights: Path) -> Program:
    """Return the published network with the weights in that file. It takes a whole recording."""
    from models.transcriber.published.corrections import Corrections
    from models.transcriber.published.network import load_network
    from models.transcriber.published.transcription import card_thresholds, transcribe

    network, card = load_network(weights)
    thresholds = card_thresholds(card) if "thresholds" in card else None

    def hear(path: Path) -> Part:
        samples, rate = read_audio(path)
        rows = np.asarray(transcribe(network, samples[0], thresholds, rate), float).reshape(-1, 4)
        return Part(_notes(rows, np.full(len(rows), samples.shape[1] / rate)), UNHELD)

    names = {Corrections.as_released(): "as released", Corrections.all(): "put right"}
    name = f"Fa Sol Fa, {names.get(network.corrections, 'partly put right')}"
    return Program(name, hear, whole_file=True, kind="peer")


def _heard(
    python: Path, name: str, version: str, files: Sequence[Path], cache: Path | None
) -> dict[Path, dict[str, object]]:
    """Return what a peer heard of each file. The cache goes by the audio's bytes, the peer, its version and peers.py."""
    with tempfile.TemporaryDirectory() as scratch:
        script = sha256(PEERS.read_bytes()).hexdigest()[:8]
        kept = Path(scratch) if cache is None else cache / f"{name}-{version}-{script}"
        kept.mkdir(parents=True, exist_ok=True)
        stored = {file: kept / f"{sha256(file.read_bytes()).hexdigest()[:24]}.json" for file in files}
        links = {kept / f"{path.stem}{file.suffix}": file for file, path in stored.items() if not path.exists()}
        try:
            for link, file in links.items():
                link.unlink(missing_ok=True)  # of a run that was killed
                link.symlink_to(file.resolve())
            if links:
                _ask(python, [name, str(kept), *map(str, links)])
        finally:
            for link in links:
                link.unlink(missing_ok=True)
        return {file: json.loads(path.read_text(encoding="utf-8")) for file, path in stored.items()}


def _ask(python: Path, words: Sequence[str]) -> str:
    try:
        done = subprocess.run([str(python), str(PEERS), *words], capture_output=True, text=True, check=False)
    except OSError as error:
        raise BacklineError(f"cannot run {python}: {error.strerror or error}") from error
    if done.returncode:
        raise BacklineError(f"{python} {PEERS.name} {' '.join(words[:1])}: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""
