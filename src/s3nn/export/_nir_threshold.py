"""What a NIR neuron means by one memoryless step: a threshold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from s3nn.export._nir_file import NirFile
from s3nn.graph.ir import Array

NEAR = 1e-4  # relative, of time constants that were written in float32


def threshold(file: NirFile, name: str, shape: tuple[int, ...], dt: float) -> Array:
    """theta_c of u_c > theta_c, u the node's input, after one step from zero; strictly above.

    Threshold  u > theta
    IF         v = r dt u, taken with r dt = 1 or r = 1
    LIF        v = v + dt / tau (v_leak - v + r u), which is v_leak + r u where tau = dt
    CubaLIF    the same of the current w_in u, where tau_syn = dt
    """
    kind = file.nodes[name]["type"]
    if kind == "Threshold":
        return _per_channel(file, name, "threshold", shape)
    theta = _per_channel(file, name, "v_threshold", shape)
    gain = _per_channel(file, name, "r", shape)
    if kind == "IF":
        if not (_near(gain, 1.0) or _near(gain * dt, 1.0)):
            raise file.cannot(
                f"an IF neuron with r = {_span(gain)}, which at a step of {dt:g} s is no "
                "single-step neuron",
                name,
                "say its step with --dt (r is 1 or 1/dt)",
            )
        return theta
    for key in ("tau",) if kind == "LIF" else ("tau_syn", "tau_mem"):
        tau = _per_channel(file, name, key, shape)
        if not _near(tau / dt, 1.0):
            raise file.cannot(
                f"a {kind} neuron with {key} = {_span(tau)} s, which at steps of {dt:g} s "
                "remembers",
                name,
                "say its step with --dt, or take neurons whose time constants are one step",
            )
    if kind == "CubaLIF":
        gain = gain * _per_channel(file, name, "w_in", shape)
    if (gain <= 0).any():
        raise file.at(name, f"has r (times w_in) of {_span(gain)}, not above 0")
    found: Array = (theta - _per_channel(file, name, "v_leak", shape)) / gain
    return found


def _per_channel(file: NirFile, name: str, key: str, shape: tuple[int, ...]) -> Array:
    """A neuron's parameter, one number a channel; more must be the same within a channel."""
    values = file.array(name, key)
    if values.size == 1:
        return np.full(shape[0], values.reshape(-1)[0])
    squeezed = values.reshape(shape[0], -1) if values.size % shape[0] == 0 else values
    fits = values.shape in (shape, (1, *shape), (*shape, 1, 1), (shape[0], 1, 1))
    if not fits:
        raise file.at(name, f"has {key!r} of the shape {values.shape} for a layer {shape}")
    if np.ptp(squeezed, axis=1).any():
        raise file.cannot(f"{key} that differs within a channel", name, "take one value a channel")
    return squeezed[:, 0].copy()


def _near(values: Array, wanted: float) -> bool:
    return bool((np.abs(values - wanted) <= NEAR * wanted).all())


def _span(values: Sequence[float] | Array) -> str:
    least, most = float(np.min(values)), float(np.max(values))
    return f"{least:.3g}" if least == most else f"{least:.3g} to {most:.3g}"
