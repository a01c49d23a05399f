"""Join the graphs of two networks of one shape into one graph that holds both: an `If` on a constant.

Whoever loads the file may set the constant (models.model_file.with_constant_set); ONNX Runtime keeps the branch it points
to and drops the other, so that what runs is one plain graph. What both hold alike (windows, Fourier constants, gathering
indices) is stored once.
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper

FIRST, SECOND = "first/", "second/"  # what the names of a branch's nodes and constants begin with


def join_branches(first: onnx.ModelProto, second: onnx.ModelProto, constant: str) -> onnx.ModelProto:
    """Return a model that is the first, and where the boolean `constant` is set, the second."""
    shared: dict[bytes, str] = {}
    outer = [numpy_helper.from_array(np.array(False), constant)]
    bodies = [_body(model, prefix, shared, outer) for model, prefix in ((first, FIRST), (second, SECOND))]
    names = [value.name for value in first.graph.output]
    choice = helper.make_node("If", [constant], names, then_branch=bodies[1], else_branch=bodies[0])
    graph = helper.make_graph([choice], "choice", list(first.graph.input), list(first.graph.output), initializer=outer)
    joined = helper.make_model(graph, opset_imports=list(first.opset_import), ir_version=first.ir_version)
    onnx.checker.check_model(joined)
    return joined


def _body(
    model: onnx.ModelProto, prefix: str, shared: dict[bytes, str], outer: list[onnx.TensorProto]
) -> onnx.GraphProto:
    """Return the graph as a branch: every name its own but the inputs', constants moved to `outer`, each there once."""
    names = {value.name: value.name for value in model.graph.input}
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        key = str(array.dtype).encode() + str(array.shape).encode() + array.tobytes()
        if key not in shared:
            shared[key] = prefix + tensor.name
            outer.append(numpy_helper.from_array(array, shared[key]))
        names[tensor.name] = shared[key]
    rename = lambda name: names.get(name, prefix + name) if name else ""  # noqa: E731
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
    return helper.make_graph(nodes, prefix.rstrip("/"), [], outputs)
