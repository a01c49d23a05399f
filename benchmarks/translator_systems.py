"""Who is compared as a translator: a baseline, the published network, a separation by its decoders, and models of ours.

What a system must give: symbols of a sound (`hears`), and, where it can, the spectrum of a symbol (`plays`). Networks are trained here,
each for the same minutes of a core on the same notes, and kept in a folder for the next time.
"""

import contextlib
import io
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from benchmarks.record import Row
from exporters.players import export_translator
from models.translator.config import TranslatorConfig
from models.translator.material import make_bank, no_music
from models.translator.notes import DYNAMICS, Note, on_side
from models.translator.published.baseline import Baseline
from models.translator.published.config import SAMPLE_RATE, SMALL
from models.translator.published.corrections import Corrections
from models.translator.published.data import Material, on_one_side, split_materials
from models.translator.published.features import Statistics, frames_of
from models.translator.published.listening import Listener, Symbol, listener_of, network_listener
from models.translator.published.network import PublishedNetwork, load_network
from models.translator.published.separation import Separation
from models.translator.published.training import CHECKPOINT, train
from models.translator.published.validation import examples_of, figures_of, ratios_of
from models.translator.symbols import VELOCITIES, dynamics_of
from models.translator.training import CHECKPOINT as NETWORK
from models.translator.training import OTHERS, OTHERS_SECONDS, learn
from server.errors import BacklineError
from server.evaluation import notes_of
from server.model_store import Model, find_model, open_stream
from server.run_file import run_stream

Players = Callable[[str, Symbol], np.ndarray | None]
"""An instrument and a symbol -> (frames, bands) magnitudes of it, full scale 1; None where it does not know the instrument."""
NAMES = ("octave", "pitch", "dynamics")
PLAYED_SECONDS = 1.0
LEAD_SECONDS, HEARD_SECONDS = 0.1, 2.0  # of silence before a sound that ours hears; of it, as much as the others hear


@dataclass(frozen=True, slots=True)
class System:
    """One line of the table. hears: the instruments that sound -> who listens, None where it was never taught these.

    Whoever knows instruments in fixed places is told which sound; ours is not. hears_other: the same where another source of the
    instruments sounds; left out, it is heard as any. trained: by this command. own: rows of figures that no other system has.
    """

    name: str
    hears: Callable[[tuple[str, ...]], Listener | None]
    plays: Players | None = None
    hears_other: Callable[[tuple[str, ...]], Listener | None] | None = None
    trained: bool = True
    own: Callable[[], list[Row]] = list


@dataclass(frozen=True, slots=True)
class Bench:
    """What systems are trained on: notes, sets of instruments, minutes of a core for each network, a folder that keeps all."""

    notes: Sequence[Note]
    sets: tuple[tuple[str, ...], ...]
    minutes: float
    folder: Path
    corrections: Corrections = field(default_factory=Corrections.all)

    def materials(self, instruments: tuple[str, ...], seed: int) -> tuple[Material, Material]:
        return split_materials(self.notes, instruments, self.corrections, seed, self.folder / "features")


def published_system(bench: Bench, seed: int) -> System:
    """Return the published network, one for each set of instruments, trained or taken from the folder."""
    networks = {instruments: _published(bench, instruments, seed) for instruments in bench.sets}

    def plays(instrument: str, symbol: Symbol) -> np.ndarray | None:
        if (instrument,) not in networks:
            return None
        network, statistics = networks[instrument,]
        return statistics.magnitudes(_played(network, symbol))

    listeners = {instruments: network_listener(*one) for instruments, one in networks.items()}
    foreign = {instruments: network_listener(*one, foreign=True) for instruments, one in networks.items()}
    name = f"published{_told(bench)}, seed {seed}"
    return System(
        name, listeners.get, plays, foreign.get, own=lambda: [_frames(bench, n, networks[n], name) for n in bench.sets]
    )


def baseline_system(bench: Bench, seed: int) -> System:
    """Return principal components and a classifier, one for each set of instruments."""
    listeners = {}
    for instruments in bench.sets:
        training, _ = bench.materials(instruments, seed)
        baseline = Baseline(SMALL, training.vocabulary, seed)
        baseline.learn(training, minutes=bench.minutes)
        listeners[instruments] = listener_of(
            baseline.probabilities, training.vocabulary, training.statistics, bench.corrections
        )
    return System(f"baseline{_told(bench)}, seed {seed}", listeners.get)


def separation_system(bench: Bench, seed: int) -> System:
    """Return the published networks of single instruments under an inference network of their mixtures."""
    listeners = {}
    for instruments in bench.sets:
        if len(instruments) < 2 or any((one,) not in bench.sets for one in instruments):
            continue
        training, _ = bench.materials(instruments, seed)
        separation = Separation(
            [_published(bench, (one,), seed) for one in instruments], training.statistics, SMALL.signal
        )
        separation.learn(training, minutes=bench.minutes, seed=seed)
        listeners[instruments] = listener_of(
            separation.probabilities, training.vocabulary, training.statistics, bench.corrections
        )
    return System(f"separation{_told(bench)}, seed {seed}", listeners.get)


def our_system(bench: Bench, seed: int) -> System:
    """Return our network, one for all instruments, taught the same notes for as long as the published ones of a seed together."""
    minutes = bench.minutes * len(bench.sets)
    folder = bench.folder / f"ours_{'_'.join(sorted({one for some in bench.sets for one in some}))}_{minutes:g}_{seed}"
    if not (folder / NETWORK).exists():
        config = TranslatorConfig()
        own = [note for note in bench.notes if any(note.instrument in some for some in bench.sets)]
        taught, kept = (
            make_bank(on_side(own, side), config, tuned=side == "train", analysed=side == "train")
            for side in ("train", "validation")
        )
        others = bench.folder / "no_music.npy"
        if not others.exists():
            np.save(others, no_music(OTHERS, OTHERS_SECONDS, config, 1))
        learn(
            taught,
            kept,
            np.load(others),
            folder,
            minutes=minutes,
            seed=seed,
            config=config,
            validate_every_minutes=minutes,
        )
    if not (folder / "translator").exists():
        export_translator(folder / NETWORK, folder / "translator", {})
    return replace(model_system(str(folder / "translator")), name=f"ours, seed {seed}", trained=True)


def model_system(name: str) -> System:
    """Return a model of ours by its name or its file or folder, by the path of `backline run`. Raises BacklineError."""
    model = find_model(name)
    listener = model_listener(model)
    playing = any(
        parameter.name == "instrument" and "play" in parameter.directions for parameter in model.manifest.parameters
    )
    return System(Path(name).stem, lambda instruments: listener, model_player(name) if playing else None, trained=False)


def model_listener(model: Model) -> Listener:
    """(audio, rate) -> symbols: the pitches it hears, those that sound longest first; a dynamic is the velocity's nearest."""

    known = {parameter.name for parameter in model.manifest.parameters}
    settings = {name: value for name, value in (("direction", "listen"), ("stream", "commit")) if name in known}

    def hears(audio: np.ndarray, rate: int) -> list[Symbol]:
        heard = np.pad(audio[: round(HEARD_SECONDS * rate)], (round(LEAD_SECONDS * rate), 0))
        take = run_stream(open_stream(model, settings, rate, "cpu"), np.asarray(heard[None], np.float32))
        notes = notes_of(take)
        seconds = notes.intervals[:, 1] - notes.intervals[:, 0]
        sounding = {pitch: seconds[notes.pitches == pitch] for pitch in np.unique(notes.pitches)}
        found = []
        for pitch in sorted(sounding, key=lambda one: -sounding[one].sum()):
            velocity = notes.velocities[notes.pitches == pitch][sounding[pitch].argmax()]
            found.append(symbol_of(int(pitch), dynamics_of(float(velocity))))
        return found

    return hears


def model_player(name: str) -> Players:
    """An instrument and a symbol -> frames of what it plays, through a MIDI file and a sound file."""

    def plays(instrument: str, symbol: Symbol) -> np.ndarray | None:
        import mido
        import soundfile
        import soxr

        from server.cli import main

        with tempfile.TemporaryDirectory() as scratch:
            score, sound, said = Path(scratch) / "note.mid", Path(scratch) / "note.wav", io.StringIO()
            file = mido.MidiFile(type=0, ticks_per_beat=480)  # 960 ticks a second
            pitch, velocity = 12 * (symbol.octave + 1) + symbol.pitch_class, VELOCITIES[DYNAMICS[symbol.dynamics]]
            file.tracks.append(
                mido.MidiTrack(
                    [
                        mido.Message("note_on", note=pitch, velocity=velocity),
                        mido.Message("note_off", note=pitch, time=round(960 * PLAYED_SECONDS)),
                    ]
                )
            )
            file.save(score)
            words = ["run", name, str(score), "-o", str(sound), "--set", f"instrument={instrument}"]
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                failed = main(words)
            if failed:
                raise BacklineError(f"backline {' '.join(words)}: {(said.getvalue().strip().splitlines() or [''])[-1]}")
            audio, rate = soundfile.read(sound, dtype="float32", always_2d=True)
        return frames_of(np.asarray(soxr.resample(audio.mean(1), rate, SAMPLE_RATE), np.float32)).magnitudes

    return plays


def symbol_of(pitch: int, dynamics: float) -> Symbol:
    """Return the symbol of a MIDI pitch and a dynamic 0..4 that may lie between two; -1 is unknown."""
    return Symbol(pitch // 12 - 1, pitch % 12, round(dynamics))


def systems(bench: Bench, kinds: Sequence[str], seeds: int, models: Sequence[str]) -> Iterator[System]:
    """Yield every system of these kinds and seeds, then the models of ours."""
    makers = {
        "baseline": baseline_system,
        "published": published_system,
        "separation": separation_system,
        "ours": our_system,
    }
    for kind in kinds:
        for seed in range(1, seeds + 1):
            yield makers[kind](bench, seed)
    for name in models:
        yield model_system(name)


def _published(bench: Bench, instruments: tuple[str, ...], seed: int) -> tuple[PublishedNetwork, Statistics]:
    minutes = f"{bench.minutes:g}".replace(".", "_")
    folder = bench.folder / f"published{_told(bench).replace(' ', '_')}_{'_'.join(instruments)}_{minutes}_{seed}"
    if not (folder / CHECKPOINT).exists():
        training, validation = bench.materials(instruments, seed)
        train(training, validation, folder, minutes=bench.minutes, seed=seed)
    network, card = load_network(folder / CHECKPOINT)
    return network, Statistics(**json.loads(card["statistics"]))


def _frames(bench: Bench, instruments: tuple[str, ...], one: tuple[PublishedNetwork, Statistics], name: str) -> Row:
    """Return the paper's own figures on frames that were kept out: likelihoods, divergences, strict and loose ratios."""
    network, statistics = one
    like = Material((), network.vocabulary, statistics, network.corrections)
    kept = on_one_side(like, bench.notes, instruments, "test", bench.folder / "features")
    spectra, symbols = examples_of(kept)
    row: Row = {"case": f"frames {'+'.join(instruments)}: {name}", "frames": len(spectra)}
    row |= {
        name: round(value, 3) for name, value in figures_of(network, statistics, spectra, symbols).to_json().items()
    }
    for kind, shares in ratios_of(network, spectra, symbols).items():
        row |= {f"{kind}_{name}": round(share, 4) for name, share in zip(NAMES, shares, strict=True)}
    return row


def _played(network: PublishedNetwork, symbol: Symbol) -> np.ndarray:
    import torch

    row = np.zeros((1, network.vocabulary.size), np.float32)
    for place, span in zip(symbol, network.vocabulary.spans, strict=True):
        row[0, span.start + place] = 1
    with torch.no_grad():
        return np.asarray(network.play(torch.from_numpy(row)).numpy())


def _told(bench: Bench) -> str:
    return {Corrections.all(): "", Corrections.as_released(): " as released"}.get(
        bench.corrections, " partly put right"
    )
