"""torch.compile beside a clock: made for what is measured, and never left out in silence.

dynamo takes a second to import: only where a row compiles.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from s3nn.rivals.missing import NotRunError


def start_afresh() -> None:
    """Forget compiled code, which is made for a number of threads; from here on fail at a limit.

    Past its limit of recompilations dynamo goes on without compiling, which must not be timed.
    """
    import torch._dynamo

    torch.compiler.reset()
    torch._dynamo.config.fail_on_recompile_limit_hit = True


@contextmanager
def or_not_run() -> Iterator[None]:
    """A compiler that fails (there may be none) becomes the reason of a row that is left out."""
    from torch._dynamo.exc import TorchDynamoException

    try:
        yield
    except TorchDynamoException as error:
        reason = str(error).strip().partition("\n")[0]
        raise NotRunError(reason, "install a C++ compiler (on CUDA: Triton)") from error
