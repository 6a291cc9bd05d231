"""Converted networks against the ReLU networks that they come from."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from s3nn.clock import Scan, Unroll
from s3nn.conversion import activation_scales, convert, readers
from s3nn.errors import UnsupportedError, UsageError
from s3nn.models import Cnn7, Mlp, Parts, Resnet18, SpikingModel, Vgg11
from s3nn.neurons import ClipFloor, Iaf, Relu
from s3nn.registry import MODELS

Randomised = Callable[[nn.Module], nn.Module]
RELU = Parts(neuron="relu")


def images(count: int = 12, side: int = 16) -> Tensor:
    return torch.rand(count, 1, side, side, dtype=torch.float64)


def logits(model: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        found: Tensor = model(x)
    return found


@pytest.mark.parametrize(
    ("name", "precharge"),
    [("mlp", 0.0), ("cnn7", 0.0), ("cnn7", 0.5), ("resnet18", 0.5), ("vgg11", 0.5)],
)
def test_many_steps_tend_to_the_logits(name: str, precharge: float, randomised: Randomised) -> None:
    """Batch-norms of any sign, pools, skips and averages included."""
    side = 16 if name == "vgg11" else 8
    model = randomised(MODELS.get(name)((1, side, side), 10, RELU, 0.05))
    x = images(4, side)
    expected = logits(model, x)
    off = []
    for steps in (16, 256):
        network = convert(model, x, steps=steps, precharge=precharge, percentile=100)
        off.append(float((logits(network, x) - expected).norm() / expected.norm()))
    assert off[0] > 2 * off[1]
    assert off[1] < 0.05, off


def layer(weight: float = 1.0, neuron: str = "relu") -> SpikingModel:
    """x -> neurons -> y = 2 x - 1, in numbers."""
    model = SpikingModel((1, 1, 1))
    model.encode = nn.Sequential(nn.Flatten(), nn.Linear(1, 1, bias=False))
    model.features = nn.Sequential(Parts(neuron=neuron).neurons(1))
    model.readout = nn.Linear(1, 1)
    with torch.no_grad():
        model.encode[1].weight.fill_(weight)
        model.readout.weight.fill_(2.0)
        model.readout.bias.fill_(-1.0)
    return model.double().eval()


def test_one_layer_by_hand() -> None:
    model = layer()
    calibration = torch.tensor([0.5, 1.0, 2.0, -3.0]).double().view(4, 1, 1, 1)
    network = convert(model, calibration, steps=4, precharge=0.5, percentile=100)
    (scan,) = [m for m in network.modules() if isinstance(m, Scan)]
    assert isinstance(scan.neuron, Iaf)
    assert scan.neuron.threshold.value().item() == 2.0
    x = torch.tensor([-1.0, 0.2, 0.3, 1.1, 5.0]).double().view(5, 1, 1, 1)
    activations = [0.0, 0.0, 0.5, 1.0, 2.0]  # to the nearest half, up to 2
    assert_close(network(x).flatten().tolist(), [2 * a - 1 for a in activations])
    spikes = [[0, 0, 0, 1, 1], [0, 0, 0, 0, 1], [0, 0, 0, 1, 1], [0, 0, 1, 0, 1]]
    y = [[4.0 * s - 1 for s in step] for step in spikes]  # 2, what a spike is worth, times 2
    assert network.each_step(x).flatten(1).tolist() == y


def test_a_clip_floor_layer_is_converted_exactly() -> None:
    """At T = L and kappa 1/2 the logits are those of the quantised network."""
    model = layer(1.3, "clip_floor(levels=8, threshold=0.9)")
    x = torch.linspace(-1, 2, 400).double().view(-1, 1, 1, 1)
    network = convert(model, x, steps=8, precharge=0.5)
    assert_close(logits(network, x), logits(model, x), rtol=1e-6, atol=1e-6)
    assert len(logits(network, x).mul(1000).round().unique()) == 9
    without = convert(model, x, steps=8, precharge=0.0)
    assert float((logits(without, x) - logits(model, x)).abs().max()) > 0.1


def test_a_clip_floor_network_keeps_its_thresholds(randomised: Randomised) -> None:
    model = randomised(Cnn7((1, 8, 8), 10, Parts(neuron="clip_floor(threshold=1.5)"), 0.05))
    network = convert(model, images(4, 8), steps=8)
    scans = [m for m in network.modules() if isinstance(m, Scan)]
    values = [m.neuron.threshold.value().item() for m in scans]  # type: ignore[union-attr]
    assert len(values) == 6
    assert values == pytest.approx([1.5] * 6)
    channels = Parts(neuron="clip_floor(per_channel=True)")
    with pytest.raises(UsageError, match=r"features.0 has 3 thresholds, .* per_channel=False"):
        convert(Cnn7((1, 8, 8), 10, channels, 0.05), images(4, 8).float(), steps=8)


def test_the_answer_is_a_delayed_mean(randomised: Randomised) -> None:
    model, x = randomised(Cnn7((1, 8, 8), 10, RELU, 0.05)), images(5, 8)
    network = convert(model, x, steps=6, after=2)
    every = logits(convert(model, x, steps=6), x) * 6
    first = convert(model, x, steps=2)
    assert_close(logits(network, x), (every - logits(first, x) * 2) / 4)
    with pytest.raises(UsageError, match="leaves out 0 or more of the 6 steps"):
        convert(model, x, steps=6, after=6)


def test_the_given_model_is_left_alone(randomised: Randomised) -> None:
    model, x = randomised(Cnn7((1, 8, 8), 10, RELU, 0.05)), images(5, 8)
    before = logits(model, x)
    network = convert(model.train(), x, steps=4)
    assert all(module.training for module in model.modules())
    assert not any(module.training for module in network.modules())
    assert torch.equal(logits(model.eval(), x), before)


def test_a_precharge_a_layer() -> None:
    model, x = Mlp((1, 8, 8), 10, RELU, 0.1).eval(), images(5, 8).float()
    network = convert(model, x, steps=4, precharge=(0.25, 0.0))
    scans = [m for m in network.modules() if isinstance(m, Scan)]
    kappas = [m.neuron.precharge.item() for m in scans]  # type: ignore[union-attr]
    assert kappas == [0.25, 0.0]
    with pytest.raises(UsageError, match="3 pre-charges were given for 2 layers"):
        convert(model, x, steps=4, precharge=(0.1, 0.2, 0.3))
    with pytest.raises(UsageError, match=r"from 0 to below 1, got -0\.5"):
        convert(model, x, steps=4, precharge=(0.1, -0.5))
    plain = convert(model, x, steps=4, precharge=0.0)
    assert not any("precharge" in name for name in plain.state_dict())


@pytest.mark.parametrize("percentile", [100.0, 99.9, 75.0, 50.0, 0.01])
def test_scales_are_percentiles_of_what_is_positive(percentile: float) -> None:
    network = nn.Sequential(nn.Flatten(), Relu())
    x = torch.randn(230, 1, 7, 3)  # more than a batch
    positive = sorted(v for v in x.flatten().tolist() if v > 0)
    expected = next(v for i, v in enumerate(positive, 1) if i >= len(positive) * percentile / 100)
    assert activation_scales(network, x, percentile) == {"1": pytest.approx(expected)}


def test_scales_that_cannot_be() -> None:
    network = nn.Sequential(Relu())
    assert activation_scales(network, -torch.ones(3, 2), 99.9) == {"0": 1.0}, "silent"
    for percentile in (0.0, 100.1):
        with pytest.raises(UsageError, match="above 0 and at most 100"):
            activation_scales(network, torch.ones(3, 2), percentile)


class Odd(SpikingModel):
    """A network whose features are the given ones, of 4 channels at 4 x 4 pixels."""

    def __init__(self, *features: nn.Module, last: nn.Module | None = None) -> None:
        super().__init__((1, 4, 4))
        self.encode = nn.Conv2d(1, 4, 1)
        self.features = nn.Sequential(*features)
        self.readout = last or nn.Sequential(nn.Flatten(), nn.LazyLinear(2))
        self(torch.zeros(1, 1, 4, 4))


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.neurons, self.conv, self.again = Relu(), nn.Conv2d(4, 4, 1), Relu()

    def forward(self, x: Tensor) -> Tensor:
        spikes = self.neurons(x)
        out: Tensor = self.again(self.conv(spikes) + spikes)
        return out


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.conv, self.second = Relu(), nn.Conv2d(4, 4, 1), Relu()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(self.second(self.conv(self.first(x))))
        return out


def tied() -> nn.Module:
    model = Odd(Relu(), nn.Conv2d(4, 4, 1), Relu(), nn.Conv2d(4, 4, 1), Relu())
    model.features[3].weight = model.features[1].weight
    return model


def called_twice() -> nn.Module:
    relu = Relu()
    return Odd(relu, nn.Conv2d(4, 4, 1), relu)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (tied, r"features\.3.*its weights read two layers"),
        (called_twice, r"features\.0#2.*called twice"),
        (lambda: Odd(Relu(), nn.MaxPool2d(2)), r"converting max_pool .*put weights between them"),
        (lambda: Odd(Relu(), nn.BatchNorm2d(4)), r"converting norm .*features.1"),
        (lambda: Odd(Twice()), r"converting add .*features.0.add"),
        (lambda: Odd(Shared()), r"converting conv .*its weights read two layers"),
        (lambda: Odd(Relu(), Relu()), r"converting neuron .*features.1"),
        (lambda: Odd(Relu(), nn.Sigmoid()), r"converting opaque Sigmoid .*take it out"),
        (lambda: Odd(nn.ReLU()), r"converting activation"),
        (lambda: Odd(Relu(), last=nn.Flatten()), "without weights behind its neurons"),
        (lambda: Odd(last=None), "without weights behind its neurons"),
        (lambda: Mlp((1, 4, 4), 2, Parts(neuron="fire")), "its neurons are fire: convert"),
        (
            lambda: Mlp((1, 4, 4), 2, Parts(neuron="relu", synapse="integer")),
            "through the synapse integer",
        ),
    ],
)
def test_what_cannot_be_converted(make: Callable[[], nn.Module], says: str) -> None:
    with pytest.raises(UnsupportedError, match=says):
        convert(make().eval(), torch.rand(3, 1, 4, 4), steps=4)


def test_what_can_stand_between(randomised: Randomised) -> None:
    model = randomised(Odd(Relu(), nn.AvgPool2d(2), nn.ZeroPad2d(1), nn.Conv2d(4, 4, 3), Relu()))
    x = images(6, 4)
    network = convert(model, x, steps=400, percentile=100)
    assert_close(logits(network, x), logits(model, x), rtol=0.05, atol=0.02)


def test_who_reads_whom_in_a_residual_network() -> None:
    found = readers(Resnet18((1, 8, 8), 10, RELU, 0.05))
    assert found["encode.0"] is None
    assert found["features.3.conv.0"] == "features.3.neurons"
    assert found["readout"] == "features.16"


def test_one_step_is_refused() -> None:
    with pytest.raises(UsageError, match="2 steps or more, got 1"):
        convert(Vgg11((1, 16, 16), 10, RELU, 0.05), images().float(), steps=1)


def test_a_clip_floor_of_the_model_is_gone() -> None:
    model = Mlp((1, 8, 8), 10, Parts(neuron="clip_floor"), 0.1)
    network = convert(model, images(3, 8).float(), steps=4)
    assert isinstance(network, Unroll)
    assert not any(isinstance(m, (Relu, ClipFloor)) for m in network.modules())
