"""The bundled models as bare steps: what is left when the server around them is taken away."""

from collections.abc import Callable
from pathlib import Path
from typing import Any  # Any: a torch module, where torch is installed

import numpy as np

from models.manifest import GraphSpec, Manifest
from models.model_file import ModelFileError, read_manifest
from models.registry import BUNDLED, bundled_files
from models.step import Tensors
from server.errors import BacklineError


def model_files(folder: Path | None = None) -> dict[str, Path]:
    """Return the bundled models that are there and those of `folder`, by name. Raises BacklineError if none is."""
    files = bundled_files() | ({path.stem: path for path in sorted(folder.glob("*.onnx"))} if folder else {})
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


def noise_inputs(graph: GraphSpec, batch: int = 1) -> Tensors:
    """Return one hop of noise for every input, not negative, since some inputs are weights. (Silence may be quicker.)"""
    generator = np.random.default_rng(1)
    return {t.name: np.abs(0.1 * generator.standard_normal((batch, *t.shape))).astype(np.float32) for t in graph.inputs}


def torch_network(name: str) -> Any | None:
    """Return the network of a bundled model with fresh weights (time does not depend on them); None without torch."""
    try:
        import torch
    except ImportError:
        return None
    makers: dict[str, Callable[[], Any]] = {"probe": _probe, "transcriber": _transcriber}
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
