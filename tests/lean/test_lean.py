"""Lean training: the same spikes and gradients, from less memory."""

from __future__ import annotations

import copy
from contextlib import nullcontext

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from s3nn.config import Model
from s3nn.lean import lean, pack
from s3nn.lean.measure import activation_bytes
from s3nn.models import Cnn7, Parts, Resnet18, Vgg11
from s3nn.neurons import Fire
from s3nn.synapses import SynapticConv2d
from s3nn.synapses.real import Real
from s3nn.training.build import build_model

SHAPE = (1, 16, 16)
X = torch.randn(6, *SHAPE, generator=torch.Generator().manual_seed(1))
Y = torch.arange(6)


def step(network: nn.Module, x: Tensor = X) -> dict[str, Tensor]:
    """Logits, gradients and buffers after one training step."""
    logits = network(x)
    cross_entropy(logits.float(), Y).backward()
    grads = {name: p.grad for name, p in network.named_parameters()}
    return {"logits": logits.detach(), **grads, **dict(network.named_buffers())}


@pytest.mark.parametrize("architecture", [Cnn7, Vgg11, Resnet18])
@pytest.mark.parametrize(
    "neuron", ["fire", "fire(learn=True, per_channel=True)", "fire(learn=True)"]
)
def test_a_step_is_that_of_the_plain_network(architecture: type, neuron: str) -> None:
    torch.manual_seed(3)
    plain = architecture(SHAPE, 10, Parts(neuron), width=0.125).double()
    saving = copy.deepcopy(plain)
    expected = step(plain, X.double())
    with lean(saving):
        found = step(saving, X.double())
    assert found.keys() == expected.keys()
    assert torch.equal(found["logits"], expected["logits"])
    assert_close(found, expected)


@pytest.mark.parametrize("synapse", ["binary", "integer(bits=4)"])
def test_any_synapse(synapse: str) -> None:
    plain = Cnn7(SHAPE, 10, Parts("fire", synapse), width=0.125)
    saving = copy.deepcopy(plain)
    expected = step(plain)
    with lean(saving):
        assert_close(step(saving), expected)


def test_steps_of_time_and_mixed_precision() -> None:
    model = Model(name="cnn7", width=0.125, neuron="lif", steps=3)
    for network, cast in (
        (build_model(model, SHAPE, 10), False),
        (Cnn7(SHAPE, 10, width=0.125).to(memory_format=torch.channels_last), True),
    ):
        saving = copy.deepcopy(network)
        with torch.autocast("cpu", torch.bfloat16, enabled=cast):
            expected = step(network)
            with lean(saving):
                found = step(saving)
        assert_close(found["logits"], expected["logits"], rtol=0, atol=0)
        assert_close(found, expected, rtol=0.05, atol=0.01) if cast else assert_close(
            found, expected
        )


def test_everything_is_as_it_was_afterwards() -> None:
    network = Cnn7(SHAPE, 10, width=0.125)
    before = {name: dict(module.__dict__) for name, module in network.named_modules()}
    names = list(network.state_dict())
    with lean(network):
        assert list(network.state_dict()) == names
    assert {name: dict(m.__dict__) for name, m in network.named_modules()} == before


def test_a_copy_made_inside_is_whole() -> None:
    """Averaged weights are a copy of the network that trains: it must not run the original."""
    network = Cnn7(SHAPE, 10, width=0.125)
    with lean(network):
        twin = copy.deepcopy(network)
        for p in network.parameters():
            nn.init.zeros_(p)
        twin.eval()
        assert twin(X).abs().max().item() > 0
        twin.train()
        step(twin)
        assert all(p.grad is not None for p in twin.parameters())
        assert all(p.grad is None for p in network.parameters())


def test_evaluation_inside_is_the_plain_one() -> None:
    network = Cnn7(SHAPE, 10, width=0.125).eval()
    expected = network(X)
    with lean(network):
        assert torch.equal(network(X), expected)


def test_what_cannot_be_followed_stays_as_it_is() -> None:
    class Branches(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if float(x.sum()) > 0 else -x

    with lean(Branches()) as network:
        assert float(network(torch.tensor([-1.0]))) == 1.0


def test_shared_and_branching_modules_are_left_alone() -> None:
    """A potential that is read twice is needed as it is."""

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm, self.fire = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), Fire()
            self.readout = nn.Linear(4, 10)

        def forward(self, x: Tensor) -> Tensor:
            u = self.norm(self.conv(x))
            return self.readout((self.fire(u) + u).mean((2, 3)))

    plain = Twice()
    saving = copy.deepcopy(plain)
    expected = step(plain)
    with lean(saving):
        assert_close(step(saving), expected)


WIDE = 40  # channels that events take


class SharedLayer(nn.Module):
    """One convolution that reads potentials and then spikes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, WIDE, 3)
        self.conv = SynapticConv2d(Real(), WIDE, WIDE, 3, padding=1)
        self.norm, self.fire = nn.BatchNorm2d(WIDE), Fire()
        self.readout = nn.Linear(WIDE, 10)

    def forward(self, x: Tensor) -> Tensor:
        u = self.norm(self.conv(self.first(x).relu()))
        return self.readout(self.conv(self.fire(u)).mean((2, 3)))


class Returned(nn.Module):
    """A potential that is returned beside the spikes it becomes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.fire = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), Fire()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        u = self.norm(self.conv(x))
        return self.fire(u), u


@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize("dropout", [nn.Dropout(0.5), nn.Dropout2d(0.5), nn.Identity()])
def test_what_a_dropout_leaves_is_no_spike(dropout: nn.Module, events: bool) -> None:
    plain = nn.Sequential(
        *(nn.Conv2d(1, WIDE, 3), nn.BatchNorm2d(WIDE), Fire(), dropout, nn.MaxPool2d(2)),
        *(SynapticConv2d(Real(), WIDE, WIDE, 3), nn.Flatten(), nn.Linear(25 * WIDE, 10)),
    ).to(memory_format=torch.channels_last)  # a dropout draws in the order of memory
    saving = copy.deepcopy(plain)
    torch.manual_seed(5)
    expected = step(plain)
    torch.manual_seed(5)
    with lean(saving, events=events):
        assert_close(step(saving), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("events", [False, True])
def test_a_layer_that_reads_spikes_only_now_and_then(events: bool) -> None:
    plain = SharedLayer()
    saving = copy.deepcopy(plain)
    expected = step(plain)
    with lean(saving, events=events):
        assert_close(step(saving), expected, rtol=1e-3, atol=1e-5)


def test_a_potential_that_is_returned() -> None:
    network = Returned()
    expected = network(X)[1]
    with lean(network):
        assert_close(network(X)[1], expected)


def test_a_forward_that_was_given_is_left_alone() -> None:
    network = Cnn7(SHAPE, 10, width=0.125)
    neuron = network.features[0]
    neuron.forward = lambda u: 0 * u
    with lean(network), lean(network):
        assert network(X).std(0).max() < 1e-5
    assert "forward" in vars(neuron)
    assert not any("forward" in vars(m) for m in network.modules() if m is not neuron)


@pytest.mark.parametrize("events", [False, True])
def test_one_value_a_channel_is_refused_as_by_torch(events: bool) -> None:
    network = nn.Sequential(nn.BatchNorm2d(3), Fire())
    with lean(network, events=events), pytest.raises(ValueError, match="more than 1 value per"):
        network(torch.ones(1, 3, 1, 1))


def live_bytes(network: nn.Module, saving: bool) -> int:
    """What is alive between forward and backward, beside what was before."""
    with lean(network) if saving else nullcontext(network):
        return activation_bytes(network, X)


def test_memory_shrinks() -> None:
    relu = live_bytes(Cnn7(SHAPE, 10, Parts("relu")), saving=False)
    plain = live_bytes(Cnn7(SHAPE, 10), saving=False)
    saving = live_bytes(Cnn7(SHAPE, 10), saving=True)
    assert saving < 0.7 * relu
    assert saving < 0.7 * plain


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 7), min_size=1, max_size=4),
    st.sampled_from([torch.float32, torch.bfloat16, torch.float64]),
    st.integers(0, 2**31),
)
def test_bits_are_the_spikes(sizes: list[int], dtype: torch.dtype, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    spikes = torch.randint(0, 2, sizes, generator=draw).to(dtype)
    layouts = [spikes, spikes.transpose(0, -1), spikes[..., ::2]]
    if spikes.ndim == 4:
        layouts.append(spikes.contiguous(memory_format=torch.channels_last))
    for layout in layouts:
        packed = pack(layout)
        assert torch.equal(packed.unpack(), layout)
        assert packed.unpack().dtype == dtype
        assert packed.bits.numel() == -(-layout.numel() // 8)
