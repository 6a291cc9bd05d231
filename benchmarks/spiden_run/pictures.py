"""What was shown, what networks made of it, and the true photographs, side by side."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from s3nn.experiment.judging import in_bytes
from s3nn.files import write_bytes
from spiden_run.measured import Seen

GAP = 4


def side_by_side(seen: dict[str, list[Seen]]) -> list[str]:
    """What the columns of ``montage`` are, from left to right."""
    return ["noisy", *seen, "true"]


def montage(path: Path, seen: dict[str, list[Seen]]) -> None:
    """A line a photograph, grey, in crops of 128 pixels."""
    first = next(iter(seen.values()))
    lines = []
    for number, photo in enumerate(first):
        made = [of_row[number].cleaned for of_row in seen.values()]
        lines.append(_joined([photo.shown, *made, photo.true], 2))
    pixels = in_bytes(_joined(lines, 1))[0]
    content = BytesIO()
    Image.fromarray(pixels).save(content, format="PNG", optimize=True)
    write_bytes(path, content.getvalue())


def _joined(pictures: list[Tensor], axis: int) -> Tensor:
    """Pictures (1, H, W) along an axis, white between them."""
    parts = [pictures[0]]
    for picture in pictures[1:]:
        gap = list(picture.shape)
        gap[axis] = GAP
        parts += [torch.ones(gap), picture]
    return torch.cat(parts, axis)
