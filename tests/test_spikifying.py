"""A user's ReLU networks, written in the ways users write them, become spiking ones that train."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional
from torch.testing import assert_close

from s3nn.data import load
from s3nn.errors import UnsupportedError, UsageError
from s3nn.graph.lower import lower
from s3nn.neurons import Fire, Neuron
from s3nn.spikifying import Spikified, spikify
from s3nn.synapses import Binary, Integer, Real, SynapticConv2d, SynapticLinear


def cnn() -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()),
        *(nn.Conv2d(8, 12, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(192, 20), nn.ReLU6(), nn.Linear(20, 10)),
    )


class Everything(nn.Module):
    """One module of ReLU used twice, each function and method, a skip and a nested module."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.block = nn.Sequential(nn.Conv2d(4, 6, 3), nn.Sequential(nn.BatchNorm2d(6), nn.ReLU()))
        self.hidden, self.out = nn.Linear(6, 7), nn.Linear(7, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.first(x))
        x = self.relu(self.second(x) + x)
        x = self.block(functional.max_pool2d(x, 2))
        x = functional.adaptive_max_pool2d(x, 1).flatten(1)
        x = functional.relu(self.hidden(x))
        x = torch.relu(self.hidden.bias + x)
        x = functional.dropout(x, 0.5, training=self.training)
        x = (x - 0.5).relu_()
        return self.out(x)


def batch(size: int = 16) -> Tensor:
    return torch.randn(size, 1, 8, 8)


def fired(network: Spikified, x: Tensor) -> dict[str, Tensor]:
    """What each layer of neurons gives for ``x``."""
    seen: dict[str, Tensor] = {}
    hooks = [
        module.register_forward_hook(
            lambda _, inputs, out, name=name: seen.update({name: out.detach()})
        )
        for name, module in network.named_modules()
        if isinstance(module, Neuron)
    ]
    network(x)
    for hook in hooks:
        hook.remove()
    return seen


@pytest.mark.parametrize("make", [cnn, Everything])
@pytest.mark.parametrize("neuron", ["fire", "fire(learn=True, per_channel=True)", "lif"])
def test_every_relu_is_a_layer_of_neurons(make: type[nn.Module], neuron: str) -> None:
    x, expected = batch(64), {cnn: [8, 12, 20], Everything: [4, 4, 6, 7, 7, 7]}[make]
    network = spikify(make(), neuron=neuron, calibrate=x)
    assert not any(isinstance(m, (nn.ReLU, nn.ReLU6)) for m in network.modules())
    spikes = fired(network, x)
    assert [s.shape[1] for s in spikes.values()] == expected
    assert len(network.report.neurons) == len(expected)
    for name, s in spikes.items():
        assert set(s.unique().tolist()) == {0.0, 1.0}, name
    network.eval()(x).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def test_channels_are_counted_with_and_without_a_batch() -> None:
    for calibrate in (None, batch()):
        network = spikify(cnn(), neuron="fire(per_channel=True)", calibrate=calibrate)
        layers = [m for m in network.modules() if isinstance(m, Fire)]
        assert [layer.threshold.value().numel() for layer in layers] == [8, 12, 20]
    reshaped = nn.Sequential(nn.Linear(8, 8), nn.Unflatten(1, (4, 2)), nn.ReLU())
    with pytest.raises(UsageError, match=r"the channels of 1 cannot be read off .* calibrate=x"):
        spikify(reshaped, neuron="fire(per_channel=True)")
    assert spikify(reshaped, calibrate=torch.randn(4, 8)).report.neurons == ("neurons._2",)


def test_all_else_is_as_it_was() -> None:
    """With ReLUs for neurons the network is the given one, functions, skips and all."""
    for make in (cnn, Everything):
        model, x = make().eval(), batch()
        expected = model(x)
        assert_close(spikify(model, neuron="relu")(x), expected)


@pytest.mark.parametrize("synapse", ["real", "integer"])
def test_the_given_model_is_left_alone(synapse: str) -> None:
    model = Everything()
    before, names = copy.deepcopy(model.state_dict()), [n for n, _ in model.named_modules()]
    network = spikify(model, synapse=synapse, calibrate=batch())
    network(batch()).sum().backward()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    assert [n for n, _ in model.named_modules()] == names
    assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert all(p.grad is None for p in model.parameters())
    assert all(m.training for m in [*model.modules(), *network.modules()])
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert [norm.momentum for norm in norms] == [0.1]


@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_calibration_meets_the_firing_rate(rate: float) -> None:
    x = batch(64)
    network = spikify(cnn(), calibrate=x, firing_rate=rate)
    for name, s in fired(network, x).items():
        assert s.mean().item() == pytest.approx(rate, abs=0.01), name
    network = spikify(cnn(), neuron="fire(per_channel=True)", calibrate=x, firing_rate=rate)
    first, second, _ = fired(network, x).values()
    assert_close(first.mean((0, 2, 3)), torch.full((8,), rate), rtol=0, atol=0.01)
    assert (second.mean((0, 2, 3)) <= rate + 0.01).all(), "less where fewer are positive"


def test_calibration_takes_positive_potentials_only() -> None:
    model = nn.Sequential(nn.Linear(1, 3, bias=False), nn.ReLU(), nn.Linear(3, 2))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0], [1.0], [0.0]]))
    x = torch.tensor([[-3.0], [-2.0], [-1.0], [1.0], [2.0]])
    network = spikify(model, neuron="fire(per_channel=True)", calibrate=x, firing_rate=0.9)
    (spikes,) = fired(network, x).values()
    assert network.get_submodule("network.neurons._1").threshold.value().tolist() == [0.5, 0.5, 1.0]
    assert spikes[:, 0].tolist() == [0, 0, 0, 1, 1], "all that are positive"
    assert not spikes[:, 2].any(), "a channel without positive potentials keeps its threshold"


@pytest.mark.parametrize("rate", [0.01, 0.5])
def test_calibration_leaves_no_layer_silent(rate: float) -> None:
    """Equal potentials, or fewer of them than the rate could pick from."""
    model, x = nn.Sequential(nn.ReLU(), nn.Linear(1, 1)), torch.tensor([[0.0, 2, 5, 5, 5]]).T
    network = spikify(model, calibrate=x, firing_rate=rate)
    assert network.get_submodule("network.neurons._0").threshold.value() == 3.5
    (spikes,) = fired(network, x).values()
    assert spikes.flatten().tolist() == [0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("synapse", "inside", "ends"),
    [("integer(bits=2)", (Integer, 2), (Integer, 8)), ("binary", (Binary, 1), (Real, 32))],
)
def test_weights_are_seen_through_a_synapse(
    synapse: str, inside: tuple[type, int], ends: tuple[type, int]
) -> None:
    model, x = cnn(), batch()
    network = spikify(model, synapse=synapse, calibrate=x)
    layers = [m for m in network.modules() if isinstance(m, (SynapticConv2d, SynapticLinear))]
    found = [(type(layer.synapse), layer.synapse.bits) for layer in layers]
    assert found == [ends, inside, inside, ends]
    given = [m for m in model if isinstance(m, (nn.Conv2d, nn.Linear))]
    for layer, plain in zip(layers, given, strict=True):
        assert torch.equal(layer.weight, plain.weight)
        assert torch.equal(layer.bias, plain.bias)
    assert network.report.findings == ()
    network(x).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_convolutions_that_no_synapse_covers_are_reported() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3, dilation=2), nn.ReLU(), nn.Conv2d(4, 2, (1, 3)))
    report = spikify(model, synapse="binary", neuron="fire").report
    assert [(f.where, f.what) for f in report.findings] == [("0", "keeps plain weights")]


def test_what_is_not_converted_is_reported_with_its_place() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(6, 6), nn.LeakyReLU(), nn.Linear(6, 6), nn.ReLU())
            self.head = nn.Sequential(nn.Linear(6, 6), nn.SiLU(), nn.Linear(6, 3))

        def forward(self, x: Tensor) -> Tensor:
            return functional.softmax(self.head(functional.gelu(self.body(x))), dim=1)

    report = spikify(Mixed()).report
    found = {f.what.partition(" ")[0]: f for f in report.findings}
    assert found["leakyrelu"].where == "body.1"
    assert found["silu"].where == "head.1"
    assert found["gelu"].where.startswith("gelu, ")
    assert "test_spikifying.py:" in found["gelu"].where
    assert "put a ReLU in its place" in found["silu"].instead
    assert "leave it out" in found["softmax"].instead
    reading = [f.where for f in report.findings if f.what.startswith("reads analog values")]
    assert reading == ["head.0", "head.2"], "they read a gelu and a silu of spikes"
    first, *rest = str(report).splitlines()
    assert (first, len(rest)) == ("1 ReLUs are neurons now", len(report.findings))


def test_recurrent_layers_and_attention_are_reported() -> None:
    class Sequence(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.lstm = nn.Linear(3, 4), nn.LSTM(4, 4, batch_first=True)
            self.encoder = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            states, _ = self.lstm(torch.relu(self.embed(x)))
            return self.encoder(states)

    network = spikify(Sequence(), calibrate=torch.randn(2, 5, 3))
    found = [(f.where, f.what) for f in network.report.findings]
    assert found == [
        ("lstm", "lstm is not converted"),
        ("encoder", "transformerencoderlayer is not converted"),
    ]


def test_average_pools_of_spikes_are_reported_where_a_layer_reads_them() -> None:
    inside = nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AvgPool2d(2)),
        *(nn.Conv2d(4, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)),
    )
    (found,) = spikify(inside).report.findings
    assert (found.where, found.what) == ("3", "reads count values of 2 and so multiplies")
    assert "pool by maximum" in found.instead
    inside[2] = nn.MaxPool2d(2)
    assert spikify(inside).report.findings == (), "the count in front of the read-out is as it is"


def test_a_relu_of_spikes_is_left_out() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Dropout(), nn.ReLU(), nn.Linear(4, 2))
    network = spikify(model, calibrate=torch.randn(16, 4), firing_rate=0.5)
    assert network.report.neurons == ("neurons._1",)


def test_functions_of_dropout_follow_the_mode() -> None:
    network, x = spikify(Everything(), calibrate=batch()), batch(64)
    network.eval()
    assert torch.equal(network(x), network(x))
    network.train()
    assert not torch.equal(network(x), network(x))


def test_the_neurons_take_no_name_that_is_there() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.neurons = nn.Linear(6, 4)

        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(self.neurons(x))

    network = spikify(Named(), calibrate=torch.randn(64, 6))
    assert network.report.neurons == ("neurons_.relu",)
    assert set(network(torch.randn(64, 6)).unique().tolist()) == {0.0, 1.0}


def test_models_that_cannot_be_spikified_say_why() -> None:
    class Branching(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(x) if x.sum() > 0 else x

    class Two(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return torch.relu(x + y)

    with pytest.raises(UnsupportedError, match=r"torch.fx cannot trace .*\(Branching\): take out"):
        spikify(Branching())
    with pytest.raises(UnsupportedError, match=r"the inputs x, y .*\(Two\)"):
        spikify(Two())
    with pytest.raises(UsageError, match="Sequential has no ReLU"):
        spikify(nn.Sequential(nn.Linear(2, 2), nn.GELU()))
    for rate in (0.0, 1.0, -1.0):
        with pytest.raises(UsageError, match=f"a share between 0 and 1, got {rate}"):
            spikify(cnn(), firing_rate=rate)


def test_precision_and_copies_are_kept() -> None:
    x = batch().double()
    network = spikify(cnn().double(), neuron="fire(learn=True)", calibrate=x)
    assert all(p.dtype == torch.float64 for p in network.parameters())
    twin = copy.deepcopy(network)
    assert torch.equal(twin(x), network(x))
    assert twin.report == network.report
    fresh = spikify(cnn().double(), neuron="fire(learn=True)")
    fresh.load_state_dict(network.state_dict())
    assert torch.equal(fresh.eval()(x), network.eval()(x))


@pytest.mark.parametrize("synapse", ["real", "integer(bits=4)"])
def test_a_spikified_network_trains(synapse: str) -> None:
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
    labels = torch.tensor(digits.target)
    network = spikify(cnn(), synapse=synapse, calibrate=images[:256], firing_rate=0.2)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(12):
        for pick in torch.randperm(1200).split(60):
            loss = functional.cross_entropy(network(images[pick]), labels[pick])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
    assert sum(losses[-20:]) / 20 < 0.3 * sum(losses[:5]) / 5, losses
    network.eval()
    right = (network(images[1200:]).argmax(1) == labels[1200:]).double().mean()
    assert right > 0.8, f"accuracy on held-out digits {right:.3f}"


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.linear = nn.Conv2d(1, 4, 3), nn.Linear(144, 3)

    def forward(self, x: Tensor, mask: Tensor | None = None, features: bool = False) -> Any:
        x = torch.relu(self.conv(x))
        if mask is not None:
            x = x * mask
        x = x.view(x.size(0), -1)
        return x if features else self.linear(x)


def test_options_keep_their_defaults_and_sizes_are_no_values() -> None:
    x = torch.randn(8, 1, 8, 8)
    network = spikify(Small(), calibrate=x)
    assert network.report.findings == ()
    assert network(x).shape == (8, 3)

    class Named(Small):
        def forward(self, mask_of: Tensor, mask: Any = None) -> Any:
            return super().forward(mask_of, mask)

    assert spikify(Named(), calibrate=x)(x).shape == (8, 3)


def test_dropout_that_never_rests_does_not() -> None:
    class Bayesian(Small):
        def forward(self, x: Tensor) -> Tensor:
            x = torch.relu(self.conv(x)).flatten(1)
            return self.linear(functional.dropout(x, 0.3, training=True))

    x = torch.randn(8, 1, 8, 8)
    network = spikify(Bayesian(), calibrate=x).eval()
    assert not torch.equal(network(x), network(x))


def test_what_depends_on_the_mode_is_refused() -> None:
    class Auxiliary(Small):
        def forward(self, x: Tensor) -> Any:
            y = self.linear(torch.relu(self.conv(x)).flatten(1))
            return (y, y) if self.training else y

    class Noisy(Small):
        def forward(self, x: Tensor) -> Tensor:
            scale = 0.5 if self.training else 1.0
            return self.linear(torch.relu(scale * self.conv(x)).flatten(1))

    for model in (Auxiliary(), Noisy()):
        with pytest.raises(UnsupportedError, match="something else in training than in evaluation"):
            spikify(model)
        assert all(module.training for module in model.modules())


def test_layers_that_learn_their_sizes_do() -> None:
    def lazy() -> nn.Module:
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3))

    assert spikify(lazy(), calibrate=torch.randn(4, 1, 8, 8))(torch.randn(2, 1, 8, 8)).shape == (
        2,
        3,
    )
    with pytest.raises(UsageError, match="learn their sizes from the first batch"):
        spikify(lazy())


def test_an_answer_of_spikes_is_found() -> None:
    found = spikify(nn.Sequential(nn.Linear(8, 4), nn.ReLU())).report.findings
    assert [finding.what for finding in found] == [
        "the answer is spikes, 0 or 1, and was real numbers"
    ]


def test_channels_matter_to_some_neurons_only() -> None:
    unknown = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.Upsample(scale_factor=2), nn.ReLU(), nn.Conv2d(2, 1, 1)
    )
    assert spikify(unknown)(torch.randn(1, 1, 8, 8)).shape == (1, 1, 12, 12)
    with pytest.raises(UsageError, match="give spikify a batch of inputs"):
        spikify(unknown, neuron="fire(per_channel=True)")


@pytest.mark.parametrize(
    ("calibrate", "says"),
    [
        (
            torch.randn(8, 1, 9, 9),
            r"cannot run on calibrate, torch.float32 of the shape \(8, 1, 9, 9\)",
        ),
        ([torch.randn(8, 1, 8, 8)], "a tensor of floating-point inputs .*, got list"),
        (torch.zeros(8, 1, 8, 8, dtype=torch.uint8), "floating-point inputs .*, got torch.uint8"),
        (torch.zeros(0, 1, 8, 8), "needs an input, got the shape"),
        (torch.full((8, 1, 8, 8), torch.nan), "not finite"),
    ],
)
def test_batches_that_set_no_threshold_are_refused(calibrate: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        spikify(Small(), calibrate=calibrate)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("neuron", ["fire", "fire(per_channel=True)", "iaf(precharge=0.5)", "lif"])
def test_the_batch_itself_fires_as_often_as_asked(neuron: str) -> None:
    net = nn.Sequential(nn.Linear(64, 200), nn.BatchNorm1d(200), nn.ReLU(), nn.Linear(200, 3))
    x = torch.randn(10, 64)
    network = spikify(net, neuron=neuron, calibrate=x, firing_rate=0.2).eval()
    rates = [spikes.mean().item() for spikes in fired(network, x).values()]
    assert rates == pytest.approx([0.2], abs=0.003)


def test_thresholds_that_no_batch_sets_are_found() -> None:
    report = spikify(cnn(), neuron="antlr", calibrate=batch()).report
    found = [f for f in report.findings if "sets no threshold of antlr" in f.what]
    assert [f.where for f in found] == list(report.neurons)
    assert "sets no threshold" not in str(spikify(cnn(), neuron="antlr").report)


@pytest.mark.parametrize("synapse", ["real", "integer(bits=2)"])
@pytest.mark.parametrize("seed", range(3))
def test_no_potential_of_the_batch_is_at_its_threshold(seed: int, synapse: str) -> None:
    """Backgrounds and sums of few spikes make thousands of equal potentials: none may be it.

    Whoever adds up in another order or precision would flip all of them.
    """
    torch.manual_seed(seed)
    norms = (nn.BatchNorm2d(8), nn.BatchNorm2d(16)) if seed else (nn.Identity(), nn.Identity())
    network = nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), norms[0], nn.ReLU()),
        *(nn.Conv2d(8, 16, 3, padding=1), norms[1], nn.ReLU()),
        *(nn.Flatten(), nn.Linear(1024, 10)),
    )
    pixels = load("digits").train.images[:200]
    spiking = spikify(network, synapse=synapse, calibrate=pixels / 255, firing_rate=0.2).eval()
    graph = lower(spiking, (1, 8, 8))
    with torch.no_grad():
        spikes = spiking.network(pixels / 255).argmax(1)
        exact = copy.deepcopy(spiking).double()(pixels.double() / 255).argmax(1)
    assert (spikes == exact).all()
    assert (torch.from_numpy(graph.run(pixels.numpy())).argmax(1) == spikes).all()


def test_rounding_is_no_potential() -> None:
    """Edges of flat images are zero but for the last bits; they set no threshold."""
    sobel = nn.Conv2d(1, 1, 3, bias=False)
    sobel.weight.data[:] = 0.3 * torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    images = torch.full((4, 1, 6, 8), 0.1)
    images[..., 4:] = 0.7
    spiking = spikify(
        nn.Sequential(sobel, nn.ReLU(), nn.Flatten(), nn.Linear(24, 2)), calibrate=images
    )
    theta = float(spiking.network.get_submodule(spiking.report.neurons[0]).threshold.value())
    assert theta == pytest.approx(0.5 * 4 * 0.3 * 0.6, rel=1e-4)


class WrittenOver(nn.Module):
    """An in-place ReLU, and what it rectified read by another name."""

    def __init__(self, rectify: Callable[..., Any]) -> None:
        super().__init__()
        self.conv, self.linear, self.rectify = nn.Conv2d(1, 4, 3), nn.Linear(144, 3), rectify
        self.same = nn.Sequential(nn.Identity(), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv(x)
        self.rectify(self, h)
        found: Tensor = self.linear(h.flatten(1))
        return found


def test_a_relu_that_writes_over_another_name_is_refused() -> None:
    x = torch.randn(6, 1, 8, 8)
    for rectify in (
        lambda net, h: functional.relu_(h.flatten(1)),
        lambda net, h: net.same(h),
        lambda net, h: h[:, :2].relu_(),
    ):
        with pytest.raises(UnsupportedError, match="reads conv after a ReLU wrote over it"):
            spikify(WrittenOver(rectify), calibrate=x)
    spiking = spikify(WrittenOver(lambda net, h: h.relu_()), calibrate=x)
    (name,) = spiking.report.neurons
    read: list[Tensor] = []
    spiking.network.linear.register_forward_pre_hook(lambda m, args: read.append(args[0]))
    spiking(x)
    assert name
    assert set(read[0].unique().tolist()) == {0.0, 1.0}


def test_a_batch_norm_in_two_places_is_not_calibrated() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.norm = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(self.b(self.norm(self.a(x)).relu())).relu().flatten(1)

    assert len(spikify(Twice()).report.neurons) == 2
    with pytest.raises(UnsupportedError, match=r"norm, which is called in 2 places"):
        spikify(Twice(), calibrate=torch.randn(6, 1, 8, 8))
