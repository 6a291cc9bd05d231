"""From a run's names to a network."""

from __future__ import annotations

from torch import nn

from s3nn.clock import unroll
from s3nn.config import Model
from s3nn.models import Parts
from s3nn.registry import MODELS


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
