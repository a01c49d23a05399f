"""The files of a training run: weights with a card of texts, and what is needed to continue."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # what Adam keeps of every parameter


def write_tensors(path: Path, tensors: dict[str, Tensor], card: dict[str, str] | None = None) -> None:
    """Write under another name first, so that a file is whole or missing."""
    from safetensors.torch import save_file

    partial = path.with_name(f".{path.name}")
    save_file({name: value.cpu().contiguous().clone() for name, value in tensors.items()}, partial, card)
    partial.rename(path)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors of a file and its card."""
    from safetensors import safe_open

    with safe_open(path, "pt") as stored:
        return {name: stored.get_tensor(name) for name in stored.keys()}, dict(stored.metadata() or {})


def read_card(checkpoint: Path) -> dict[str, str]:
    """Return what is written in a checkpoint beside its weights, each as JSON."""
    from safetensors import safe_open

    with safe_open(checkpoint, "pt") as stored:
        return dict(stored.metadata() or {})


def write_run(
    path: Path, network: nn.Module, averaged: nn.Module, optimizer: torch.optim.Optimizer, card: dict[str, str]
) -> None:
    """Write a network, its averaged weights and Adam's moments."""
    names = [name for name, _ in network.named_parameters()]
    tensors = {f"network/{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"averaged/{name}": value for name, value in averaged.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{names[index]}/{key}": value for key, value in moments.items()}
    write_tensors(path, tensors, card)


def read_run(
    path: Path, network: nn.Module, averaged: nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, str] | None:
    """Take up what `write_run` wrote and return its card; None where there is no such file."""
    if not path.exists():
        return None
    tensors, card = read_tensors(path)
    network.load_state_dict(_part(tensors, "network/"))
    averaged.load_state_dict(_part(tensors, "averaged/"))
    moments = _part(tensors, "optimizer/")
    state = {
        index: {key: moments[f"{name}/{key}"] for key in MOMENTS}
        for index, (name, _) in enumerate(network.named_parameters())
        if f"{name}/step" in moments
    }
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return card


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
