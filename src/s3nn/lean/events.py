"""Convolutions of spikes whose forward pass and weight gradient add up what fired, and no more.

In training a convolution is three products: of its input with its weights, of the input with the
gradient, and of the gradient with the weights.  Where the input is spikes the first two have a
term a spike and no multiplication; the third is dense, in bfloat16 where autocast asks for that.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from s3nn.lean.team import run
from s3nn.synapses import SynapticConv2d

LANES, MOST_WIDTH = 16, 4  # as in the kernels: channels in a vector, vectors in a block

# Where oneDNN's dense convolutions are quicker: with more firing, or with fewer channels.  On an
# EPYC with AVX-512, listing, forward pass and weight gradient together break even at half of all
# firing (3x3, 48 to 256 channels); with 32 channels at a third, with 16 at less than 16 %.
MOST_FIRING, LEAST_CHANNELS = 0.5, 32
MOST_FIRING_IN_HALF = 0.28  # dense in bfloat16 is twice as quick, and sums are of 32 bits
MOST_PLACES = 2**16  # in a row, and pixels in a strip: an event is the number of one
SPARE = 32  # places behind the last event of an image, which may be overwritten
STRIP = 14_000  # numbers of dL/dy worked on together: about what the first cache has room for

KERNELS = "event_convolution"
PACK, UNPACK, COUNT, LIST, SORT, FORWARD, WEIGHT_GRADIENT = range(7)

_aten = torch.ops.aten


class Geometry(ctypes.Structure):
    """A convolution's sizes, as in the kernels."""

    _fields_ = [
        (name, ctypes.c_int32)
        for name in (
            *("height", "width", "channels", "out_height", "out_width", "outputs"),
            *("kernel_y", "kernel_x", "stride_y", "stride_x", "pad_y", "pad_x"),
            *("blocks", "vectors", "group", "rows"),
        )
    ]


class Job(ctypes.Structure):
    """What the kernels are to do, as in the kernels; addresses are of tensors that outlive it."""

    _fields_ = [
        ("what", ctypes.c_int32),
        ("geometry", Geometry),
        ("images", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("events", "offsets", "starts")),
        *((f"sorted_{name}", ctypes.c_void_p) for name in ("events", "offsets", "starts")),
        *((name, ctypes.c_void_p) for name in ("maps", "weights", "own")),
        *((name, ctypes.c_int64) for name in ("weights_apart", "own_apart")),
    ]


@dataclass(frozen=True)
class Shape:
    """A convolution's sizes, and the blocks that its output channels are dealt to."""

    size: tuple[int, int]
    channels: int
    outputs: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]

    @property
    def out_size(self) -> tuple[int, int]:
        sizes = zip(self.size, self.kernel, self.stride, self.padding, strict=True)
        height, width = ((n + 2 * pad - k) // stride + 1 for n, k, stride, pad in sizes)
        return height, width

    @property
    def blocks(self) -> int:
        return -(-self.outputs // (LANES * MOST_WIDTH))

    @property
    def vectors(self) -> int:
        return -(-self.outputs // (LANES * self.blocks))

    @property
    def lanes(self) -> int:
        return self.vectors * LANES

    @property
    def packed(self) -> tuple[int, int, int, int]:
        """The shape of weights as the kernels read them: block, tap, channel, lane."""
        return self.blocks, self.kernel[0] * self.kernel[1], self.channels, self.lanes

    def pack(self, weight: Tensor) -> Tensor:
        """(C_out, C_in, kh, kw) -> ``packed``, zeros behind the last channel."""
        plain = weight.contiguous(memory_format=torch.channels_last)
        packed = torch.empty(self.packed)
        self._move(PACK, plain, packed)
        return packed

    def unpack(self, packed: Tensor) -> Tensor:
        """The inverse of ``pack``."""
        size = self.outputs, self.channels, *self.kernel
        weight = torch.empty(size, memory_format=torch.channels_last)
        self._move(UNPACK, weight, packed)
        return weight

    def _move(self, what: int, plain: Tensor, packed: Tensor) -> None:
        pointers = {"maps": plain.data_ptr(), "weights": packed.data_ptr()}
        run(KERNELS, Job(what, self.geometry(), 0, **pointers))

    @property
    def strip(self) -> tuple[int, int]:
        """Images, and rows of each, whose part of a block of dL/dy is worked on together."""
        above, across = self.kernel[0] - 1, self.size[1] + self.kernel[1] - 1
        lines = STRIP // (across * self.lanes)
        if lines > self.size[0] + above:
            return max(1, lines // (self.size[0] + above)), self.size[0]
        strips = -(-self.size[0] // max(1, lines - above))
        return 1, -(-self.size[0] // strips)

    @property
    def room(self) -> int:
        """Numbers in that part."""
        images, rows = self.strip
        across = self.size[1] + self.kernel[1] - 1
        return images * (rows + self.kernel[0] - 1) * across * self.lanes

    def geometry(self) -> Geometry:
        return Geometry(
            *(*self.size, self.channels, *self.out_size, self.outputs),
            *(*self.kernel, *self.stride, *self.padding, self.blocks, self.vectors, *self.strip),
        )


@dataclass(frozen=True)
class Events:
    """Where spikes (N, C, H, W) are 1, in one of the two orders that the kernels describe."""

    places: Tensor
    """uint16: by pixel each one's place in its row, by channel its pixel in its strip."""
    offsets: Tensor
    """Where each image's begin in ``places``, int64 (N,)."""
    starts: Tensor
    """The events in front of each pixel of an image, or of each channel of a strip; int32."""

    def addresses(self) -> tuple[int, int, int]:
        return self.places.data_ptr(), self.offsets.data_ptr(), self.starts.data_ptr()


_NONE = (0, 0, 0)


def count(shape: Shape, spikes: Tensor) -> Tensor:
    """``starts`` by pixel of ``spikes``, (N, C, H, W) in channels-last order: (N, H W + 1)."""
    starts = torch.empty(len(spikes), shape.size[0] * shape.size[1] + 1, dtype=torch.int32)
    pointers = {"starts": starts.data_ptr(), "maps": spikes.data_ptr()}
    run(KERNELS, Job(COUNT, shape.geometry(), len(spikes), **pointers))
    return starts


def listed(shape: Shape, spikes: Tensor, starts: Tensor) -> Events:
    """The events by pixel of ``spikes`` that ``count`` counted."""
    ends = (starts[:, -1] + SPARE).cumsum(0)
    offsets = nn.functional.pad(ends, (1, 0))[:-1].contiguous()
    events = Events(torch.empty(int(ends[-1]), dtype=torch.uint16), offsets, starts)
    job = Job(LIST, shape.geometry(), len(spikes), *events.addresses(), *_NONE, spikes.data_ptr())
    run(KERNELS, job)
    return events


def by_channel(shape: Shape, events: Events) -> Events:
    """The events by channel, from those by pixel."""
    (group, rows), images = shape.strip, len(events.offsets)
    strips = -(-images // group) * -(-shape.size[0] // rows)
    starts = torch.empty(strips, shape.channels + 1, dtype=torch.int32)
    found = Events(torch.empty_like(events.places), events.offsets, starts)
    own = torch.empty(torch.get_num_threads(), shape.channels, dtype=torch.int32)
    both = *events.addresses(), *found.addresses()
    room = {"own": own.data_ptr(), "own_apart": own.stride(0)}
    run(KERNELS, Job(SORT, shape.geometry(), images, *both, **room))
    return found


def forward(shape: Shape, events: Events, weight: Tensor) -> Tensor:
    """The convolution of events by pixel, (N, C_out, H', W') in channels-last order."""
    size = (len(events.offsets), shape.outputs, *shape.out_size)
    y = torch.empty(size, memory_format=torch.channels_last)
    room = shape.out_size[0] * shape.out_size[1] * shape.lanes
    _convolve(FORWARD, shape, events, y, shape.pack(weight)[None], room)
    return y


def weight_gradient(shape: Shape, events: Events, grad: Tensor) -> Tensor:
    """dL/dw, (C_out, C_in, kh, kw), from events by channel and dL/dy in channels-last order."""
    threads = torch.get_num_threads()
    shared = shape.blocks % threads == 0  # then each thread has as many blocks, else some images
    sums = torch.zeros(1 if shared else threads, *shape.packed)
    _convolve(WEIGHT_GRADIENT, shape, events, grad, sums, shape.room)
    return shape.unpack(sums[0] if shared else sums.sum(0))


def _convolve(
    what: int, shape: Shape, events: Events, maps: Tensor, weights: Tensor, room: int
) -> None:
    own = torch.empty(torch.get_num_threads(), room)
    pointers = maps.data_ptr(), weights.data_ptr(), own.data_ptr()
    apart = 0 if len(weights) == 1 else weights.stride(0), own.stride(0)
    job = Job(what, shape.geometry(), len(maps), *events.addresses(), *_NONE, *pointers, *apart)
    run(KERNELS, job)


class _EventConvolution(torch.autograd.Function):
    """y = x * w for spikes x that fired seldom enough, as events."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, starts: Tensor, shape: Shape) -> Tensor:
        events = listed(shape, x, starts)
        kept = by_channel(shape, events)
        ctx.shape, ctx.size, ctx.half = shape, x.shape, torch.is_autocast_enabled("cpu")
        ctx.save_for_backward(weight, kept.places, kept.offsets, kept.starts)
        return forward(shape, events, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        grad = grad.contiguous(memory_format=torch.channels_last)
        weight, *events = ctx.saved_tensors
        grad_x = grad_weight = None
        if ctx.needs_input_grad[0]:
            dtype = torch.bfloat16 if ctx.half else grad.dtype
            grad_x = _input_gradient(grad.to(dtype), weight.to(dtype), ctx.shape, ctx.size)
        if ctx.needs_input_grad[1]:
            grad_weight = weight_gradient(ctx.shape, Events(*events), grad)
        return grad_x, grad_weight, None, None


def _input_gradient(grad: Tensor, weight: Tensor, shape: Shape, size: torch.Size) -> Tensor:
    unread = torch.empty(size, dtype=grad.dtype, memory_format=torch.channels_last)
    where = list(shape.stride), list(shape.padding), [1, 1], False, [0, 0], 1
    found: Tensor = _aten.convolution_backward(
        grad, unread, weight, None, *where, [True, False, False]
    )[0]
    return found.float()


def can_follow(layer: nn.Module) -> bool:
    """Whether ``convolve`` computes what this layer does on a CPU."""
    return (
        isinstance(layer, SynapticConv2d)
        and type(layer).forward is SynapticConv2d.forward
        and layer.groups == 1
        and layer.dilation == (1, 1)
        and layer.padding_mode == "zeros"
        and isinstance(layer.padding, tuple)
        and layer.in_channels >= LEAST_CHANNELS
        and layer.out_channels >= LEAST_CHANNELS
    )


def can_read(x: Tensor) -> bool:
    """Whether ``convolve`` takes such a tensor."""
    half = torch.is_autocast_enabled("cpu")
    known = not half or torch.get_autocast_dtype("cpu") == torch.bfloat16
    return known and x.device.type == "cpu" and x.dtype == torch.float32 and x.ndim == 4


def convolve(layer: SynapticConv2d, spikes: Tensor) -> Tensor | None:
    """What ``layer`` makes of ``spikes``, (N, C, H, W); None if the dense way is quicker.

    It equals the layer's own result but for the order of its additions.
    """
    x = spikes.contiguous(memory_format=torch.channels_last)
    shape = _shape(layer, x)
    if max(shape.size[1] * shape.channels, shape.room // shape.lanes) > MOST_PLACES:
        return None
    starts = count(shape, x)
    most = MOST_FIRING_IN_HALF if torch.is_autocast_enabled("cpu") else MOST_FIRING
    if int(starts[:, -1].sum()) > most * x.numel():
        return None
    y: Tensor = _EventConvolution.apply(x, layer.synapse(layer.weight), starts, shape)
    return y if layer.bias is None else y + layer.bias.view(-1, 1, 1)


def _shape(layer: SynapticConv2d, x: Tensor) -> Shape:
    assert isinstance(layer.padding, tuple)
    (height, width), (kernel_y, kernel_x) = x.shape[2:], layer.kernel_size
    (stride_y, stride_x), (pad_y, pad_x) = layer.stride, layer.padding
    return Shape(
        *((height, width), layer.in_channels, layer.out_channels, (kernel_y, kernel_x)),
        *((stride_y, stride_x), (pad_y, pad_x)),
    )
