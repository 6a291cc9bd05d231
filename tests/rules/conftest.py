"""Networks small enough to differentiate by hand, in double precision."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from s3nn.clock import unroll
from s3nn.models import Mlp, Parts
from s3nn.neurons import Fire, Lif
from s3nn.surrogates import Surrogate

SHAPE, CLASSES, BATCH = (1, 4, 4), 5, 6


class ByHand:
    """16-8-8-5 of weights alone, with T steps of direct code and the mean read-out."""

    def __init__(self, steps: int) -> None:
        torch.manual_seed(steps)
        self.steps = steps
        neuron = "lif(tau=4)" if steps > 1 else "fire"
        model = Mlp(SHAPE, CLASSES, Parts(neuron), width=0.02, norm=False)
        self.network = unroll(model, steps).double()
        self.layers = [self.network.encode[1], self.network.features[1], self.network.readout]
        self.x = 2 * torch.randn(BATCH, *SHAPE, dtype=torch.float64)
        self.y = torch.arange(BATCH) % CLASSES
        self.reward = torch.eye(CLASSES, dtype=torch.float64)[self.y]
        neurons = self.network.features[0]
        self.neuron: Fire | Lif = neurons.neuron if steps > 1 else neurons
        self.left = 3 / 4 if steps > 1 else 0.0

    def forward(self) -> tuple[list[list[Tensor]], list[list[Tensor]], list[Tensor]]:
        """What stands in front of each synapse, the hidden potentials, and the outputs, by step."""
        w1, w2, w3 = (layer.weight.detach() for layer in self.layers)
        v = [torch.zeros(()), torch.zeros(())]
        reads: list[list[Tensor]] = [[], [], []]
        potentials: list[list[Tensor]] = [[], []]
        outputs = []
        for _ in range(self.steps):
            h = self.x.flatten(1)
            for i, w in enumerate((w1, w2)):
                reads[i].append(h)
                u = self.left * v[i] + h @ w.T
                h = (u > 1).double()
                v[i] = u * (1 - h)
                potentials[i].append(u)
            reads[2].append(h)
            outputs.append(h @ w3.T)
        return reads, potentials, outputs

    def hidden(self, i: int, told: list[Tensor]) -> Tensor:
        """dL/dW of hidden layer i whose outputs have the gradients ``told``, step by step."""
        reads, potentials, _ = self.forward()
        surrogate: Surrogate = self.neuron.surrogate
        later = torch.zeros(())
        grad = torch.zeros_like(self.layers[i].weight)
        for t in reversed(range(self.steps)):
            u = potentials[i][t]
            slope = surrogate.derivative(u, torch.tensor(1.0, dtype=torch.float64))
            delta = told[t] * slope + self.left * (u <= 1) * later
            grad += delta.T @ reads[i][t]
            later = delta
        return grad

    def wrong(self) -> Tensor:
        """dL/dy[t] of every step, (N, K): softmax minus one-hot, over N and T."""
        mean = torch.stack(self.forward()[2]).mean(0)
        return (mean.softmax(1) - self.reward) / BATCH / self.steps

    def last(self) -> Tensor:
        """dL/dW of the read-out."""
        return sum((self.wrong().T @ h for h in self.forward()[0][2]), torch.zeros(()))

    def gradients(self, rule: nn.Module) -> list[Tensor]:
        """What the network's own backward pass gives under ``rule``, layer by layer."""
        self.network.zero_grad()
        with rule.attached(self.network):
            if self.steps > 1:
                outputs = self.network.each_step(self.x)
                answer = self.network.over_time(outputs)
            else:
                outputs = self.network(self.x).unsqueeze(0)
                answer = outputs[0]
            loss = nn.functional.cross_entropy(answer, self.y)
            rule.credit(loss, outputs, answer, self.reward).backward()
        return [layer.weight.grad.clone() for layer in self.layers]


@pytest.fixture(params=[1, 3], ids=["one-step", "three-steps"])
def by_hand(request: pytest.FixtureRequest) -> ByHand:
    return ByHand(request.param)


@pytest.fixture
def prepared() -> Callable[[nn.Module, ByHand], nn.Module]:
    def prepare(rule: nn.Module, net: ByHand) -> nn.Module:
        rule.prepare(net.network, SHAPE, CLASSES, seed=3)
        return rule.double()

    return prepare
