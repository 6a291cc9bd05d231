"""Reward propagation and its kin beside the code of their authors: spikes and gradients.

    git clone https://github.com/thomasaimondy/BRP-SNN
    python benchmarks/brp_gradients.py --brp BRP-SNN

Both run the same weights, matrices and spikes, in double precision.  The authors' code wants a GPU:
here ``.cuda()`` does nothing.  Their membrane passes a gradient through the spike of its reset,
ours takes it for a constant: the neuron here is ours with theirs in that place, and rows without it
say how far that one difference leads.
"""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import tyro
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from s3nn.clock import Unroll, unroll
from s3nn.clock.encoders.base import Encoder
from s3nn.clock.readouts import Mean
from s3nn.files import write_text
from s3nn.neurons import Lif
from s3nn.rules import make_rule
from s3nn.surrogates import Surrogate, spike
from s3nn.versions import host, versions

BAR = 1e-12
SIZES, CLASSES, SAMPLES = (12, 20, 15, 10), 10, 6
# Their name of a rule, and ours.
RULES = {
    "DRTP": "brp",
    "FA": "feedback_alignment",
    "DFA": "direct_feedback_alignment",
}
README = """# BRP, feedback alignment and direct feedback alignment beside the authors' code

<!-- table: {study} -->
<!-- end -->

Fully connected, 12-20-15-10, their neuron and loss; the same weights, matrices and spikes, in
double precision, over five seeds. Their code sums over the batch what our rules take the mean of:
that factor is put back. `own reset`: with our neuron as it is, for which the spike of the reset is
a constant in the backward pass.
"""


@dataclass(frozen=True)
class Flags:
    """Hold three rules against their authors' code."""

    brp: Path
    """A clone of github.com/thomasaimondy/BRP-SNN."""
    seeds: int = 5
    out: Path = Path("results/brp/gradients")


@dataclass(frozen=True)
class Window(Surrogate):
    """1[|x| < 1/2], x = u - theta, as theirs."""

    def primitive(self, u: Tensor, threshold: Any) -> Tensor:
        return (u - threshold + 0.5).clamp(0, 1)

    def derivative(self, u: Tensor, threshold: Any) -> Tensor:
        return ((u - threshold).abs() < 0.5).to(u.dtype)


class Theirs(Lif):
    """u[t] = 0.2 u[t-1] (1 - s[t-1]) + x[t], with a gradient through that spike."""

    def __init__(self, own_reset: bool) -> None:
        super().__init__(tau=1.25, threshold=0.5, surrogate=Window())
        self.own_reset = own_reset

    def charge(self, current: Tensor, state: Any) -> Tensor:
        return current if state is None else 0.2 * state + current

    def step(self, current: Tensor, state: Any) -> tuple[Tensor, Tensor]:
        u = self.charge(current, state)
        s = spike(u, self.threshold(u), self.surrogate)
        return s, u * (1 - (s.detach() if self.own_reset else s))


class Given(Encoder):
    """Spikes (N, T, I) that were drawn before."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(0, 1).flatten(0, 1)


class Network(nn.Module):
    """The authors' layers between our neurons."""

    input_shape = (5, SIZES[0])

    def __init__(self, layers: list[nn.Linear], own_reset: bool) -> None:
        super().__init__()
        copies = [nn.Linear(a, b) for a, b in pairwise(SIZES)]
        for copy, layer in zip(copies, layers, strict=True):
            copy.load_state_dict(layer.state_dict())
        self.encode, self.readout = copies[0], copies[2]
        self.features = nn.Sequential(Theirs(own_reset), copies[1], Theirs(own_reset))


def in_time(network: Network, steps: int, own_reset: bool) -> Unroll:
    found = unroll(network, steps, Given(steps), Mean(steps), Theirs(own_reset))
    assert isinstance(found, Unroll)
    return found


def apart(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference, of the largest value."""
    return float((ours - theirs).detach().abs().max() / theirs.detach().abs().max())


def authors(models: Any, mode: str, spikes: Tensor, reward: Tensor, seed: int) -> Any:
    """Their network after a backward pass of ``mode``, and its answer."""
    steps = spikes.shape[1]
    torch.manual_seed(seed)
    net = models.NetworkBuilder(
        topology="_".join(f"FC_{size}" for size in SIZES[1:]),
        input_size=SIZES[0],
        input_channels=1,
        label_features=CLASSES,
        train_batch_size=SAMPLES,
        train_mode=mode,
        dropout=0,
        conv_act="tanh",
        hidden_act="tanh",
        output_act="sigmoid",
        fc_zero_init=False,
        spike_window=steps,
        device="cpu",
        thresh=0.5,
        randKill=1,
        lens=0.5,
        decay=0.2,
    )
    for parameter in net.parameters():
        if parameter.requires_grad:
            parameter.data *= 2.5  # so that all layers spike
    for step in range(steps):  # their forward draws the input: here it is given
        x = spikes[:, step]
        for layer in net.layers:
            x = layer(x, reward, net.y)
    answer = net.layers[-1].sumspike / steps
    if net.y is not None:
        net.y.data.copy_(answer.data)
    mse_loss(answer, reward).backward()
    return net, answer


def compared(models: Any, mode: str, steps: int, seed: int, own_reset: bool) -> dict[str, Any]:
    drawn = torch.Generator().manual_seed(seed)
    spikes = (torch.rand(SAMPLES, steps, SIZES[0], generator=drawn) > 0.5).double()
    reward = torch.eye(CLASSES)[torch.arange(SAMPLES)]
    net, expected = authors(models, mode, spikes, reward, seed)
    layers = [getattr(block.fc, "module", block.fc) for block in net.layers]
    given = (
        [block.fc.fixed_fb_weights for block in net.layers[1:]]
        if mode == "FA"
        else [block.hook.fixed_fb_weights for block in net.layers[:-1]]
    )
    model = in_time(Network(layers, own_reset), steps, own_reset)
    rule: Any = make_rule(RULES[mode])
    rule.prepare(model, (steps, SIZES[0]), CLASSES, seed)
    for held, matrix in zip(rule.feedback().values(), given, strict=True):
        held.data = matrix.detach().clone()
    with rule.attached(model):
        outputs = model.each_step(spikes)
        answer = model.over_time(outputs)
        rule.credit(mse_loss(answer, reward), outputs, answer, reward).backward()
    factor = {"DRTP": SAMPLES, "FA": 1, "DFA": SAMPLES * CLASSES * steps / 2}[mode]
    own = [model.encode, model.features[1], model.readout]
    factors = (factor, factor, 1)
    pairs = [
        (k * mine.weight.grad, theirs.weight.grad)
        for k, mine, theirs in zip(factors, own, layers, strict=True)
    ]
    return {
        "neuron": f"{RULES[mode]}, T={steps}{', own reset' * own_reset}",
        "seed": seed,
        "outputs": float((answer - expected).detach().abs().max()),
        "gradients": max(apart(mine, theirs) for mine, theirs in pairs),
    }


def main(flags: Flags) -> int:
    torch.set_default_dtype(torch.float64)
    with (
        patch.object(sys, "path", [str(flags.brp), *sys.path]),
        patch.object(Tensor, "cuda", lambda self: self, create=True),
        patch.object(Tensor, "float", Tensor.double),
    ):
        models = importlib.import_module("models")
        rows = [
            compared(models, mode, steps, seed, own_reset)
            for mode in RULES
            for steps, own_reset in ((1, False), (5, False), (20, False), (20, True))
            for seed in range(flags.seeds)
        ]
    shows = []
    for rule in RULES.values():
        exact = [row for row in rows if row["neuron"].startswith(f"{rule},")]
        value = max(row["gradients"] for row in exact if "own reset" not in row["neuron"])
        claim = f"gradients of {rule} are those of the authors' code, of the largest"
        shows.append({"claim": claim, "value": value, "bar": BAR, "holds": value <= BAR})
    tree = {
        "command": "python benchmarks/brp_gradients.py --brp BRP-SNN",
        "versions": versions(),
        "host": host(torch.get_num_threads(), None),
        "parents": rows,
        "shows": shows,
    }
    write_text(flags.out / "result.json", json.dumps(tree, indent=1) + "\n")
    if not (flags.out / "README.md").is_file():
        write_text(flags.out / "README.md", README.format(study=flags.out.as_posix()))
    for show in shows:
        print(
            f"{'holds' if show['holds'] else 'FAILS'}: {show['claim']}: {show['value']:.2g} "
            f"({show['bar']:g})"
        )
    return 0 if all(show["holds"] for show in shows) else 1


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main(tyro.cli(Flags)))
