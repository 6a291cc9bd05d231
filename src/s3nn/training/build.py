"""From a run's names to a network."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from s3nn.chip import VirtualChip, on_chip
from s3nn.clock import Encoder, make_readout, race, unroll
from s3nn.config import Chip, Gates, Model
from s3nn.errors import UnsupportedError, UsageError
from s3nn.gates import gated, ungated_name
from s3nn.models import Parts
from s3nn.neurons import TimedNeuron, make_neuron
from s3nn.registry import ENCODERS, MODELS
from s3nn.synapses import Synapse, SynapticConv2d, SynapticLinear


def build_model(
    model: Model,
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    mean: Sequence[float] = (0.0,),
    std: Sequence[float] = (1.0,),
    gates: Gates | None = None,
    chip: Chip | None = None,
) -> nn.Module:
    """The network that ``model`` and ``gates`` describe, for images (C, H, W) of some classes.

    Where there is a ``chip``, the network's values are those of its emulation.

    ``mean`` and ``std`` are what the images are normalised by, one number a channel: encoders that
    speak of intensities undo it.

    >>> build_model(Model(name="mlp", width=0.1), (1, 8, 8), classes=10).readout
    SynapticLinear(
      in_features=40, out_features=10, bias=True
      (synapse): Real(bits=32)
    )
    """
    parts = Parts(neuron=model.neuron, synapse=model.synapse)
    encoder: Encoder = ENCODERS.build(model.encoder, steps=model.steps, mean=mean, std=std)
    shape = encoder.shape(input_shape)
    network: nn.Module = MODELS.build(
        model.name, input_shape=shape, classes=classes, parts=parts, width=model.width
    )
    over_time = make_readout(model.readout, model.steps)
    output = None if model.output is None else make_neuron(model.output, classes)
    if any(isinstance(m, TimedNeuron) for m in [*network.modules(), output]):
        if gates is not None and gates.there:
            raise UnsupportedError("gates on spike times", "gates", "drop --gates")
        if chip is not None and chip.there:
            raise UnsupportedError("spike times on a chip", "chip", "drop --chip")
        return race(network, encoder, over_time, output)
    if gates is not None:
        network = gated(network, spatial=gates.spatial, channel=gates.channel)
    trivial = encoder.constant and over_time.trivial_at_one_step and output is None
    if not (model.steps == 1 and trivial):
        network = unroll(network, model.steps, encoder, over_time, output)
        network.input_shape = input_shape  # type: ignore[assignment]
    return network if chip is None or chip.seed is None else on_chip(network, virtual(chip))


def virtual(chip: Chip) -> VirtualChip:
    """The emulation that the section ``chip`` of a run describes."""
    return VirtualChip(**vars(chip))


def start_at(network: nn.Module, teacher: nn.Module) -> list[str]:
    """Give ``network`` the teacher's values wherever both have a tensor of that name and shape.

    Synapses that hold more than a weight (a scale) prepare for the new one, unless they took that
    over too, from one of the same kind and bits.  A teacher that shares no weight is a
    ``UsageError``.  Returns the names of weights of layers that stay as they are.
    """
    theirs = {ungated_name(k): v for k, v in teacher.state_dict().items()}
    shared = {
        k: theirs[plain]
        for k, v in network.state_dict().items()
        if (plain := ungated_name(k)) in theirs and theirs[plain].shape == v.shape
    }
    if not any(name.endswith("weight") for name in shared):
        raise UsageError(
            f"nothing of the network that training is to start at ({type(teacher).__name__}) fits "
            f"this one ({type(network).__name__}): --teacher.start and --fit.start need one of the "
            "same architecture and width"
        )
    network.load_state_dict(shared, strict=False)
    as_trained = {ungated_name(name): module for name, module in teacher.named_modules()}
    for name, layer in network.named_modules():
        if isinstance(layer, (SynapticConv2d, SynapticLinear)):
            taken = as_trained.get(ungated_name(f"{name}.synapse"))
            if not _alike(taken, layer.synapse):
                layer.synapse.attach(layer.weight)
    layers = (name for name, value in network.state_dict().items() if value.ndim > 1)
    return [name for name in layers if name.endswith("weight") and name not in shared]


def _alike(taken: nn.Module | None, synapse: Synapse) -> bool:
    """Whether two synapses make the same of the same tensors."""
    return type(taken) is type(synapse) and getattr(taken, "bits", None) == synapse.bits
