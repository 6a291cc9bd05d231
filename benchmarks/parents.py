"""The neurons timing and antlr beside the code of their authors: spikes and gradients.

    git clone https://github.com/stonezwr/TSSL-BP
    git clone https://github.com/KyungsuKim42/ANTLR
    python benchmarks/parents.py --tssl TSSL-BP --antlr ANTLR

Both are run on the same random inputs.  The authors' code wants a GPU and pictures: here
``.cuda()`` does nothing, and matplotlib is empty.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import tyro
from torch import Tensor, nn

from s3nn.clock import Unroll, unroll
from s3nn.clock.encoders import Frames
from s3nn.files import write_text
from s3nn.losses import Latency
from s3nn.models import Mlp, Parts
from s3nn.neurons import Antlr, Timing, make_neuron
from s3nn.versions import host, versions

BAR = 1e-5
RULES = {"activation": "Activation", "timing": "Timing", "both": "ANTLR"}


@dataclass(frozen=True)
class Flags:
    """Hold two neurons against their authors' code."""

    tssl: Path
    """A clone of github.com/stonezwr/TSSL-BP."""
    antlr: Path
    """A clone of github.com/KyungsuKim42/ANTLR."""
    seeds: int = 5
    out: Path = Path("results/tssl/gradients")


@contextlib.contextmanager
def authors_code(folder: Path, *absent: str) -> Iterator[None]:
    """Inside, modules of ``folder`` can be imported; ``absent`` ones are empty."""
    empty = {name: types.ModuleType(name) for name in absent}
    with (
        patch.object(sys, "path", [str(folder), *sys.path]),
        patch.dict(sys.modules, empty),
        patch.object(Tensor, "cuda", lambda self: self, create=True),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        yield


def apart(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference, of the largest value."""
    return float((ours - theirs).detach().abs().max() / theirs.detach().abs().max())


def timing(folder: Path, steps: int, seed: int) -> dict[str, Any]:
    drawn = torch.Generator().manual_seed(seed)
    x = 0.3 + 1.5 * torch.randn(steps, 64, 200, generator=drawn)
    top = torch.randn(steps, 64, 200, generator=drawn)
    with authors_code(folder):
        glv = importlib.import_module("global_v")
        function = importlib.import_module("functions.tsslbp").TSSLBP
        glv.init(steps, 3)
        given = x.permute(1, 2, 0).reshape(64, 200, 1, 1, steps).clone().requires_grad_()
        out = function.apply(given, {"tau_m": 5, "tau_s": 3}, {"threshold": 1})
        out.backward(top.permute(1, 2, 0).reshape(out.shape))
    own = x.clone().requires_grad_()
    current = Timing(tau_m=5, tau_s=3).run(own)
    current.backward(top)
    assert own.grad is not None
    assert given.grad is not None
    return {
        "neuron": f"timing, T={steps}",
        "seed": seed,
        "outputs": apart(current, out.view(64, 200, steps).permute(2, 0, 1)),
        "gradients": apart(own.grad, given.grad.view(64, 200, steps).permute(2, 0, 1)),
    }


def antlr(folder: Path, rule: str, seed: int) -> dict[str, Any]:
    """Two hidden layers and neurons behind the outputs, with the loss of first spikes."""
    steps, samples, pixels, classes = 30, 16, 40, 5
    torch.manual_seed(seed)
    net = _network(rule, steps, pixels, classes)
    x = (torch.rand(samples, steps, 1, pixels) < 0.03).double()
    labels = torch.randint(0, classes, (samples,))
    named = dict(net.named_parameters())
    weights = [p for name, p in named.items() if name.endswith("weight")]
    biases = [p for name, p in named.items() if name.endswith("bias")]
    for w in weights:
        w.data = 0.6 * w.data.abs() + 0.2 * torch.randn_like(w)
    for b in biases:
        b.data = 0.05 * torch.randn_like(b)
    plots = types.ModuleType("matplotlib")
    with (
        authors_code(folder, "matplotlib.pyplot"),
        patch.dict(sys.modules, {"matplotlib": plots}),
        patch.object(Tensor, "float", Tensor.double),
    ):
        theirs = importlib.import_module("antlr").ListSNNMulti(_settings(net, rule, steps))
        for layer, shift, w, b in zip(
            theirs.layers, theirs.state_v_bs, weights, biases, strict=True
        ):
            layer.weight.data, shift.data = w.data.clone(), b.data.clone()
        out = theirs(x.flatten(2))
        theirs.backward_custom(labels)
    for module in net.modules():
        if isinstance(module, Antlr):  # theirs looks for the highest potential within T steps
            module.constants = replace(module.constants, gain=float(theirs.beta_v))
    spikes = net.each_step(x.flatten(1, 2).view(samples, steps, 1, pixels))
    Latency()(spikes, spikes.sum(0), labels).backward()
    stop = theirs.term_length  # where all of its output neurons had fired
    pairs = [
        *((w.grad, layer.weight.grad) for w, layer in zip(weights, theirs.layers, strict=True)),
        *((b.grad, shift.grad) for b, shift in zip(biases, theirs.state_v_bs, strict=True)),
    ]
    return {
        "neuron": f"antlr, {rule}",
        "seed": seed,
        "outputs": float((spikes[:stop].transpose(0, 1) - out).detach().abs().max()),
        "gradients": max(apart(own, other) for own, other in pairs),
    }


def _network(rule: str, steps: int, pixels: int, classes: int) -> Unroll:
    spec = f"antlr(rule={rule})"
    model: nn.Module = Mlp((1, 1, pixels), classes, Parts(spec), width=0.08, norm=False)
    output = make_neuron(spec, classes).double()
    net = unroll(model.double(), steps, Frames(steps), output=output)
    assert isinstance(net, Unroll)
    return net.train()


def _settings(net: Unroll, rule: str, steps: int) -> dict[str, Any]:
    """The authors' defaults, for a network of our sizes."""
    sizes = [p.shape for name, p in net.named_parameters() if name.endswith("weight")]
    return {
        "network_size": [str(sizes[0][1]), *(f"fc{size[0]}" for size in sizes)],
        "multi_model": False,
        "num_models": 1,
        "target_type": "latency",
        "lrule": RULES[rule],
        "time_length": steps,
        "alpha_i": 0.99,
        "alpha_v": 0.99,
        "beta_auto": 1,
        **dict.fromkeys(("beta_i", "beta_v", "beta_bias", "surr_alpha"), 1.0),
        "surr_beta": 3.0,
        "softmax_beta": 1 / 6,
        "lambda_nospike": 0.1,
        "timing_penalty": 0.0,
        "grad_clip": 1e9,
    }


def main(flags: Flags) -> int:
    rows = [timing(flags.tssl, t, seed) for t in (1, 2, 5, 10) for seed in range(flags.seeds)]
    torch.set_default_dtype(torch.float64)
    rows += [antlr(flags.antlr, rule, seed) for rule in RULES for seed in range(flags.seeds)]
    shows = []
    for neuron in ("timing", "antlr"):
        value = max(row["gradients"] for row in rows if row["neuron"].startswith(neuron))
        claim = f"gradients of {neuron} are those of the authors' code, of the largest"
        shows.append({"claim": claim, "value": value, "bar": BAR, "holds": value <= BAR})
    tree = {
        "command": "python benchmarks/parents.py --tssl TSSL-BP --antlr ANTLR",
        "versions": versions(),
        "host": host(torch.get_num_threads(), None),
        "parents": rows,
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
