"""How much memory a training step keeps: counted, not sampled."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """Inside, counts the bytes of the tensors that are made and still alive.

    ``now`` is what is alive, ``peak`` the most that was.  Views of one storage count once; scratch
    memory inside an operator is not seen.  It does not depend on the allocator or the machine.

    >>> with LiveBytes() as live:
    ...     x = torch.zeros(256)
    ...     del x
    >>> live.now, live.peak
    (0, 1024)
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        given = {id(_storage(leaf)) for leaf in tree_leaves((args, kwargs)) if _counts(leaf)}
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if _counts(leaf) and id(_storage(leaf)) not in given | self._seen:
                self._count(_storage(leaf))
        return out

    def one_operator(self, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """``function``, run unseen, with what it returns counted: as a compiled one should be.

        Under a dispatch mode torch.compile gives up for good, and what would be counted is the
        scratch memory of arithmetic that the compiler had made one loop of.
        """

        def seen_from_outside(*args: Any) -> Tensor:
            with _disable_current_modes():
                out = function(*args)
            self._count(_storage(out))
            return out

        return seen_from_outside

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = id(storage), storage.nbytes()
        self._seen.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, key, size).atexit = False

    def _forget(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.now -= size


def _counts(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and leaf.layout == torch.strided


def _storage(x: Tensor) -> torch.UntypedStorage:
    return x.untyped_storage()


def activation_bytes(network: nn.Module, x: Tensor) -> int:
    """The bytes that a forward pass of ``x`` leaves for backward, besides parameters and ``x``."""
    with LiveBytes() as live:
        logits = network(x)
        kept = live.now
    del logits
    return kept
