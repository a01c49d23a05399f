"""The files of a run: the checkpoint that is exported, and what is needed to continue."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from models.performer.network import PerformerNetwork


def save(
    output: Path, network: PerformerNetwork, averaged: PerformerNetwork, optimizer: torch.optim.Optimizer,
    step: int, elapsed: float, figures: dict[str, float], manners: dict[str, dict[str, float]],
) -> None:  # fmt: skip
    card = {"config": json.dumps(network.config.to_json()), "step": str(step), "minutes": f"{elapsed / 60:.1f}"}
    card |= {"figures": json.dumps(figures), "manners": json.dumps(manners)}
    _write(output / "performer.safetensors", averaged.state_dict(), card)
    names = [name for name, _ in network.named_parameters()]
    moments = {f"optimizer/{names[i]}/{k}": v for i, s in optimizer.state_dict()["state"].items() for k, v in s.items()}
    tensors = {f"network/{k}": v for k, v in network.state_dict().items()}
    tensors |= {f"averaged/{k}": v for k, v in averaged.state_dict().items()} | moments
    _write(output / "resume.safetensors", tensors, {"step": str(step), "elapsed": str(elapsed)})


def _write(path: Path, tensors: dict[str, Tensor], card: dict[str, str]) -> None:
    from safetensors.torch import save_file

    partial = path.with_name(f".{path.name}")
    save_file({name: value.contiguous().clone() for name, value in tensors.items()}, partial, card)
    partial.rename(path)


def resume(
    output: Path, network: PerformerNetwork, averaged: PerformerNetwork, optimizer: torch.optim.Optimizer
) -> tuple[int, float]:
    from safetensors import safe_open

    path = output / "resume.safetensors"
    if not path.exists():
        return 0, 0.0
    with safe_open(path, "pt") as stored:
        card = stored.metadata()
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # it is no mapping
    network.load_state_dict(_part(tensors, "network/"))
    averaged.load_state_dict(_part(tensors, "averaged/"))
    moments = _part(tensors, "optimizer/")
    state = {
        i: {k: moments[f"{name}/{k}"] for k in ("step", "exp_avg", "exp_avg_sq")}
        for i, (name, _) in enumerate(network.named_parameters()) if f"{name}/step" in moments
    }  # fmt: skip
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return int(card["step"]), float(card["elapsed"])


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
