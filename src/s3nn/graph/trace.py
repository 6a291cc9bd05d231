"""The operations of a torch model, in order, with the type of every edge.

Types are declared by the network's structure and propagated by rule; no value is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import fx, nn

from s3nn.clock import Scan
from s3nn.errors import UnsupportedError
from s3nn.graph.ir import Edge
from s3nn.neurons import Neuron
from s3nn.synapses import Synapse

INPUT = "input"


@dataclass(frozen=True)
class Site:
    """One operation: where it is, what it reads and what it writes.

    ``runs`` is how often it runs for one inference: T behind the point where the image's current is
    repeated over the steps of an unrolled network, once in front of it.
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
        kinds = set(self.input_edges)
        return kinds.pop() if len(kinds) == 1 else Edge.ANALOG


@dataclass(frozen=True)
class Traced:
    """A model as a list of operations, and the means to run them one by one."""

    graph_module: fx.GraphModule
    sites: dict[fx.Node, Site]


def trace(model: nn.Module) -> tuple[Site, ...]:
    """The operations of ``model`` in the order they run, with typed edges.

    Takes any ``SpikingModel``, unrolled or not, and any torch network that torch.fx can follow.
    What it cannot follow is an ``UnsupportedError``.

    >>> from s3nn.models import Cnn7
    >>> [f"{site.operation}({site.reads})" for site in trace(Cnn7((1, 8, 8), 10))[:4]]
    ['conv(analog)', 'norm(analog)', 'neuron(analog)', 'conv(spike)']
    """
    return tuple(traced(model).sites.values())


def traced(model: nn.Module) -> Traced:
    """``trace`` with the torch.fx graph behind it."""
    try:
        graph = _Tracer().trace(model)
    except Exception as error:
        raise UnsupportedError(
            f"following {type(model).__name__} with torch.fx",
            f"{type(error).__name__}: {error}",
            "write its forward without branches on values or sizes, or count its parts one by one",
        ) from error
    module = fx.GraphModule(model, graph)
    sites: dict[fx.Node, Site] = {}
    names: dict[str, int] = {}
    for node in graph.nodes:
        if node.op in ("call_module", "call_function", "call_method"):
            site = _site(node, model, sites, names)
            if site is not None:
                sites[node] = site
    return Traced(module, sites)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        leaf = (Neuron, Scan, Synapse, nn.Conv2d, nn.Linear)
        return isinstance(m, leaf) or super().is_leaf_module(m, module_qualified_name)


_KEEP: dict[str, tuple[Any, ...]] = {
    "max_pool": (nn.MaxPool1d, nn.MaxPool2d, nn.AdaptiveMaxPool2d),
    "reshape": (nn.Flatten, nn.Unflatten, nn.Identity, nn.Dropout, nn.Dropout2d),
}
_ANALOG: dict[str, tuple[Any, ...]] = {
    "conv": (nn.Conv2d,),
    "linear": (nn.Linear,),
    "norm": (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm),
    "activation": (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh),
}
_AVERAGES = (nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)

_RESHAPES = (
    *("flatten", "reshape", "view", "permute", "transpose", "contiguous", "unflatten", "squeeze"),
    *("unsqueeze", "getitem", "expand", "repeat", "chunk", "split", "clone", "dropout", "to"),
)
_POOLS = ("max_pool1d", "max_pool2d", "adaptive_max_pool2d")
_MEANS = ("mean", "sum", "avg_pool1d", "avg_pool2d", "adaptive_avg_pool2d")
_ADDS = ("add", "iadd", "add_", "sub", "isub")
_NO_TENSOR = ("size", "dim", "getattr", "ndim", "shape")


def _site(
    node: fx.Node, model: nn.Module, sites: dict[fx.Node, Site], names: dict[str, int]
) -> Site | None:
    inputs = [n for n in node.all_input_nodes if n in sites or n.op in ("placeholder", "get_attr")]
    edges = tuple(sites[n].output_edge if n in sites else Edge.ANALOG for n in inputs)
    runs = max((sites[n].runs for n in inputs if n in sites), default=1)
    path: str | None = None
    if node.op == "call_module":
        path = str(node.target)
        operation, edge = _of_module(model.get_submodule(path), edges)
        name = path
    else:
        called = node.target if isinstance(node.target, str) else _function_name(node.target)
        if called in _NO_TENSOR:
            return None
        operation, edge = _of_function(called, edges)
        repeated = _repeats(node, called)
        if repeated > 1:
            operation, edge, runs = "repeat", edges[0], runs * repeated
        name = node.name
    names[name] = names.get(name, 0) + 1
    if names[name] > 1:
        name = f"{name}#{names[name]}"
    sources = tuple(sites[n].name if n in sites else INPUT for n in inputs)
    return Site(name, operation, sources, edges, edge, runs, path)


def _function_name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", str(function)).strip("_")


def _repeats(node: fx.Node, called: str) -> int:
    """How often ``torch.cat([x] * T)`` repeats x along the batch; 1 for anything else."""
    if called not in ("cat", "concat") or not isinstance(node.args[0], (list, tuple)):
        return 1
    along = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
    parts = list(node.args[0])
    return len(parts) if along == 0 and len(set(map(id, parts))) == 1 else 1


def _of_module(module: nn.Module, edges: tuple[Edge, ...]) -> tuple[str, Edge]:
    kept = edges[0] if edges and len(set(edges)) == 1 else Edge.ANALOG
    if isinstance(module, (Neuron, Scan)):
        return "neuron", module.emits
    for operation, kinds in _KEEP.items():
        if isinstance(module, kinds):
            return operation, kept
    for operation, kinds in _ANALOG.items():
        if isinstance(module, kinds):
            return operation, Edge.ANALOG
    if isinstance(module, _AVERAGES):
        return "avg_pool", _averaged(kept)
    return f"opaque {type(module).__name__}", Edge.ANALOG


def _of_function(called: str, edges: tuple[Edge, ...]) -> tuple[str, Edge]:
    kept = edges[0] if edges and len(set(edges)) == 1 else Edge.ANALOG
    if called in _RESHAPES:
        return "reshape", kept
    if called in _POOLS:
        return "max_pool", kept
    if called in _MEANS:
        return "avg_pool", _averaged(kept)
    if called in _ADDS:
        return "add", Edge.ANALOG
    if called in ("cat", "concat"):
        return "concatenate", kept
    if called == "pad":
        return "reshape", Edge.ANALOG if kept is Edge.SIGN else kept
    if called in ("relu", "relu_", "leaky_relu", "gelu", "silu", "sigmoid", "tanh"):
        return "activation", Edge.ANALOG
    return f"opaque {called}", Edge.ANALOG


def _averaged(edge: Edge) -> Edge:
    return Edge.COUNT if edge in (Edge.SPIKE, Edge.SIGN, Edge.COUNT) else Edge.ANALOG
