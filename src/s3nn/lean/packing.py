"""Spikes as bits: a tensor of zeros and ones in a 16th or a 32nd of its memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

# Eight bytes of 0 or 1, times this, have their eight bits side by side in the highest byte: the
# product's terms 2^(8i + 7j) meet nowhere, and i + j = 8 gives bit 56 + i.
_GATHER = sum(1 << 7 * j for j in range(1, 9))


@dataclass(frozen=True)
class Packed:
    """Spikes, one bit each, and the tensor that they were."""

    bits: Tensor
    size: torch.Size
    stride: tuple[int, ...]
    dtype: torch.dtype

    def unpack(self) -> Tensor:
        """The spikes, with the shape, memory layout and dtype that they had."""
        ones = _spread(self.bits.device).index_select(0, self.bits.int()).view(torch.uint8)
        return ones[: self.size.numel()].to(self.dtype).as_strided(self.size, self.stride)


def pack(spikes: Tensor) -> Packed:
    """``spikes`` (values 0 and 1, any shape and dtype) as bits, on the same device.

    >>> packed = pack(torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]))
    >>> packed.bits.tolist(), packed.unpack().tolist()
    ([53], [[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    """
    if not _is_dense(spikes):
        spikes = spikes.contiguous()
    flat = spikes.as_strided((spikes.numel(),), (1,)).to(torch.bool)  # a byte each
    missing = -flat.numel() % 8
    if missing:
        flat = torch.cat([flat, flat.new_zeros(missing)])
    bits = (flat.view(torch.int64) * _GATHER).bitwise_right_shift_(56).to(torch.uint8)
    return Packed(bits, spikes.shape, spikes.stride(), spikes.dtype)


def _is_dense(x: Tensor) -> bool:
    return x.is_contiguous() or (x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last))


@cache
def _spread(device: torch.device) -> Tensor:
    """For every byte its eight bits, a byte each, as one 64-bit word."""
    bits = torch.arange(256, device=device).unsqueeze(1) >> torch.arange(8, device=device)
    return (bits & 1).to(torch.uint8).view(torch.int64).squeeze(1)
