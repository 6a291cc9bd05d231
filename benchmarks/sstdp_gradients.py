"""SSTDP beside the code of its authors: spike times, and the gradients of weights and times.

    git clone https://github.com/MXHX7199/SNN-SSTDP
    python benchmarks/sstdp_gradients.py --sstdp SNN-SSTDP        results/sstdp/gradients

Both get the same random spike times, weights and gradients of outputs, in 64 bits.  Theirs does
not run the last two steps, so that inputs are drawn from the steps before; what becomes of a spike
in the last two is a row of its own.  Their convolution takes 256 for the time of silence whatever T
is, so that it is compared at T = 256.
"""

from __future__ import annotations

import importlib
import json
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import tyro
from torch import Tensor, nn

from parents import apart, authors_code
from s3nn.clock import TimedLayer, race
from s3nn.clock.encoders import Latency
from s3nn.clock.readouts import FirstSpike
from s3nn.files import write_text
from s3nn.losses import make_loss
from s3nn.models import Mlp, Parts
from s3nn.neurons.sstdp import Sstdp
from s3nn.synapses import SynapticConv2d, SynapticLinear
from s3nn.synapses.real import Real
from s3nn.versions import host, versions

BAR = 1e-5
STEPS, THETA, SAMPLES = 256, 100.0, 8
KERNELS: dict[str, dict[str, Any]] = {
    "a=1, b=0": {"a": 1.0, "b": 0.0},
    "a=0.8, b=0.2": {"a": 0.8, "b": 0.2},
    "a=0.8, b=0.2, tau=20": {"a": 0.8, "b": 0.2, "tau": 20.0},
}
CONVOLUTIONS: dict[str, dict[str, int]] = {
    "convolution": {"stride": 1, "padding": 1},
    "convolution, stride 2": {"stride": 2, "padding": 0},
}


@dataclass(frozen=True)
class Flags:
    """Hold the layers of spike times against the code of SSTDP's authors."""

    sstdp: Path
    """A clone of github.com/MXHX7199/SNN-SSTDP."""
    seeds: int = 5
    out: Path = Path("results/sstdp/gradients")


def drawn(shape: tuple[int, ...], seed: int, last: int) -> Tensor:
    """Random spike times 0 .. last of which a fifth are silent (inf)."""
    generator = torch.Generator().manual_seed(seed)
    times = torch.randint(0, last + 1, shape, generator=generator).double()
    return times.masked_fill(torch.rand(shape, generator=generator) < 0.2, inf)


def layer(code: Any, name: str, kernel: str, seed: int, last: int) -> dict[str, Any]:
    """One layer: its times out, and both gradients for a random gradient of them."""
    torch.manual_seed(seed)
    options = KERNELS[kernel]
    neuron = code.SpikeOnceNeuron(tau=None, v_threshold=THETA)
    of_kernel = {"a": options["a"], "b": options["b"], "tau": options.get("tau")}
    weights: SynapticConv2d | SynapticLinear
    theirs: Callable[..., Tensor]
    if name == "linear":
        weights, shape = SynapticLinear(Real(), 60, 20), (SAMPLES, 60)
        theirs = code.stdp_linear_container(neuron, t_max=STEPS, **of_kernel)
    else:
        way = CONVOLUTIONS[name]
        weights, shape = SynapticConv2d(Real(), 3, 6, 3, **way), (SAMPLES, 3, 9, 9)
        container = code.stdp_conv2d_container(neuron, t_max=STEPS, **of_kernel)
        edge = way["padding"]

        def theirs(given: Tensor, w: Tensor) -> Tensor:
            padded = nn.functional.pad(given, (edge,) * 4, value=float(STEPS))
            found: Tensor = container(padded, w, None, (way["stride"],) * 2)
            return found

    ours = TimedLayer(weights, Sstdp(THETA, start=5, **options), STEPS).double()
    w = weights.weight
    with torch.no_grad():
        w.copy_(4 * w - 3.4 * w.mean())  # so that some stay silent
    before = drawn(shape, seed, last).requires_grad_()
    given = before.detach().clamp(max=STEPS).requires_grad_()
    copied = w.detach().clone().requires_grad_()
    after, other = ours(before), theirs(given, copied)
    top = torch.randn(after.shape, generator=torch.Generator().manual_seed(seed)).double()
    after.backward(top)
    other.backward(top.clone())
    pairs = ((w.grad, copied.grad), (before.grad, given.grad))
    of_weights, of_times = (apart(a, b) for a, b in pairs if a is not None and b is not None)
    return {
        "layer": name,
        "kernel": kernel,
        "seed": seed,
        "fire": float(after.isfinite().double().mean()),
        "times_apart": float((after.clamp(max=STEPS) != other).double().mean()),
        "weight_gradients": of_weights,
        "time_gradients": of_times,
    }


def network(code: Any, training: Any, seed: int) -> dict[str, Any]:
    """Two layers and the target times of their training, the gradients of all weights."""
    torch.manual_seed(seed)
    spec = "sstdp(threshold=100, start=20)"
    model = Mlp((1, 1, 60), 10, Parts(spec), width=0.1, norm=False, hidden=1)
    encoder, first = Latency(STEPS), FirstSpike(STEPS)
    net = race(model, encoder, first, Sstdp(THETA, start=20)).double()
    ours = [m.weights.weight for m in net.modules() if isinstance(m, TimedLayer)]
    with torch.no_grad():
        for w in ours:
            w.copy_(4 * w - 3.7 * w.mean())
    copied = [w.detach().clone().requires_grad_() for w in ours]
    times, labels = drawn((SAMPLES, 60), seed, STEPS - 3), torch.arange(SAMPLES) % 10
    lead = net.over_time(net.readout(net.features(net.encode(times))))
    make_loss("target_time(delta=5)")(lead[None], lead, labels).backward()
    other = times.clamp(max=STEPS)
    for w in copied:
        neuron = code.SpikeOnceNeuron(tau=None, v_threshold=THETA)
        other = code.stdp_linear_container(neuron, t_max=STEPS, a=1.0, b=0.0)(other, w)
    target = training.target_output(other, labels, STEPS, 5).detach()
    nn.functional.mse_loss(other, target).backward()
    differences = [
        apart(w.grad, c.grad)
        for w, c in zip(ours, copied, strict=True)
        if w.grad is not None and c.grad is not None
    ]
    return {
        "layer": "two layers and their targets",
        "kernel": "a=1, b=0",
        "seed": seed,
        "fire": float((lead > 0).double().mean()),
        "times_apart": float(((STEPS - lead) != other).double().mean()),
        "weight_gradients": max(differences),
        "time_gradients": None,
    }


def last_steps(code: Any, seed: int) -> float:
    """Of neurons that first cross their threshold in the last two steps, how many theirs sees."""
    torch.manual_seed(seed)
    weights = SynapticLinear(Real(), 60, 50)
    ours = TimedLayer(weights, Sstdp(THETA, start=4), STEPS).double()
    neuron = code.SpikeOnceNeuron(tau=None, v_threshold=THETA)
    theirs = code.stdp_linear_container(neuron, t_max=STEPS, a=1.0, b=0.0)
    times = drawn((200, 60), seed, 1) + STEPS - 2
    with torch.no_grad():
        after, other = ours(times), theirs(times.clamp(max=STEPS), weights.weight)
    late = after.isfinite()
    assert late.any()
    return float((other[late] < STEPS).double().mean())


def measured(folder: Path, seeds: int) -> tuple[list[dict[str, Any]], float]:
    absent = {name: types.ModuleType(name) for name in ("lr_scheduler", "torchvision")}
    board = types.ModuleType("torch.utils.tensorboard")
    board.SummaryWriter = None  # type: ignore[attr-defined]
    with (
        authors_code(folder / "code", *absent),
        patch.dict(sys.modules, {"torch.utils.tensorboard": board}),
        patch.object(Tensor, "float", Tensor.double),
    ):
        code, training = map(importlib.import_module, ("sstdp_module", "sstdp_train"))
        rows = [
            layer(code, name, kernel, seed, STEPS - 3)
            for name in ("linear", *CONVOLUTIONS)
            for kernel in KERNELS
            for seed in range(seeds)
        ]
        rows += [network(code, training, seed) for seed in range(seeds)]
        seen = max(last_steps(code, seed) for seed in range(seeds))
    return rows, seen


def main(flags: Flags) -> int:
    torch.set_default_dtype(torch.float64)
    rows, seen = measured(flags.sstdp, flags.seeds)
    largest = {
        "share of output times that are not the authors'": max(r["times_apart"] for r in rows),
        "weight gradients apart from the authors', of the largest": max(
            r["weight_gradients"] for r in rows
        ),
        "time gradients apart from the authors', of the largest": max(
            r["time_gradients"] for r in rows if r["time_gradients"] is not None
        ),
    }
    shows = [
        {"claim": claim, "value": value, "bar": BAR, "holds": value <= BAR}
        for claim, value in largest.items()
    ]
    tree = {
        "command": "python benchmarks/sstdp_gradients.py --sstdp SNN-SSTDP",
        "versions": versions(),
        "host": host(torch.get_num_threads(), None),
        "spike_times": rows,
        "seen_in_the_last_two_steps": seen,
        "shows": shows,
    }
    write_text(flags.out / "result.json", json.dumps(tree, indent=1) + "\n")
    for show in shows:
        print(
            f"{'holds' if show['holds'] else 'FAILS'}: {show['claim']}: {show['value']:.2g} "
            f"({show['bar']:g})"
        )
    return 0 if all(show["holds"] for show in shows) else 1


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main(tyro.cli(Flags)))
