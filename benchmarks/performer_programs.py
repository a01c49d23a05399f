"""Who plays a score: sound fonts, the published network and the performer. Each writes a file, made once where it is kept.

A rendering is kept by what it came from: the score's bytes, those of the font, checkpoint or model file, the settings, and the
code that plays.
"""

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.performer_kept import digest, source
from server.audio.file import write_audio
from server.errors import BacklineError
from server.model_store import find_model

FOLDERS = tuple(Path("/usr/share/sounds", kind) for kind in ("sf2", "sf3"))
FONTS = ("FluidR3_GM.sf2", "MuseScore_General_Lite.sf3", "TimGM6mb.sf2")
BLOCK = "1024"  # host samples; the sound is that of any other size, had a tenth sooner than by 64
PROGRAMS = {"violin": 40, "cello": 42, "flute": 73}  # of General MIDI, counted from 0


@dataclass(frozen=True, slots=True)
class Player:
    """plays: writes the rendering (second argument) of a MIDI file (first), about as many seconds as the third says.

    key: of all that it plays with.
    """

    name: str
    plays: Callable[[Path, Path, float], None]
    key: str

    def rendering(self, score: Path, seconds: float, folder: Path) -> Path:
        """Return the rendering of a score that `folder` keeps, made now where it keeps none."""
        name = f"{score.stem}, {self.name}".replace("/", "_")
        path = folder / f"{name}, {digest(self.key, score, round(seconds, 3))}.wav"
        if not path.exists():
            unfinished = path.with_suffix(".part.wav")
            self.plays(score, unfinished, seconds)
            unfinished.replace(path)
        return path


def find_fonts(names: tuple[str, ...] = FONTS) -> dict[str, Path | None]:
    """Return where each sound font is, by name; None where it is not installed. A name may be a path."""
    return {name: next((p for p in (Path(name), *(f / name for f in FOLDERS)) if p.is_file()), None) for name in names}


def font_player(font: Path, program: int) -> Player:
    """Return FluidSynth with a font, dry."""

    def plays(score: Path, rendering: Path, seconds: float) -> None:
        from models.sound.performance import read_performance
        from models.sound.soundfont import RENDER_RATE, play_soundfont

        sound = play_soundfont(read_performance(score), font, program, seconds)
        loudest = max(1.0, float(np.abs(sound).max(initial=0)))
        write_audio(rendering, np.asarray(sound[None] / loudest, np.float32), RENDER_RATE)

    key = digest(font, program, *source("models/sound/soundfont.py", "models/sound/performance.py"))
    return Player(f"FluidSynth, {font.stem}", plays, key)


def published_player(weights: Path, iterations: int, name: str = "") -> Player:
    """Return the published network with the weights in that file. Raises BacklineError where they are none.

    name: by itself it is told by what the network leaves out, and its seed.
    """
    from models.performer.published.corrections import Corrections
    from models.performer.published.network import load_network
    from models.performer.published.synthesis import render

    try:
        network, card = load_network(weights)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise BacklineError(f"cannot read {weights} as a published network: {error}") from error

    def plays(score: Path, rendering: Path, seconds: float) -> None:
        from models.sound.performance import read_performance

        sound = render(network, read_performance(score).notes, seconds, iterations=iterations)
        write_audio(rendering, sound[None], network.config.sample_rate)

    names = {Corrections.as_released(): ", as released", Corrections.all(): ""}
    parts = names.get(network.corrections, ", partly put right")
    parts += "" if network.config.on_off else ", no on/off encoder"
    parts += "" if network.config.multi_bands else ", no multi-band blocks"
    key = digest(weights, iterations, *source("models/performer/published", "models/sound/performance.py"))
    return Player(name or f"PerformanceNet{parts}, seed {card.get('seed', '?')}", plays, key)


def performer_player(model: str, settings: list[str], name: str = "") -> Player:
    """Return a player of ours, by the path of `backline run`. Raises BacklineError where there is no such model."""
    path = find_model(model).path

    def plays(score: Path, rendering: Path, seconds: float) -> None:
        from server.cli import main

        words = ["run", model, str(score), "-o", str(rendering), "--block", BLOCK]
        words += [word for value in settings for word in ("--set", value)]
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            failed = main(words)
        if failed:
            raise BacklineError(f"backline {' '.join(words)}: {(said.getvalue().strip().splitlines() or [''])[-1]}")

    code = source("models/performer", "models/phase", "server/run_file.py", "server/live_stream.py", "server/midi")
    own = Path(model).stem if Path(model).suffix == ".onnx" else model
    return Player(name or own, plays, digest(path, settings, *code))
