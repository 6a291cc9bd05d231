"""A user's network as a torch.fx graph, and what the graph says about its operations."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from s3nn.errors import UnsupportedError, UsageError


def _sizes(*kinds: str) -> set[str]:
    return {f"{kind}{size}d" for kind in kinds for size in (1, 2, 3)}


# Operations, by the names that ``operation`` gives them.
RELUS = {"relu", "relu6"}
DROPOUTS = {
    "dropout": nn.Dropout,
    "dropout1d": nn.Dropout1d,
    "dropout2d": nn.Dropout2d,
    "dropout3d": nn.Dropout3d,
}
# What comes out has the channels of what goes in.
KEEP_CHANNELS = _sizes("maxpool", "adaptivemaxpool", "avgpool", "adaptiveavgpool")
KEEP_CHANNELS |= {*DROPOUTS, *RELUS, "identity", "contiguous"}
KEEP_CHANNELS |= {"add", "sub", "mul", "truediv", "iadd", "isub", "imul", "itruediv"}

USE_RELU = "put a ReLU in its place before spikify, and train again"
STAYS = "it goes on computing with real numbers: leave it out of a network that shall spike"
NOT_CONVERTED = {
    **dict.fromkeys(("leakyrelu", "prelu", "rrelu", "elu", "celu", "selu", "gelu"), USE_RELU),
    **dict.fromkeys(("silu", "mish", "tanh", "sigmoid", "softplus", "softsign"), USE_RELU),
    **dict.fromkeys(("hardswish", "hardsigmoid", "hardtanh", "clamp"), USE_RELU),
    **dict.fromkeys(("softmax", "logsoftmax", "rnn", "gru", "lstm"), STAYS),
    **dict.fromkeys(("multiheadattention", "scaleddotproductattention"), STAYS),
    **dict.fromkeys(("transformer", "transformerencoder", "transformerencoderlayer"), STAYS),
    # nn.BatchNorm2d is `batchnorm2d`; this is the function.
    "batchnorm": "use the module: the function keeps the training flag it was traced with",
}


TORCH = Path(torch.__file__).parent


class _Tracer(fx.Tracer):
    record_stack_traces = True  # so that a finding can name the line

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        ours = type(m).__module__.startswith("s3nn.")
        return ours or super().is_leaf_module(m, module_qualified_name)


def trace(model: nn.Module) -> fx.GraphModule:
    """The graph of a model of one input; its modules are the model's own."""
    where = type(model).__name__
    try:
        graph = _Tracer().trace(model)
    except Exception as error:
        raise UnsupportedError(
            "a forward pass that torch.fx cannot trace",
            where,
            f"take out what depends on the values of tensors ({error})",
        ) from error
    inputs = [node for node in graph.nodes if node.op == "placeholder" and not node.args]
    if len(inputs) != 1:
        names = ", ".join(node.name for node in inputs)
        raise UnsupportedError(f"a model with the inputs {names}", where, "give it one tensor")
    return fx.GraphModule(model, graph)


def module_of(network: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    """The module that a node calls, if it calls one."""
    return network.get_submodule(str(node.target)) if node.op == "call_module" else None


def operation(network: fx.GraphModule, node: fx.Node) -> str:
    """What a node does, in lower case and without underscores.

    ``nn.ReLU``, ``F.relu``, ``x.relu_()`` are all ``relu``.
    """
    match node.op:
        case "call_module":
            name = type(module_of(network, node)).__name__
        case "call_function":
            name = getattr(node.target, "__name__", "")
        case "call_method":
            name = str(node.target)
        case _:
            name = ""
    return name.lower().replace("_", "")


def where(node: fx.Node) -> str:
    """The path of the module that a node calls, or the line that calls its function."""
    if node.op == "call_module":
        return str(node.target)
    lines = re.findall(r'File "([^"]+)", line (\d+)', node.stack_trace or "")
    own = [f"{path}:{line}" for path, line in lines if not Path(path).is_relative_to(TORCH)]
    return ", ".join([node.name, *own[-1:]])


def in_place(network: fx.GraphModule, node: fx.Node) -> bool:
    """Whether a ReLU writes over its input."""
    if node.op == "call_module":
        return bool(getattr(module_of(network, node), "inplace", False))
    flags = (*node.args[1:], node.kwargs.get("inplace", False))
    name = node.target if node.op == "call_method" else getattr(node.target, "__name__", "")
    return any(flag is True for flag in flags) or str(name).endswith("_")


def note_shapes(network: fx.GraphModule, x: Tensor) -> None:
    """Run ``x`` through a copy in eval mode and note every value's shape at its node."""
    probe = copy.deepcopy(network).eval()
    with torch.no_grad():
        ShapeProp(probe).propagate(x)
    for node, seen in zip(network.graph.nodes, probe.graph.nodes, strict=True):
        node.meta["shape"] = getattr(seen.meta.get("tensor_meta"), "shape", None)


def channels(network: fx.GraphModule, node: fx.Node) -> int:
    """The size of axis 1 of what a node gives: noted, or as the layers in front of it have it."""
    found = _channels(network, node)
    if found is None:
        raise UsageError(
            f"the channels of {where(node)} cannot be read off the layers in front of it: "
            "give spikify a batch of inputs as calibrate=x"
        )
    return found


def _channels(network: fx.GraphModule, node: fx.Node) -> int | None:
    shape: Any = node.meta.get("shape")
    if shape is not None:
        return int(shape[1])
    layer = module_of(network, node)
    for attribute in ("out_channels", "out_features", "num_features", "num_channels"):
        size = getattr(layer, attribute, None)
        if isinstance(size, int):
            return size
    sources = node.all_input_nodes if operation(network, node) in KEEP_CHANNELS else []
    return next(filter(None, (_channels(network, source) for source in sources)), None)
