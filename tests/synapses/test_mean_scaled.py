"""Weights whose step follows from their mean magnitude, held against loops over numbers."""

from __future__ import annotations

from statistics import fmean

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from s3nn.energy import count
from s3nn.errors import UsageError
from s3nn.graph.lower import lower
from s3nn.models import Cnn7, Mlp, Parts
from s3nn.synapses import MeanScaled, SynapticConv2d, SynapticLinear


def by_hand(weights: list[float], bits: int) -> list[float]:
    sizes = [abs(w) for w in weights]
    if bits == 2:
        threshold = 0.05 * max(sizes)
        magnitude = fmean(size for size in sizes if size >= threshold)
        return [0.0 if abs(w) < threshold else magnitude if w > 0 else -magnitude for w in weights]
    a, q = 2 * fmean(sizes), 2 ** (bits - 1) - 1
    return [round(q / a * min(max(w, -a), a)) * a / q for w in weights]


def trained(shape: tuple[int, ...]) -> Tensor:
    weight = torch.randn(shape, dtype=torch.float64)
    weight[:, 0] *= 4  # so that some weights are out of range
    weight[1:] *= 3  # and channels differ
    return weight.requires_grad_()


@pytest.mark.parametrize("shape", [(5, 4, 3, 3), (5, 7)])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_a_layer_is_seen_as_the_authors_write_it(bits: int, shape: tuple[int, ...]) -> None:
    weight = trained(shape)
    expected = torch.tensor(by_hand(weight.flatten().tolist(), bits), dtype=torch.float64)
    assert_close(MeanScaled(bits)(weight).flatten(), expected)
    for seen, channel in zip(MeanScaled(bits, per_channel=True)(weight), weight, strict=True):
        expected = torch.tensor(by_hand(channel.flatten().tolist(), bits), dtype=torch.float64)
        assert_close(seen.flatten(), expected)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_the_gradient_passes_straight_through(bits: int) -> None:
    weight = trained((5, 4, 3, 3))
    upstream = torch.randn_like(weight)
    MeanScaled(bits)(weight).backward(upstream)
    inside = weight.abs() <= 2 * weight.abs().mean()
    assert not inside.all()
    assert_close(weight.grad, upstream if bits == 2 else upstream * inside)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("bits", [2, 4])
def test_what_is_seen_is_levels_times_a_step(bits: int, per_channel: bool) -> None:
    weight = trained((5, 4, 3, 3))
    synapse = MeanScaled(bits, per_channel)
    levels, step = synapse.levels(weight), synapse.step(weight)
    assert torch.equal(levels, levels.round())
    assert levels.abs().max() <= 2 ** (bits - 1) - 1
    assert torch.equal(synapse(weight), levels * step)
    assert step.shape == (5, 1, 1, 1)
    assert len(step.unique()) == (5 if per_channel else 1)


def test_the_ends_of_a_network_get_eight_bits_and_its_size_counts_one_scale_a_layer() -> None:
    image = (1, 8, 8)
    for spec, scales in (
        ("mean_scaled", 7),
        ("mean_scaled(per_channel=True)", 2 * (4 + 8 + 16) + 10),
    ):
        model = Cnn7(image, 10, Parts(synapse=spec), width=0.0625)
        layers = [m for m in model.modules() if isinstance(m, (SynapticConv2d, SynapticLinear))]
        assert [layer.synapse.bits for layer in layers] == [8, *[4] * 5, 8]
        weights = sum(layer.weight.numel() * layer.synapse.bits for layer in layers)
        others = sum(p.numel() for p in model.parameters() if p.ndim == 1)
        found = count(model, [torch.zeros(1, *image)]).weight_bits
        assert found == weights + 32 * (scales + others)


@pytest.mark.parametrize("spec", ["mean_scaled", "mean_scaled(bits=2, per_channel=True)"])
def test_it_is_lowered_on_its_grid(spec: str) -> None:
    model = Mlp((1, 4, 4), 10, Parts(synapse=spec), 0.1).double()
    graph = lower(model, (1, 4, 4))
    node = next(v.node for v in graph if v.name == "features.1.0")
    layer = model.get_submodule("features.1.0")
    assert_close(torch.tensor(node.weight), layer.synapse(layer.weight).detach())
    assert_close(torch.tensor(node.grid), layer.synapse.step(layer.weight).flatten())


@pytest.mark.parametrize("bits", [1, 17])
def test_impossible_sizes_are_refused(bits: int) -> None:
    with pytest.raises(UsageError, match=f"a mean_scaled synapse has 2 to 16 bits, got {bits}"):
        MeanScaled(bits)
