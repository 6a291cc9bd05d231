"""The judge: every accumulation of a layer visited by a loop."""

from __future__ import annotations

from itertools import product

from torch import Tensor, nn


def accumulations(layer: nn.Conv2d | nn.Linear, x: Tensor, *, zero_weights: bool = True) -> int:
    """Pairs of a non-zero input and a weight that meets it, with or without weights that are zero.

    Inputs (N, C, H, W) of a convolution, (N, F) of a linear layer.
    """
    weight = layer.weight.ne(0).tolist()
    if isinstance(layer, nn.Linear):
        pairs = product(x.ne(0).tolist(), weight)
        met = ((on, w) for row, out in pairs for on, w in zip(row, out, strict=True))
        return sum(on and (zero_weights or w) for on, w in met)
    (sy, sx), (py, px), (dy, dx) = layer.stride, layer.padding, layer.dilation
    c_in, c_out = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    rows, columns = x.shape[2:]
    height = (rows + 2 * py - dy * (layer.kernel_size[0] - 1) - 1) // sy + 1
    width = (columns + 2 * px - dx * (layer.kernel_size[1] - 1) - 1) // sx + 1
    found = 0
    for image in x.ne(0).tolist():
        for o, y, z in product(range(layer.out_channels), range(height), range(width)):
            for c in range(c_in):
                channel = image[(o // c_out) * c_in + c]
                for i, taps in enumerate(weight[o][c]):
                    row = y * sy - py + i * dy
                    if not 0 <= row < rows:
                        continue
                    for j, there in enumerate(taps):
                        column = z * sx - px + j * dx
                        if 0 <= column < columns and channel[row][column]:
                            found += zero_weights or there
    return found
