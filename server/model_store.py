"""Where models are found and how a name becomes a running stream."""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from onnxruntime import InferenceSession

from models.block import Block, silence
from models.manifest import Manifest, ManifestError
from models.model_file import ModelFileError, read_manifest
from models.registry import bundled_files, open_processor
from server.audio.file import check_rate
from server.errors import BacklineError
from server.live_stream import LiveStream
from server.note_ledger import NoteLedger
from server.onnx_step import open_session, open_step


@dataclass(frozen=True, slots=True)
class Model:
    """A model file and what it says about itself."""

    path: Path
    manifest: Manifest


def list_models(folder: Path | None = None) -> dict[str, Model | BacklineError]:
    """Return all models by name, bundled ones and those in `folder`; a broken file is listed with its reason."""
    files = bundled_files()
    if folder is not None:
        if not folder.is_dir():
            raise BacklineError(f"there is no folder {folder}")
        files |= {path.stem: path for path in sorted(folder.glob("*.onnx"))}
    return {name: _load(path) for name, path in files.items()}


def find_model(name: str, folder: Path | None = None) -> Model:
    """Return the model called `name`, or of the file `name` if that is a path to one. Raises BacklineError."""
    path = Path(name)
    if path.suffix == ".onnx":
        found = _load(path)
    else:
        models = list_models(folder)
        if name not in models:
            raise BacklineError(f"there is no model '{name}'; there are: {', '.join(models) or 'none'}")
        found = models[name]
    if isinstance(found, BacklineError):
        raise found
    return found


def open_stream(model: Model, settings: Mapping[str, str | float], host_rate: int, provider: str = "auto",
                ledger: NoteLedger | None = None) -> LiveStream:  # fmt: skip
    """Return a new stream of `model` at `host_rate` Hz. Raises BacklineError where a setting or the file is wrong."""
    try:
        values = model.manifest.resolve(dict(settings))
        rules = model.manifest.settings.get("constants", {})
        for constant in rules:  # what another stream may want is loaded now: it would hold up the streams that run
            open_session(model.path, provider, constants=(constant,))
        session = open_session(model.path, provider, constants=_constants(rules, values))
        _check_graph(model, session)
        processor = open_processor(model.manifest, open_step(session, model.manifest.graphs[0]), values)
        # A silent hop: whatever graph and decoder do not agree about is said now and not in the first block.
        processor.process(Block(0, silence(processor.spec.channels_in, processor.spec.hop)))
        processor.reset()
    except ManifestError as error:
        raise BacklineError(str(error)) from error
    except (LookupError, TypeError, ValueError, RuntimeError) as error:
        raise BacklineError(
            f"{model.path}: decoder '{model.manifest.decoder}' cannot work with this graph: {error!r}"
        ) from error
    return LiveStream(processor, check_rate(host_rate), ledger, values)


def _constants(rules: Mapping[str, Mapping[str, Sequence[object]]], values: Mapping[str, object]) -> tuple[str, ...]:
    """Return the boolean constants of a graph that a stream's parameters set; rules: constant -> parameter -> its values."""
    return tuple(name for name, rule in rules.items() if all(values[key] in wanted for key, wanted in rule.items()))


def _check_graph(model: Model, session: InferenceSession) -> None:
    """Raise BacklineError where the file's graph is not the one its manifest describes."""
    graph = model.manifest.graphs[0]
    said = {t.name: t.shape for t in graph.inputs} | {f"state/{t.name}": t.shape for t in graph.state}
    said |= {t.name: t.shape for t in graph.outputs} | {f"next_state/{t.name}": t.shape for t in graph.state}
    there = {
        value.name: (value.type, tuple(value.shape[1:])) for value in (*session.get_inputs(), *session.get_outputs())
    }
    for name in sorted(said | there):
        wanted = ("tensor(float)", said[name]) if name in said else "nothing"
        if wanted != there.get(name):
            raise BacklineError(
                f"{model.path}: tensor '{name}' is {there.get(name, 'not there')}, its manifest says {wanted}"
            )


def _load(path: Path) -> Model | BacklineError:
    if path.is_dir() or zipfile.is_zipfile(path):
        return BacklineError(f"{path} holds several graphs; this Backline serves models of one graph")
    try:
        return Model(path, read_manifest(path))
    except ModelFileError as error:
        return BacklineError(str(error))
