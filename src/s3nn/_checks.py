"""The tools of ``s3nn.testing``, and the properties of a surrogate one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.testing import assert_close

from s3nn.graph.ir import Edge
from s3nn.surrogates import Surrogate, spike

EDGE_VALUES = {Edge.SPIKE: (0.0, 1.0), Edge.SIGN: (-1.0, 1.0)}
# Where a branch that is not taken, a logarithm or a square may go wrong.
EXTREMES = (0.0, -1.0, 1.0, -1e4, 1e4, -1e30, 1e30)
HALF_STEP = 1e-6  # of the finite differences
DRAWS, SIGMAS = 64, 6.0  # of a factor that is drawn at random, and how far its mean may be off


def hold(holds: bool, what: str) -> None:
    """Raise an AssertionError that says ``what``, unless it holds."""
    if not holds:
        raise AssertionError(what)


def named(what: str) -> Callable[[str], str]:
    """A message for ``assert_close`` that begins with the property."""
    return lambda values: f"{what}: {values}"


def normal(shape: Sequence[int], seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Normal numbers that depend on the seed and on nothing else."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)


@contextmanager
def seeded(seed: int = 0) -> Iterator[None]:
    """Inside, torch draws from ``seed``; outside, the caller's random state is as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def check_edge(emits: Edge, out: Tensor, where: str) -> None:
    """The values of an edge are among those that it declares."""
    allowed = EDGE_VALUES.get(emits)
    strange = [] if allowed is None else sorted(set(out.unique().tolist()) - set(allowed))
    hold(not strange, f"{where} declares {emits} edges {allowed} and emits {strange[:5]}")


def check_derivative(surrogate: Surrogate, threshold: Tensor) -> None:
    """It is that of the primitive, by autograd and by finite differences."""
    u = (normal((2000, threshold.numel()), 6, torch.float64) * 2).requires_grad_()
    (by_autograd,) = torch.autograd.grad(surrogate.primitive(u, threshold).sum(), u)
    u = u.detach()
    derivative = surrogate.derivative(u, threshold)
    at = f"of {surrogate} at threshold {threshold.tolist()}"
    assert_close(derivative, by_autograd, msg=named(f"derivative {at} is that of primitive"))
    above, below = u + HALF_STEP, u - HALF_STEP
    rise = surrogate.primitive(above, threshold) - surrogate.primitive(below, threshold)
    # At a kink the slope over the step may lie anywhere between the derivatives at its ends.
    ends = [surrogate.derivative(end, threshold) for end in (above, below)]
    room = sum((end - derivative).abs() for end in ends) + 1e-6 * (1 + derivative.abs())
    miss = ((rise / (2 * HALF_STEP) - derivative).abs() - room).max(dim=0).values.max().item()
    hold(miss <= 0, f"derivative {at} is the finite difference of primitive: off by {miss}")


def check_sharper(surrogate: Surrogate, threshold: Tensor) -> None:
    """Twice as steep it falls off from the silent side of the threshold no more slowly."""
    far, near = (
        torch.stack([s.derivative(threshold - below, threshold) for s in (surrogate, sharper)])
        for sharper in (surrogate.sharper(2.0),)
        for below in (1.0, HALF_STEP)
    )
    falls = bool((far[1] * near[0] <= far[0] * near[1] + 1e-12).all())
    hold(falls, f"{surrogate} made twice as steep is {surrogate.sharper(2.0)}, which is wider")


def check_factor(surrogate: Surrogate, threshold: Tensor) -> None:
    """It is the derivative or, drawn at random, the derivative in the mean on either side."""
    u = normal((2000, threshold.numel()), 6, torch.float64) * 2
    draws = torch.stack([surrogate.backward_factor(u, threshold) for _ in range(DRAWS)])
    derivative, variance = surrogate.derivative(u, threshold), draws.var(0)
    at = f"of {surrogate} at threshold {threshold.tolist()}"
    if not variance.any():
        assert_close(draws[0], derivative, msg=named(f"the backward factor {at} is derivative"))
        return
    off = draws.mean(0) - derivative
    for side, part in (("silent", u <= threshold), ("fired", u > threshold)):
        total, bound = off[part].sum().abs(), SIGMAS * (variance[part].sum() / DRAWS).sqrt() + 1e-9
        what = f"the mean backward factor {at} is derivative where neurons were {side}"
        hold(bool(total <= bound), f"{what}: the sum is off by {total:g}, {bound:g} is chance")


def check_spike(surrogate: Surrogate, threshold: Tensor) -> None:
    """Forward is exact; backward multiplies by the factor."""
    near = torch.stack([threshold.nextafter(t) for t in (threshold - 1, threshold, threshold + 1)])
    u = torch.cat([near.view(3, -1), normal((50, threshold.numel()), 7, torch.float64) * 2])
    u, theta = u.requires_grad_(), threshold.clone().requires_grad_()
    s = spike(u, theta, surrogate)
    at = f"{surrogate}, threshold {threshold.tolist()}"
    hold(torch.equal(s, (u > theta).double()), f"a spike is exactly 1[u > threshold] ({at}): {s}")
    weight = normal(u.shape, 8, torch.float64)
    with seeded():
        grad_u, grad_theta = torch.autograd.grad((s * weight).sum(), (u, theta))
    with seeded():
        expected = weight * surrogate.backward_factor(u.detach(), threshold)
    assert_close(grad_u, expected, msg=named(f"backward multiplies by its factor ({at})"))
    minus_sum = -expected.sum_to_size(theta.shape)
    assert_close(grad_theta, minus_sum, msg=named(f"dL/dtheta is minus the sum ({at})"))


def check_numbers(surrogate: Surrogate, threshold: Tensor, dtype: torch.dtype) -> None:
    """Extreme potentials give finite numbers, and the dtype is kept."""
    points = torch.tensor(EXTREMES, dtype=torch.float64).view(-1, 1) * torch.ones_like(threshold)
    u = torch.cat([points, threshold.expand_as(points)]).to(dtype).requires_grad_()
    theta = threshold.to(dtype)
    found = {
        "primitive": surrogate.primitive(u, theta),
        "derivative": surrogate.derivative(u, theta),
        "backward factor": surrogate.backward_factor(u, theta),
    }
    (found["gradient of primitive"],) = torch.autograd.grad(found["primitive"].sum(), u)
    master = threshold.float().requires_grad_()  # as under autocast: the potential is smaller
    spikes = spike(u, master, surrogate)
    found["spike"] = spikes
    found["gradient of spike"], grad_master = torch.autograd.grad(spikes.sum(), (u, master))
    for name, value in found.items():
        at = f"{name} of {surrogate} at u = {u.flatten().tolist()}, threshold {theta.tolist()}"
        hold(bool(value.isfinite().all()), f"{at} is finite: {value.flatten().tolist()}")
        hold(value.dtype == dtype and value.shape == u.shape, f"{at} keeps shape and {dtype}")
    hold(grad_master.dtype == torch.float32, f"dL/dtheta keeps float32, got {grad_master.dtype}")


class _Firing(nn.Module):
    def __init__(self, surrogate: Surrogate, threshold: Tensor) -> None:
        super().__init__()
        self.surrogate, self.threshold = surrogate, nn.Parameter(threshold)

    def forward(self, u: Tensor) -> Tensor:
        return spike(u, self.threshold, self.surrogate)


def check_transforms(surrogate: Surrogate, channels: Tensor) -> None:
    """A layer of spikes goes through compile, vmap and export unchanged."""
    layer, u = _Firing(surrogate, channels), normal((5, len(channels)), 9, torch.float64) * 2

    def value_and_grads(call: Callable[[Tensor], Tensor]) -> tuple[Tensor, ...]:
        potential = u.clone().requires_grad_()
        s = call(potential)
        with seeded():
            grads = torch.autograd.grad((s * s.cumsum(0)).sum(), (potential, layer.threshold))
        return s, *grads

    eager = value_and_grads(layer)
    torch._dynamo.reset()  # its limit of recompilations counts over all surrogates
    compiled = value_and_grads(torch.compile(layer, fullgraph=True, backend="aot_eager"))
    assert_close(compiled, eager, msg=named(f"torch.compile keeps {surrogate}"))
    mapped = value_and_grads(torch.func.vmap(layer))
    assert_close(mapped, eager, msg=named(f"vmap keeps {surrogate}"))
    exported = torch.export.export(layer, (u,)).module()
    assert_close(exported(u), eager[0], msg=named(f"torch.export keeps {surrogate}"))
