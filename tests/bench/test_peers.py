"""The networks of other libraries are ours with another neuron."""

from __future__ import annotations

import doctest
import warnings

import pytest
import torch

from training_step import rows
from training_step.architecture import CLASSES, Architecture
from training_step.parity import check_row
from training_step.peers import PEERS

SHAPE = (1, 16, 16)
X = torch.randn(6, *SHAPE, generator=torch.Generator().manual_seed(1))
Y = torch.arange(6)


@pytest.fixture(params=["cnn7", "resnet18"])
def architecture(request: pytest.FixtureRequest) -> Architecture:
    return Architecture(request.param, 0.125, SHAPE)


@pytest.fixture(params=PEERS)
def row(request: pytest.FixtureRequest) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip(PEERS[request.param].package)
    name: str = request.param
    return name


def test_same_weights_and_shapes(architecture: Architecture, row: str) -> None:
    ours, theirs = architecture.row("relu"), PEERS[row].network(architecture)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, other)
    assert theirs(X).shape == (len(X), CLASSES)


def test_computes_what_its_twin_does(architecture: Architecture, row: str) -> None:
    parity = check_row(row, architecture, X, Y)
    assert parity is not None
    assert parity.spikes_apart == 0
    assert parity.logits_error < 1e-6


def test_starts_at_rest_every_time(architecture: Architecture, row: str) -> None:
    network = PEERS[row].network(architecture)
    first = network(X).detach()
    network(X.flip(0)).sum().backward()
    assert torch.equal(network(X).detach(), first)


def test_a_batch_of_another_size(architecture: Architecture, row: str) -> None:
    network = PEERS[row].network(architecture)
    network(X)
    assert network(X[:4]).shape == (4, CLASSES)


def test_the_examples_of_the_rows() -> None:
    assert doctest.testmod(rows) == (0, 1)
