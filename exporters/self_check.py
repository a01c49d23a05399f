"""Hold a written ONNX file against the manifest it carries: names, shapes, types, a finite first hop on zeros."""

from pathlib import Path

import numpy as np
import onnxruntime

from models.manifest import GraphSpec
from models.model_file import with_constant_set


def check_graph(path: Path, graph: GraphSpec) -> list[str]:
    """Return what is wrong with the file, a sentence each; nothing where all is well."""
    session = open_session(path)
    wanted_in = {t.name: t.shape for t in graph.inputs} | {f"state/{t.name}": t.shape for t in graph.state}
    wanted_out = {t.name: t.shape for t in graph.outputs} | {f"next_state/{t.name}": t.shape for t in graph.state}
    problems: list[str] = []
    for side, wanted, found in (
        ("input", wanted_in, session.get_inputs()),
        ("output", wanted_out, session.get_outputs()),
    ):
        there = {value.name: value for value in found}
        if set(there) != set(wanted):
            problems.append(f"{side}s are {sorted(there)}, the manifest says {sorted(wanted)}")
            continue
        for name, shape in wanted.items():
            if tuple(there[name].shape[1:]) != shape or there[name].type != "tensor(float)":
                problems.append(
                    f"{side} '{name}' is {there[name].type} {there[name].shape[1:]}, the manifest says float {shape}"
                )
    if problems:
        return problems
    feeds = {t.name: np.zeros((1, *t.shape), np.float32) for t in graph.inputs}
    feeds |= {f"state/{t.name}": np.full((1, *t.shape), t.initial, np.float32) for t in graph.state}
    for value, result in zip(session.get_outputs(), session.run(None, feeds), strict=True):
        if not np.isfinite(result).all():
            problems.append(f"output '{value.name}' is not finite on silence")
    return problems


def open_session(path: Path, constant: str = "") -> onnxruntime.InferenceSession:
    """Return a one-thread CPU session of the file, with one of its boolean constants set."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    data = path.read_bytes()
    if constant:
        data = with_constant_set(data, constant)
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
