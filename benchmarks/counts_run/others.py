"""What the counters of other libraries say of a network, a sample each."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import torch
from torch import Tensor, nn

from s3nn.energy.neurobench import count_with_neurobench
from s3nn.energy.plain import plain

Found = dict[str, float]


def neurobench(network: nn.Module, batches: Sequence[Tensor]) -> Found:
    said = count_with_neurobench(network, batches)
    return {
        "acs": said.effective_acs,
        "macs": said.effective_macs,
        "dense": said.dense,
        "sparsity": said.activation_sparsity,
        "footprint_bytes": said.footprint_bytes,
    }


def spikingjelly(network: nn.Module, batches: Sequence[Tensor]) -> Found:
    """Its counters of spike-driven operations and of MACs, batch-norms left out of the latter."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from spikingjelly.activation_based import op_counter
    norms = [nn.BatchNorm1d, nn.BatchNorm2d]
    counters = [
        op_counter.SynOpCounter(),
        op_counter.MACCounter(extra_ignore_modules=norms),
        op_counter.ACCounter(),
    ]
    copied = plain(network)
    with torch.no_grad(), op_counter.DispatchCounterMode(counters):
        for batch in batches:
            copied(batch)
    samples = sum(map(len, batches))
    names = ("acs", "macs", "acs_and_adds")
    return {k: c.get_total() / samples for k, c in zip(names, counters, strict=True)}


def syops(network: nn.Module, batches: Sequence[Tensor]) -> Found:
    """Its count of synaptic layers alone, each with its own mean rate."""
    get_model_complexity_info, mapping = _import_syops()
    layers = (nn.Conv2d, nn.Linear)
    ignored = [kind for kind in mapping if kind not in layers]
    loader = [(batch, None) for batch in batches]
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), torch.no_grad():
        counted: Any = get_model_complexity_info(
            _InDouble(plain(network)),
            tuple(batches[0].shape[1:]),
            loader,
            print_per_layer_stat=False,
            as_strings=False,
            ignore_modules=ignored,
        )
    return {"acs": float(counted[0][1]), "macs": float(counted[0][2])}


class _InDouble(nn.Module):
    """syops hands every batch over in 32 bits, which holds those that came from 32 bits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.double()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.network(x.double())
        return out


def _import_syops() -> tuple[Any, dict[type, Any]]:
    """syops 0.0.5 asks for classes that SpikingJelly 2 has no more, to recognise its neurons by."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from spikingjelly.activation_based import neuron

        for name in ("MultiStepIFNode", "MultiStepLIFNode", "MultiStepParametricLIFNode"):
            if not hasattr(neuron, name):
                setattr(neuron, name, type(name, (nn.Module,), {}))
        from syops import get_model_complexity_info
        from syops.ops import MODULES_MAPPING
    return get_model_complexity_info, MODULES_MAPPING


COUNTERS: dict[str, Callable[[nn.Module, Sequence[Tensor]], Found]] = {
    "neurobench": neurobench,
    "spikingjelly": spikingjelly,
    "syops": syops,
}
