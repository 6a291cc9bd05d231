"""A trained ReLU network as integrate-and-fire neurons over several steps, without training."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from s3nn.clock import Unroll, unroll
from s3nn.clock.encoders.direct import Direct
from s3nn.clock.readouts.delayed import Delayed
from s3nn.conversion.reading import readers
from s3nn.conversion.scales import activation_scales
from s3nn.errors import UnsupportedError, UsageError
from s3nn.graph.trace import evaluating
from s3nn.neurons import ClipFloor, Iaf
from s3nn.registry import name_of


def convert(
    model: nn.Module,
    images: Tensor,
    *,
    steps: int,
    precharge: float | Sequence[float] = 0.5,
    after: int = 0,
    percentile: float = 99.9,
) -> Unroll:
    """A spiking copy of a trained ReLU network, of integrate-and-fire neurons over ``steps`` steps.

    Every layer l of ReLUs becomes neurons of a threshold theta_l with a soft reset, and the weights
    that read it are multiplied by theta_l, what one of its spikes is worth.  With rates N / T of
    the spikes, theta_l N / T tends to the activation min(a, theta_l), and the mean of the outputs
    over the steps to the logits.  theta_l is a percentile of the activations on ``images``; layers
    of ``clip_floor`` have their own, which was trained.  Batch-norms stay, with the statistics that
    they have.  Max-pools in front of neurons compare charges (``s3nn.clock.pools``).

    Parameters
    ----------
    model: with an encode, features and a read-out; relu or clip_floor neurons, real weights.
    images: training images as the network reads them, (N, C, H, W).
    precharge: kappa, what neurons start with, in thresholds; one for all layers, or one a layer.
    after: t_d, the first steps whose outputs the answer leaves out.
    percentile: of a layer's positive activations; 100: the largest.

    Sources: Diehl et al., IJCNN 2015 (thresholds by data); Rueckauer et al., Frontiers in
    Neuroscience 11 (2017) 682 (percentile, soft reset); Hwang et al., Frontiers in Neuroscience 15
    (2021) 629000 (pre-charge, delayed evaluation).

    >>> from s3nn.models import Mlp, Parts
    >>> x = torch.rand(20, 1, 8, 8)
    >>> spiking = convert(Mlp((1, 8, 8), 10, Parts(neuron="relu")), x, steps=8)
    >>> spiking(x).shape
    torch.Size([20, 10])
    """
    if steps < 2:
        raise UsageError(
            f"a converted network needs 2 steps or more, got {steps}: in one step a rate is a "
            "spike, and such a network is trained (--model.neuron fire)"
        )
    if isinstance(model, Unroll):
        raise UnsupportedError(
            "converting a network in time",
            f"{model.steps} steps of {name_of(model.encoder)}",
            "convert a ReLU network of one step that reads the image itself",
        )
    over_time = Delayed(steps, after)  # before minutes are spent
    network = copy.deepcopy(model).eval()
    read = readers(network)
    with evaluating(network):
        scales = activation_scales(network, images, percentile)
    layers = [name for name, m in network.named_modules() if isinstance(m, ClipFloor)]
    scales |= {name: _trained_scale(network, name) for name in layers}
    for weights, source in read.items():
        if source is not None:
            with torch.no_grad():
                network.get_submodule(weights).get_parameter("weight").mul_(scales[source])
    order = [name for name, _ in network.named_modules() if name in scales]
    kappas = _each(precharge, len(order))
    for name, kappa in zip(order, kappas, strict=True):
        neuron = Iaf(precharge=max(kappas), pool="charge")  # all keep one, or none does
        neuron.threshold.set_(torch.tensor(scales[name]))
        if neuron.precharge is not None:
            neuron.precharge.fill_(kappa)
        like = next(network.parameters())
        network.set_submodule(name, neuron.to(like).eval())
    converted = unroll(network, steps, Direct(steps), over_time)
    assert isinstance(converted, Unroll)
    return converted.eval()


def _trained_scale(network: nn.Module, name: str) -> float:
    layer = network.get_submodule(name)
    assert isinstance(layer, ClipFloor)
    value = layer.threshold.value()
    if value.ndim:
        raise UsageError(
            f"{name} has {len(value)} thresholds, one a channel, and a converted layer has one: "
            "train clip_floor with per_channel=False"
        )
    return float(value.detach())


def _each(precharge: float | Sequence[float], layers: int) -> list[float]:
    given = [precharge] if isinstance(precharge, (int, float)) else [*precharge]
    if len(given) not in (1, layers):
        raise UsageError(
            f"{len(given)} pre-charges were given for {layers} layers of neurons: give one, or "
            "one a layer"
        )
    for kappa in given:
        if not 0 <= kappa < 1:
            raise UsageError(
                f"a pre-charge is a share of the threshold, from 0 to below 1, got {kappa:g}"
            )
    return given if len(given) == layers else given * layers
