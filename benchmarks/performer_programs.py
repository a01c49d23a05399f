"""Who plays a score: sound fonts, the published network and the performer. Each writes a file, made once where it is kept."""

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from server.audio.file import write_audio
from server.errors import BacklineError

FOLDERS = tuple(Path("/usr/share/sounds", kind) for kind in ("sf2", "sf3"))
FONTS = ("FluidR3_GM.sf2", "MuseScore_General_Lite.sf3", "TimGM6mb.sf2")
PROGRAMS = {"violin": 40, "cello": 42, "flute": 73}  # of General MIDI, counted from 0


@dataclass(frozen=True, slots=True)
class Player:
    """plays: writes the rendering (second argument) of a MIDI file (first), about as many seconds as the third says."""

    name: str
    plays: Callable[[Path, Path, float], None]


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

    return Player(f"FluidSynth, {font.stem}", plays)


def published_player(weights: Path, iterations: int) -> Player:
    """Return the published network with the weights in that file. Raises BacklineError where they are none."""
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
    return Player(f"PerformanceNet{parts}, seed {card.get('seed', '?')}", plays)


def performer_player(model: str, settings: list[str]) -> Player:
    """Return a player of ours, by the path of `backline run`."""

    def plays(score: Path, rendering: Path, seconds: float) -> None:
        from server.cli import main

        words = ["run", model, str(score), "-o", str(rendering), *(w for value in settings for w in ("--set", value))]
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            failed = main(words)
        if failed:
            raise BacklineError(f"backline {' '.join(words)}: {(said.getvalue().strip().splitlines() or [''])[-1]}")

    return Player(model, plays)
