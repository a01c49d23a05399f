"""What a client of a model on a Triton server must do: the README beside each entry.

Only the network is there. What comes before it (features) and after it (decoder) is the player's processor, which calls any Step: the
README holds one that asks Triton.
"""

from models.manifest import GraphSpec, Manifest, TensorSpec

FEATURES = {
    "probe": "`audio` is a hop of samples; `pulses` holds 1 at the samples where a note begins, 0 elsewhere.",
    "transcriber": "`audio` is a hop of samples at the model's rate, after the input gate; `tuning` weighs the taps that shift the "
    "spectrum to the instrument's tuning (`models/transcriber/tuning.py`). The outputs are activations a look-ahead head and a key.",
    "performer": "`voices`, `pitches` and `controls` come from the notes that are played and those to come "
    "(`models/performer/config.py`, FEATURES and CONTROLS). The outputs steer oscillators and noise; the sound is made at the client.",
    "translator": "listening: `audio` is a hop of samples, `levelled` how loud they were before they were levelled; playing: symbols, "
    "places of the space and features of each voice (`models/translator/config.py`). The sound is made at the client.",
    "drummer": "A step plans a beat from the bass and the drums that were heard or played before it (`models/drummer/planner.py`).",
}
"""Decoder -> what its graphs' inputs are, where the player comes with Backline."""

STEP = '''```python
import secrets

import numpy as np
import tritonclient.grpc as grpcclient


class TritonStep:
    """A Step whose state lies on the server: the player's processor cannot tell it from its own."""

    def __init__(self, client, name, inputs, outputs):
        self.client, self.name, self.inputs, self.outputs = client, name, inputs, outputs

    def initial_state(self):
        self.sequence, self.begun = secrets.randbits(62) + 1, False  # a number that no other client has
        return {}

    def __call__(self, inputs, state):
        tensors = []
        for name, shape in self.inputs.items():
            array = np.asarray(inputs[name], np.float32).reshape(1, *shape)
            tensors.append(grpcclient.InferInput(name, array.shape, "FP32"))
            tensors[-1].set_data_from_numpy(array)
        answer = self.client.infer(self.name, tensors, sequence_id=self.sequence, sequence_start=not self.begun)
        self.begun = True
        return {name: answer.as_numpy(name) for name in self.outputs}, state
```'''


def describe_client(manifest: Manifest, name: str, graph: GraphSpec, implicit: bool) -> str:
    """Return the README of one entry as Markdown. implicit: whether Triton keeps the state."""
    clock = (
        f"once for every {manifest.hop} samples at {manifest.sample_rate} Hz"
        if graph.clock == "hop"
        else f"once for every {graph.clock}"
    )
    rows = [*_rows("input", graph.inputs), *_rows("output", graph.outputs)]
    parts = [
        f"# {name}",
        f"{manifest.title}: the graph `{graph.name}` of Backline's model `{manifest.name}` ({manifest.licence}), for Triton's ONNX Runtime "
        "backend (ONNX Runtime 1.18 or newer).",
        f"A client calls it {clock}. All tensors are FP32, with the batch in front.",
        "\n".join(["| | name | shape |", "| --- | --- | --- |", *rows]),
        f"What is not in the graph: resampling to {manifest.sample_rate} Hz, blocks into hops, features and the decoder "
        f"`{manifest.decoder}`; a client has them as `models.registry.open_processor`, which takes any Step. "
        + FEATURES.get(manifest.decoder, "The model's own documentation says what its inputs are."),
        _said_of_state(graph, implicit),
    ]
    if implicit and graph.state:
        parts.append(STEP)
    return "\n\n".join(parts) + "\n"


def _said_of_state(graph: GraphSpec, implicit: bool) -> str:
    if not graph.state:
        return "The graph has no state: every call stands for itself."
    names = ", ".join(f"`{tensor.name}`" for tensor in graph.state)
    if implicit:
        return (
            f"Triton keeps the state ({names}); no client sends or sees it. A stream is a sequence: every request carries its number "
            "(`sequence_id`, not 0, of one stream alone), the first one `sequence_start`, and the last one `sequence_end`, which frees "
            "its place. `sequence_start` under a number in use begins anew, from silence. Requests of one stream follow each other: the "
            "next one is sent when the last one is answered, or over one gRPC stream. One that is silent for ten minutes is forgotten."
        )
    initial = ", ".join(f"`state/{tensor.name}` {tensor.initial:g}" for tensor in graph.state)
    return (
        "The client carries the state, since the player writes into it between calls: `state/NAME` goes in, `next_state/NAME` comes out "
        f"and goes in the next time. A stream begins with every value of {initial}. A call needs no sequence."
    )


def _rows(kind: str, tensors: tuple[TensorSpec, ...]) -> list[str]:
    return [f"| {kind} | `{tensor.name}` | {' x '.join(map(str, tensor.shape))} |" for tensor in tensors]
