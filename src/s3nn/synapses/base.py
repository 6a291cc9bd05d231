"""What a synapse is: how a trained weight is seen by the forward pass."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Synapse(nn.Module, ABC):
    """Maps the weight that is trained to the weight that is used, both (C_out, ...).

    One synapse belongs to one layer.  ``bits`` is the size of one used weight; ``scales`` the
    number of 32-bit numbers held a channel beside them, ``shared_scales`` that of those held once.
    """

    bits: int = 32
    scales: int = 0
    shared_scales: int = 0

    def attach(self, weight: Tensor) -> None:
        """Prepare for ``weight``, right after it was initialised or taken from another layer."""

    def attach_again(self, weight: Tensor, which: Tensor) -> None:
        """Prepare for the channels ``which`` of ``weight``, drawn anew; the others stay trained.

        Parameters stay the same objects: an optimiser holds them.
        """

    @abstractmethod
    def forward(self, weight: Tensor) -> Tensor:
        """The weight as the layer uses it."""

    @abstractmethod
    def at_the_ends(self) -> Synapse:
        """The synapse for the first layer and the read-out of a network of such synapses."""

    def extra_repr(self) -> str:
        return f"bits={self.bits}"


class SynapticConv2d(nn.Conv2d):
    """A convolution whose weights are seen through a synapse.

    Input (N, C_in, H, W), output (N, C_out, H', W'); see ``torch.nn.Conv2d`` for the sizes.
    """

    def __init__(
        self,
        synapse: Synapse,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | str | tuple[int, int] = 0,
        groups: int = 1,
        bias: bool = False,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=bias
        )
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")
        self.synapse = synapse
        synapse.attach(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.synapse(self.weight), self.bias)


class SynapticLinear(nn.Linear):
    """A fully connected layer whose weights are seen through a synapse: (N, F_in) -> (N, F_out)."""

    def __init__(
        self, synapse: Synapse, in_features: int, out_features: int, bias: bool = False
    ) -> None:
        super().__init__(in_features, out_features, bias)
        self.synapse = synapse
        synapse.attach(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        return nn.functional.linear(input, self.synapse(self.weight), self.bias)
