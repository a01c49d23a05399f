"""The drummer's network: what was heard of the bass up to now -> how likely each drum is on each sixteenth of the next beat.

It anticipates (t_f < 0, k = one beat, in the words of arXiv 2510.22105): to plan beat n it has heard beat n - 2 whole and of
beat n - 1 as many sixteenths as the commit window leaves. What carries over is a memory of the bass by place in the bar, at
several speeds of forgetting, and a mean over all beats. Every sixteenth is planned by the same weights from what is remembered
around it: how drums go with a bass is learned once for all places. `step` is one beat; `forward` runs `step`'s own equations over
a sequence, so that the two cannot differ.
"""

from __future__ import annotations

import json
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from models.drummer.config import HEARD, LONGEST_BAR, SIXTEENTHS, DrummerConfig
from models.layers.checkpoint import read_card, read_tensors

REMEMBERED = 3  # of a sixteenth: whether a note began, how hard, how late
BEATS_OF_CERTAINTY = 32.0  # beats heard, beyond which more of them say nothing new
AROUND = 3 * SIXTEENTHS  # sixteenths that a planned one sees, from a beat before it to two after it


class Heard(NamedTuple):
    """What a step hears; batch in front of every shape.

    whole: (sixteenths, features) of beat n - 2. whole_place: (LONGEST_BAR,) which beat of its bar that was, one-hot; zeros where
    there was none. part: (sixteenths, features + 1) of beat n - 1; the last column is 1 where it has been heard, and what was not is
    0. order: (LONGEST_BAR, LONGEST_BAR) one-hot rows: the beats of the bar from beat n on, around; zeros after the bar's length.
    tempo: (1,) octaves above config.USUAL_BPM.
    """

    whole: Tensor
    whole_place: Tensor
    part: Tensor
    order: Tensor
    tempo: Tensor


class Plan(NamedTuple):
    """Of the planned beat, (batch, sixteenths, parts) each: onset logits, velocities 0..1, lateness in sixteenths -0.5..0.5."""

    onset: Tensor
    velocity: Tensor
    late: Tensor


State = dict[str, Tensor]


class DrummerNetwork(nn.Module):
    """One beat a step."""

    def __init__(self, config: DrummerConfig) -> None:
        super().__init__()
        self.config = config
        memory, average = (len(config.memories), REMEMBERED, SIXTEENTHS), (len(config.averages), 2, SIXTEENTHS)
        part, bar = ((2 * len(HEARD) + 1) * SIXTEENTHS,), (LONGEST_BAR,)
        self.shapes = (
            part,
            memory,
            (LONGEST_BAR, 2, SIXTEENTHS),
            average,
            bar,
            bar,
            (6,),
        )  # of what `_features` puts together
        inputs = sum(prod(shape) for shape in self.shapes)
        near = len(config.memories) * REMEMBERED + 2 * AROUND + len(config.averages) * 2 + 2 * SIXTEENTHS
        near += 2 * LONGEST_BAR + SIXTEENTHS + 6 + config.summary
        self.register_buffer("keep_memory", torch.tensor(config.memories).view(1, -1, 1), persistent=False)
        keep = torch.tensor(config.averages) ** 0.25  # a bar's, by the beat
        self.register_buffer("keep_average", keep.view(1, -1, 1), persistent=False)
        self.register_buffer("sixteenths", torch.eye(SIXTEENTHS), persistent=False)
        self.hear = nn.Sequential(nn.Linear(inputs, config.summary), nn.ReLU(), nn.Dropout(config.summary_dropout))
        self.play = nn.Sequential(
            nn.Linear(near, config.hidden), nn.ReLU(), nn.Dropout(config.dropout),
            nn.Linear(config.hidden, config.hidden), nn.ReLU(), nn.Dropout(config.dropout),
            nn.Linear(config.hidden, 3 * config.parts),
        )  # fmt: skip

    def initial_state(self, batch: int) -> State:
        """Return what is known before anything was heard."""
        config = self.config
        shapes = {
            "memory": (len(config.memories), LONGEST_BAR, SIXTEENTHS * REMEMBERED),
            "times": (LONGEST_BAR,),
            "average": (len(config.averages), SIXTEENTHS * 2),
            "beats": (1,),
        }
        return {name: self.sixteenths.new_zeros(batch, *shape) for name, shape in shapes.items()}

    def step(
        self, whole: Tensor, whole_place: Tensor, part: Tensor, order: Tensor, tempo: Tensor, state: State
    ) -> tuple[State, State]:
        """Plan one beat from the tensors of `Heard`. Return `chance` (of an onset, 0..1), `velocity`, `late`, and the new state."""
        features, new = self._features(Heard(whole, whole_place, part, order, tempo), state)
        plan = self.plan(features)
        return {"chance": torch.sigmoid(plan.onset), "velocity": plan.velocity, "late": plan.late}, new

    def forward(self, heard: Heard) -> Plan:
        """Plan beats one after the other: every shape of `heard` has (batch, beats) in front, and so has the plan."""
        return self.plan(self.take_in(heard))

    def take_in(self, heard: Heard) -> Tensor:
        """Return what is known at each beat, (batch, beats, inputs); nothing in it is learned."""
        state, features = self.initial_state(heard.whole.shape[0]), []
        for beat in range(heard.whole.shape[1]):
            row, state = self._features(Heard(*(values[:, beat] for values in heard)), state)
            features.append(row)
        return torch.stack(features, 1)

    def plan(self, features: Tensor) -> Plan:
        """Plan from what `take_in` returned, (…, inputs)."""
        groups = torch.split(features, [prod(shape) for shape in self.shapes], -1)
        _, here, around, average, place, counted, rest = (
            values.unflatten(-1, shape) for values, shape in zip(groups, self.shapes, strict=True)
        )
        summary = self.hear(features)
        is_last = counted - torch.cat([counted[..., 1:], torch.zeros_like(counted[..., :1])], -1)
        before = (is_last.unsqueeze(-2) @ around.flatten(-2)).unflatten(-1, (2, SIXTEENTHS)).squeeze(-3)
        line = torch.cat([before, *around[..., :3, :, :].unbind(-3)], -1)  # (…, 2, four beats' sixteenths)
        same = [average[..., 0, :, :].flatten(-2), place, rest, counted, summary]
        rows = [
            torch.cat(
                [
                    here[..., index].flatten(-2), line[..., index : index + AROUND].flatten(-2), average[..., index].flatten(-2),
                    self.sixteenths[index].expand(*place.shape[:-1], SIXTEENTHS), *same,
                ],
                -1,
            )
            for index in range(SIXTEENTHS)
        ]  # fmt: skip
        onset, velocity, late = self.play(torch.stack(rows, -2)).unflatten(-1, (3, self.config.parts)).unbind(-2)
        return Plan(onset, torch.sigmoid(velocity), torch.tanh(late) / 2)

    def _features(self, heard: Heard, state: State) -> tuple[Tensor, State]:
        """Take in the whole beat, then say what is known for the planned one: (batch, inputs) and the new state."""
        strength, late = heard.whole[..., 0], heard.whole[..., 2]
        began = (strength > 0).to(strength.dtype)
        row = torch.cat([began, strength, late], -1).unsqueeze(1)  # (batch, 1, 3 sixteenths)
        place = heard.whole_place  # (batch, bar)
        times = state["times"] + place
        memory = state["memory"]  # (batch, memories, bar, 3 sixteenths)
        keep = torch.minimum(self.keep_memory, (state["times"] / (state["times"] + 1)).unsqueeze(1))
        taken = ((1 - keep) * place.unsqueeze(1)).unsqueeze(-1)  # the share of what is new; 0 at other places
        memory = memory + taken * (row.unsqueeze(1) - memory)
        was = place.sum(-1, keepdim=True)
        keep = torch.minimum(self.keep_average, (state["beats"] / (state["beats"] + 1)).unsqueeze(1))
        mean = torch.cat([began, late], -1).unsqueeze(1)
        average = state["average"] + was.unsqueeze(-1) * (1 - keep) * (mean - state["average"])
        beats = state["beats"] + was
        around = (
            heard.order @ memory[:, len(self.config.memories) // 2, :, : 2 * SIXTEENTHS]
        )  # (batch, bar, 2 sixteenths)
        here = heard.order[:, :1].unsqueeze(1) @ memory  # (batch, memories, 1, 3 sixteenths)
        known = torch.sum(heard.order[:, 0] * times, -1, keepdim=True)
        tempo = heard.tempo
        features = torch.cat(
            [
                heard.whole.flatten(1), heard.part.flatten(1), here.flatten(1), around.flatten(1), average.flatten(1),
                heard.order[:, 0], heard.order.sum(-1), tempo, tempo**2, torch.sin(4 * tempo), torch.cos(4 * tempo),
                1 / (1 + known), torch.clamp(beats / BEATS_OF_CERTAINTY, max=1.0),
            ],
            -1,
        )  # fmt: skip
        return features, {"memory": memory, "times": times, "average": average, "beats": beats}


def load_network(checkpoint: Path) -> DrummerNetwork:
    """Return the network of a checkpoint, ready to play."""
    tensors, card = read_tensors(checkpoint)
    network = DrummerNetwork(DrummerConfig.from_json(card["config"]))
    network.load_state_dict(tensors)
    return network.eval()


def load_styles(checkpoint: Path) -> dict[str, np.ndarray]:
    """Return how often each hit is played in each style that the checkpoint knows: (beats, sixteenths, parts) float32."""
    patterns = json.loads(read_card(checkpoint).get("styles", "{}"))
    parts = DrummerConfig().parts
    return {name: np.array(row, np.float32).reshape(-1, SIXTEENTHS, parts) for name, row in patterns.items()}
