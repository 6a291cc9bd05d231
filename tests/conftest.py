"""One thread a test process, and the same random numbers for every test."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from torch import nn

# Small tensors: a second thread costs more than it brings, and xdist fills the other cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _seed() -> None:
    # Tests of the rooms without torch must not load it.
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compiled networks are kept in a folder of the test run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("CC", raising=False)
        yield


@pytest.fixture(scope="session")
def randomised() -> Callable[[nn.Module], nn.Module]:
    """A network as it might be after training: in eval mode and double precision, every batch-norm
    with statistics of its own and gains of which half are negative and the first is zero.
    """
    import torch
    from torch.nn.modules.batchnorm import _BatchNorm

    def change(network: nn.Module) -> nn.Module:
        with torch.no_grad():
            for norm in (m for m in network.modules() if isinstance(m, _BatchNorm)):
                norm.running_mean.normal_()
                norm.running_var.uniform_(0.5, 2)
                norm.weight.normal_()
                norm.bias.normal_()
                norm.weight[0] = 0
        return network.double().eval()

    return change
