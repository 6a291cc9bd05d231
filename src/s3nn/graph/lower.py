"""From a trained torch network to a graph of arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from s3nn.clock.layers import neuron_of
from s3nn.errors import UnsupportedError, UsageError
from s3nn.graph._pools import mean_pool, sides_read, window
from s3nn.graph._shapes import note_shapes
from s3nn.graph.ir import Array, Graph, Node, Vertex
from s3nn.graph.nodes import (
    Add,
    Affine,
    Channels,
    Conv,
    Fire,
    Flatten,
    Image,
    Linear,
    MaxPool,
    PerChannel,
)
from s3nn.graph.trace import Site, Traced, called, evaluating, traced
from s3nn.neurons.fire import Fire as FireNeuron
from s3nn.registry import name_of
from s3nn.synapses import SynapticConv2d, SynapticLinear
from s3nn.synapses.binary import Binary
from s3nn.synapses.integer import Integer
from s3nn.synapses.mean_scaled import MeanScaled

IMAGE, NORMALISED = "image", "normalised"


def lower(
    model: nn.Module,
    input_shape: Sequence[int],
    mean: PerChannel = (0.0,),
    std: PerChannel = (1.0,),
) -> Graph:
    """The graph of real numbers (float64) of a single-step network, in eval mode.

    Its image is raw: uint8 pixels (C, H, W), which become ``(x / 255 - mean) / std`` as they do in
    training; ``mean`` and ``std`` are a number a channel, or one for all.  Anything a graph has no
    node for is an ``UnsupportedError`` that says which layer, why, and what to do instead.

    >>> from s3nn.models import Mlp
    >>> [type(v.node).__name__ for v in lower(Mlp((1, 4, 4), 10), (1, 4, 4))][:6]
    ['Image', 'Affine', 'Flatten', 'Linear', 'Affine', 'Fire']
    """
    shape = tuple(input_shape)
    _check_finite(model)
    with evaluating(model), torch.inference_mode(False), torch.no_grad():
        found = traced(model)
        note_shapes(found, model, shape)
        return _lowered(found, model, shape, mean, std)


def _lowered(
    found: Traced,
    model: nn.Module,
    shape: tuple[int, ...],
    mean: PerChannel,
    std: PerChannel,
) -> Graph:
    vertices = [
        Vertex(IMAGE, Image(shape)),
        Vertex(NORMALISED, Affine.of_pixels(shape[0], mean, std), (IMAGE,)),
    ]
    names: dict[fx.Node, str] = {}
    (returned,) = (n.args[0] for n in found.graph_module.graph.nodes if n.op == "output")
    if not isinstance(returned, fx.Node):
        raise UnsupportedError(
            "a network whose output is not one tensor", type(model).__name__, "return the logits"
        )
    needed = _reaching(returned)
    for node in found.graph_module.graph.nodes:
        if node.op == "placeholder":
            names[node] = NORMALISED
        elif node in found.sites and node in needed:
            names[node] = _append(vertices, found.graph_module, node, found.sites[node], names)
    return _merged(Graph(tuple(vertices)))


def _reaching(output: fx.Node) -> set[fx.Node]:
    """What a node depends on."""
    found: set[fx.Node] = set()
    left = [output]
    while left:
        node = left.pop()
        if node not in found:
            found.add(node)
            left.extend(node.all_input_nodes)
    return found


def _check_finite(model: nn.Module) -> None:
    """A ``UsageError`` for weights, statistics and thresholds that are NaN or infinite."""
    for name, value in model.state_dict().items():
        if isinstance(value, Tensor) and not bool(value.isfinite().all()):
            wrong = int((~value.isfinite()).sum())
            raise UsageError(
                f"{name} of {type(model).__name__} is not finite in {wrong} of {value.numel()} "
                "places: train it again"
            )


def _append(
    vertices: list[Vertex],
    network: fx.GraphModule,
    node: fx.Node,
    site: Site,
    names: dict[fx.Node, str],
) -> str:
    """Add what a site is made of; the name of what it gives."""
    sources = tuple(names[n] for n in node.all_input_nodes if n in names)
    module = network.get_submodule(site.module) if site.module is not None else None
    if module is not None:
        _check_as_defined(module, site)
    last = sources[0] if sources else ""
    for suffix, part in _parts(node, site, module):
        name = site.name if not suffix else f"{site.name}.{suffix}"
        if name in (IMAGE, NORMALISED):
            name += "_"
        reads = sources if isinstance(part, Add) else (last,)
        vertices.append(Vertex(name, part, reads))
        last = name
    return last


# The types that tracing does not look into, and what they compute with.
_AS_DEFINED = (nn.Conv2d, SynapticConv2d, nn.Linear, SynapticLinear, FireNeuron)
_COMPUTE = ("forward", "_conv_forward")


def _check_as_defined(module: nn.Module, site: Site) -> None:
    """A layer that computes something else than its type says cannot be lowered by its type.

    Hooks of torch itself only make the weight (``weight_norm``, ``prune``), and are let through.
    """
    hooks = [*module._forward_hooks.values(), *module._forward_pre_hooks.values()]
    own = [hook for hook in hooks if not type(hook).__module__.startswith("torch.nn.utils")]
    changed = "forward" in vars(module)
    if isinstance(module, _AS_DEFINED):
        known = {getattr(kind, name, None) for kind in _AS_DEFINED for name in _COMPUTE}
        changed |= not {getattr(type(module), name, None) for name in _COMPUTE} <= known
    if own or changed:
        kind = type(module).__name__
        raise UnsupportedError(
            f"lowering a {kind} with {'hooks' if own else 'a forward of its own'}",
            f"layer {site.name}",
            "write what it adds as a module around a plain layer, which tracing can follow",
        )


def _parts(node: fx.Node, site: Site, module: nn.Module | None) -> list[tuple[str, Node]]:
    """The nodes that a site becomes, each with a suffix for its name; none for an identity."""
    match site.operation, module:
        case "conv", nn.Conv2d():
            return _with_bias(_conv(site, module), module.bias)
        case "linear", nn.Linear():
            _flat(node, site)
            weight, grid = _weight(module)
            return _with_bias(Linear(weight, grid), module.bias)
        case "norm", nn.BatchNorm1d() | nn.BatchNorm2d():
            return [("", _norm(site, module))]
        case "neuron", FireNeuron():
            theta = _array(module.threshold.value())
            channels = node.meta["tensor_meta"].shape[1]
            return [("", Fire(np.broadcast_to(theta, (channels,)).copy()))]
        case "neuron", nn.Module():
            raise UnsupportedError(
                f"lowering neurons of the type {name_of(neuron_of(module))}",
                f"layer {site.name}",
                "train the network with neuron=fire in one time step",
            )
        case "decision" | "mask", _:
            raise UnsupportedError(
                "lowering a convolution behind gates",
                f"layer {site.name}",
                "train the network without --gates",
            )
        case "max_pool", _:
            return [("", MaxPool(*window(node, site, module)))]
        case "avg_pool", _:
            return mean_pool(node, site, module)
        case "add", _ if len(site.inputs) == 2 and _tensors(node) and "sub" not in called(node):
            if node.kwargs.get("alpha", 1) == 1:
                return [("", Add())]
        case "reshape" | "repeat", _:
            return _moved(node, site, module)
    raise UnsupportedError(f"lowering {site.operation}", f"layer {site.name}", _INSTEAD)


_INSTEAD = (
    "a graph has convolutions in two dimensions, linear layers, batch-norms, fire neurons, max and "
    "mean pools, sums of two, flattening and repeated channels: build the layer from these"
)


def _tensors(node: fx.Node) -> bool:
    """Whether all that a node reads are values of the network, none of them a parameter."""
    return all(n.op != "get_attr" for n in node.all_input_nodes)


def _array(tensor: Tensor) -> Array:
    found: Array = tensor.detach().double().cpu().numpy()
    return found


def _with_bias(node: Node, bias: Tensor | None) -> list[tuple[str, Node]]:
    if bias is None:
        return [("", node)]
    offset = _array(bias)
    return [("weight", node), ("", Affine(np.ones_like(offset), offset))]


def _weight(layer: nn.Conv2d | nn.Linear) -> tuple[Array, Array | None]:
    """The weight as it is used, and the step of its grid where the synapse has one."""
    if not isinstance(layer, (SynapticConv2d, SynapticLinear)):
        return _array(layer.weight), None
    with torch.no_grad():
        used = _array(layer.synapse(layer.weight))
        match layer.synapse:
            case (Integer() | MeanScaled()) as synapse:
                step = _array(synapse.step(layer.weight)).reshape(-1)
                levels = _array(synapse.levels(layer.weight))
                return levels * step.reshape(-1, *[1] * (levels.ndim - 1)), step
            case Binary():
                return used, np.abs(used).reshape(len(used), -1).max(1)
    return used, None


def _conv(site: Site, layer: nn.Conv2d) -> Conv:
    if layer.dilation != (1, 1) or layer.padding_mode != "zeros":
        raise UnsupportedError(
            "lowering a dilated convolution or one padded with other values than zeros",
            f"layer {site.name}",
            "use dilation=1 and padding_mode='zeros'",
        )
    if isinstance(layer.padding, str):
        odd = all(side % 2 for side in layer.kernel_size)
        if layer.padding == "same" and not odd:
            raise UnsupportedError(
                "lowering padding='same' with an even kernel",
                f"layer {site.name}",
                "use an odd kernel or a number",
            )
        same = layer.padding == "same"
        padding = tuple(side // 2 if same else 0 for side in layer.kernel_size)
    else:
        padding = tuple(int(p) for p in layer.padding)
    weight, grid = _weight(layer)
    stride = (int(layer.stride[0]), int(layer.stride[1]))
    return Conv(weight, stride, (padding[0], padding[1]), layer.groups, grid=grid)


def _flat(node: fx.Node, site: Site) -> None:
    shape = node.all_input_nodes[0].meta["tensor_meta"].shape
    if len(shape) != 2:
        raise UnsupportedError(
            f"lowering a linear layer of an input {tuple(shape)}",
            f"layer {site.name}",
            "flatten the image in front of it",
        )


def _norm(site: Site, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> Affine:
    if norm.running_mean is None or norm.running_var is None:
        raise UnsupportedError(
            "lowering a batch-norm without running statistics",
            f"layer {site.name}",
            "train it with track_running_stats=True",
        )
    mean, variance = _array(norm.running_mean), _array(norm.running_var)
    gain = 1 / np.sqrt(variance + norm.eps)
    if norm.affine:
        gain = gain * _array(norm.weight)
    offset = -mean * gain + (_array(norm.bias) if norm.affine else 0)
    return Affine(gain, offset)


def _moved(node: fx.Node, site: Site, module: nn.Module | None) -> list[tuple[str, Node]]:
    """What only moves values: found out by moving their positions."""
    given: Any = node.meta.get("tensor_meta")
    before = sides_read(node)
    if not hasattr(given, "shape") or not given.dtype.is_floating_point:
        raise UnsupportedError(
            f"lowering {called(node)} to several tensors or whole numbers",
            f"layer {site.name}",
            "pick channels with slices, y[:, :8], and leave the numbers real",
        )
    after = tuple(given.shape)
    positions = torch.arange(int(np.prod(before)), dtype=torch.float64).reshape(before)
    moved = _apply(node, module)(positions).long().numpy()
    if before[0] == after[0] == 1:
        if before == after and np.array_equal(moved.ravel(), np.arange(moved.size)):
            return []
        if len(after) == 2 and np.array_equal(moved.ravel(), np.arange(np.prod(before))):
            return [("", Flatten())]
        pixels = int(np.prod(before[2:]))
        first = moved.reshape(1, after[1], -1)[0, :, :1] // pixels
        whole = first * pixels + np.arange(pixels)
        if after[2:] == before[2:] and np.array_equal(moved.reshape(after[1], -1), whole):
            return [("", Channels(first[:, 0].copy()))]
    raise UnsupportedError(
        f"lowering a {site.operation} from {before[1:]} to {after[1:]}",
        f"layer {site.name}",
        "flatten images, repeat or pick channels, and leave the batch as it is",
    )


def _apply(node: fx.Node, module: nn.Module | None) -> Callable[[Tensor], Tensor]:
    """The node's operation as a function of its one tensor."""
    if module is not None:
        return module

    def apply(x: Tensor) -> Tensor:
        tensor = node.all_input_nodes[0]
        args, kwargs = fx.node.map_arg(
            (node.args, node.kwargs),
            lambda n: x if n is tensor else n.meta.get("size", n),
        )
        called: Any = node.target
        found: Tensor = (
            getattr(args[0], called)(*args[1:], **kwargs)
            if node.op == "call_method"
            else called(*args, **kwargs)
        )
        return found

    return apply


def _merged(graph: Graph) -> Graph:
    """Affine behind affine becomes one, where nobody else reads the first."""
    kept: list[Vertex] = []
    for vertex in graph:
        before = kept[-1] if kept else None
        if (
            before is not None
            and isinstance(vertex.node, Affine)
            and isinstance(before.node, Affine)
            and vertex.inputs == (before.name,)
            and len(graph.users[before.name]) == 1
            and before.inputs != (IMAGE,)
        ):
            kept[-1] = Vertex(vertex.name, vertex.node.after(before.node), before.inputs)
            continue
        kept.append(vertex)
    return Graph(tuple(kept))
