"""The bundled models as bare steps: what is left when the server around them is taken away."""

from collections.abc import Callable
from pathlib import Path
from typing import Any  # Any: a torch module, where torch is installed

import numpy as np

from models.manifest import GraphSpec, Manifest
from models.model_file import read_manifest
from models.model_parts import ModelFileError, name_of, paths_in, read_part
from models.registry import BUNDLED, bundled_files
from models.step import Tensors
from server.errors import BacklineError


def model_files(folder: Path | None = None) -> dict[str, Path]:
    """Return the bundled models that are there and those of `folder`, by name. Raises BacklineError if none is."""
    files = bundled_files() | ({name_of(path): path for path in paths_in(folder)} if folder else {})
    if not files:
        raise BacklineError(
            f"none of the bundled models ({', '.join(BUNDLED)}) is there; `backline export` writes them"
        )
    return files


def load_manifest(path: Path) -> Manifest:
    """Return the manifest of a model file. Raises BacklineError with what is wrong."""
    try:
        return read_manifest(path)
    except ModelFileError as error:
        raise BacklineError(str(error)) from error


def graphs_of(name: str, manifest: Manifest) -> dict[str, GraphSpec]:
    """Return a model's graphs by what a row calls each: the model's name, and the graph's where there are several."""
    return {name if len(manifest.graphs) == 1 else f"{name} {graph.name}": graph for graph in manifest.graphs}


def noise_inputs(graph: GraphSpec, batch: int = 1) -> Tensors:
    """Return one hop of noise for every input, not negative, since some inputs are weights. (Silence may be quicker.)"""
    generator = np.random.default_rng(1)
    return {t.name: np.abs(0.1 * generator.standard_normal((batch, *t.shape))).astype(np.float32) for t in graph.inputs}


def weights_of(path: Path, graph: GraphSpec) -> int:
    """Return about how many weights a graph has: its file's size over four bytes each."""
    return len(read_part(path, graph.file)) // 4


def torch_network(name: str) -> Any | None:
    """Return the network of a bundled model with fresh weights (time does not depend on them); None without torch."""
    try:
        import torch
    except ImportError:
        return None
    makers: dict[str, Callable[[], Any]] = {
        "probe": _probe,
        "transcriber": _transcriber,
        "performer": _performer,
        "drummer": _drummer,
        "translator listen": lambda: _translator().listener,
        "translator play": lambda: _translator().player,
    }
    if name not in makers:
        return None
    torch.manual_seed(0)
    return makers[name]().eval()


def _probe() -> Any:
    from models.probe.network import ProbeNetwork

    return ProbeNetwork()


def _transcriber() -> Any:
    from models.transcriber.config import TranscriberConfig
    from models.transcriber.network import TranscriberNetwork

    return TranscriberNetwork(TranscriberConfig())


def _performer() -> Any:
    from models.performer.config import PerformerConfig
    from models.performer.network import PerformerNetwork

    return PerformerNetwork(PerformerConfig())


def _drummer() -> Any:
    from models.drummer.config import DrummerConfig
    from models.drummer.network import DrummerNetwork

    return DrummerNetwork(DrummerConfig())


def _translator() -> Any:
    from models.translator.config import TranslatorConfig
    from models.translator.network import TranslatorNetwork

    return TranslatorNetwork(TranslatorConfig())
