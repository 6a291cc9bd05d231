"""The honest rival: the same architecture as an integer ReLU network, its own zeros skipped."""

from __future__ import annotations

from dataclasses import dataclass, replace

from s3nn.energy.counts import Counts, LayerCounts
from s3nn.energy.ledger import price
from s3nn.energy.prices import Integer, PriceList, WithMemory
from s3nn.errors import UsageError
from s3nn.graph.ir import Edge

BITS = (8, 4)
BISECTIONS = 200  # more than a 64-bit float has bits, wherever the crossing is


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


def integer_rivals(spiking: Counts, relu: Counts | None) -> tuple[Rival, ...]:
    """The 8- and 4-bit rivals of a spiking network; none of one that never fired.

    With the counts of its trained ReLU twin, a multiplication by zero is skipped; without them
    nothing is known of its zeros and the rival is dense.  The spikes of all layers are scaled by
    one factor; a layer whose neurons all fire has its dense accumulations and no more, and one that
    was silent stays so.
    """
    if not spiking.spikes:
        return ()
    return tuple(_rival(spiking, relu, bits) for bits in BITS)


def check_twin(spiking: Counts, relu: Counts) -> None:
    """Raise a ``UsageError`` where ``relu`` is not the ReLU network of the spiking one's shape."""
    if relu.firing_rate is not None:
        raise UsageError(
            "the rival fires, and the honest rival of spikes does not: name the run of the ReLU "
            "twin, which --model.neuron relu trains"
        )
    ours, theirs = _shape(spiking), _shape(relu)
    if ours != theirs:
        raise UsageError(
            "the rival is no twin of this network: its layers have "
            f"{', '.join(map(str, theirs))} accumulations and this one's "
            f"{', '.join(map(str, ours))}; train it by the same recipe with --model.neuron relu"
        )


def _shape(counts: Counts) -> list[int]:
    """The dense accumulations of every layer of synapses in one step, without those of gates."""
    own = (layer for layer in counts.layers if layer.dense and not layer.of_gate)
    return [layer.dense // (counts.samples * layer.runs) for layer in own]


def _rival(spiking: Counts, relu: Counts | None, bits: int) -> Rival:
    zeros = "zeros skipped" if relu is not None else "dense"
    lists = price_lists(bits)
    opponent = _with_bits(_skipping(relu) if relu is not None else _dense(spiking), bits)
    own = _with_bits(_skipping(spiking) if relu is not None else spiking, bits)
    energy = {key: price(opponent, prices).total_pj for key, prices in lists.items()}
    mine = {key: price(own, prices).total_pj for key, prices in lists.items()}
    even = {key: _break_even(own, prices, energy[key]) for key, prices in lists.items()}
    return Rival(f"int{bits} ReLU, {zeros}", energy, mine, even)


def _break_even(spiking: Counts, prices: PriceList, energy_pj: float) -> float:
    """The firing rate at which ``spiking`` costs ``energy_pj``; prices are linear in spikes."""
    silent_pj = [part.total_pj for part in price(spiking.silent(), prices).layers]
    found_pj = [part.total_pj for part in price(spiking, prices).layers]
    ceilings = [_ceiling(layer) for layer in spiking.layers]
    parts = [(a, b - a, c) for a, b, c in zip(silent_pj, found_pj, ceilings, strict=True)]

    def cost_pj(factor: float) -> float:
        return sum(base + slope * min(factor, ceiling) for base, slope, ceiling in parts)

    low, high = 0.0, max(ceilings, default=0.0)
    if cost_pj(low) >= energy_pj:
        return 0.0
    if cost_pj(high) <= energy_pj:
        return 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if cost_pj(middle) > energy_pj else (middle, high)
    neurons = [layer for layer in spiking.layers if layer.firing_rate is not None]
    fired = sum(min(high * layer.spikes_out, layer.outputs) for layer in neurons)
    return fired / sum(layer.outputs for layer in neurons)


def _ceiling(layer: LayerCounts) -> float:
    """By how much a layer's spikes can grow until all of its neurons, or inputs, fire."""
    if layer.acs and layer.reads is Edge.SPIKE:
        return layer.dense / layer.acs
    return layer.outputs / layer.spikes_out if layer.spikes_out else 0.0


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
    """The ReLU network of the same shape without gates, run once, no value known to be zero."""
    own = (layer for layer in spiking.layers if not layer.of_gate)
    return replace(spiking, layers=tuple(map(_once, own)))


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
        states=0,
        runs=1,
    )
