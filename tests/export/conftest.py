"""Networks as they might be after training, and what NIR's nodes mean, written down anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from s3nn.graph.ir import Graph
from s3nn.graph.lower import lower
from s3nn.models import Cnn7, Mlp
from s3nn.neurons import make_neuron

SHAPE = (2, 8, 8)
MEAN, STD = (0.3, 0.1), (0.25, 0.4)


def _grouped() -> nn.Module:
    """A network of a user's own: groups, a mean pool, hidden linear layers, no padding in front."""
    return nn.Sequential(
        *(nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), make_neuron("fire(threshold=0.2)", 6)),
        *(nn.Conv2d(6, 4, 3, groups=2, stride=1, padding=1), make_neuron("fire(threshold=0.1)", 4)),
        *(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(36, 9), make_neuron("fire(threshold=0.1)", 9)),
        nn.Linear(9, 5),
    )


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "cnn7": lambda: Cnn7(SHAPE, 5, width=0.08),
    "mlp": lambda: Mlp(SHAPE, 5, width=0.05),
    "grouped": _grouped,
}


@pytest.fixture(scope="session")
def pixels() -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).integers(0, 256, (24, *SHAPE), dtype=np.uint8)


@pytest.fixture(scope="session")
def graphs(randomised: Callable[[nn.Module], nn.Module]) -> dict[str, Graph]:
    """Graphs of real numbers, batch-norms with gains that are negative and zero among others."""
    torch.manual_seed(3)

    def firing(network: nn.Module) -> nn.Module:
        for norm in (m for m in network.modules() if isinstance(m, nn.BatchNorm2d)):
            norm.bias.data += 1.0
        return network

    return {
        name: lower(firing(randomised(make())), SHAPE, MEAN, STD) for name, make in NETWORKS.items()
    }


@pytest.fixture(scope="session")
def one_step() -> Callable[..., dict[str, torch.Tensor]]:
    return _one_step


def _one_step(whole: Any, x: np.ndarray[Any, Any], dt: float = 1e-4) -> dict[str, torch.Tensor]:
    """The values of every node of a NIR graph after one Euler step of ``dt`` from zero, in float64.

    The equations are those of NIR's specification; a neuron's are kept as ``NAME/u``.
    """
    import nir

    found: dict[str, torch.Tensor] = {}
    left = dict(whole.nodes)
    while left:
        for name, node in list(left.items()):
            sources = [a for a, b in whole.edges if b == name]
            if any(source not in found for source in sources):
                continue
            del left[name]
            if isinstance(node, nir.Input):
                found[name] = torch.from_numpy(x).double()
                continue
            given = sum(found[source] for source in sources)
            found[name] = _node(nir, node, given, found, name, dt)
    return found


def _node(nir: Any, node: Any, x: Any, found: Any, name: str, dt: float) -> torch.Tensor:
    def of(key: str) -> torch.Tensor:
        return torch.as_tensor(np.asarray(getattr(node, key), np.float64))

    pair = {
        k: tuple(np.asarray(getattr(node, k)).tolist()) for k in ("stride",) if hasattr(node, k)
    }
    if isinstance(node, nir.Conv2d):
        return nn.functional.conv2d(
            x, of("weight"), of("bias"), pair["stride"], tuple(np.asarray(node.padding).tolist())
        )
    if isinstance(node, nir.Affine):
        return x @ of("weight").T + of("bias")
    if isinstance(node, nir.SumPool2d):
        kernel = tuple(np.asarray(node.kernel_size).tolist())
        return nn.functional.avg_pool2d(x, kernel, pair["stride"], divisor_override=1)
    if isinstance(node, nir.Flatten):
        return x.flatten(1)
    if isinstance(node, nir.Output):
        return x
    if isinstance(node, nir.Threshold):
        u, theta = x, of("threshold")
    elif isinstance(node, nir.IF):
        u, theta = dt * of("r") * x, of("v_threshold")
    elif isinstance(node, nir.LIF):
        u, theta = dt / of("tau") * (of("v_leak") + of("r") * x), of("v_threshold")
    else:
        assert isinstance(node, nir.CubaLIF)
        current = dt / of("tau_syn") * of("w_in") * x
        u = dt / of("tau_mem") * (of("v_leak") + of("r") * current)
        theta = of("v_threshold")
    found[f"{name}/u"] = u - theta
    return (u > theta).double()
