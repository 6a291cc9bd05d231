"""The honest rival: the same architecture as an integer ReLU network, its own zeros skipped."""

from __future__ import annotations

from dataclasses import dataclass, replace

from s3nn.energy.counts import Counts, LayerCounts
from s3nn.energy.ledger import price
from s3nn.energy.prices import Integer, PriceList, WithMemory
from s3nn.graph.ir import Edge

BITS = (8, 4)


@dataclass(frozen=True)
class Rival:
    """An integer ReLU network of the spiking network's shape.

    energy_pj                by price list, of one inference
    own_energy_pj            the spiking network's, with weights of as many bits, where the rival
                             skips its zeros without the zeros of the image
    break_even_firing_rate   by price list: below it the spiking network costs less; 0 where it
                             never does, 1 where it does even if every neuron fires
    """

    name: str
    energy_pj: dict[str, float]
    own_energy_pj: dict[str, float]
    break_even_firing_rate: dict[str, float]


def rivals(spiking: Counts, relu: Counts | None) -> tuple[Rival, ...]:
    """The 8- and 4-bit rivals of a spiking network.

    With the counts of its trained ReLU twin, a multiplication by zero is skipped; without them
    nothing is known of its zeros and the rival is dense.  Rates are scaled alike in all layers: a
    network of firing rate r has r / r0 of the spikes that were counted at rate r0.
    """
    return tuple(_rival(spiking, relu, bits) for bits in BITS)


def _rival(spiking: Counts, relu: Counts | None, bits: int) -> Rival:
    zeros = "zeros skipped" if relu is not None else "dense"
    lists = price_lists(bits)
    opponent = _with_bits(_skipping(relu) if relu is not None else _dense(spiking), bits)
    own = _with_bits(_skipping(spiking) if relu is not None else spiking, bits)
    silent = _silent(own)
    rate = spiking.firing_rate or 0.0
    energy, mine, even = {}, {}, {}
    for key, prices in lists.items():
        theirs = price(opponent, prices).total_pj
        at_rate, at_zero = price(own, prices).total_pj, price(silent, prices).total_pj
        slope = at_rate - at_zero
        crossing = rate * (theirs - at_zero) / slope if slope > 0 else float(theirs > at_zero)
        energy[key], mine[key] = theirs, at_rate
        even[key] = min(max(crossing, 0.0), 1.0)
    return Rival(f"int{bits} ReLU, {zeros}", energy, mine, even)


def price_lists(bits: int) -> dict[str, PriceList]:
    """The integer lists at weights and activations of ``bits`` bits."""
    arithmetic = Integer(activation_bits=bits)
    return {
        "int8_45nm": arithmetic,
        "int8_memory_45nm": WithMemory(arithmetic, real_weight_bits=bits, activation_bits=bits),
    }


def _with_bits(counts: Counts, bits: int) -> Counts:
    layers = tuple(replace(x, weight_bits=min(bits, x.weight_bits)) for x in counts.layers)
    return replace(counts, layers=layers)


def _skipping(counts: Counts) -> Counts:
    layers = (replace(x, macs=x.nonzero) if x.macs else x for x in counts.layers)
    return replace(counts, layers=tuple(layers))


def _dense(spiking: Counts) -> Counts:
    """The ReLU network of the same shape, run once, none of its values known to be zero."""
    return replace(spiking, layers=tuple(map(_once, spiking.layers)))


def _once(layer: LayerCounts) -> LayerCounts:
    runs = layer.runs
    return replace(
        layer,
        reads=Edge.ANALOG,
        writes=Edge.ANALOG,
        inputs=layer.inputs // runs,
        outputs=layer.outputs // runs,
        spikes_in=0,
        spikes_out=0,
        macs=layer.dense // runs,
        acs=0,
        adds=layer.adds // runs,
        neuron_updates=layer.neuron_updates // runs,
        temporal=False,
        runs=1,
    )


def _silent(spiking: Counts) -> Counts:
    """The spiking network if no neuron fired."""
    layers = (
        replace(x, acs=0, spikes_in=0, spikes_out=0)
        if x.reads is Edge.SPIKE
        else replace(x, spikes_out=0)
        for x in spiking.layers
    )
    return replace(spiking, layers=tuple(layers))
