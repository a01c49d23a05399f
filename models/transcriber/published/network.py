"""The published network: three harmonics in, pitch, note and onset activations out, 21,516 parameters.

Axes are (frequency, time). `oriented_axes` turns the two oblong kernels; their sizes, and so the parameters, stay. All
convolutions keep the size ("same"), the last one too, which the paper calls "valid". Called by `training`,
`transcription` and `validation`.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from models.transcriber.published.corrections import Corrections

OCTAVE = 12  # rows


def harmonic_stack(rows: Tensor) -> Tensor:
    """Stack (batch, rows, frames) with itself an octave up and down: (batch, 3, rows, frames), silence moved in.

    Channels: harmonics 2, 1 and 0.5 of each row. The paper says that they are summed; they are channels.
    """
    above = nn.functional.pad(rows[:, OCTAVE:], (0, 0, 0, OCTAVE))
    below = nn.functional.pad(rows[:, :-OCTAVE], (0, 0, OCTAVE, 0))
    return torch.stack([above, rows, below], 1)


class PublishedNetwork(nn.Module):
    """Pitch from harmonics, notes from pitches, onsets from harmonics and notes. `corrections` travels with it."""

    def __init__(self, corrections: Corrections) -> None:
        super().__init__()
        self.corrections = corrections
        turn = (lambda size: size[::-1]) if corrections.oriented_axes else (lambda size: size)
        self.pitch = nn.Sequential(
            *_block(3, 16, (5, 5)), *_block(16, 8, turn((3, 39))), nn.Conv2d(8, 1, 5, padding="same")
        )
        self.note = nn.Sequential(
            nn.Conv2d(1, 32, 7, padding="same"), nn.ReLU(), nn.Conv2d(32, 1, turn((7, 3)), padding="same")
        )
        self.onset_evidence = nn.Sequential(*_block(3, 32, (5, 5)))
        self.onset = nn.Conv2d(33, 1, 3, padding="same")

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        """Take levels (batch, 88, frames); return logits `pitch`, `note`, `onset`, each (batch, 88, frames)."""
        stack = harmonic_stack(rows).contiguous(memory_format=torch.channels_last)  # (batch, 3, 88, frames)
        pitch = self.pitch(stack)
        note = self.note(torch.sigmoid(pitch))
        onset = self.onset(torch.cat([self.onset_evidence(stack), torch.sigmoid(note)], 1))
        return {name: value[:, 0].float() for name, value in (("pitch", pitch), ("note", note), ("onset", onset))}


def save_network(network: PublishedNetwork, path: Path, card: dict[str, str]) -> None:
    """Write weights and `card` (texts) as safetensors, whole or not at all."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}")
    weights = {name: value.contiguous().clone() for name, value in network.state_dict().items()}
    save_file(weights, partial, card | {"corrections": json.dumps(network.corrections.to_json())})
    partial.rename(path)


def load_network(path: Path) -> tuple[PublishedNetwork, dict[str, str]]:
    """Return the network of a checkpoint, ready to be used, and its card."""
    from safetensors import safe_open

    with safe_open(path, "pt") as stored:
        card = stored.metadata()
        weights = {name: stored.get_tensor(name) for name in stored.keys()}
    network = PublishedNetwork(Corrections(**json.loads(card["corrections"])))
    network.load_state_dict(weights)
    return network.to(memory_format=torch.channels_last).eval(), card


def _block(inputs: int, outputs: int, size: tuple[int, int]) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, size, padding="same"), nn.BatchNorm2d(outputs), nn.ReLU()
