"""What integers stand for, and a first layer that reads pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from s3nn.errors import UnsupportedError
from s3nn.graph.ir import Array
from s3nn.graph.nodes import Conv, Linear


@dataclass(frozen=True, eq=False)
class Form:
    """What an integer stands for: value_c = scale_c integer + offset_c."""

    scale: Array
    offset: Array

    def affine(self, gain: Array, bias: Array) -> Form:
        return Form(self.scale * gain, self.offset * gain + bias)

    def each(self, index: Array) -> Form:
        return Form(self.scale[index], self.offset[index])


def on_pixels(node: Conv | Linear, form: Form) -> tuple[Array, Array, bool]:
    """A first layer's weight on raw pixels, the constant that remains, whether all scale alike."""
    if isinstance(node, Conv):
        per_group = node.weight.shape[1]
        group = np.arange(len(node.weight)) * node.groups // len(node.weight)
        channel = group[:, None] * per_group + np.arange(per_group)
        scale, offset = (v[channel][:, :, None, None] for v in (form.scale, form.offset))
    else:
        scale, offset = form.scale[None], form.offset[None]
    constant = (node.weight * offset).reshape(len(node.weight), -1).sum(1)
    return node.weight * scale, constant, not np.ptp(form.scale)


def fill(name: str, form: Form) -> Array:
    """The pixel a channel that normalises to zero, with which a convolution pads the image."""
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels = np.rint(-form.offset / form.scale)
    if not np.all((pixels >= 0) & (pixels <= 255)):
        raise UnsupportedError(
            "padding an image whose normalised zero is no pixel, in integers",
            f"layer {name}",
            "use padding=0 in the first layer, or no batch-norm in front of it",
        )
    return pixels.astype(np.int64)
