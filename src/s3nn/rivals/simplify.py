"""The same function in the form that every runtime computes fastest."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from s3nn.neurons.relu import Relu


def simplified(network: nn.Module) -> nn.Module:
    """A copy in eval mode: batch-norm in the convolution before it, ReLU ahead of max-pooling.

    max(relu(u)) = relu(max(u)): our order is made for spikes, but a runtime computes convolution
    and ReLU in one go only where they are neighbours.  Without it int8 takes a fifth longer in ONNX
    Runtime and up to a tenth in OpenVINO.  Only plain ``nn.Sequential`` is rewritten, where the
    order of the modules is the order of the computation.
    """
    copy = deepcopy(network).eval().requires_grad_(False)
    for sequence in copy.modules():
        if type(sequence) is nn.Sequential:
            _fold(sequence)
            _exchange(sequence)
    return copy


def _fold(sequence: nn.Sequential) -> None:
    for i, (conv, norm) in enumerate(pairwise(list(sequence))):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            sequence[i], sequence[i + 1] = fuse_conv_bn_eval(conv, norm), nn.Identity()


def _exchange(sequence: nn.Sequential) -> None:
    for i, (pool, relu) in enumerate(pairwise(list(sequence))):
        if isinstance(pool, nn.MaxPool2d) and isinstance(relu, Relu | nn.ReLU):
            sequence[i], sequence[i + 1] = relu, pool
