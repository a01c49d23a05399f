"""Join the graphs of two networks of one shape into one graph that runs either: an `If` on one of its inputs.

What both hold alike (windows, Fourier constants, gathering indices) is stored once.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def join_branches(first: onnx.ModelProto, second: onnx.ModelProto, choice: str) -> onnx.ModelProto:
    """Return a model with the inputs of both and `choice` (batch, 1): the second where its maximum is above 0."""
    shared: dict[bytes, str] = {}
    outer: list[onnx.TensorProto] = []
    bodies = [_body(model, f"{word}/", shared, outer) for model, word in ((first, "first"), (second, "second"))]
    flag = f"{choice}/second"
    nodes = [
        helper.make_node("ReduceMax", [choice], [f"{choice}/largest"], keepdims=0),
        helper.make_node("Greater", [f"{choice}/largest", f"{choice}/zero"], [flag]),
        helper.make_node(
            "If", [flag], [o.name for o in first.graph.output], then_branch=bodies[1], else_branch=bodies[0]
        ),
    ]
    outer.append(numpy_helper.from_array(np.array(0, np.float32), f"{choice}/zero"))
    batch = first.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    chosen = helper.make_tensor_value_info(choice, TensorProto.FLOAT, [batch, 1])
    inputs = [*(i for i in first.graph.input if i.name != choice), chosen]
    graph = helper.make_graph(nodes, "choice", inputs, list(first.graph.output), initializer=outer)
    joined = helper.make_model(graph, opset_imports=list(first.opset_import), ir_version=first.ir_version)
    onnx.checker.check_model(joined)
    return joined


def _body(
    model: onnx.ModelProto, prefix: str, shared: dict[bytes, str], outer: list[onnx.TensorProto]
) -> onnx.GraphProto:
    """Return the graph as a branch: every name its own but the inputs', constants that recur moved to `outer`."""
    inputs = {i.name for i in model.graph.input}
    names: dict[str, str] = {}
    own: list[onnx.TensorProto] = []
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        key = str(array.dtype).encode() + str(array.shape).encode() + array.tobytes()
        if key in shared:
            names[tensor.name] = shared[key]
            continue
        constant = array.dtype != np.float32 or not _is_weight(tensor.name)
        names[tensor.name] = f"shared/{len(outer)}" if constant else prefix + tensor.name
        tensor = numpy_helper.from_array(array, names[tensor.name])
        if constant:
            shared[key] = tensor.name
            outer.append(tensor)
        else:
            own.append(tensor)
    rename = lambda name: name if name in inputs or not name else names.get(name, prefix + name)  # noqa: E731
    nodes = []
    for node in model.graph.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.name = prefix + node.name
        copy.input[:] = [rename(name) for name in node.input]
        copy.output[:] = [rename(name) for name in node.output]
        nodes.append(copy)
    outputs = []
    for value in model.graph.output:
        copy = onnx.ValueInfoProto()
        copy.CopyFrom(value)
        copy.name = rename(value.name)
        outputs.append(copy)
    return helper.make_graph(nodes, prefix.rstrip("/"), [], outputs, initializer=own)


def _is_weight(name: str) -> bool:
    return name.endswith(("weight", "bias")) or "weight_" in name or "bias_" in name
