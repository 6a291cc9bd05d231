"""A first layer that learns by pairs of spikes, without labels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import unfold

from s3nn.errors import UnsupportedError, UsageError, unknown_name
from s3nn.rules._competition import Competition, Plasticity
from s3nn.rules._pairs import Pairs
from s3nn.rules.base import Rule, frozen, hidden_layers, part
from s3nn.synapses import SynapticConv2d, SynapticLinear

__all__ = ["Stdp"]

PATCHES = 8  # of an image, for a convolution
TINY = 1e-12


class Stdp(Rule):
    """The first layer learns by STDP from images alone and is frozen; the rest by back-propagation.

    Its neurons (one a channel, on patches as large as the kernel, those of more contrast more
    often; on whole images where it is fully connected) compete as in ``Competition``, on two
    afferents a pixel, of its intensity x and of 1 - x, each with one spike a presentation, at
    round((1 - x)(steps - 1)).  The layer's weight becomes W_on - W_off of them, a channel as long
    as it was drawn: what it computes of x is what the two together do, up to a constant that the
    batch-norm takes.  Synapse, batch-norm and neurons of the layer are then left as they are.

    Pairing and competition have their sources there; two afferents a pixel are our choice.  Spikes
    at a constant rate would teach nothing: their P and D have one ratio, whatever the rate is.

    Parameters
    ----------
    images: how many are shown; 0 leaves the layer as it was drawn, which is the control.
    steps: of a presentation.
    pairs: all, or the nearest.
    tau, tau_m: time constants of pairs and of the membrane, in steps.
    rate, depress, homeostasis: how fast weights grow, fall against that, and thresholds follow.
    drive: the first threshold, of what a neuron receives in a presentation.
    """

    def __init__(
        self,
        images: int = 20000,
        steps: int = 16,
        pairs: Pairs = "all",
        tau: float = 8.0,
        tau_m: float = 32.0,
        rate: float = 0.1,
        depress: float = 1.0,
        homeostasis: float = 0.01,
        drive: float = 0.3,
    ) -> None:
        super().__init__()
        if pairs not in get_args(Pairs):
            raise unknown_name("pairs of stdp", str(pairs), get_args(Pairs))
        positive = {"tau": tau, "rate": rate, "drive": drive, "steps - 1": steps - 1}
        for name, value in positive.items():
            if not value > 0:
                raise UsageError(f"stdp needs {name} > 0, got {value}")
        for name, value in {
            "images": images,
            "depress": depress,
            "homeostasis": homeostasis,
        }.items():
            if not value >= 0:
                raise UsageError(f"stdp needs {name} >= 0, got {value}")
        if not tau_m >= 1:
            raise UsageError(f"stdp needs tau_m >= 1 step, got {tau_m}")
        self.images, self.steps = images, steps
        self.tau_m, self.drive = tau_m, drive
        self.how = Plasticity(rate, depress, tau, pairs, homeostasis)

    def prepare(self, network: nn.Module, shape: tuple[int, ...], classes: int, seed: int) -> None:
        layer = self._layer(network)
        reads = layer.in_channels if isinstance(layer, SynapticConv2d) else layer.in_features
        if isinstance(getattr(layer, "padding", 0), str):
            raise UnsupportedError(
                f"stdp of a first layer with padding={layer.padding!r}",
                type(network).__name__,
                "say the padding in pixels",
            )
        pixels = shape[0] if isinstance(layer, SynapticConv2d) else torch.Size(shape).numel()
        if reads != pixels:
            raise UnsupportedError(
                f"stdp of a first layer that reads {reads} values where images have {pixels}",
                type(network).__name__,
                "take --model.encoder direct, latency or rate",
            )

    def pretrain(self, network: nn.Module, images: Iterator[Tensor], seed: int) -> None:
        if self.images:
            layer = self._layer(network)
            neurons = self.learned(layer, images, torch.Generator().manual_seed(seed))
            on, off = neurons.weight.chunk(2, 1)
            with torch.no_grad():
                found = on - off - (on - off).mean(1, keepdim=True)
                found = found.view_as(layer.weight).to(layer.weight)
                layer.weight.copy_(found * _length(layer.weight) / _length(found))
            layer.synapse.attach(layer.weight)

    @contextmanager
    def attached(self, network: nn.Module) -> Iterator[None]:
        neurons = hidden_layers(network)[0][1]
        first = [*part(network, "encode", self).parameters(), *neurons.parameters()]
        with frozen(first):
            yield

    def learned(
        self,
        layer: SynapticConv2d | SynapticLinear,
        images: Iterator[Tensor],
        generator: torch.Generator,
    ) -> Competition:
        """The neurons after they have seen so many of ``images`` (N, C, H, W), in 0..1."""
        neurons: Competition | None = None
        seen = 0
        while seen < self.images:
            batch = next(images).cpu().float()
            seen += len(batch)
            if isinstance(layer, SynapticConv2d):
                x = patches(layer, batch, PATCHES, generator)
            else:
                x = batch.flatten(1)
            arriving = self.spikes(x)
            if neurons is None:
                first = torch.rand(len(layer.weight), arriving.shape[2], generator=generator)
                received = arriving.sum(2).mean(1).sum().item() * first.mean().item()
                neurons = Competition(first, self.drive * received, self.tau_m)
            neurons.learn(arriving, self.how)
        assert neurons is not None
        return neurons

    def spikes(self, x: Tensor) -> Tensor:
        """The spikes (T, N, 2 I) of on and off afferents of the pixels x (N, I)."""
        contrast = x - x.mean(1, keepdim=True)
        contrast = contrast / contrast.abs().amax(1, keepdim=True).clamp(min=TINY)
        driven = torch.cat([1 + contrast, 1 - contrast], 1) / 2
        times = ((1 - driven) * (self.steps - 1)).round()
        return (times == torch.arange(self.steps).view(-1, 1, 1)).to(x)

    def _layer(self, network: nn.Module) -> SynapticConv2d | SynapticLinear:
        encode = part(network, "encode", self)
        layers = [m for m in encode.modules() if isinstance(m, (SynapticConv2d, SynapticLinear))]
        if len(layers) != 1 or getattr(layers[0], "groups", 1) != 1:
            raise UnsupportedError(
                f"stdp of an encode with {len(layers)} synapses, or with groups",
                type(network).__name__,
                "it wants one convolution or one fully connected layer, as in cnn7 and mlp",
            )
        return layers[0]


def patches(
    layer: SynapticConv2d, images: Tensor, number: int, generator: torch.Generator
) -> Tensor:
    """``number`` patches that ``layer`` reads of each image, in rows: (N number, C kh kw).

    They are drawn with a probability that grows with their variance.
    """
    padding: tuple[int, int] = layer.padding  # type: ignore[assignment]
    columns = unfold(images, layer.kernel_size, layer.dilation, padding, layer.stride)
    chosen = torch.multinomial(columns.var(1) + TINY, number, replacement=True, generator=generator)
    rows = columns.gather(2, chosen[:, None].expand(-1, columns.shape[1], -1))
    return rows.transpose(1, 2).flatten(0, 1)


def _length(weight: Tensor) -> Tensor:
    """The norm of every channel's weights, of a shape that broadcasts to them."""
    norms = weight.flatten(1).norm(dim=1).clamp(min=TINY)
    return norms.view(-1, *[1] * (weight.ndim - 1))
