"""The integer thresholds that stand for real ones."""

from __future__ import annotations

import numpy as np

from s3nn.graph.bounds import INT32
from s3nn.graph.forms import Form
from s3nn.graph.ir import Array

TIES = 1e-9  # of an integer: a threshold this near to one is one


def integer_thresholds(theta: Array, form: Form, drift: Array) -> Array:
    """The integers t of each channel for which ``n > t`` where ``form`` of n exceeds ``theta``.

    ``drift`` moves them, in units of n.  A channel of scale 0 fires always, or never.  A threshold
    within rounding of an integer is that integer: a potential that equals it does not fire.

    >>> halves = Form(np.array([0.5]), np.array([0.0]))
    >>> integer_thresholds(np.array([1.25]), halves, np.array([0.0])).tolist()
    [2]
    >>> integer_thresholds(np.array([1.0]), halves, np.array([-1e-15])).tolist()
    [2]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        least = (theta - form.offset) / form.scale
    constant = np.where(form.offset > theta, -np.inf, np.inf)
    least = np.where(form.scale > 0, least + drift, constant).clip(-INT32 - 1, INT32)
    whole = np.rint(least)
    near = np.abs(least - whole) < TIES * np.maximum(1, np.abs(whole))
    found: Array = np.where(near, whole, np.floor(least)).astype(np.int64)
    return found


def drift(real: Array, integer: Array, form: Form) -> Array:
    """By how much the mean of ``integer`` is above what the ``real`` potentials are, a channel.

    In units of the integers; both are (N, C, ...).
    """
    axes = (0, *range(2, integer.ndim))
    meant = (real.mean(axes) - form.offset) / np.where(form.scale > 0, form.scale, 1.0)
    found: Array = integer.mean(axes) - meant
    return found
