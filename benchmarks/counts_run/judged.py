"""A network counted by everyone, and the differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from counts_run.loops import accumulations
from counts_run.others import COUNTERS, neurobench
from s3nn.energy import Counts, count
from s3nn.energy.plain import plain


@dataclass(frozen=True)
class Ours:
    """Totals of all samples; ``nonzero_macs`` leaves out the inputs that are zero."""

    acs: int
    macs: int
    nonzero_macs: int
    dense: int
    adds: int
    firing_rate: float | None


def ours(counts: Counts) -> Ours:
    return Ours(
        acs=counts.acs,
        macs=counts.macs,
        nonzero_macs=sum(layer.nonzero for layer in counts.layers if not layer.reads.binary),
        dense=sum(layer.dense for layer in counts.layers),
        adds=counts.adds,
        firing_rate=counts.firing_rate,
    )


def judge(network: nn.Module, batches: Sequence[Tensor]) -> dict[str, Any]:
    """Everybody's counts of ``network`` (in double precision), and the loops' of one image."""
    mine = ours(count(network, batches))
    samples = sum(map(len, batches))
    theirs = {name: counter(network, batches) for name, counter in COUNTERS.items()}
    of = {
        name: {key: round(value * samples) for key, value in said.items() if key in _TOTALS}
        for name, said in theirs.items()
    }
    bench = theirs["neurobench"]
    handed = plain(network)  # what NeuroBench is given: scales of synapses are in its weights
    memory = [*handed.parameters(), *handed.buffers()]
    apart = {
        "neurobench_acs": mine.acs - of["neurobench"]["acs"],
        "neurobench_macs": mine.nonzero_macs - of["neurobench"]["macs"],
        "neurobench_dense": mine.dense - of["neurobench"]["dense"],
        "neurobench_sparsity": None
        if mine.firing_rate is None
        else abs(1 - mine.firing_rate - bench["sparsity"]),
        "spikingjelly_acs": mine.acs - of["spikingjelly"]["acs"],
        "spikingjelly_macs": mine.macs - of["spikingjelly"]["macs"],
        "syops_acs": mine.acs - of["syops"]["acs"],
        "syops_macs": mine.macs - of["syops"]["macs"],
    }
    return {
        "samples": samples,
        "ours": asdict(mine),
        "theirs": theirs,
        "apart": apart,
        "footprint_bytes": sum(t.numel() * t.element_size() for t in memory),
        "one_image": _one_image(network, batches[0][:1]),
    }


_TOTALS = ("acs", "macs", "dense")


def _one_image(network: nn.Module, x: Tensor) -> dict[str, int]:
    """Accumulations of the non-zero inputs of one image: by loops, by us, and by NeuroBench."""
    copied = plain(network)
    reads: list[tuple[nn.Module, Tensor]] = []
    for layer in copied.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            layer.register_forward_pre_hook(lambda layer, inputs: reads.append((layer, *inputs)))
    with torch.no_grad():
        copied(x)
    every = sum(accumulations(layer, seen) for layer, seen in reads)
    without = sum(accumulations(layer, seen, zero_weights=False) for layer, seen in reads)
    bench = neurobench(network, [x])
    return {
        "loops": every,
        "loops_without_zero_weights": without,
        "ours": sum(layer.nonzero for layer in count(network, [x]).layers),
        "neurobench": round(bench["acs"] + bench["macs"]),
    }
