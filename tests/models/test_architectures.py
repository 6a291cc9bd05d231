"""What the architectures are, layer by layer, and what they refuse."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from s3nn.errors import UsageError
from s3nn.graph.ir import Edge
from s3nn.models import (
    Cnn7,
    ImagenetResnet18,
    ImagenetResnet34,
    Parts,
    Resnet18,
    SpikingModel,
    Vgg11,
)
from s3nn.neurons import Neuron
from s3nn.registry import MODELS
from s3nn.synapses import SynapticConv2d, SynapticLinear

WIDTH = 0.0625


def channels(model: nn.Module) -> list[int]:
    return [m.out_channels for m in model.modules() if isinstance(m, SynapticConv2d)]


def test_plans_at_full_width() -> None:
    with torch.device("meta"):
        assert channels(Cnn7((1, 28, 28), 10)) == [64, 64, 128, 128, 256, 256]
        vgg = channels(Vgg11((3, 32, 32), 10))
        resnet = channels(Resnet18((3, 32, 32), 10))
        large = channels(ImagenetResnet18((3, 224, 224), 1000))
        larger = channels(ImagenetResnet34((3, 224, 224), 1000))
    assert vgg == [64, 128, 256, 256, 512, 512, 512, 512]
    assert resnet == large == [64, *[64] * 4, *[128] * 4, *[256] * 4, *[512] * 4]
    assert larger == [64, *[64] * 6, *[128] * 8, *[256] * 12, *[512] * 6]


def test_the_imagenet_form_halves_five_times() -> None:
    with torch.device("meta"):
        model = ImagenetResnet18((3, 224, 224), 1000)
        current = model.encode(torch.zeros(1, 3, 224, 224))
        assert current.shape == (1, 64, 56, 56)
        assert model.features[:16](current).shape == (1, 512, 7, 7)
    first = model.encode[0][0]
    assert (first.kernel_size, first.stride, first.padding) == ((7, 7), (2, 2), (3, 3))


@pytest.mark.parametrize("name", ["imagenet_resnet18", "imagenet_resnet34"])
def test_neurons_of_an_untrained_imagenet_network_are_not_saturated(name: str) -> None:
    """As they are where a maximum of the potential is taken at every change of size."""
    model = MODELS.build(name, input_shape=(3, 64, 64), classes=10, width=0.125)
    rates: list[float] = []
    for layer in model.modules():
        if isinstance(layer, Neuron):
            layer.register_forward_hook(lambda *call: rates.append(float(call[2].detach().mean())))
    model(torch.randn(4, 3, 64, 64))
    assert len(rates) == len(channels(model))
    assert 0.1 < min(rates) <= max(rates) < 0.9, rates


LETTERS = {"Sequential": "C", "MaxPool2d": "P", "Fire": "N", "Flatten": "-", "Residual": "R"}
LETTERS["AdaptiveAvgPool2d"] = "A"


@pytest.mark.parametrize(
    ("name", "plan"),
    [
        ("mlp", "NCN"),
        ("dncnn", "N" + "CN" * 4),
        ("cnn7", "NCPN" + "CNCPN" * 2 + "-"),
        ("vgg11", "NCPN" + "CNCPN" * 3 + "-"),  # the first pool is in encode
        ("resnet18", "R" * 16 + "NA-"),
        ("imagenet_resnet18", "R" * 16 + "NA-"),  # the pool is in encode
        ("imagenet_resnet34", "R" * 32 + "NA-"),
    ],
)
def test_pools_take_the_maximum_of_the_potential_in_front_of_the_neurons(
    name: str, plan: str
) -> None:
    model = MODELS.build(name, input_shape=(1, 16, 16), classes=10, width=WIDTH)
    assert "".join(LETTERS[type(layer).__name__] for layer in model.features) == plan


LEAST = [("cnn7", 8), ("vgg11", 16), ("imagenet_resnet18", 16), ("imagenet_resnet34", 16)]


@pytest.mark.parametrize(("name", "least"), LEAST)
def test_images_that_pools_would_shrink_to_nothing_are_refused(name: str, least: int) -> None:
    model = MODELS.build(name, input_shape=(1, least, least), classes=10, width=WIDTH)
    assert model.eval()(torch.zeros(1, 1, least, least)).shape == (1, 10)
    for shape in ((1, least - 1, least), (1, least, least - 1), (1, 1, 1)):
        with pytest.raises(UsageError, match=rf"{name} halves its input .* got {shape[1]}x"):
            MODELS.build(name, input_shape=shape, classes=10, width=WIDTH)


@pytest.mark.parametrize("name", MODELS.names())
def test_every_synapse_but_the_first_reads_spikes(name: str) -> None:
    """The read-out may read a mean of spikes, if there are others; these read zeros and ones."""
    model = MODELS.build(name, input_shape=(1, 16, 16), classes=10, width=WIDTH)
    read: list[tuple[str, Tensor]] = []
    for layer_name, layer in model.named_modules():
        if isinstance(layer, (SynapticConv2d, SynapticLinear)):
            layer.register_forward_pre_hook(
                lambda _, inputs, name=layer_name: read.append((name, inputs[0].detach()))
            )
    model(torch.randn(4, 1, 16, 16))
    names = [layer_name for layer_name, _ in read]
    assert names[0].startswith("encode")
    assert names[-1].partition(".")[0] == "readout"
    for layer_name, x in read[1:-1] or read[1:]:
        assert set(x.unique().tolist()) <= {0.0, 1.0}, layer_name
    assert x.any(), "and not all of them are silent"


@pytest.mark.parametrize("name", MODELS.names())
def test_features_start_with_neurons_and_encode_has_none(name: str) -> None:
    model = MODELS.build(name, input_shape=(1, 16, 16), classes=10, width=WIDTH)
    assert isinstance(model, SpikingModel)
    assert not any(isinstance(m, Neuron) for m in model.encode.modules())
    assert not any(isinstance(m, Neuron) for m in model.readout.modules())
    emitted = {m.emits for m in model.features.modules() if isinstance(m, Neuron)}
    assert emitted == {Edge.SPIKE}


@pytest.mark.parametrize("name", MODELS.names())
def test_rows_of_a_comparison_share_their_architecture(name: str) -> None:
    shapes = [
        [tuple(m.weight.shape) for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
        for model in (
            MODELS.build(name, input_shape=(1, 16, 16), classes=10, parts=parts, width=WIDTH)
            for parts in (Parts("relu"), Parts("fire"), Parts("sign", "binary"), Parts("lif"))
        )
    ]
    assert all(shape == shapes[0] for shape in shapes)
