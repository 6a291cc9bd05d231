"""The graph of real numbers computes what the torch network does; what it cannot is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune

from s3nn import spikify
from s3nn.clock import unroll
from s3nn.errors import UnsupportedError, UsageError
from s3nn.graph.ir import Array
from s3nn.graph.lower import lower
from s3nn.graph.nodes import Affine, Conv, Image, MeanPool
from s3nn.models import Cnn7, Parts
from s3nn.neurons import make_neuron
from s3nn.registry import MODELS

Randomised = Callable[[nn.Module], nn.Module]
# As small as the architecture lets it be, no side even where that can be.
NAMES = [name for name in MODELS.names() if name != "autoencoder"]  # it folds its outputs
SHAPES = {"mlp": (1, 7, 5), "cnn7": (2, 9, 11), "vgg11": (3, 33, 35), "resnet18": (2, 13, 9)}
LARGE = (3, 37, 33)
CLOSE = 1e-9


def images(shape: tuple[int, ...], count: int = 4) -> Array:
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)


def check_same(network: nn.Module, shape: tuple[int, ...]) -> None:
    x, channels = images(shape), np.arange(shape[0])
    mean, std = 0.3 + 0.1 * channels, 0.5 + 0.2 * channels
    network = network.double().eval()
    given = torch.from_numpy(x).double() / 255 - torch.tensor(mean)[:, None, None]
    with torch.no_grad():
        expected = network(given / torch.tensor(std)[:, None, None]).numpy()
    assert np.ptp(expected) > 0
    found = lower(network, shape, mean, std).run(x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=CLOSE)


@pytest.mark.parametrize("synapse", ["real", "integer(bits=4)", "binary"])
@pytest.mark.parametrize("name", NAMES)
def test_every_model(name: str, synapse: str, randomised: Randomised) -> None:
    shape = SHAPES.get(name, LARGE)
    check_same(randomised(MODELS.get(name)(shape, 10, Parts(synapse=synapse), 0.0625)), shape)


def test_thresholds_a_channel(randomised: Randomised) -> None:
    network = Cnn7((1, 8, 8), 5, Parts("fire(learn=True, per_channel=True)"), 0.0625)
    for name, parameter in network.named_parameters():
        if "threshold" in name:
            parameter.data.uniform_(-1, 1)
    check_same(randomised(network), (1, 8, 8))


def plain() -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(2, 5, 3, padding="same"), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)),
        *(nn.Conv2d(5, 4, (3, 1), stride=(2, 1), groups=1), nn.BatchNorm2d(4), nn.ReLU()),
        *(nn.AvgPool2d(2, ceil_mode=True), nn.Dropout(0.3), nn.Flatten()),
        *(nn.Linear(8, 6), nn.ReLU(), nn.Identity(), nn.Linear(6, 3)),
    )


class Functions(nn.Module):
    """Functions and methods, in modules whose names are also those of operations."""

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.adaptive = nn.Conv2d(2, 4, 3), Block()
        self.sub = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.out = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.mean(x))
        x = functional.max_pool2d(self.adaptive(x), 2, stride=1, padding=1)
        x = self.sub(x).relu()
        means = x.mean((2, 3)) + x.mean(dim=(-1, -2), keepdim=True).view(x.size(0), -1)
        pooled = functional.adaptive_avg_pool2d(x, 1).flatten(1)
        return self.out(means + torch.flatten(pooled, 1))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.subnet = nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.avg_pool2d(x, (2, 3), stride=2, ceil_mode=True)
        return functional.relu(self.subnet(x) + x)


@pytest.mark.parametrize("make", [plain, Functions])
def test_a_users_network(make: Callable[[], nn.Module]) -> None:
    network = spikify(make(), calibrate=torch.randn(16, 2, 7, 6), firing_rate=0.3)
    check_same(network, (2, 7, 6))


def test_a_batch_norm_behind_a_bias_is_one_node(randomised: Randomised) -> None:
    network = randomised(nn.Sequential(nn.Conv2d(1, 3, 2), nn.BatchNorm2d(3)))
    graph = lower(network, (1, 4, 4))
    assert [v.name for v in graph if isinstance(v.node, Affine)] == ["normalised", "1"]


def test_a_network_stays_in_training() -> None:
    network = nn.Sequential(nn.Conv2d(1, 3, 2), nn.Sequential(nn.BatchNorm2d(3))).train()
    lower(network, (1, 4, 4))
    assert all(module.training for module in network.modules())


def added_later(u: Tensor) -> Tensor:
    v = functional.max_pool2d(u, 1)
    u.add_(v)  # what it gives is not read
    return u


def read_before_and_after(u: Tensor) -> Tensor:
    before = functional.max_pool2d(u, 2, 1)
    u.add_(functional.max_pool2d(u, 1))
    return before + functional.max_pool2d(u, 2, 1)


@pytest.mark.parametrize("write", [added_later, read_before_and_after])
def test_tensors_that_are_written_over(write: Callable[[Tensor], Tensor]) -> None:
    check_same(Calls(write), (1, 8, 8))


def test_adaptive_pools_that_divide() -> None:
    graph = lower(nn.Sequential(nn.Conv2d(1, 1, 1), nn.AdaptiveAvgPool2d((2, 3))), (1, 4, 9))
    assert graph["1"].node == MeanPool((2, 3), (2, 3))


class Calls(nn.Module):
    """``function`` behind a convolution."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.function = nn.Conv2d(1, 3, 3), function
        self.offset = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.conv(x))


class Shifted(Calls):
    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) + self.offset


class Scaled(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return 3 * super().forward(x)


class Standardised(nn.Conv2d):
    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return super()._conv_forward(x, weight - weight.mean(), bias)


def hooked(layer: nn.Module) -> nn.Module:
    layer.register_forward_hook(lambda module, given, out: 2 * out)
    return layer


def behind(layer: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 3, 3), layer)


def written_through(u: Tensor) -> Tensor:
    view = u[:, :2]
    u.add_(u)
    return view + view


REFUSED = {
    "lif": (unroll(nn.Sequential(nn.Conv2d(1, 3, 3), make_neuron("lif", 3)), 1), "type lif"),
    "sign": (behind(make_neuron("sign", 3)), r"type sign.*layer 1\b"),
    "relu": (behind(nn.ReLU()), r"activation.*layer 1\b"),
    "dilation": (behind(nn.Conv2d(3, 2, 2, dilation=2)), r"dilated convolution.*layer 1\b"),
    "reflection": (
        behind(nn.Conv2d(3, 2, 3, padding=1, padding_mode="reflect")),
        r"padded with other values.*layer 1\b",
    ),
    "same": (behind(nn.Conv2d(3, 2, 2, padding="same")), r"even kernel.*layer 1\b"),
    "one dimension": (nn.Sequential(nn.Flatten(2), nn.Conv1d(1, 2, 3)), r"layer \d\b"),
    "adaptive pool": (behind(nn.AdaptiveMaxPool2d(4)), r"from \(6, 6\) to \(4, 4\).*layer 1\b"),
    "dilated pool": (behind(nn.MaxPool2d(2, dilation=2)), r"dilated pool.*layer 1\b"),
    "padded mean": (behind(nn.AvgPool2d(3, padding=1)), r"mean pool with padding.*layer 1\b"),
    "divisor": (behind(nn.AvgPool2d(2, divisor_override=3)), r"divisor.*layer 1\b"),
    "divisor of a function": (
        Calls(lambda x: functional.avg_pool2d(x, 2, divisor_override=3)),
        "divisor.*layer avg_pool2d",
    ),
    "concatenation": (Calls(lambda x: torch.cat([x, x + x], 1)), "layer (cat|add)"),
    "mean of all axes": (Calls(lambda x: x.mean()), "layer mean"),
    "mean of the batch": (Calls(lambda x: x.mean((0, 2, 3), keepdim=True)), "layer mean"),
    "sum": (Calls(lambda x: x.sum((2, 3))), "layer sum"),
    "difference": (Calls(lambda x: x - x.relu()), "layer relu"),
    "parameter": (Shifted(torch.relu), "layer add"),
    "constant": (Calls(lambda x: x + 1), "layer add"),
    "transposition": (Calls(lambda x: x.transpose(2, 3)), "layer transpose"),
    "flipped channels": (Calls(lambda x: x.flip(1)), "layer flip"),
    "not flattened": (nn.Sequential(nn.Linear(8, 3)), r"input \(1, 1, 8, 8\).*layer 0\b"),
    "two tensors": (Calls(lambda x: x[:, :2].chunk(2, 1)[0]), "chunk to several .*layer chunk"),
    "whole numbers": (Calls(lambda x: x.to(torch.int32).float()), "whole numbers.*layer to"),
    "a forward of its own": (behind(Scaled(3, 2, 3)), r"Scaled with a forward.*layer 1\b"),
    "a kernel of its own": (behind(Standardised(3, 2, 3)), r"Standardised with.*layer 1\b"),
    "a view written through": (Calls(written_through), "reads getitem after .*layer add"),
    "a hook": (behind(hooked(nn.MaxPool2d(2))), r"MaxPool2d with hooks.*layer 1\b"),
    "no statistics": (behind(nn.BatchNorm2d(3, track_running_stats=False)), r"layer 1\b"),
}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str) -> None:
    network, message = REFUSED[what]
    with pytest.raises(UnsupportedError, match=message):
        lower(network, (1, 8, 8))


def test_weights_that_torch_makes_before_each_call() -> None:
    pruned = nn.Conv2d(1, 3, 3)
    prune.l1_unstructured(pruned, "weight", 0.5)
    normed = parametrizations.weight_norm(nn.Conv2d(3, 2, 3))
    check_same(nn.Sequential(pruned, normed, nn.Flatten()), (1, 8, 8))


def test_layers_may_have_any_name() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.image, self.normalised = nn.Conv2d(1, 3, 3), nn.Conv2d(3, 2, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.normalised(self.image(x)).flatten(1)

    check_same(Named(), (1, 8, 8))


def test_a_network_without_parameters_or_images() -> None:
    graph = lower(nn.Sequential(nn.Flatten()), (1, 2, 2))
    assert graph.run(images((1, 2, 2), 0)).shape == (0, 4)


@pytest.mark.parametrize(
    ("mean", "std", "says"),
    [
        ((0.5, 0.5), (1.0,), "have 2 and 1 numbers for 1 channels"),
        ((0.5,), (0.0,), "std is above 0"),
        ((np.nan,), (1.0,), "finite numbers"),
    ],
)
def test_a_normalisation_that_cannot_be(
    mean: tuple[float, ...], std: tuple[float, ...], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        lower(nn.Sequential(nn.Conv2d(1, 3, 3)), (1, 8, 8), mean, std)


def test_images_that_do_not_fit() -> None:
    with pytest.raises(UsageError, match=r"Sequential does not take images \(2, 8, 8\)"):
        lower(nn.Sequential(nn.Conv2d(1, 3, 3)), (2, 8, 8))


class Early(Calls):
    """What ``function`` gives is not returned."""

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.conv(x)
        self.function(found)
        return found


def test_what_is_not_returned_is_left_out() -> None:
    network = Early(nn.MaxPool2d(2))
    graph = lower(network, (1, 8, 8))
    assert [type(v.node) for v in graph] == [Image, Affine, Conv, Affine]
    pixels = np.random.default_rng(0).integers(0, 256, (3, 1, 8, 8), dtype=np.uint8)
    expected = network.conv(torch.from_numpy(pixels) / 255)
    torch.testing.assert_close(torch.from_numpy(graph.run(pixels)).float(), expected)
    with pytest.raises(UnsupportedError, match="after it was written over"):
        lower(Early(lambda x: functional.relu_(x.flatten(1))), (1, 8, 8))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("what", ["0.weight", "1.weight", "1.running_mean", "4.weight", "4.bias"])
def test_numbers_that_are_none(what: str, value: float) -> None:
    network = nn.Sequential(
        *(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), make_neuron("fire", 3), nn.Flatten()),
        nn.Linear(108, 5),
    )
    network.state_dict()[what].view(-1)[1] = value
    with pytest.raises(UsageError, match=rf"{what} of Sequential is not finite in 1 of \d+ places"):
        lower(network, (1, 8, 8))
