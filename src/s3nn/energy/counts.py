"""Operations of an inference, counted from the spikes that were there; plain integers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from s3nn.decode import decode
from s3nn.errors import RunFolderError, UsageError
from s3nn.graph.ir import Edge


@dataclass(frozen=True)
class LayerCounts:
    """One operation's totals over all samples and steps.

    name, operation  as in the trace; ``reads`` and ``writes`` are the types of its edges
    inputs, outputs  elements read and written
    spikes_in        spikes read (edges of spikes only; of a mask, those it is laid over)
    spikes_out       spikes written (neurons that emit spikes only)
    macs             multiply-accumulates: the true fan-out of every input of an analog edge
    acs              accumulates: the true fan-out of every spike, or of every input of a sign edge
    adds             additions beside them: biases, residual sums, averages, charges of max-pools
    neuron_updates   neurons x steps; a ReLU outside of a neuron is one too, a gate's decision too
    dense            accumulations if every input were active
    nonzero          accumulations of the inputs that are not zero
    neurons          neurons of one sample
    weights, weight_bits, biases    synapses of the layer, and the bits of one
    states           values that a neuron keeps from step to step, its potential first
    potential_bits   the bits of one such value
    of_gate          whether it is a gate's own operation, beside those of the network
    runs             how often it runs for one inference: the steps, or 1

    The true fan-out of an input is the number of (output position, output channel) pairs that its
    weights reach: borders, stride, padding, dilation and groups included.  A batch-norm folds into
    the weights and thresholds around it, a max-pool of spikes is an OR and a mask laid over spikes
    an AND: none is counted.  A softmax is two MACs a value: an exponential and a division.
    """

    name: str
    operation: str
    reads: Edge
    writes: Edge
    inputs: int = 0
    outputs: int = 0
    spikes_in: int = 0
    spikes_out: int = 0
    macs: int = 0
    acs: int = 0
    adds: int = 0
    neuron_updates: int = 0
    dense: int = 0
    nonzero: int = 0
    neurons: int = 0
    weights: int = 0
    weight_bits: int = 32
    biases: int = 0
    states: int = 0
    runs: int = 1
    potential_bits: float = 32
    of_gate: bool = False

    @property
    def firing_rate(self) -> float | None:
        """Spikes a neuron and step; None for what emits no spikes."""
        if self.operation != "neuron" or self.writes is not Edge.SPIKE or not self.outputs:
            return None
        return self.spikes_out / self.outputs

    def plus(self, other: LayerCounts) -> LayerCounts:
        """The counts of more samples of the same operation."""
        nothing: dict[str, Any] = dict.fromkeys(_SUMMED, 0)
        if replace(self, **nothing) != replace(other, **nothing):
            raise UsageError(
                f"counts of different layers do not add up: {self.name} ({self.operation}, "
                f"{self.weights} weights, {self.neurons} neurons) and {other.name} "
                f"({other.operation}, {other.weights} weights, {other.neurons} neurons)"
            )
        sums: dict[str, Any] = {f: getattr(self, f) + getattr(other, f) for f in _SUMMED}
        return replace(self, **sums)


# What files of before 0.1.0 lack.
_ADDED = {"potential_bits": 32}
_SUMMED = (
    *("inputs", "outputs", "spikes_in", "spikes_out", "macs", "acs", "adds"),
    *("neuron_updates", "dense", "nonzero"),
)


@dataclass(frozen=True)
class Counts:
    """All operations of ``samples`` inferences, and the size of the model.

    Totals are integers; divide by ``samples`` for the mean of an inference.
    """

    samples: int
    layers: tuple[LayerCounts, ...]
    parameters: int
    weight_bits: int

    @property
    def macs(self) -> int:
        return sum(layer.macs for layer in self.layers)

    @property
    def acs(self) -> int:
        return sum(layer.acs for layer in self.layers)

    @property
    def adds(self) -> int:
        return sum(layer.adds for layer in self.layers)

    @property
    def neuron_updates(self) -> int:
        return sum(layer.neuron_updates for layer in self.layers)

    @property
    def spikes(self) -> int:
        return sum(layer.spikes_out for layer in self.layers)

    @property
    def spikes_per_inference(self) -> float:
        return self.spikes / self.samples

    @property
    def firing_rate(self) -> float | None:
        """Spikes a neuron and step, over all neurons that emit spikes; None if none does."""
        spiking = [layer for layer in self.layers if layer.firing_rate is not None]
        if not spiking:
            return None
        return sum(x.spikes_out for x in spiking) / sum(x.outputs for x in spiking)

    @property
    def passed(self) -> dict[str, float]:
        """Of every gated layer by name, the share of the spikes in front that its gates let pass.

        A layer that saw no spike is left out.
        """
        layers = {layer.name: layer for layer in self.layers}
        masks = [layer for layer in self.layers if layer.operation == "mask" and layer.spikes_in]
        shares = {}
        for mask in masks:
            path, *again = mask.name.split("#")  # a second call is "layer.passing#2"
            name, call = path.removesuffix(".passing"), "".join(f"#{number}" for number in again)
            shares[name + call] = layers[f"{name}.behind{call}"].spikes_in / mask.spikes_in
        return shares

    @property
    def uncounted(self) -> tuple[str, ...]:
        """The operations of which nothing is known, so that they count, and cost, nothing."""
        return tuple(x.name for x in self.layers if x.operation.startswith("opaque "))

    def silent(self) -> Counts:
        """The counts if no neuron had fired."""
        layers = (
            replace(x, acs=0, spikes_in=0, spikes_out=0)
            if x.reads is Edge.SPIKE
            else replace(x, spikes_out=0)
            for x in self.layers
        )
        return replace(self, layers=tuple(layers))

    def __add__(self, other: Counts) -> Counts:
        """The counts of two sets of samples of the same model."""
        if len(self.layers) != len(other.layers):
            raise UsageError(
                f"counts of different models do not add up: one has {len(self.layers)} operations, "
                f"the other {len(other.layers)}"
            )
        layers = zip(self.layers, other.layers, strict=True)
        return Counts(
            self.samples + other.samples,
            tuple(mine.plus(theirs) for mine, theirs in layers),
            self.parameters,
            self.weight_bits,
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, tree: Any, where: str = "counts") -> Counts:
        """Read ``to_json``'s form; keys and values that do not fit are a ``RunFolderError``."""
        layers = tree.get("layers") if isinstance(tree, dict) else None
        if not isinstance(layers, list | tuple) or not all(
            isinstance(layer, dict) for layer in layers
        ):
            raise RunFolderError(f"{where} is damaged: it has no list of layers; run it again")
        known = {f.name for f in fields(LayerCounts)}
        layers = [_ADDED | _renamed(written) for written in layers]
        for layer in layers:
            if set(layer) != known:
                raise RunFolderError(
                    f"counts of layer {layer.get('name')!r} have the keys {sorted(layer)}, "
                    f"expected {sorted(known)}: train the run again"
                )
        found: Counts = decode(cls, tree | {"layers": layers}, where)
        return found


def _renamed(written: dict[str, Any]) -> dict[str, Any]:
    """What older files call temporal is a neuron that keeps one value; gates are told by name."""
    layer = {"of_gate": ".gates." in str(written.get("name")), **written}
    if "temporal" in layer:
        layer["states"] = int(bool(layer.pop("temporal")))
    return layer
