"""A user's network as a torch.fx graph, and what the graph says about its operations."""

from __future__ import annotations

import copy
import inspect
import io
import re
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from s3nn.errors import UnsupportedError, UsageError
from s3nn.graph.trace import evaluating, in_place


def _sizes(*kinds: str) -> set[str]:
    return {f"{kind}{size}d" for kind in kinds for size in (1, 2, 3)}


# Operations, by the names that ``operation`` gives them.
RELUS = {"relu", "relu6"}
DROPOUTS = {
    "dropout": nn.Dropout,
    "dropout1d": nn.Dropout1d,
    "dropout2d": nn.Dropout2d,
    "dropout3d": nn.Dropout3d,
    "alphadropout": nn.AlphaDropout,
    "featurealphadropout": nn.FeatureAlphaDropout,
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
    **dict.fromkeys(
        ("hardswish", "hardsigmoid", "hardtanh", "clamp", "clampmin", "clip"), USE_RELU
    ),
    **dict.fromkeys(("glu", "logsigmoid", "threshold", "softshrink", "hardshrink"), USE_RELU),
    **dict.fromkeys(("softmax", "softmin", "softmax2d", "logsoftmax", "layernorm"), STAYS),
    **dict.fromkeys(("rnn", "gru", "lstm"), STAYS),
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
    """The graph of a model of one input; its modules are the model's own.

    Arguments beside it that have defaults keep them.  The model is traced in training and in
    evaluation: functions of dropout that differ in them are marked ``by_mode``, and anything else
    that does is an ``UnsupportedError``.
    """
    where = type(model).__name__
    modes = {module: module.training for module in model.modules()}
    try:
        evaluated, graph = _traced(model.eval()), _traced(model.train())
    finally:
        for module, mode in modes.items():
            module.training = mode
    _mark_modes(graph, evaluated, where)
    inputs = [node for node in graph.nodes if node.op == "placeholder" and not node.args]
    if len(inputs) != 1:
        names = ", ".join(node.name for node in inputs)
        raise UnsupportedError(f"a model with the inputs {names}", where, "give it one tensor")
    return fx.GraphModule(model, graph)


def _traced(model: nn.Module) -> fx.Graph:
    """The graph of a model in the mode it is in, its options at their defaults."""
    options = [*inspect.signature(model.forward).parameters.values()][1:]
    plain = (type(None), bool, int, float, str)
    given = {p.name: p.default for p in options if isinstance(p.default, plain)}
    try:
        graph = _Tracer().trace(model, concrete_args=given or None)
    except Exception as error:
        raise UnsupportedError(
            "a forward pass that torch.fx cannot trace",
            type(model).__name__,
            f"take out what depends on the values of tensors ({error})",
        ) from error
    # An option leaves a placeholder behind, and asserts that it has its default.
    inputs = graph.find_nodes(op="placeholder")
    left = {n for n in inputs if n.args and str(n.target).rpartition("_")[0] in given}
    for node in graph.nodes:
        if node.all_input_nodes and left.issuperset(node.all_input_nodes):
            left.add(node)
    for node in reversed(graph.nodes):
        if node in left:
            graph.erase_node(node)
    return graph


def _mark_modes(graph: fx.Graph, evaluated: fx.Graph, where: str) -> None:
    """Note at a node whether it depends on ``self.training``; only some functions may."""
    ours, theirs = ({node: i for i, node in enumerate(g.nodes)} for g in (graph, evaluated))
    alike = len(ours) == len(theirs)
    for node, other in zip(ours, theirs, strict=False):
        same = node.op == "get_attr" or node.target == other.target
        alike &= node.op == other.op and same
        if alike and _said(node, ours) != _said(other, theirs):
            node.meta["by_mode"] = True
            alike = _plain_name(getattr(node.target, "__name__", "")) in {*DROPOUTS, "batchnorm"}
        if not alike:
            break
    if not alike:
        raise UnsupportedError(
            "a forward pass that computes something else in training than in evaluation",
            where,
            "leave that to modules, such as nn.Dropout, or take self.training out of forward",
        )


def _said(node: fx.Node, numbers: dict[fx.Node, int]) -> Any:
    """The arguments of a node, other nodes by their numbers."""
    return fx.node.map_arg((node.args, node.kwargs), lambda n: numbers[n])


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
    return _plain_name(name)


def _plain_name(name: str) -> str:
    return name.lower().replace("_", "")


def where(node: fx.Node) -> str:
    """The path of the module that a node calls, or the line that calls its function."""
    if node.op == "call_module":
        return str(node.target)
    lines = re.findall(r'File "([^"]+)", line (\d+)', node.stack_trace or "")
    own = [f"{path}:{line}" for path, line in lines if not Path(path).is_relative_to(TORCH)]
    return ", ".join([node.name, *own[-1:]])


def note_shapes(network: fx.GraphModule, x: Tensor) -> None:
    """Run ``x`` through a copy in eval mode and note every value's shape at its node.

    Layers that learn their sizes from what they read do so here.
    """
    with torch.no_grad(), evaluating(network):
        try:
            network(x)
        except Exception as error:
            raise UsageError(
                f"the network cannot run on calibrate, {x.dtype} of the shape {tuple(x.shape)}: "
                f"{' '.join(str(error).split())[:300]}"
            ) from error
        probe = copy.deepcopy(network)
        shapes = _Shapes(probe)
        shapes.extra_traceback = False  # it would be part of our own sentences
        with redirect_stderr(io.StringIO()):  # torch.fx prints a traceback of what it raises
            shapes.propagate(x)
    for node, seen in zip(network.graph.nodes, probe.graph.nodes, strict=True):
        node.meta["shape"] = getattr(seen.meta.get("tensor_meta"), "shape", None)


class _Shapes(ShapeProp):
    """Notes tensors' shapes, and refuses what reads a tensor that a ReLU wrote over.

    Neurons write nothing over: whoever reads what the ReLU was given reads their spikes instead,
    but under another name, or through a view, it would read the potentials.
    """

    def __init__(self, network: fx.GraphModule) -> None:
        super().__init__(network)
        self.network = network
        self.written: dict[int, fx.Node] = {}  # memory, and the last ReLU that wrote over it

    def run_node(self, n: fx.Node) -> Any:
        for source in n.all_input_nodes:
            relu = self.written.get(_memory(self.env[source]))
            if relu is not None and source < relu and source not in relu.all_input_nodes:
                raise UnsupportedError(
                    f"what reads {source.name} after a ReLU wrote over it by another name",
                    where(n),
                    "write y = y.relu() in place of y.flatten(1).relu_()",
                )
        found = super().run_node(n)
        if operation(self.network, n) in RELUS and in_place(n, self.network):
            self.written[_memory(found)] = n
        return found


def _memory(value: Any) -> int:
    """Where a tensor's numbers lie, which views share."""
    return value.untyped_storage().data_ptr() if isinstance(value, Tensor) else 0


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
        return int(shape[1]) if len(shape) > 1 else None
    layer = module_of(network, node)
    for attribute in ("out_channels", "out_features", "num_features", "num_channels"):
        size = getattr(layer, attribute, None)
        if isinstance(size, int):
            return size
    sources = node.all_input_nodes if operation(network, node) in KEEP_CHANNELS else []
    return next(filter(None, (_channels(network, source) for source in sources)), None)
