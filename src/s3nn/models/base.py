"""What a model is, and the parts that architectures are put together from."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import ClassVar

from torch import Tensor, nn

from s3nn.errors import UsageError
from s3nn.neurons import Neuron, make_neuron
from s3nn.registry import SYNAPSES, Spec
from s3nn.synapses import Synapse, SynapticConv2d, SynapticLinear


class SpikingModel(nn.Module):
    """encode (analog, MACs) -> features (spikes, ACs) -> read-out (logits).

    ``encode`` maps images (N, C, H, W) to the current of the first neurons; ``features`` starts
    with those neurons and ends with the spikes that ``readout`` turns into logits (N, classes).
    ``input_shape`` is the (C, H, W) of one image.

    A model that ``answers_images`` gives an image of the input's shape in place of logits.
    """

    answers_images: ClassVar[bool] = False
    # Pixels to each side that a pixel of the answer sees; none where the image's size is fixed.
    reach: int | None = None

    encode: nn.Module
    features: nn.Module
    readout: nn.Module

    def __init__(self, input_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.input_shape = input_shape

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.readout(self.features(self.encode(x)))
        return logits


@dataclass(frozen=True)
class Parts:
    """The neuron and the synapse that an architecture is built with.

    >>> Parts(neuron="fire", synapse="integer(bits=4)").neurons(8)
    Fire(
      surrogate=S3(alpha=4.0, beta=1.0)
      (threshold): Threshold()
    )
    """

    neuron: Spec | str = "fire"
    synapse: Spec | str = "real"

    def neurons(self, channels: int) -> Neuron:
        return make_neuron(self.neuron, channels)

    def _synapse(self, end: bool) -> Synapse:
        synapse: Synapse = SYNAPSES.build(self.synapse)
        return synapse.at_the_ends() if end else synapse

    def conv(
        self, c_in: int, c_out: int, kernel: int = 3, *, stride: int = 1, end: bool = False
    ) -> nn.Sequential:
        """A convolution that keeps the size (over the stride) and its batch-norm.

        ``end`` marks the first layer and the read-out, where some synapses are finer.
        """
        return nn.Sequential(
            SynapticConv2d(
                self._synapse(end), c_in, c_out, kernel, stride=stride, padding=kernel // 2
            ),
            nn.BatchNorm2d(c_out),
        )

    def plain_conv(self, c_in: int, c_out: int, kernel: int = 3) -> SynapticConv2d:
        """A first layer or read-out that keeps the size: with a bias and without batch-norm.

        Without it the size of what comes out counts: weights start at He et al.'s, by fan-in.
        """
        synapse, around = self._synapse(end=True), kernel // 2
        layer = SynapticConv2d(synapse, c_in, c_out, kernel, padding=around, bias=True)
        nn.init.kaiming_normal_(layer.weight)
        layer.synapse.attach(layer.weight)
        return layer

    def linear(self, f_in: int, f_out: int, *, end: bool = False) -> nn.Sequential:
        """A fully connected layer and its batch-norm."""
        return nn.Sequential(SynapticLinear(self._synapse(end), f_in, f_out), nn.BatchNorm1d(f_out))

    def weights(self, f_in: int, f_out: int, *, end: bool = False) -> SynapticLinear:
        """A fully connected layer alone, with no bias; its weights start at He et al.'s."""
        layer = SynapticLinear(self._synapse(end), f_in, f_out)
        nn.init.kaiming_normal_(layer.weight)
        layer.synapse.attach(layer.weight)
        return layer

    def readout(self, f_in: int, classes: int) -> SynapticLinear:
        """The plain linear layer that gives the logits."""
        return SynapticLinear(self._synapse(end=True), f_in, classes, bias=True)


def scaled(channels: int, width: float) -> int:
    """A layer's channels under a width multiplier, at least one.

    >>> scaled(64, 0.25), scaled(64, 0.001)
    (16, 1)
    """
    if not 0 < width < inf:
        raise UsageError(f"a width multiplier must be > 0 and finite, got {width}")
    return max(1, round(channels * width))


def check_size(shape: tuple[int, int, int], halvings: int, name: str) -> None:
    """Refuse images that an architecture's pools would shrink to nothing."""
    least = 2**halvings
    if min(shape[1:]) < least:
        raise UsageError(
            f"{name} halves its input {halvings} times and needs images of {least}x{least} or "
            f"more, got {shape[1]}x{shape[2]}: use a smaller model"
        )
