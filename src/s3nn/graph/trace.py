"""The operations of a torch model, in order, with the type of every edge.

Types are declared by the network's structure and propagated by rule; no value is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.padding import _ReflectionPadNd, _ReplicationPadNd

from s3nn.clock import EarliestPool2d, Encoder, Readout, Scan, TimedLayer
from s3nn.clock.pools import ChargePool
from s3nn.errors import UnsupportedError
from s3nn.gates.base import Decision, Passing
from s3nn.graph.ir import Edge
from s3nn.neurons import Neuron
from s3nn.synapses import Synapse

INPUT = "input"


@dataclass(frozen=True)
class Site:
    """One operation: where it is, what it reads and what it writes.

    ``name`` is the path of its module; that of a function is the path of the module that calls it
    and what it does, ``features.1.add``.  A second call is ``conv#2`` or ``add_1``.

    ``runs`` is how often it runs for one inference: T behind the point where the image's current is
    repeated over the steps of an unrolled network, once in front of it.  What is not known is
    ``opaque``, and gives analog.
    """

    name: str
    operation: str
    inputs: tuple[str, ...]
    input_edges: tuple[Edge, ...]
    output_edge: Edge
    runs: int
    module: str | None

    @property
    def reads(self) -> Edge:
        """The type of what it reads: that of its only input, analog where inputs differ."""
        return _common(self.input_edges)

    @property
    def opaque(self) -> bool:
        """Whether nothing is known of what it does, so that it is typed analog and not counted."""
        return self.operation.startswith("opaque ")


@dataclass(frozen=True)
class Traced:
    """A model as a list of operations, and the means to run them one by one.

    ``sources`` are the nodes that a site's ``inputs`` come from, in the same order.
    """

    graph_module: fx.GraphModule
    sites: dict[fx.Node, Site]
    sources: dict[fx.Node, tuple[fx.Node, ...]]


def trace(model: nn.Module) -> tuple[Site, ...]:
    """The operations of ``model`` in eval mode in the order they run, with typed edges.

    Takes any ``SpikingModel``, unrolled or not, and any torch network of one input that torch.fx
    can follow.  What it cannot follow is an ``UnsupportedError``.

    >>> from s3nn.models import Cnn7
    >>> [f"{site.operation}({site.reads})" for site in trace(Cnn7((1, 8, 8), 10))[:4]]
    ['conv(analog)', 'norm(analog)', 'neuron(analog)', 'conv(spike)']
    """
    return tuple(traced(model).sites.values())


def traced(model: nn.Module) -> Traced:
    """``trace`` with the torch.fx graph behind it."""
    with evaluating(model):
        try:
            graph = _Tracer().trace(model)
        except Exception as error:
            raise UnsupportedError(
                f"following {type(model).__name__} with torch.fx",
                f"{type(error).__name__}: {error}",
                "write its forward without branches on values or sizes, or trace its parts",
            ) from error
    given = [n.name for n in graph.nodes if n.op == "placeholder" and not n.args]
    if len(given) != 1:
        raise UnsupportedError(
            f"a model of the inputs {', '.join(given) or 'none'}",
            type(model).__name__,
            "give it one tensor",
        )
    for node in graph.nodes:
        read_what_is_written_over(node, model)
    found = Traced(fx.GraphModule(model, graph), {}, {})
    sizes: set[fx.Node] = set()
    names: dict[str, int] = {}
    for node in graph.nodes:
        if node.op not in ("call_module", "call_function", "call_method"):
            continue
        if is_size(node, sizes):
            sizes.add(node)
            continue
        found.sources[node] = tuple(n for n in node.all_input_nodes if n not in sizes)
        found.sites[node] = _site(node, model, found, names)
    return found


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Inside, every module of ``model`` is in eval mode; then each is in the mode it had."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        ours = (Neuron, Scan, ChargePool, Encoder, Readout, Synapse, Decision, Passing)
        leaf = isinstance(m, (*ours, *_CONVOLUTIONS, nn.Linear, EarliestPool2d))
        return leaf or super().is_leaf_module(m, module_qualified_name)


_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_MODULES: dict[str, tuple[type[nn.Module], ...]] = {
    "timed": (TimedLayer,),
    "neuron": (Neuron, Scan),
    "encode": (Encoder,),
    "over_time": (Readout,),
    "conv": _CONVOLUTIONS,
    "linear": (nn.Linear,),
    "norm": (_BatchNorm,),
    "decision": (Decision,),
    "mask": (Passing,),
    "charge_pool": (ChargePool,),
    "softmax": (nn.Softmax,),
    "activation": (nn.ReLU, nn.ReLU6, nn.LeakyReLU),
    "max_pool": (
        *(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d),
        *(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
    ),
    "avg_pool": (
        *(nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
        *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
    ),
    "pad": (nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d),
    "reshape": (
        *(nn.Flatten, nn.Unflatten, nn.Identity, _DropoutNd),
        *(_ReflectionPadNd, _ReplicationPadNd),
    ),
}
_FUNCTIONS: dict[str, tuple[str, ...]] = {
    "activation": ("relu", "relu6", "leaky_relu"),
    "max_pool": tuple(f"{a}max_pool{d}d" for a in ("", "adaptive_") for d in (1, 2, 3)),
    "avg_pool": (
        *(f"{a}avg_pool{d}d" for a in ("", "adaptive_") for d in (1, 2, 3)),
        *("mean", "sum"),
    ),
    "add": ("add", "iadd", "sub", "isub"),
    "concatenate": ("cat", "concat", "concatenate", "stack"),
    "pad": ("pad",),
    "reshape": (
        *("flatten", "unflatten", "reshape", "view", "permute", "transpose", "squeeze", "clone"),
        *("unsqueeze", "getitem", "expand", "repeat", "chunk", "split", "unbind", "contiguous"),
        *("dropout", "dropout1d", "dropout2d", "dropout3d", "to", "float", "detach"),
        "repeat_interleave",
    ),
}
_OPERATION_OF = {name: operation for operation, names in _FUNCTIONS.items() for name in names}
_SIZES = ("size", "dim", "ndimension", "numel")
_SIZE_ATTRIBUTES = ("shape", "ndim", "dtype", "device")


def is_size(node: fx.Node, sizes: set[fx.Node]) -> bool:
    """Whether a node gives a size or what is computed from sizes, and no values of the network."""
    if node.op == "call_method" and node.target in _SIZES:
        return True
    if node.target is getattr:
        return node.args[1] in _SIZE_ATTRIBUTES
    return bool(node.all_input_nodes) and all(n in sizes for n in node.all_input_nodes)


def read_what_is_written_over(node: fx.Node, model: nn.Module) -> None:
    """Let who reads, behind ``node``, the tensor that it writes over read what it gives."""
    if in_place(node, model) and isinstance(node.args[0], fx.Node):
        node.args[0].replace_all_uses_with(node, delete_user_cb=lambda user: user > node)


def in_place(node: fx.Node, model: nn.Module) -> bool:
    """Whether a node writes over its first input and gives it."""
    if node.op == "call_module":
        return bool(getattr(model.get_submodule(str(node.target)), "inplace", False))
    if node.op not in ("call_function", "call_method") or not node.args:
        return False
    if node.kwargs.get("inplace", False):
        return True
    name = str(getattr(node.target, "__name__", node.target))
    if operation_of(node, model) == "activation" and any(flag is True for flag in node.args[1:]):
        return True
    return (name.endswith("_") and not name.endswith("__")) or name in _OVER_THEIR_LEFT


_OVER_THEIR_LEFT = ("iadd", "isub", "imul", "itruediv", "ifloordiv", "ipow", "imod")


def _site(node: fx.Node, model: nn.Module, found: Traced, names: dict[str, int]) -> Site:
    sources = found.sources[node]
    edges = tuple(found.sites[n].output_edge if n in found.sites else Edge.ANALOG for n in sources)
    runs = max((found.sites[n].runs for n in sources if n in found.sites), default=1)
    path: str | None = None
    operation = operation_of(node, model)
    if node.op == "call_module":
        name = path = str(node.target)
        module = model.get_submodule(path)
        edge = module.emits if isinstance(module, (Neuron, Scan)) else output_edge(operation, edges)
        if isinstance(module, Encoder):
            runs *= module.steps
            edge = edges[0] if module.constant else module.emits
        elif isinstance(module, Readout):
            runs = 1  # the steps, folded into the batch, are over
    else:
        name = called(node)
        callers = [*node.meta.get("nn_module_stack", {}).values()]
        if callers and callers[-1][0]:
            name = f"{callers[-1][0]}.{name}"
        edge = output_edge(operation, edges)
        if operation == "repeat":
            runs *= _copies(node)
        elif name.endswith(("mean", "sum")) and _axis(node, None) in (0, (0,), [0]):
            runs = 1  # the steps, folded into the batch, are over
    before = names.get(name, 0)
    names[name] = before + 1
    if before:
        name = f"{name}_{before}" if path is None else f"{name}#{before + 1}"
    inputs = tuple(_source(n, found) for n in sources)
    return Site(name, operation, inputs, edges, edge, runs, path)


def _source(node: fx.Node, found: Traced) -> str:
    if node in found.sites:
        return found.sites[node].name
    return INPUT if node.op == "placeholder" else str(node.target)


def operation_of(node: fx.Node, model: nn.Module) -> str:
    """What a node of a traced ``model`` does: ``conv``, ``add``, ...; unknown: ``opaque ...``."""
    if node.op == "call_module":
        return _of_module(model.get_submodule(str(node.target)))
    return _of_function(node)


def _of_module(module: nn.Module) -> str:
    for operation, kinds in _MODULES.items():
        if isinstance(module, kinds) and not getattr(module, "return_indices", False):
            return operation
    return f"opaque {type(module).__name__}"


def called(node: fx.Node) -> str:
    """The name of the function or method that a node calls, ``add`` for ``add_`` and ``+``."""
    target: Any = node.target
    name = target if isinstance(target, str) else getattr(target, "__name__", str(target))
    return str(name).strip("_")


def _of_function(node: fx.Node) -> str:
    name = called(node)
    if _copies(node) > 1:
        return "repeat"
    if name == "pad":
        mode = node.kwargs.get("mode", node.args[2] if len(node.args) > 2 else "constant")
        value = node.kwargs.get("value", node.args[3] if len(node.args) > 3 else None)
        if mode != "constant":
            return "reshape"  # it repeats values that are there
        return "opaque pad" if value else "pad"
    return _OPERATION_OF.get(name, f"opaque {name}")


def _axis(node: fx.Node, default: int | None) -> Any:
    return node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else default)


def _copies(node: fx.Node) -> int:
    """How often ``torch.cat([x] * T)`` or ``x.repeat(T, ...)`` repeats along the batch; else 1."""
    name = called(node)
    if name == "repeat":
        sizes = node.args[1:] if len(node.args) > 1 else (node.kwargs.get("repeats", 1),)
        first = sizes[0][0] if isinstance(sizes[0], (tuple, list)) else sizes[0]
        return first if isinstance(first, int) else 1
    if name not in _FUNCTIONS["concatenate"] or not isinstance(node.args[0], (list, tuple)):
        return 1
    parts = list(node.args[0])
    return len(parts) if _axis(node, 0) == 0 and len(set(map(id, parts))) == 1 else 1


def _common(edges: tuple[Edge, ...]) -> Edge:
    return edges[0] if len(set(edges)) == 1 else Edge.ANALOG


def output_edge(operation: str, edges: tuple[Edge, ...]) -> Edge:
    """What an operation makes of its inputs' types; a maximum of spikes is an OR."""
    kept = _common(edges)
    match operation:
        case "max_pool" | "reshape" | "repeat" | "concatenate":
            return kept
        case "pad":  # with zeros, which are no sign
            return Edge.ANALOG if kept is Edge.SIGN else kept
        case "decision":
            return Edge.SPIKE
        case "mask":  # with zeros, which are no sign
            return Edge.ANALOG if edges[0] is Edge.SIGN else edges[0]
        case "avg_pool":
            return Edge.ANALOG if kept is Edge.ANALOG else Edge.COUNT
        case "add":
            counts = len(edges) > 1 and {*edges} <= {Edge.SPIKE, Edge.COUNT}
            return Edge.COUNT if counts else Edge.ANALOG
    return Edge.ANALOG
