"""When the potential of a neuron without leak first crosses its threshold, from spike times."""

from __future__ import annotations

from math import inf

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

# Potentials of so many (row, time, neuron) are held at once: 32 MiB of 32-bit floats.
HELD = 2**23


def first_crossing(times: Tensor, weight: Tensor, theta: Tensor) -> Tensor:
    """t_j (R, F), the first t with sum_{i: t_i <= t} w_ji > theta; inf where there is none.

    ``times`` (R, K) are those of spikes, inf: none; ``weight`` is (F, K).  Nothing is computed at
    steps at which nothing arrives, so that the cost goes with the spikes and with how many
    different times a row has, at most K and at most the number of steps.

    Sums have the dtype of ``weight`` and one order, by time and then by input, whatever else is in
    the batch and however many threads there are: a crossing by a rounding error, where there is
    one, is the same one every time.

    >>> times = torch.tensor([[0.0, 3.0, 3.0, inf]])
    >>> first_crossing(times, torch.tensor([[1.0, 2.0, -1.0, 9.0], [2.0, 0.0, 0.0, 0.0]]),
    ...                torch.tensor(1.5))
    tensor([[3., 0.]])
    """
    rows = max(1, HELD // (len(weight) * max(1, times.shape[1])))
    columns = weight.t().contiguous()
    found = [_crossing(part, columns, theta) for part in times.split(rows)]
    return torch.cat(found) if found else times.new_full((0, len(weight)), inf)


def _crossing(times: Tensor, columns: Tensor, theta: Tensor) -> Tensor:
    when, order = times.contiguous().sort(dim=1, stable=True)
    group = torch.zeros_like(order)  # the how-manieth different time of its row a spike has
    group[:, 1:] = (when[:, 1:] != when[:, :-1]).cumsum(1)
    fires = when.isfinite()
    rows, neurons = len(times), columns.shape[1]
    groups = 1 + int(group[fires].max()) if bool(fires.any()) else 0
    if groups == 0:
        return times.new_full((rows, neurons), inf)
    bag = (group + groups * torch.arange(rows, device=times.device).unsqueeze(1))[fires]
    sizes = torch.bincount(bag, minlength=rows * groups)
    arriving = embedding_bag(order[fires], columns, sizes.cumsum(0) - sizes, mode="sum")
    arriving = arriving.view(rows, groups, neurons)
    potential = torch.zeros_like(arriving[:, 0])
    silent = torch.ones_like(potential, dtype=torch.bool)
    before = torch.zeros_like(potential, dtype=torch.int32)  # groups before the crossing
    for step in range(groups):
        potential += arriving[:, step]
        silent &= potential <= theta
        before += silent
    starts = times.new_full((rows, groups + 1), inf)
    starts.scatter_(1, group.clamp(max=groups), when)
    return starts.gather(1, before.long())
