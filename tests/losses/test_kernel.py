"""Losses against sums that one would write by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from s3nn.errors import UsageError
from s3nn.experiment.compare import compare
from s3nn.losses import CrossEntropy, Kernel, Loss, Tet
from s3nn.recipes import find_recipe
from s3nn.registry import LOSSES


def test_the_wanted_current_is_that_of_the_authors_spike_train() -> None:
    """psp of [0, 1, 1, 1, 1]: syn <- syn - syn/tau + s, out syn/tau."""
    syn, expected = 0.0, []
    for s in (0, 1, 1, 1, 1):
        syn = syn - syn / 3 + s
        expected.append(syn / 3)
    assert_close(Kernel().wanted(5), torch.tensor(expected))


def test_kernel_is_a_sum_of_squares() -> None:
    outputs = torch.randn(5, 4, 3, dtype=torch.float64)
    labels = torch.tensor([2, 0, 1, 1])
    wanted = Kernel().wanted(5).double()
    total = 0.0
    for t in range(5):
        for n in range(4):
            for k in range(3):
                goal = wanted[t].item() if labels[n] == k else 0.0
                total += (outputs[t, n, k].item() - goal) ** 2 / 2
    assert_close(Kernel()(outputs, outputs.sum(0), labels).item(), total)


def wanted_of(loss: Loss) -> torch.Tensor:
    """Of three samples: labels, or images of five values."""
    return torch.randn(3, 5) if loss.of_images else torch.tensor([0, 4, 2])


@pytest.mark.parametrize("name", LOSSES.names())
def test_every_loss_has_a_gradient_for_every_sample(name: str) -> None:
    part = LOSSES.build(name)
    outputs = torch.randn(4, 3, 5, requires_grad=True)
    loss = part(outputs, outputs.mean(0), wanted_of(part), 0.0)
    assert loss.shape == ()
    loss.backward()
    assert outputs.grad is not None
    assert bool(outputs.grad.isfinite().all())
    assert bool((outputs.grad != 0).any(2).any(0).all())


def test_one_step_of_tet_without_a_goal_is_the_cross_entropy() -> None:
    answer, labels = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    one = Tet(share=0.0)(answer[None], answer, labels, 0.1)
    assert_close(one, CrossEntropy()(answer[None], answer, labels, 0.1))


@pytest.mark.parametrize("name", LOSSES.names())
def test_a_loss_says_whether_smoothing_changes_it(name: str) -> None:
    loss = LOSSES.build(name)
    outputs = torch.rand(4, 3, 5).round()
    wanted = wanted_of(loss)
    plain, smooth = (loss(outputs, outputs.mean(0), wanted, e) for e in (0.0, 0.3))
    assert loss.smooths == (plain.item() != smooth.item())


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(UsageError, match="share from 0 to 1, got 2"):
        Tet(share=2)
    with pytest.raises(UsageError, match=r"tau >= 1 step, got 0\.5"):
        Kernel(tau=0.5)
    with pytest.raises(UsageError, match="unknown loss 'tett': did you mean 'tet'"):
        LOSSES.build("tett")


@pytest.mark.parametrize("row", ["s3nn", "relu"])
def test_a_loss_that_never_looks_at_labels_is_refused(row: str, tmp_path: Path) -> None:
    recipe = find_recipe("fashion_tssl")
    with pytest.raises(UsageError, match=r"says nothing of labels before step 2 .*steps=1"):
        compare(recipe, [row], 1, tmp_path / "out")
    Kernel().check_steps(2)
    assert not (tmp_path / "out").exists()
