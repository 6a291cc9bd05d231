"""SpikingJelly's networks: IF with the surrogate of S3NN in one step, LIF in several.

As its documentation has it: ``functional.reset_net`` once a batch, the multi-step mode for several
steps with layers that have no state in ``layer.SeqToANNContainer``, a still image repeated by
``expand``.  Sources: spikingjelly.readthedocs.io, "Basic Concept", "Wrapper" (container.rst), and
spikingjelly/activation_based/examples/conv_fashion_mnist.py.  ``detach_reset`` is what its large
networks are trained with ("Train large scale SNN"), and the cheaper of the two.
"""

from __future__ import annotations

from spikingjelly.activation_based import functional, layer, neuron, surrogate
from torch import Tensor, nn

from training_step.architecture import Architecture
from training_step.peers.layers import PeerParts


def network(architecture: Architecture, steps: int) -> nn.Module:
    if steps == 1:
        return OneStep(architecture.parts(PeerParts(make=_integrate_and_fire)))
    return SeveralSteps(architecture.parts(PeerParts(make=_leaky)), steps)


def _integrate_and_fire() -> nn.Module:
    return neuron.IFNode(surrogate_function=surrogate.S2NN(alpha=4.0, beta=1.0), detach_reset=True)


def _leaky() -> nn.Module:
    """u = v / 2 + x, hard reset: the equation of our lif; arc-tangent, as in its examples."""
    return neuron.LIFNode(
        tau=2.0,
        decay_input=False,
        surrogate_function=surrogate.ATan(),
        detach_reset=True,
        step_mode="m",
    )


class OneStep(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        # Its examples reset behind the update: in front of the forward pass it costs the same.
        functional.reset_net(self.model)
        logits: Tensor = self.model(x)
        return logits


class SeveralSteps(nn.Module):
    """(N, C, H, W) -> current, once -> (T, N, ...) through the features -> mean of the logits."""

    def __init__(self, model: nn.Module, steps: int) -> None:
        super().__init__()
        self.encode = model.get_submodule("encode")
        self.features = over_time(model.get_submodule("features"))
        self.readout = over_time(model.get_submodule("readout"))
        self.steps = steps

    def forward(self, x: Tensor) -> Tensor:
        functional.reset_net(self)
        current = self.encode(x).unsqueeze(0)
        logits: Tensor = self.readout(self.features(current.expand(self.steps, *[-1] * 4)))
        return logits.mean(0)


def over_time(module: nn.Module) -> nn.Module:
    """Whatever has no neurons in a ``SeqToANNContainer``, the largest pieces that there are."""
    if isinstance(module, neuron.BaseNode):
        return module
    if not any(isinstance(part, neuron.BaseNode) for part in module.modules()):
        return layer.SeqToANNContainer(module)
    for name, child in module.named_children():
        setattr(module, name, over_time(child))
    return module
