"""What a rule is: where the gradient of a layer's weights comes from."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import ClassVar

import torch
from torch import Tensor, nn

from s3nn.clock import Scan, Unroll
from s3nn.clock.layers import neuron_layers
from s3nn.errors import UnsupportedError
from s3nn.neurons import Neuron
from s3nn.randomness import generator_of
from s3nn.registry import name_of


class Rule(nn.Module, ABC):
    """What stands in the place of back-propagation, for any network of encode, features, read-out.

    A hidden layer is a synapse with the batch-norm, pool and neurons behind it.  What a rule holds
    (fixed random matrices) are buffers of its own, no part of the network: they follow from the
    run's seed, stand in checkpoints, and are not shipped.

    ``crosses`` says whether the loss of what lies behind a layer moves the layer's weights through
    it, as back-propagation does; ``plain`` that the rule is back-propagation all along, so that
    whatever speeds that up may stay; ``of_classes`` that it has a ``credit``, from labels.
    """

    crosses: ClassVar[bool] = True
    plain: ClassVar[bool] = False
    of_classes: ClassVar[bool] = False

    def prepare(self, network: nn.Module, shape: tuple[int, ...], classes: int, seed: int) -> None:
        """Draw what is fixed for ``network``, which sees images of ``shape`` (C, H, W).

        A network that the rule cannot train is an ``UnsupportedError``.
        """

    def pretrain(self, network: nn.Module, images: Iterator[Tensor], seed: int) -> None:
        """Before the first epoch; ``images`` (N, C, H, W) are intensities in 0..1, without end."""

    def attached(self, network: nn.Module) -> AbstractContextManager[None]:
        """Inside, the backward passes of ``network`` in training mode follow the rule."""
        return nullcontext()

    def credit(self, loss: Tensor, outputs: Tensor, answer: Tensor, reward: Tensor) -> Tensor:
        """What is to be differentiated; its value is ``loss``, that of the last forward pass.

        ``outputs`` (T, N, K) are those of every step and ``answer`` (N, K) what came of them, both
        with their graphs; ``reward`` (N, K) is one at the label, or its share where images are
        mixed.
        """
        return loss


def hidden_layers(network: nn.Module) -> list[tuple[str, Neuron | Scan]]:
    """The layers of neurons in front of the read-out, by name.

    >>> from s3nn.models import Mlp
    >>> [name for name, layer in hidden_layers(Mlp((1, 8, 8), 10))]
    ['features.0', 'features.2']
    """
    behind = network.output if isinstance(network, Unroll) else None
    return [(name, layer) for name, layer in neuron_layers(network) if layer is not behind]


def part(network: nn.Module, name: str, rule: Rule) -> nn.Module:
    """The encode, features or read-out of ``network``."""
    found = dict(network.named_children()).get(name)
    if found is None:
        raise UnsupportedError(
            f"training a network without {name} by the rule {name_of(rule)}",
            type(network).__name__,
            "derive it from s3nn.models.SpikingModel",
        )
    return found


@contextmanager
def frozen(parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """Inside, ``parameters`` have no gradient, so that optimisers leave them alone."""
    held = [parameter for parameter in parameters if parameter.requires_grad]
    for parameter in held:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in held:
            parameter.requires_grad_(True)


def drawn(shape: tuple[int, ...], seed: int, name: str) -> Tensor:
    """A matrix of U(-b, b), b = sqrt(6 / fan-in), fan-in the product of all sizes but the first.

    It is a pure function of its arguments (He et al., ICCV 2015, the uniform form).
    """
    generator = generator_of("rules", seed, name)
    return nn.init.kaiming_uniform_(torch.empty(shape), generator=generator)
