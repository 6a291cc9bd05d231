"""What can go wrong, named by whose move it is.

Every error a user can cause derives from ``S3nnError`` and says, in one sentence, the operation,
the values and the way out.  The command line turns ``UsageError`` into exit code 2 and every other
``S3nnError`` into exit code 1, without a traceback.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches


class S3nnError(Exception):
    """The base of every error that s3nn raises on purpose."""


class UsageError(S3nnError, ValueError):
    """The request cannot be right: an unknown name, a bad value, a wrong shape."""


class DataError(UsageError):
    """A data set or an image that cannot be read or does not fit."""


class RunFolderError(UsageError):
    """A run folder that is missing, damaged, or belongs to another run."""


class PackError(RunFolderError):
    """A pack that is missing, damaged, or holds what no pack may."""


class TrainingError(S3nnError, RuntimeError):
    """Training could not go on; the message says at which step and layer."""


class UnsupportedError(UsageError):
    """Something s3nn does not do, where it was met, and what to do instead.

    >>> str(UnsupportedError("average pooling of spikes", "layer pool1", "use max pooling"))
    'average pooling of spikes is not supported (layer pool1): use max pooling'
    """

    def __init__(self, what: str, where: str, instead: str) -> None:
        super().__init__(f"{what} is not supported ({where}): {instead}")
        self.what, self.where, self.instead = what, where, instead


def sentence(error: BaseException) -> str | None:
    """What is said of an error that is no fault of the program; None for others.

    Memory that ran out, on a processor or a GPU, is one: torch says so by a ``RuntimeError``.

    >>> sentence(MemoryError())
    'out of memory: take a smaller --data.batch, --fit.accumulate 4 (parts) or --model.width'
    >>> sentence(RuntimeError("a bug"))
    """
    lacking = ("can't allocate memory", "not enough memory", "CUDA out of memory")
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(text in str(error) for text in lacking)
    ):
        wanted = re.search(r"allocate (\d+ bytes|[\d.]+ [KMGT]iB)", str(error))
        what = f" ({wanted[1]} more were wanted)" if wanted else ""
        return (
            f"out of memory{what}: take a smaller --data.batch, --fit.accumulate 4 (parts) or "
            "--model.width"
        )
    return str(error) if isinstance(error, (S3nnError, OSError)) else None


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a name that is not there, with a did-you-mean.

    >>> str(unknown_name("row", "s3n", ["relu", "s3nn"]))
    "unknown row 's3n': did you mean 's3nn'? (known: relu, s3nn)"
    """
    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f": did you mean {close[0]!r}?" if close else ""
    return UsageError(f"unknown {kind} {name!r}{hint} (known: {', '.join(names)})")
