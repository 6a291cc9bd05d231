"""What a loss is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

from s3nn.errors import UsageError
from s3nn.neurons import Neuron, TemporalNeuron
from s3nn.registry import name_of


class Loss(ABC):
    """A number that training makes small, from the outputs of a batch and its labels.

    ``outputs`` y are those of every step, (T, N, K), a network without time having one; ``answer``
    (N, K) is what its read-out makes of them; ``labels`` (N,).  ``smoothing`` is the share of every
    label that goes to all classes alike; ``smooths`` is false of losses that have no such share.

    ``sums`` is true of losses that are a sum over the batch, where others are a mean.
    ``of_times`` losses have a gradient of the times of spikes, laid at them, and not of the spikes.
    ``of_images`` losses are of answers that are images: K is (C, H, W), and so are the "labels".
    """

    smooths: ClassVar[bool] = True
    of_images: ClassVar[bool] = False
    of_times: ClassVar[bool] = False
    sums: ClassVar[bool] = False

    @property
    def least_steps(self) -> int:
        """The time steps with which it begins to depend on the labels."""
        return 1

    def check_steps(self, steps: int) -> None:
        """Raise a ``UsageError`` where a network of so many ``steps`` has nothing to learn from."""
        if steps < self.least_steps:
            raise UsageError(
                f"the loss {name_of(self)} says nothing of labels before step "
                f"{self.least_steps} and this network has model.steps={steps}: pass --optim.loss "
                "cross_entropy, or more --model.steps"
            )

    def check_outputs(self, output: Neuron | None) -> None:
        """Raise a ``UsageError`` where the neurons behind the outputs take another gradient."""
        takes_times = isinstance(output, TemporalNeuron) and output.takes_times
        if takes_times == self.of_times:
            return
        name = name_of(self)
        if self.of_times:
            raise UsageError(
                f"the gradient of the loss {name} is of spike times, which only the outputs antlr "
                "take for that: pass --model.output antlr (hidden neurons too), or --optim.loss "
                "cross_entropy"
            )
        raise UsageError(
            f"model.output=antlr takes gradients for those of spike times and the loss {name} "
            'gives those of spikes: pass --model.output "antlr(answer=spikes)", or --optim.loss '
            "latency"
        )

    @abstractmethod
    def __call__(
        self, outputs: Tensor, answer: Tensor, labels: Tensor, smoothing: float = 0.0
    ) -> Tensor:
        """The loss of the batch, a scalar."""
