"""How far a device's outputs are from the CPU's: of a bound step, and of rows that share calls and are kept warm in between."""

import numpy as np

from benchmarks.networks import noise_inputs
from models.manifest import GraphSpec
from models.step import Step
from server.batched_step import StepGroup

COMPARED_HOPS = 20


def step_difference(step: Step, cpu: Step, graph: GraphSpec, batch: int) -> float:
    """Return how far the outputs of two steps are apart at most, after hops that all differ."""
    state, device_state, largest = cpu.initial_state(), step.initial_state(), 0.0
    for hop in range(COMPARED_HOPS):
        inputs = {name: array * np.float32(1 + hop % 3) for name, array in noise_inputs(graph, batch).items()}
        expected, state = cpu(inputs, state)
        found, device_state = step(inputs, device_state)
        largest = max(largest, *(float(np.abs(found[name] - expected[name]).max()) for name in found))
    return largest


def group_difference(group: StepGroup, cpu: Step) -> float:
    """Return how far the outputs of all rows are apart at most from those of a step of as many streams; the rows are taken.

    Rows differ, and so do hops; after each the group is kept warm, which must not show.
    """
    rows = [group.take() for _ in range(group.size)]
    state, largest = cpu.initial_state(), 0.0
    for hop in range(COMPARED_HOPS):
        inputs = {
            name: array * np.float32(1 + hop % 3) for name, array in noise_inputs(group.graph, group.size).items()
        }
        expected, state = cpu(inputs, state)
        for row in rows:
            group.hear(row, {name: array[row] for name, array in inputs.items()})
        group.run(rows)
        for row in rows:
            outputs = group.outputs(row)
            largest = max(largest, *(float(np.abs(outputs[name][0] - expected[name][row]).max()) for name in outputs))
        group.keep_warm()
    return largest
