"""Tensors from a file that may come from anyone: looked at before they are used.

A safetensors file is 8 bytes of length, that many bytes of JSON (names, dtypes, shapes, places) and
numbers; nothing in it can be executed.  What is checked here is that it is the file of the network
that it is loaded into, and that its numbers can be such a network's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from s3nn.decode import parse_json
from s3nn.errors import RunFolderError
from s3nn.neurons.base import Threshold

HEADER_BYTES = 4 * 2**20
_LENGTH = 8
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


@dataclass(frozen=True)
class Form:
    """What a tensor is without its numbers."""

    dtype: torch.dtype
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{str(self.dtype).removeprefix('torch.')} of shape {self.shape}"

    @classmethod
    def of(cls, tensor: Tensor) -> Form:
        return cls(tensor.dtype, tuple(tensor.shape))


def forms(content: bytes, where: str) -> dict[str, Form]:
    """The tensors of a safetensors file by name, read off its header alone.

    Raises ``RunFolderError`` for a header that is too long, no JSON, or says what cannot be.
    """
    length = int.from_bytes(content[:_LENGTH], "little")
    if len(content) < _LENGTH or length > min(HEADER_BYTES, len(content) - _LENGTH):
        raise RunFolderError(
            f"{where} is damaged: of its {len(content):,} bytes, its header cannot be {length:,}"
        )
    header = parse_json(content[_LENGTH : _LENGTH + length], f"the header of {where}")
    if not isinstance(header, dict):
        raise RunFolderError(f"{where} is damaged: its header is no object")
    return {
        name: _form(name, entry, where) for name, entry in header.items() if name != "__metadata__"
    }


def _form(name: str, entry: Any, where: str) -> Form:
    found = entry if isinstance(entry, dict) else {}
    dtype, shape = found.get("dtype"), found.get("shape")
    sizes: list[Any] = shape if isinstance(shape, list) else [None]
    whole = all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 2**48 for n in sizes)
    if not isinstance(dtype, str) or dtype not in _DTYPES or not whole or len(sizes) > 8:
        raise RunFolderError(
            f"{where} is damaged: tensor {name!r:.60} has the dtype {dtype!r:.40} and the shape "
            f"{shape!r:.60}"
        )
    return Form(_DTYPES[dtype], tuple(sizes))


def fits(found: Mapping[str, Form], expected: Mapping[str, Form], where: str) -> None:
    """A ``RunFolderError`` for the first tensor that is missing, too much, or of another form."""
    for name in sorted(found.keys() | expected.keys()):
        here, there = expected.get(name), found.get(name)
        if here != there:
            raise RunFolderError(
                f"{where} does not fit run.json: {name!r:.120} is {there or 'missing'} in the file "
                f"and {here or 'missing'} in the network: the two are not of the same run"
            )


def tensors(content: bytes, where: str) -> dict[str, Tensor]:
    """The tensors of a safetensors file, whose ``forms`` were looked at before."""
    try:
        return load(content)
    except (SafetensorError, ValueError, KeyError, RuntimeError, OverflowError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunFolderError(f"{where} is damaged ({reason}): get it again") from error


def load_weights(content: bytes, network: nn.Module, where: str) -> None:
    """Load the bytes of a safetensors file into ``network``, of the very names, shapes and dtypes.

    Raises ``RunFolderError`` where they do not fit, where a value is not finite (unless the network
    itself begins with that value), a threshold is not above 0 or a variance is negative.
    """
    state = network.state_dict()
    fits(forms(content, where), {name: Form.of(value) for name, value in state.items()}, where)
    found = tensors(content, where)
    for name, value in found.items():
        if value.is_floating_point():
            wrong = ~value.isfinite() & (value != state[name])
            if bool(wrong.any()):
                raise RunFolderError(
                    f"{where} cannot be a network's: {name!r:.120} has the value "
                    f"{value[wrong][0].item()}"
                )
    network.load_state_dict(found)
    for path, module in network.named_modules():
        if isinstance(module, Threshold) and not bool((module.value() > 0).all()):
            least = module.value().min().item()
            raise RunFolderError(f"{where}: the threshold {path} is {least}, but must be > 0")
        if isinstance(module, _BatchNorm) and module.running_var is not None:
            least = module.running_var.min().item()
            if least < 0:
                raise RunFolderError(f"{where}: the variance of {path} is {least}")
