"""Going through time in windows: the same outputs and gradients, in less memory."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from s3nn.clock import Unroll, Windows, unroll
from s3nn.clock.encoders import Rows
from s3nn.errors import UnsupportedError, UsageError
from s3nn.models import Cnn7, Mlp, Parts
from s3nn.neurons import make_neuron

STEPS = 5


def network(neuron: str = "lif", *, norm: bool = False) -> Unroll:
    torch.manual_seed(0)
    model = Cnn7((1, 8, 8), 10, Parts(neuron), width=0.0625).double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            # Where it stands still, a batch-norm cannot tell windows from the whole.
            nn.init.constant_(module.weight, 3.0)
            if not norm:
                module.forward = lambda x, m=module: x * m.weight.view(-1, 1, 1)  # type: ignore[method-assign]
    found = unroll(model, STEPS)
    assert isinstance(found, Unroll)
    return found.train()


def outcome(net: Unroll, windows: Windows | None) -> tuple[Tensor, list[Tensor], dict[str, Tensor]]:
    net = copy.deepcopy(net)
    net.windows = windows
    x = torch.randn(4, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    outputs = net.each_step(x)
    outputs.square().sum().backward()
    grads = [p.grad for p in net.parameters() if p.grad is not None]
    return outputs.detach(), grads, {n: b.clone() for n, b in net.named_buffers()}


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("neuron", ["lif", "lif(reset=soft)"])
def test_windows_are_the_whole(neuron: str, steps: int, recompute: bool) -> None:
    net = network(neuron)
    outputs, grads, _ = outcome(net, None)
    assert outputs.std(0).max() > 1e-3, "the steps differ"
    found, theirs, _ = outcome(net, Windows(steps, recompute))
    assert_close(found, outputs)
    assert len(theirs) == len(grads) == 8  # seven weights and a bias
    assert_close(theirs, grads)


@pytest.mark.parametrize("steps", [1, 2])
def test_recomputation_changes_nothing(steps: int) -> None:
    """With batch-norms: outputs, gradients and running statistics, bit for bit."""
    net = network(norm=True)
    kept, redone = (outcome(net, Windows(steps, recompute)) for recompute in (False, True))
    assert torch.equal(kept[0], redone[0])
    assert_close(kept[1], redone[1])
    assert_close(kept[2], redone[2], rtol=0, atol=0)
    tracked = [b for n, b in redone[2].items() if n.endswith("num_batches_tracked")]
    assert max(tracked) > 1


def test_truncation_cuts_the_gradient_between_windows() -> None:
    net = network()
    whole, cut = (outcome(net, Windows(2, truncate=t))[1] for t in (False, True))
    differ = [not torch.allclose(a, b) for a, b in zip(whole, cut, strict=True)]
    assert any(differ)
    # What is left is what each window finds alone, from states that are given to it.
    one_window = outcome(net, Windows(STEPS, truncate=True))[1]
    assert_close(one_window, whole)
    assert_close(outcome(net, Windows(2, recompute=True, truncate=True))[1], cut)


def test_encoders_that_show_something_else_each_step() -> None:
    torch.manual_seed(0)
    model = Mlp((1, 2, 8), 10, Parts("lif"), width=0.1).double()
    net = unroll(model, 4, encoder=Rows(4))
    assert isinstance(net, Unroll)
    net.eval()
    x = torch.randn(3, 1, 8, 8, dtype=torch.float64)
    whole = net.each_step(x)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.eval()
    net.training = True  # windows are for training; the batch-norms stay as they are
    net.windows = Windows(1, recompute=True)
    assert_close(net.each_step(x), whole)


def kept_bytes(net: Unroll, x: Tensor) -> int:
    """What autograd keeps for the backward pass of ``net`` on ``x``, each storage once."""
    storages: dict[int, int] = {}

    def pack(t: Tensor) -> Tensor:
        storages[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        outputs = net.each_step(x)
    del outputs
    return sum(storages.values())


def test_a_forward_pass_keeps_no_more_with_more_steps() -> None:
    model, x = Cnn7((1, 16, 16), 10, Parts("lif"), width=0.125), torch.randn(8, 1, 16, 16)
    sizes = {}
    for steps in (2, 8, 32):
        net = unroll(model, steps)
        assert isinstance(net, Unroll)
        net.train()
        net.windows = Windows(1, recompute=True)
        sizes[steps] = kept_bytes(net, x)
    plain = unroll(model, 32)
    assert isinstance(plain, Unroll)
    assert sizes[32] < 1.5 * sizes[2] < kept_bytes(plain.train(), x) / 5


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(UsageError, match="1 step or more, got 0"):
        Windows(0)
    net = network("timing")
    net.windows = Windows(1)
    with pytest.raises(UnsupportedError, match=r"windows .*timing.*drop --fit.window"):
        net(torch.randn(2, 1, 8, 8, dtype=torch.float64))


def test_evaluation_is_not_touched() -> None:
    net = network(norm=True).eval()
    x = torch.randn(2, 1, 8, 8, dtype=torch.float64)
    whole = net(x)
    net.windows = Windows(1, recompute=True)
    assert torch.equal(net(x), whole)


def test_pairs_of_layers_need_every_step() -> None:
    model = Mlp((1, 8, 8), 10, Parts("antlr"), norm=False)
    network = unroll(model, 4, output=make_neuron("antlr", 10))
    network.windows = Windows(2)
    with pytest.raises(UnsupportedError, match="whose gradient needs every step at once"):
        network.train()(torch.randn(3, 1, 8, 8))


def test_a_layer_that_is_called_twice_has_one_state_too_few() -> None:
    model = Mlp((1, 4, 4), 3, Parts("lif"), width=0.02)
    block = nn.Sequential(make_neuron("lif", 8), nn.Linear(8, 8))
    model.features = nn.Sequential(block, block, make_neuron("lif", 8))
    network = unroll(model, 4)
    network.windows = Windows(2)
    with pytest.raises(UnsupportedError, match="that the network calls twice"):
        network.train()(torch.randn(3, 1, 4, 4))
