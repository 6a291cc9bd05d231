"""What an operation costs: lists of cited constants, side by side, none of them a hidden default.

All energies are in picojoules, of an inference where nothing else is said.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from s3nn.energy.counts import LayerCounts
from s3nn.graph.ir import Edge

HOROWITZ = "M. Horowitz, Computing's energy problem, ISSCC 2014 (45 nm, 0.9 V)"
LEMAIRE = "E. Lemaire et al., An analytical estimation of SNNs energy efficiency, ICONIP 2022"

Constants = dict[str, bool | int | float | str | None]


@dataclass(frozen=True)
class LayerEnergy:
    """The energy of one layer in one inference."""

    name: str
    compute_pj: float
    memory_pj: float = 0.0

    @property
    def total_pj(self) -> float:
        return self.compute_pj + self.memory_pj


class PriceList(ABC):
    """A way to price the operations of a layer."""

    summary: str
    source: str

    @abstractmethod
    def layer(self, counts: LayerCounts, samples: int) -> LayerEnergy:
        """The energy of a layer in one inference, from its totals over ``samples``."""

    @abstractmethod
    def constants(self) -> Constants:
        """The constants by name, with their units."""


@dataclass(frozen=True)
class Float32(PriceList):
    """32-bit floating point, arithmetic only.

    E = mac_pj MACs + add_pj (ACs + adds) + neurons.  A neuron without memory compares once (an
    addition); one with memory leaks and integrates too (a MAC a value that it keeps): our choice,
    the source prices operations and no neurons.
    """

    mac_pj: float = 4.6  # 3.7 multiply + 0.9 add
    add_pj: float = 0.9

    summary = "32-bit float arithmetic, no memory"
    source = HOROWITZ

    def layer(self, counts: LayerCounts, samples: int) -> LayerEnergy:
        update_pj = self.add_pj + self.mac_pj * counts.states
        total_pj = (
            self.mac_pj * counts.macs
            + self.add_pj * (counts.acs + counts.adds)
            + update_pj * counts.neuron_updates
        )
        return LayerEnergy(counts.name, total_pj / samples)

    def constants(self) -> Constants:
        return {"mac_pj": self.mac_pj, "ac_pj": self.add_pj, "add_pj": self.add_pj}


@dataclass(frozen=True)
class Integer(PriceList):
    """Integer arithmetic with 32-bit accumulators, arithmetic only.

    MAC = multiply_pj (w/8)(a/8) + add_pj with weights of w bits and activations of a bits, AC =
    add_pj.  The source has the 8-bit multiplier; that its energy goes with the product of the
    widths is our interpretation.  Real weights are priced as if they were deployed at 8 bits, and
    an analog activation has 8 bits.  One-bit weights on signs pay a whole 32-bit addition, though
    hardware made for binary networks counts bits for less: no constant for that is cited.
    """

    multiply_pj: float = 0.2
    add_pj: float = 0.1
    activation_bits: int = 8

    summary = "integer arithmetic (8 bits, or the weights' own if fewer), no memory"
    source = HOROWITZ

    def layer(self, counts: LayerCounts, samples: int) -> LayerEnergy:
        bits = min(counts.weight_bits, 8)
        multiply_pj = self.multiply_pj * bits / 8 * self.activation_bits / 8
        mac_pj = multiply_pj + self.add_pj
        update_pj = self.add_pj + mac_pj * counts.states
        total_pj = (
            mac_pj * counts.macs
            + self.add_pj * (counts.acs + counts.adds)
            + update_pj * counts.neuron_updates
        )
        return LayerEnergy(counts.name, total_pj / samples)

    def constants(self) -> Constants:
        return {
            "multiply_8_bit_pj": self.multiply_pj,
            "add_32_bit_pj": self.add_pj,
            "mac_8_bit_pj": self.multiply_pj + self.add_pj,
            "ac_pj": self.add_pj,
        }


@dataclass(frozen=True)
class WithMemory(PriceList):
    """Another list's arithmetic, and the RAM accesses that feed it.

    One access to a RAM of n bits costs ``per_bit_pj n + base_pj``; weights, inputs and potentials
    have a RAM each, of the size the layer needs.

    A layer that reads spikes is event-driven: a spike is read once, and each of its accumulations
    reads a weight and reads and writes a potential.  Any other layer is dense, its sums held in a
    register: each MAC (or AC, of signs) reads a weight and, in a convolution, an input; a linear
    layer reads an input once; each output is written once.
    Biases are read once an output.  Neurons write their spikes (those that emit values or signs:
    every output).  Neurons with memory read and write their potential at every step; those without
    read it once, since nothing is kept to the next step.  A potential that is kept at fewer bits is
    read and written at these; what is accumulated into is not.  A max-pool of charges reads and
    writes those it gathers, and the largest of each window, at every step.  Averages, read-outs
    over time, softmax and a gate's decision are priced by their arithmetic alone, as if each were
    done while its input is at hand.
    The accumulations are our exact counts; the source estimates them from layer sizes.  Its
    addressing is left out: two MACs and k^2 additions a spike, beside three accesses for each of
    the spike's accumulations.
    """

    arithmetic: PriceList
    real_weight_bits: int
    activation_bits: int
    base_pj: float = 13.2
    per_bit_pj: float = 1.09e-5
    potential_bits: int = 32

    source = f"{LEMAIRE}; {HOROWITZ}"

    @property
    def summary(self) -> str:  # type: ignore[override]
        return f"{self.arithmetic.summary.removesuffix(', no memory')}, and its RAM accesses"

    def access_pj(self, words: float, bits: float) -> float:
        """One access to a RAM of ``words`` words of ``bits`` bits."""
        return self.base_pj + self.per_bit_pj * words * bits

    def layer(self, counts: LayerCounts, samples: int) -> LayerEnergy:
        compute = self.arithmetic.layer(counts, samples)
        total_pj = (
            self._synapses_pj(counts, samples)
            if counts.operation in ("conv", "linear")
            else self._neurons_pj(counts, samples)
        )
        return LayerEnergy(counts.name, compute.compute_pj, total_pj / samples)

    def _synapses_pj(self, counts: LayerCounts, samples: int) -> float:
        bits = min(counts.weight_bits, self.real_weight_bits)
        weight_pj = self.access_pj(counts.weights, bits)
        outputs = counts.outputs / (samples * counts.runs)
        inputs = counts.inputs / (samples * counts.runs)
        output_pj = self.access_pj(outputs, self.potential_bits)
        bias_pj = self.access_pj(counts.biases, 32) if counts.biases else 0.0
        total_pj = bias_pj * (counts.outputs if counts.biases else 0)
        if counts.reads is Edge.SPIKE:
            total_pj += self.access_pj(inputs, 1) * counts.spikes_in
            return total_pj + (weight_pj + 2 * output_pj) * counts.acs
        input_bits = 1 if counts.reads is Edge.SIGN else self.activation_bits
        done = counts.macs + counts.acs
        reads = counts.inputs if counts.operation == "linear" else done
        total_pj += weight_pj * done + self.access_pj(inputs, input_bits) * reads
        return total_pj + output_pj * counts.outputs

    def _neurons_pj(self, counts: LayerCounts, samples: int) -> float:
        if counts.operation == "add":
            value_pj = self.access_pj(counts.outputs / (samples * counts.runs), self.potential_bits)
            return 2 * value_pj * counts.outputs
        if counts.operation == "charge_pool":
            kept = counts.inputs + counts.outputs
            value_pj = self.access_pj(kept / (samples * counts.runs), self.potential_bits)
            return 2 * value_pj * kept
        if counts.operation not in ("neuron", "activation"):
            return 0.0
        bits = min(counts.potential_bits, self.potential_bits)
        potential_pj = self.access_pj(counts.neurons, bits)
        out_bits = 1 if counts.writes.binary else self.activation_bits
        written = counts.spikes_out if counts.writes is Edge.SPIKE else counts.outputs
        touches = 1 + counts.states
        return (
            touches * potential_pj * counts.neuron_updates
            + self.access_pj(counts.neurons, out_bits) * written
        )

    def constants(self) -> Constants:
        return self.arithmetic.constants() | {
            "ram_access_base_pj": self.base_pj,
            "ram_access_per_bit_pj": self.per_bit_pj,
            "potential_bits": self.potential_bits,
        }


PRICE_LISTS: dict[str, PriceList] = {
    "float32_45nm": Float32(),
    "int8_45nm": Integer(),
    "float32_memory_45nm": WithMemory(Float32(), real_weight_bits=32, activation_bits=32),
    "int8_memory_45nm": WithMemory(Integer(), real_weight_bits=8, activation_bits=8),
}
