"""Random numbers that follow from what they are for: a purpose, a seed, an epoch, a name."""

from __future__ import annotations

import hashlib

import torch


def seed_of(*words: object, size_bytes: int = 4) -> int:
    """A seed that is a hash of ``words``, so that neighbours do not meet.

    Sums would: torch's CPU generator keeps only 32 bits of what it is given.

    >>> seed_of("batches", 0, 1) == seed_of("batches", 0, 1) != seed_of("batches", 1, 0)
    True
    """
    digest = hashlib.sha256(" ".join(map(str, ("s3nn", *words))).encode()).digest()
    return int.from_bytes(digest[:size_bytes], "little")


def generator_of(*words: object) -> torch.Generator:
    """Torch's generator on the CPU, seeded by ``words``."""
    return torch.Generator().manual_seed(seed_of(*words))
