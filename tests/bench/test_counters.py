"""Counts beside NeuroBench's, SpikingJelly's and syops': equal where the definitions agree.

Runs where the extra s3nn[neurobench] is installed (`make bench`).  What each leaves out, and why
they differ where they do, is in docs/counts.md; loops over every accumulation are the judge.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from s3nn.clock import unroll
from s3nn.energy import Counts, count
from s3nn.errors import S3nnError, UnsupportedError, UsageError
from s3nn.models import Cnn7, Mlp, Parts, Resnet18

try:  # a package that does not fit this torch raises more than ImportError
    import neurobench.benchmarks
    import neurobench.metrics.workload  # noqa: F401

    from counts_run.others import spikingjelly, syops
except Exception as error:
    pytest.skip(f"needs the extra s3nn[neurobench]: {error}", allow_module_level=True)

from counts_run.loops import accumulations
from s3nn.energy.neurobench import as_neurobench, count_with_neurobench
from s3nn.energy.plain import plain

KINDS = [Mlp, Cnn7, Resnet18]
ROWS = {
    "fire": Parts("fire"),
    "relu": Parts("relu"),
    "bnn": Parts("sign", "binary"),
    "int4": Parts("fire", "integer(bits=4)"),
    "lif": Parts("lif"),
}


def network_of(kind: type, row: str) -> nn.Module:
    torch.manual_seed(0)
    network = kind((3, 16, 16), 10, ROWS[row], width=0.0625).double()
    return unroll(network, 3) if row == "lif" else network.eval()


def batches() -> list[Tensor]:
    x = 2 * torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    return [x[:2].double(), x[2:].double()]


def nonzero_macs(counts: Counts) -> int:
    return sum(layer.nonzero for layer in counts.layers if not layer.reads.binary)


@pytest.mark.parametrize("row", [row for row in ROWS if row != "int4"])
@pytest.mark.parametrize("kind", KINDS)
def test_neurobench_counts_the_same(kind: type, row: str) -> None:
    network = network_of(kind, row)
    mine, found = count(network, batches()), count_with_neurobench(network, batches())
    assert round(3 * found.effective_acs) == mine.acs
    assert round(3 * found.effective_macs) == nonzero_macs(mine)
    assert round(3 * found.dense) == sum(layer.dense for layer in mine.layers)
    if mine.firing_rate is not None:
        assert found.activation_sparsity == pytest.approx(1 - mine.firing_rate, abs=1e-12)
        assert 0 < mine.firing_rate < 1
    memory = [*network.parameters(), *network.buffers()]
    assert found.footprint_bytes == sum(t.numel() * t.element_size() for t in memory)
    assert found.parameters == mine.parameters


@pytest.mark.parametrize("kind", [Mlp, Cnn7])
@pytest.mark.parametrize("row", ["fire", "int4", "relu"])
def test_loops_are_the_judge(kind: type, row: str) -> None:
    """NeuroBench takes a weight of zero for no synapse; s3nn counts synapses of any weight."""
    network, x = network_of(kind, row), batches()[0][:1]
    copied = plain(network)
    reads: list[tuple[Any, Tensor]] = []
    for layer in copied.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            layer.register_forward_pre_hook(lambda layer, given: reads.append((layer, given[0])))
    copied(x)
    every = sum(accumulations(layer, seen) for layer, seen in reads)
    without = sum(accumulations(layer, seen, zero_weights=False) for layer, seen in reads)
    found = count_with_neurobench(network, [x])
    assert sum(layer.nonzero for layer in count(network, [x]).layers) == every
    assert found.effective_acs + found.effective_macs == without
    assert (without < every) == (row == "int4")


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("kind", KINDS)
def test_spikingjelly_counts_the_same_spikes(kind: type, row: str) -> None:
    network = network_of(kind, row)
    mine, found = count(network, batches()), spikingjelly(network, batches())
    # To its counters a sign is a real number, and a tap outside of the image a multiplication.
    assert round(3 * found["acs"]) == (0 if row == "bnn" else mine.acs)
    padded = mine.macs + (mine.acs if row == "bnn" else 0) + outside(network, row)
    assert round(3 * found["macs"]) == padded


def outside(network: nn.Module, row: str) -> int:
    """The taps of layers that multiply which lie in the padding: all taps, without those inside."""
    copied, found = plain(network), 0
    counts = {layer.name: layer for layer in count(copied, batches()).layers}
    for name, layer in copied.named_modules():
        if isinstance(layer, nn.Conv2d) and (counts[name].macs or row == "bnn"):
            taps = layer.weight[0].numel() * counts[name].outputs
            found += taps - counts[name].dense
    return found


@pytest.mark.parametrize("kind", [Mlp, Cnn7])
def test_syops_takes_every_spike_for_one_in_the_middle(kind: type) -> None:
    """Its count is a mean rate times all taps, padding too; without padding it is ours."""
    network = network_of(kind, "fire")
    mine, found = count(network, batches()), syops(network, batches())
    fans = {name: nine(layer) for name, layer in plain(network).named_modules()}
    middle = sum(x.spikes_in * fans[x.name] for x in mine.layers if x.acs)
    bias = 10 * len(batches())  # of the read-out, counted once a batch and with the rate
    assert middle <= 3 * found["acs"] <= middle * (1 + 1e-6) + bias
    assert (middle > mine.acs) == (kind is Cnn7)


def nine(layer: nn.Module) -> int:
    """The fan-out of an input in the middle of a 3x3 convolution, or of a linear layer's."""
    if isinstance(layer, nn.Conv2d):
        return 9 * layer.out_channels
    return getattr(layer, "out_features", 0)


def test_what_registering_by_hand_misses() -> None:
    """The reason for `as_neurobench`: left to itself, the harness reports nothing amiss."""
    from neurobench.benchmarks import Benchmark
    from neurobench.metrics.workload import ActivationSparsity
    from neurobench.models import TorchModel

    network = network_of(Cnn7, "fire").float()
    loader = [(x.float(), torch.zeros(len(x))) for x in batches()]

    class Loader(list[Any]):
        dataset = range(3)

    def sparsity(model: Any) -> float:
        ran = Benchmark(model, Loader(loader), [], [], [[], [ActivationSparsity]]).run(quiet=True)
        return float(ran["ActivationSparsity"])

    assert sparsity(TorchModel(network)) == 0
    assert 0 < sparsity(as_neurobench(network)) < 1


def test_layers_that_it_would_pass_over() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2, 1, 3, 3))

        def forward(self, x: Tensor) -> Tensor:
            return torch.nn.functional.conv2d(x, self.weight)

    for network in (Functional(), nn.Sequential(nn.ConvTranspose2d(1, 2, 3))):
        with pytest.raises(UnsupportedError, match="would count as nothing"):
            as_neurobench(network)
    with pytest.raises(UsageError, match="nothing to count"):
        count_with_neurobench(nn.Linear(2, 2), [])


def test_a_metric_that_fails_is_an_error_and_no_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    from neurobench.metrics.workload import SynapticOperations

    def fails(*args: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(SynapticOperations, "__call__", fails)
    with pytest.raises(S3nnError, match="could not count Linear: Error running workload metric"):
        count_with_neurobench(nn.Linear(2, 2), [torch.ones(1, 2)])


def test_a_layer_alone_is_seen() -> None:
    assert count_with_neurobench(nn.Linear(2, 3), [torch.ones(4, 2)]).effective_acs == 6


def test_the_study(tmp_path: Path) -> None:
    from counts import Flags, main

    flags = Flags(
        data="digits",
        models=("mlp",),
        rows=("s3nn", "s3nn-int4"),
        images=4,
        batch=2,
        out=tmp_path / "out",
        runs=tmp_path / "runs",
    )
    assert main(flags) == 0
    tree = json.loads((tmp_path / "out" / "result.json").read_text())
    assert [row["row"] for row in tree["counters"]] == ["s3nn", "s3nn-int4"]
    assert tree["counters"][0]["apart"]["neurobench_acs"] == 0
    assert tree["counters"][1]["apart"]["neurobench_macs"] > 0
    assert len(tree["shows"]) == 6
