"""From a run's names to a network."""

from __future__ import annotations

from torch import nn

from s3nn.clock import unroll
from s3nn.config import Model
from s3nn.errors import UsageError
from s3nn.models import Parts
from s3nn.registry import MODELS
from s3nn.synapses import SynapticConv2d, SynapticLinear


def build_model(model: Model, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The network that ``model`` describes, for images (C, H, W) of ``classes`` classes.

    >>> build_model(Model(name="mlp", width=0.1), (1, 8, 8), classes=10).readout
    SynapticLinear(
      in_features=40, out_features=10, bias=True
      (synapse): Real(bits=32)
    )
    """
    parts = Parts(neuron=model.neuron, synapse=model.synapse)
    network: nn.Module = MODELS.get(model.name)(input_shape, classes, parts, model.width)
    return unroll(network, model.steps) if model.steps > 1 else network


def start_at(network: nn.Module, teacher: nn.Module) -> None:
    """Give ``network`` the teacher's values wherever both have a tensor of that name and shape.

    Synapses that hold more than a weight (a scale) prepare for the new one.  A teacher that shares
    no weight is a ``UsageError``.
    """
    own, theirs = network.state_dict(), teacher.state_dict()
    shared = {k: v for k, v in theirs.items() if k in own and own[k].shape == v.shape}
    if not any(name.endswith("weight") for name in shared):
        raise UsageError(
            f"nothing of the teacher ({type(teacher).__name__}) fits the network "
            f"({type(network).__name__}): start=True needs the same architecture and width"
        )
    network.load_state_dict(shared, strict=False)
    for layer in network.modules():
        if isinstance(layer, (SynapticConv2d, SynapticLinear)):
            layer.synapse.attach(layer.weight)
