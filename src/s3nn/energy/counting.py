"""Counting: run a model operation by operation and look at what really happened."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, fx, nn

from s3nn.clock import Scan, TimedLayer
from s3nn.energy.counts import Counts, LayerCounts
from s3nn.energy.fanout import adaptive_pool_reads, fan_out, pool_reads
from s3nn.errors import S3nnError, UsageError
from s3nn.gates.base import Gated
from s3nn.graph.ir import Edge
from s3nn.graph.trace import Site, called, evaluating, traced
from s3nn.synapses import Synapse

UNTRACED_BITS = 32


def count(model: nn.Module, batches: Iterable[Tensor | tuple[Tensor, Tensor]]) -> Counts:
    """Count every operation of ``model`` on ``batches``: images (N, C, H, W), or (images, labels).

    The model runs in eval mode, on the device it is on; each of its modules gets its mode back.
    Raises ``UnsupportedError`` for a model that cannot be traced, ``UsageError`` for what are no
    batches of images, and ``S3nnError`` where a value is not of the type that its edge declares.

    >>> from s3nn.models import Mlp
    >>> counts = count(Mlp((1, 8, 8), 10, width=0.1), [torch.zeros(5, 1, 8, 8)])
    >>> counts.samples, counts.macs == 5 * 64 * 40
    (5, True)
    """
    if isinstance(batches, Tensor):
        raise UsageError("count takes batches and was given a tensor: write count(model, [images])")
    counter = _Counter(model)
    samples = 0
    device = next((p.device for p in model.parameters()), None)
    with evaluating(model), torch.inference_mode():
        for batch in batches:
            x = _images(batch)
            if len(x):
                counter.run(x.to(device))
            samples += len(x)
    if samples == 0:
        raise UsageError("there is nothing to count: no batch with an image in it was given")
    parameters = sum(p.numel() for p in model.parameters())
    return Counts(samples, tuple(counter.totals.values()), parameters, _bits(model))


def _images(batch: Tensor | tuple[Tensor, Tensor]) -> Tensor:
    x, label = (batch, None) if isinstance(batch, Tensor) else (batch[0], batch[1])
    if isinstance(label, (int, float)) or (isinstance(label, Tensor) and not label.ndim):
        raise UsageError(
            "count takes batches and was given single images with a label each, as a data set "
            "holds them: put the data set into a torch.utils.data.DataLoader"
        )
    if not (x.is_floating_point() and x.ndim > 1):
        raise UsageError(
            f"count takes batches of floating-point images and met {x.dtype} of the shape "
            f"{tuple(x.shape)}: normalise them as for the network's training"
        )
    return x


class _Counter(fx.Interpreter):
    """Runs the traced graph and adds up what each operation does."""

    def __init__(self, model: nn.Module) -> None:
        trace = traced(model)
        super().__init__(trace.graph_module)
        self.extra_traceback = False  # an error says where it was met
        modules = model.named_modules()
        self.gates = tuple(
            f"{name}.gates.".lstrip(".") for name, module in modules if isinstance(module, Gated)
        )
        self.sites, self.sources = trace.sites, trace.sources
        self.totals: dict[str, LayerCounts] = {}
        self.samples = 0

    def run(self, *args: Any, **kwargs: Any) -> Any:
        self.samples = len(args[0])
        return super().run(*args, **kwargs)

    def run_node(self, n: fx.Node) -> Any:
        site = self.sites.get(n)
        if site is None:
            return super().run_node(n)
        inputs = [self.env[source] for source in self.sources[n]]
        # Looked at before the operation runs, which may write over what it reads.
        spikes = [_spikes(site, e, x) for e, x in zip(site.input_edges, inputs, strict=True)]
        spikes_in = spikes[0] if site.operation == "mask" else sum(spikes)
        output = super().run_node(n)
        if site.operation == "timed":
            for layer in self._timed(site, inputs[0], output):
                self._add(layer)
        elif isinstance(output, Tensor):
            tensors = [value for value in inputs if isinstance(value, Tensor)]
            values = self._count(n, site, tensors, output) | {"spikes_in": spikes_in}
            edges = _counted(site.reads), _counted(site.output_edge)
            values["of_gate"] = site.name.startswith(self.gates)
            self._add(LayerCounts(site.name, site.operation, *edges, **values))
        elif site.opaque:  # a layer that gives several tensors
            self._add(LayerCounts(site.name, site.operation, site.reads, site.output_edge))
        return output

    def _add(self, layer: LayerCounts) -> None:
        known = self.totals.get(layer.name)
        self.totals[layer.name] = layer if known is None else known.plus(layer)

    def _timed(self, site: Site, times: Tensor, output: Tensor) -> tuple[LayerCounts, LayerCounts]:
        """Weights and neurons of a layer of spike times: what both would count step by step."""
        assert site.module is not None
        module = self.module.get_submodule(site.module)
        assert isinstance(module, TimedLayer)
        steps = site.runs
        read = _synapses(Edge.SPIKE, module.weights, times.isfinite(), output)
        weights = LayerCounts(
            f"{site.name}.weights",
            "linear" if isinstance(module.weights, nn.Linear) else "conv",
            Edge.SPIKE,
            Edge.ANALOG,
            inputs=steps * times.numel(),
            outputs=steps * output.numel(),
            spikes_in=_spikes(site, Edge.TIME, times),
            runs=steps,
            **{**read, "dense": steps * read["dense"]},
        )
        neurons = LayerCounts(
            f"{site.name}.neuron",
            "neuron",
            Edge.ANALOG,
            Edge.SPIKE,
            inputs=steps * output.numel(),
            outputs=steps * output.numel(),
            spikes_out=_spikes(site, Edge.TIME, output),
            neuron_updates=steps * output.numel(),
            neurons=output.numel() // self.samples,
            states=module.neuron.states,
            potential_bits=module.neuron.potential_bits,
            runs=steps,
        )
        return weights, neurons

    def _count(
        self, node: fx.Node, site: Site, inputs: list[Tensor], output: Tensor
    ) -> dict[str, Any]:
        module = None if site.module is None else self.module.get_submodule(site.module)
        values: dict[str, Any] = {
            "inputs": sum(
                x.numel() * _steps(site, e) for x, e in zip(inputs, site.input_edges, strict=False)
            ),
            "outputs": output.numel() * _steps(site, site.output_edge),
            "runs": site.runs,
        }
        match site.operation:
            case "conv" | "linear":
                assert module is not None
                values |= _synapses(site.reads, module, inputs[0] != 0, output)
            case "neuron" | "activation":
                values |= _neurons(site, module, output, self.samples)
            case "add":
                values["adds"] = output.numel() * max(1, len(inputs) - 1)
            case "decision":
                values["neuron_updates"] = output.numel()
            case "softmax":
                # An exponential and a division are a multiplication each: our choice.
                assert isinstance(module, nn.Softmax)
                sums = output.select(module.dim or 0, 0).numel()
                values |= {"macs": 2 * output.numel(), "adds": output.numel() - sums}
            case "charge_pool":  # one addition gathers a value, one makes a current of the largest
                values["adds"] = inputs[0].numel() + output.numel()
            case "over_time":
                values["adds"] = inputs[0].numel() - output.numel()
            case "avg_pool":
                # One addition fewer than there are values in a window, a window an output.
                reads = _pool_reads(node, module, inputs[0], output)
                values["adds"] = reads - output.numel()
        return values


def _counted(edge: Edge) -> Edge:
    """What an edge is to the counts: a time stands for one spike."""
    return Edge.SPIKE if edge is Edge.TIME else edge


def _steps(site: Site, edge: Edge) -> int:
    """How many steps a value on the edge speaks for; a time for all of them."""
    return site.runs if edge is Edge.TIME else 1


def _synapses(edge: Edge, layer: nn.Module, active: Tensor, output: Tensor) -> dict[str, Any]:
    fans = fan_out(layer, tuple(active.shape), tuple(output.shape)).to(active.device)
    if fans.ndim:
        nonzero = int((active.sum((0, 1)) * fans).sum())
        dense = int(fans.sum()) * active.shape[0] * active.shape[1]
    else:
        nonzero, dense = int(active.sum()) * int(fans), active.numel() * int(fans)
    weight, bias = layer.get_parameter("weight"), getattr(layer, "bias", None)
    synapse = getattr(layer, "synapse", None)
    return {
        "dense": dense,
        "nonzero": nonzero,
        "macs": 0 if edge.binary else dense,
        "acs": nonzero if edge is Edge.SPIKE else dense if edge is Edge.SIGN else 0,
        "adds": 0 if bias is None else output.numel(),
        "weights": weight.numel(),
        "weight_bits": synapse.bits if isinstance(synapse, Synapse) else UNTRACED_BITS,
        "biases": 0 if bias is None else bias.numel(),
    }


def _neurons(site: Site, module: nn.Module | None, output: Tensor, samples: int) -> dict[str, Any]:
    return {
        "neuron_updates": output.numel(),
        "neurons": output.numel() // (samples * site.runs),
        "spikes_out": _spikes(site, site.output_edge, output),
        "states": module.neuron.states if isinstance(module, Scan) else 0,
        "potential_bits": module.neuron.potential_bits if isinstance(module, Scan) else 32,
    }


def _pool_reads(node: fx.Node, module: nn.Module | None, x: Tensor, output: Tensor) -> int:
    """How many values an average reads, each once a window."""
    name = (called(node) if module is None else type(module).__name__).lower()
    if "pool" not in name:
        return x.numel()
    axes, shapes = int(name[-2]), (tuple(x.shape), tuple(output.shape))
    if name.startswith("adaptive"):
        return adaptive_pool_reads(*shapes, axes)
    options = dict(zip(("kernel_size", "stride", "padding"), node.args[1:4], strict=False))
    options = vars(module) if module is not None else {**options, **node.kwargs}
    kernel = options["kernel_size"]
    sizes = (kernel, options.get("stride") or kernel, options.get("padding", 0))
    return pool_reads(*shapes, *(_for_axes(size, axes) for size in sizes))


def _for_axes(size: Any, axes: int) -> tuple[int, ...]:
    sizes = tuple(size) if isinstance(size, (tuple, list)) else (size,)
    return sizes * axes if len(sizes) == 1 else sizes


def _spikes(site: Site, edge: Edge, values: Any) -> int:
    """The spikes on an edge, whose values are held against the type that the network declares."""
    if not isinstance(values, Tensor):  # the parts of a split, which are looked at one by one
        return 0
    if edge is Edge.TIME:
        wrong = values.isnan() | (values < 0) | (values.isfinite() & (values != values.round()))
    elif edge is Edge.SPIKE:
        wrong = (values != 0) & (values != 1)
    elif edge is Edge.SIGN:
        wrong = values.abs() != 1
    else:
        return 0
    if bool(wrong.any()):
        raise S3nnError(
            f"{site.name}: the network declares {edge} here, but {values[wrong][0].item()} was "
            "measured; the neuron in front of it declares what it does not emit"
        )
    if edge is Edge.TIME:
        return int(values.isfinite().sum())
    # Not the sum of the values: 32-bit floats are no integers above 2^24.
    return int(values.count_nonzero()) if edge is Edge.SPIKE else 0


def _bits(model: nn.Module) -> int:
    """Bits to store the model: synaptic weights by their synapse, everything else in 32 bits."""
    bits, seen = 0, set()
    for module in model.modules():
        synapse = getattr(module, "synapse", None)
        if not isinstance(synapse, Synapse):
            continue
        weight = module.get_parameter("weight")
        if id(weight) not in seen:
            bits += weight.numel() * synapse.bits
        if id(synapse) not in seen:
            bits += 32 * (synapse.scales * weight.shape[0] + synapse.shared_scales)
        seen |= {id(weight), id(synapse), *map(id, synapse.parameters())}
    return bits + 32 * sum(p.numel() for p in model.parameters() if id(p) not in seen)
