"""Where models are found and how a name becomes a running stream."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from onnxruntime import InferenceSession

from models.block import Block, silence
from models.manifest import GraphSpec, Manifest, ManifestError
from models.model_file import read_manifest
from models.model_parts import FILES, ModelFileError, check_inside, name_of, paths_in
from models.registry import bundled_files, open_processor
from models.step import Step
from server.audio.file import check_rate
from server.errors import BacklineError
from server.limits import LONGEST_NAME
from server.live_stream import LiveStream
from server.onnx_step import open_session
from server.step_pool import StepPool, StreamSteps

MOST_MODELS_KNOWN = 256  # whose manifests are kept in memory


@dataclass(frozen=True, slots=True)
class Model:
    """A model and what it says about itself. path: its file, or its folder where it has several."""

    path: Path
    manifest: Manifest


def list_models(folder: Path | None = None) -> dict[str, Model | BacklineError]:
    """Return all models by name, bundled ones and those in `folder`; a broken file is listed with its reason."""
    files = bundled_files()
    found: list[Path] = []
    twice: set[str] = set()
    if folder is not None:
        if not folder.is_dir():
            raise BacklineError(f"there is no folder {folder}")
        try:
            found = paths_in(folder)
        except OSError as error:
            raise BacklineError(f"cannot read folder {folder}: {error.strerror}") from error
        files |= {name_of(path): path for path in found}
        twice = {name for name, count in Counter(map(name_of, found)).items() if count > 1}
    return {
        name: BacklineError(f"{folder} has several models called '{name}'; take all but one out")
        if name in twice
        else _loaded(path, folder if path in found else None)
        for name, path in files.items()
    }


def find_model(name: str, folder: Path | None = None) -> Model:
    """Return the model called `name`, or of the file `name` if that is a path to one. Raises BacklineError."""
    if is_path(name):
        return load_model(Path(name))
    models = list_models(folder)
    if name not in models:
        raise BacklineError(f"there is no model '{name}'; there are: {', '.join(models) or 'none'}")
    found = models[name]
    if isinstance(found, BacklineError):
        raise found
    return found


def load_model(path: Path) -> Model:
    """Return the model at `path`. Raises BacklineError."""
    try:
        return Model(path, read_manifest(path))
    except ModelFileError as error:
        raise BacklineError(str(error)) from error


def is_path(name: str) -> bool:
    """Whether a model is meant by its path and not by its name."""
    return "/" in name or Path(name).suffix.lower() in FILES


def check_name(name: str) -> str:
    """Return what the wire calls a model, which is never a path. Raises BacklineError where it could be taken for one."""
    if is_path(name) or "\\" in name or name in (".", ".."):
        raise BacklineError(f"model is '{name:.80}'; over the wire models go by name, never by path")
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise BacklineError(
            f"model is {name!r:.80}: there is no model of such a name; it has 1 to {LONGEST_NAME} signs that can be printed"
        )
    return name


def open_stream(model: Model, settings: Mapping[str, str | float], host_rate: int,
                provider: str | StreamSteps = "auto") -> LiveStream:  # fmt: skip
    """Return a new stream of `model` at `host_rate` Hz. Raises BacklineError where a setting or the file is wrong.

    provider: auto, cpu or cuda; or what makes the stream's steps, where its engine shares some between streams.
    """
    maker = StepPool(provider).stream() if isinstance(provider, str) else provider
    try:
        values = model.manifest.resolve(settings)
        faced = model.manifest.facing(values)
        processor = open_processor(faced, _steps(Model(model.path, faced), values, maker), values)
        # A silent hop: whatever graph and decoder do not agree about is said now and not in the first block.
        processor.process(Block(0, silence(processor.spec.channels_in, processor.spec.hop)))
        processor.reset()
    except ManifestError as error:
        raise BacklineError(str(error)) from error
    except (LookupError, TypeError, ValueError, RuntimeError) as error:
        graphs = "this graph" if len(model.manifest.graphs) == 1 else "these graphs"
        raise BacklineError(
            f"{model.path}: decoder '{model.manifest.decoder}' cannot work with {graphs}: {error!r}"
        ) from error
    return LiveStream(processor, check_rate(host_rate), values)


def _steps(model: Model, values: Mapping[str, object], maker: StreamSteps) -> dict[str, Step]:
    """Return a new step of each graph of `model`, whose manifest faces the direction that is wanted: no other graph is loaded."""
    rules = model.manifest.settings.get("constants", {})
    budget_us = 1e6 * model.manifest.hop / model.manifest.sample_rate
    steps: dict[str, Step] = {}
    for graph in model.manifest.graphs:
        for constant in rules:  # what another stream may want is loaded now: it would hold up the streams that run
            maker.prepare((model.path, graph.file, (constant,)), graph, budget_us)
        constants = _constants(rules, values)
        session = open_session(model.path, "cpu", constants=constants, file=graph.file)
        _check_graph(model.path / graph.file, graph, session)
        steps[graph.name] = maker.make((model.path, graph.file, constants), graph, budget_us)
    return steps


def _constants(rules: Mapping[str, Mapping[str, Sequence[object]]], values: Mapping[str, object]) -> tuple[str, ...]:
    """Return the boolean constants of a graph that a stream's parameters set; rules: constant -> parameter -> its values."""
    return tuple(name for name, rule in rules.items() if all(values[key] in wanted for key, wanted in rule.items()))


def _check_graph(place: Path, graph: GraphSpec, session: InferenceSession) -> None:
    """Raise BacklineError where the file's graph is not the one its manifest describes."""
    said = {t.name: t.shape for t in graph.inputs} | {f"state/{t.name}": t.shape for t in graph.state}
    said |= {t.name: t.shape for t in graph.outputs} | {f"next_state/{t.name}": t.shape for t in graph.state}
    there = {
        value.name: (value.type, tuple(value.shape[1:])) for value in (*session.get_inputs(), *session.get_outputs())
    }
    for name in sorted(said | there):
        wanted = ("tensor(float)", said[name]) if name in said else "nothing"
        if wanted != there.get(name):
            raise BacklineError(
                f"{place}: tensor '{name}' is {there.get(name, 'not there')}, its manifest says {wanted}"
            )


def _loaded(path: Path, folder: Path | None) -> Model | BacklineError:
    """Return the model at `path`, or why there is none; of one in `folder` nothing may lie elsewhere."""
    try:
        if folder is not None:
            check_inside(path, folder)
        parts = sorted(path.iterdir()) if path.is_dir() else [path]
        return _read_once(path, tuple((part.name, part.stat().st_mtime_ns, part.stat().st_size) for part in parts))
    except ModelFileError as error:
        return BacklineError(str(error))
    except OSError as error:
        return BacklineError(f"cannot read model file {path}: {error.strerror or error}")


@lru_cache(maxsize=MOST_MODELS_KNOWN)
def _read_once(path: Path, _: tuple[tuple[str, int, int], ...]) -> Model | BacklineError:
    """Read a model once as long as its files' times and sizes are the same: all of it is hashed, and whoever asks waits."""
    try:
        return load_model(path)
    except BacklineError as error:
        return error
