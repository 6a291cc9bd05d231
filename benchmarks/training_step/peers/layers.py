"""torch's own layers around another library's neuron."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from s3nn.models import Parts


@dataclass(frozen=True)
class PeerParts(Parts):
    """What our architectures are put together from, without our layers: ``make`` is the neuron."""

    make: Callable[[], nn.Module] = nn.Identity

    def neurons(self, channels: int) -> nn.Module:  # type: ignore[override]
        return self.make()

    def conv(
        self, c_in: int, c_out: int, kernel: int = 3, *, stride: int = 1, end: bool = False
    ) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(c_out),
        )

    def linear(self, f_in: int, f_out: int, *, end: bool = False) -> nn.Sequential:
        return nn.Sequential(nn.Linear(f_in, f_out, bias=False), nn.BatchNorm1d(f_out))

    def readout(self, f_in: int, classes: int) -> nn.Linear:  # type: ignore[override]
        return nn.Linear(f_in, classes)


class Looped(nn.Module):
    """The usual loop over time around a network whose neurons hold their state.

    The image is the same at every step, so that what stands in front of the first neurons is
    computed once, as in our own multi-step rows: the tutorials compute it at every step.
    """

    def __init__(
        self, model: nn.Module, steps: int, reset: Callable[[Iterable[nn.Module]], None]
    ) -> None:
        super().__init__()
        self.encode, self.features, self.readout = (
            model.get_submodule(name) for name in ("encode", "features", "readout")
        )
        self.steps, self.reset = steps, reset

    def forward(self, x: Tensor) -> Tensor:
        self.reset(self.modules())
        current = self.encode(x)
        logits = [self.readout(self.features(current)) for _ in range(self.steps)]
        return logits[0] if self.steps == 1 else torch.stack(logits).mean(0)
