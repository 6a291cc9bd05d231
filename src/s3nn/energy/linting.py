"""Where a network stops being binary, why, and what it costs."""

from __future__ import annotations

from torch import nn

from s3nn.energy.counts import Counts, LayerCounts
from s3nn.energy.finding import Finding
from s3nn.energy.prices import PRICE_LISTS
from s3nn.graph.ir import Edge
from s3nn.graph.trace import INPUT, Site, trace

IMAGE = "the image is analog: the first layer multiplies, as it must"


def lint(model: nn.Module, counts: Counts) -> tuple[Finding, ...]:
    """Every edge into a synapse, a residual sum or an average that is not binary.

    ``counts`` are the model's own; operations and energies are of one inference.
    """
    layers = {layer.name: layer for layer in counts.layers}
    sites = {site.name: site for site in trace(model)}
    return tuple(
        _finding(site, reason, layers[site.name], counts.samples)
        for site in sites.values()
        if site.name in layers and (reason := _reason(site, sites)) is not None
    )


def _finding(site: Site, reason: str, layer: LayerCounts, samples: int) -> Finding:
    return Finding(
        edge=f"{' + '.join(site.inputs)} -> {site.name}",
        reason=reason,
        macs=layer.macs / samples,
        adds=layer.adds / samples,
        energy_pj={key: p.layer(layer, samples).total_pj for key, p in PRICE_LISTS.items()},
        unavoidable=reason == IMAGE,
    )


def _reason(site: Site, sites: dict[str, Site]) -> str | None:
    if site.operation in ("conv", "linear") and not site.reads.binary:
        source = sites.get(_origin(site, sites))
        if source is None:
            return IMAGE
        if site.reads is Edge.COUNT:
            return "an average of spikes is a count: what reads it multiplies"
        if source.operation == "neuron":
            return f"the neurons {source.name} emit analog values"
        return f"{source.operation} {source.name} gives analog values"
    if site.operation == "add" and len(site.inputs) > 1:
        real = site.output_edge is Edge.ANALOG
        return "a residual sum of real values" if real else "a sum of spikes is a count"
    if site.operation == "avg_pool" and any(edge.binary for edge in site.input_edges):
        return "an average of spikes: additions, and a count behind it"
    if site.opaque:
        what = site.operation.removeprefix("opaque ")
        return f"{what} is not known to keep spikes, and its operations are not counted"
    return None


def _origin(site: Site, sites: dict[str, Site]) -> str:
    """The operation behind reshapes and pools that a site's input comes from."""
    name = site.inputs[0] if site.inputs else INPUT
    while name in sites and sites[name].operation in ("reshape", "max_pool", "repeat", "pad"):
        name = sites[name].inputs[0]
    return name
