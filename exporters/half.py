"""Weights in half precision on the disk: a graph that is half as large and computes in single precision as before.

Large weights are stored as float16 and cast once, when ONNX Runtime loads the graph and folds constants. Who exports rounds the
network's weights first, so that torch and ONNX compute with the same numbers.
"""

from copy import deepcopy
from typing import TypeVar

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

LEAST_VALUES = 256  # of a weight that is worth a cast
LARGEST = 65_504.0  # that half precision holds

NetworkT = TypeVar("NetworkT", bound=nn.Module)


def halved(network: NetworkT) -> NetworkT:
    """Return a copy of a network whose weights are numbers that half precision holds."""
    copy = deepcopy(network)
    with torch.no_grad():
        for parameter in copy.parameters():
            parameter.copy_(parameter.half().float())
    return copy


def store_half(model: onnx.ModelProto) -> None:
    """Store the large weights of a graph that are float16 numbers as such, in place; those that are not stay as they are."""
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        if values.size < LEAST_VALUES or np.abs(values).max() > LARGEST:
            continue
        half = values.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), values):
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
