"""Counting: run a model operation by operation and look at what really happened."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, fx, nn

from s3nn.clock import Scan
from s3nn.energy.counts import Counts, LayerCounts
from s3nn.energy.fanout import fan_out
from s3nn.errors import S3nnError, UsageError
from s3nn.graph.ir import Edge
from s3nn.graph.trace import Site, traced
from s3nn.synapses import Synapse

UNTRACED_BITS = 32


def count(model: nn.Module, batches: Iterable[Tensor | tuple[Tensor, Tensor]]) -> Counts:
    """Count every operation of ``model`` on ``batches``: images (N, C, H, W), or (images, labels).

    The model runs in eval mode; its mode is given back as it was.  Raises ``UnsupportedError``
    for a model that cannot be traced and ``S3nnError`` where a value is not of the type that its
    edge declares.

    >>> from s3nn.models import Mlp
    >>> counts = count(Mlp((1, 8, 8), 10, width=0.1), [torch.zeros(5, 1, 8, 8)])
    >>> counts.samples, counts.macs == 5 * 64 * 40
    (5, True)
    """
    training = model.training
    model.eval()
    counter = _Counter(model)
    samples = 0
    try:
        with torch.inference_mode():
            for batch in batches:
                x = batch if isinstance(batch, Tensor) else batch[0]
                counter.run(x)
                samples += len(x)
    finally:
        model.train(training)
    if samples == 0:
        raise UsageError("there is nothing to count: no batch was given")
    parameters = sum(p.numel() for p in model.parameters())
    return Counts(samples, tuple(counter.totals.values()), parameters, _bits(model))


class _Counter(fx.Interpreter):
    """Runs the traced graph and adds up what each operation does."""

    def __init__(self, model: nn.Module) -> None:
        trace = traced(model)
        super().__init__(trace.graph_module)
        self.sites = trace.sites
        self.totals: dict[str, LayerCounts] = {}
        self.samples = 0

    def run(self, *args: Any, **kwargs: Any) -> Any:
        self.samples = len(args[0])
        return super().run(*args, **kwargs)

    def run_node(self, n: fx.Node) -> Any:
        output = super().run_node(n)
        site = self.sites.get(n)
        if site is not None and isinstance(output, Tensor):
            inputs = [self.env[node] for node in n.all_input_nodes]
            tensors = [value for value in inputs if isinstance(value, Tensor)]
            layer = self._count(site, tensors, output)
            known = self.totals.get(site.name)
            self.totals[site.name] = layer if known is None else known.plus(layer)
        return output

    def _count(self, site: Site, inputs: list[Tensor], output: Tensor) -> LayerCounts:
        module = None if site.module is None else self.module.get_submodule(site.module)
        values: dict[str, Any] = {
            "inputs": sum(x.numel() for x in inputs),
            "outputs": output.numel(),
            "runs": site.runs,
        }
        for edge, x in zip(site.input_edges, inputs, strict=False):
            _check(site, edge, x)
            if edge is Edge.SPIKE:
                values["spikes_in"] = values.get("spikes_in", 0) + int(x.sum())
        if site.operation in ("conv", "linear"):
            assert module is not None
            values |= _synapses(site, module, inputs[0], output)
        elif site.operation == "neuron":
            values |= _neurons(site, module, output, self.samples)
        elif site.operation == "add":
            values["adds"] = output.numel() * max(1, len(inputs) - 1)
        elif site.operation == "avg_pool":
            values["adds"] = _pool_adds(module, inputs[0], output)
        return LayerCounts(site.name, site.operation, site.reads, site.output_edge, **values)


def _synapses(site: Site, layer: nn.Module, x: Tensor, output: Tensor) -> dict[str, Any]:
    fans = fan_out(layer, tuple(x.shape), tuple(output.shape)).to(x.device)
    active = x != 0
    if x.ndim == 4 and fans.ndim == 2:
        nonzero = int((active.sum((0, 1)) * fans).sum())
        dense = int(fans.sum()) * x.shape[0] * x.shape[1]
    else:
        nonzero, dense = int(active.sum()) * int(fans), x.numel() * int(fans)
    weight, bias = layer.get_parameter("weight"), getattr(layer, "bias", None)
    synapse = getattr(layer, "synapse", None)
    edge = site.reads
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
    _check(site, site.output_edge, output)
    return {
        "neuron_updates": output.numel(),
        "neurons": output.numel() // (samples * site.runs),
        "spikes_out": int(output.sum()) if site.output_edge is Edge.SPIKE else 0,
        "temporal": isinstance(module, Scan),
    }


def _pool_adds(module: nn.Module | None, x: Tensor, output: Tensor) -> int:
    """One addition fewer than there are values in a window, a window an output."""
    kernel = getattr(module, "kernel_size", None)
    if kernel is None:
        return x.numel() - output.numel()
    area = kernel * kernel if isinstance(kernel, int) else int(torch.tensor(kernel).prod())
    return output.numel() * (area - 1)


def _check(site: Site, edge: Edge, values: Tensor) -> None:
    """Hold the values on an edge against the type that the network declares."""
    if edge is Edge.SPIKE:
        wrong = (values != 0) & (values != 1)
    elif edge is Edge.SIGN:
        wrong = values.abs() != 1
    else:
        return
    if bool(wrong.any()):
        raise S3nnError(
            f"{site.name}: the network declares {edge} here, but {values[wrong][0].item()} was "
            "measured; the neuron in front of it declares what it does not emit"
        )


def _bits(model: nn.Module) -> int:
    """Bits to store the model: synaptic weights by their synapse, everything else in 32 bits."""
    bits, seen = 0, set()
    for module in model.modules():
        synapse = getattr(module, "synapse", None)
        if isinstance(synapse, Synapse):
            weight = module.get_parameter("weight")
            bits += weight.numel() * synapse.bits + synapse.scales * weight.shape[0] * 32
            seen |= {id(weight), *map(id, synapse.parameters())}
    return bits + 32 * sum(p.numel() for p in model.parameters() if id(p) not in seen)
