"""The spikes of a forward pass, looked at where they are emitted and where they are read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from s3nn.clock import Scan
from s3nn.energy.fanout import Shape, fan_out
from s3nn.errors import UsageError
from s3nn.graph.ir import Edge
from s3nn.graph.trace import Site, trace
from s3nn.neurons import Neuron


@dataclass(frozen=True, eq=False)
class Reading:
    """Spikes in front of a convolution or linear layer, behind whatever pools lie between.

    ``spikes`` is (N, C, ...) or (N, features); ``fan_out``, int64, the true fan-out of an input
    position as in ``energy.fanout``: of the shape ... for a convolution, () for a linear layer.
    """

    site: Site
    spikes: Tensor
    fan_out: Tensor


@dataclass(frozen=True, eq=False)
class Firing:
    """A layer of neurons with the current it got and the spikes it made of it, both (N, C, ...)."""

    site: Site
    layer: Neuron | Scan
    current: Tensor
    spikes: Tensor


class Meter:
    """Adds up something over the spikes of a forward pass; each term is a scalar with gradient."""

    def of_reading(self, reading: Reading) -> Tensor | None:
        """What a layer that reads spikes adds; None: nothing."""
        return None

    def of_firing(self, firing: Firing) -> Tensor | None:
        """What a layer that emits spikes adds; None: nothing."""
        return None


def check_spikes(network: nn.Module) -> None:
    """Raise what ``Watch`` would of ``network``."""
    _check([site for site in trace(network) if site.module is not None])


def _check(sites: list[Site]) -> None:
    if not any(map(fires, sites)):
        raise UsageError(
            "a budget or penalty of spikes needs neurons that spike and this network has none: "
            "drop --budget and --penalty, or take --model.neuron fire"
        )


class Watch:
    """Meters on a network: what each adds up in a forward pass.

    Raises ``UsageError`` for a network without neurons that spike, and ``UnsupportedError`` for one
    that cannot be traced.

    >>> from s3nn.models import Mlp
    >>> from s3nn.penalties import L1
    >>> spikes = L1()
    >>> watch = Watch(Mlp((1, 8, 8), 10), [spikes])
    >>> with watch.attached():
    ...     _ = watch.network(torch.randn(4, 1, 8, 8))
    >>> watch.taken(spikes).item() > 0
    True
    """

    def __init__(self, network: nn.Module, meters: Sequence[Meter]) -> None:
        self.network, self.meters = network, tuple(meters)
        self._sites: dict[str, list[Site]] = defaultdict(list)
        for site in trace(network):
            if site.module is not None:
                self._sites[site.module].append(site)
        self._terms: dict[Meter, list[Tensor]] = {meter: [] for meter in self.meters}
        self._calls: dict[str, int] = defaultdict(int)
        self._fans: dict[tuple[str, Shape, Shape, torch.device], Tensor] = {}
        _check(self.sites)

    @property
    def sites(self) -> list[Site]:
        return [site for sites in self._sites.values() for site in sites]

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Inside, forward passes are watched.  Backward passes that compute again belong inside."""
        handles = [
            self.network.get_submodule(name).register_forward_hook(
                partial(self._saw, name), with_kwargs=True
            )
            for name, sites in self._sites.items()
            if any(fires(site) or reads(site) for site in sites)
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def begin(self) -> None:
        """Forget what was seen."""
        self._calls.clear()
        for terms in self._terms.values():
            terms.clear()

    def taken(self, meter: Meter) -> Tensor:
        """The sum of a meter's terms since ``begin``, over all samples and steps."""
        terms = self._terms[meter]
        if terms:
            return torch.stack(terms).sum()
        return torch.zeros((), device=next(self.network.parameters()).device)

    def _saw(
        self, name: str, module: Any, given: tuple[Any, ...], named: dict[str, Any], output: Tensor
    ) -> None:
        # A module that is called twice in a pass has a site for each call, in order.
        sites = self._sites[name]
        site = sites[self._calls[name] % len(sites)]
        x = next(iter((*given, *named.values())))
        self._calls[name] += 1
        if reads(site):
            seen = Reading(site, x, self._fan_out(site, module, x, output))
            found = [(meter, meter.of_reading(seen)) for meter in self.meters]
        elif fires(site):
            fired = Firing(site, module, x, output)
            found = [(meter, meter.of_firing(fired)) for meter in self.meters]
        else:
            return
        for meter, term in found:
            if term is not None:
                self._terms[meter].append(term)

    def _fan_out(self, site: Site, module: nn.Module, x: Tensor, output: Tensor) -> Tensor:
        key = (site.name, tuple(x.shape[2:]), tuple(output.shape[2:]), x.device)
        if key not in self._fans:
            self._fans[key] = fan_out(module, tuple(x.shape), tuple(output.shape)).to(x.device)
        return self._fans[key]


def fires(site: Site) -> bool:
    """Whether a site is a layer of neurons that emits spikes."""
    return site.operation == "neuron" and site.output_edge is Edge.SPIKE


def reads(site: Site) -> bool:
    """Whether a site is a layer of synapses that reads spikes."""
    return site.operation in ("conv", "linear") and site.reads is Edge.SPIKE


def accumulations(values: Tensor, fan_out: Tensor) -> Tensor:
    """sum of ``values`` x the fan-out of where they are; of spikes, their accumulations."""
    return (_over_places(values, fan_out.ndim) * fan_out).sum()


def total(values: Tensor) -> Tensor:
    """The sum of ``values`` (N, C, ...), exact for spikes."""
    return _over_places(values, max(0, values.ndim - 2)).sum()


def _over_places(values: Tensor, places: int) -> Tensor:
    """Sums over all axes but the last ``places``, or but the features where there is none.

    Sums of 32 bits are exact up to 2^24 spikes, which one place of a batch does not have; what is
    added up over places and layers has 64 bits where the device knows them.
    """
    axes = tuple(range(values.ndim - max(places, 1)))
    wide = torch.float32 if values.device.type == "mps" else torch.float64
    exact = values.dtype if values.dtype == torch.float64 else torch.float32
    return values.sum(axes, dtype=exact).to(wide)
