"""What an inference of a network would take, known before it is run."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from s3nn.errors import PackError

# A ResNet152 on an image of 224x224 has 12 G multiplications and 40 M activations.
MOST_MULTIPLICATIONS = 2**37
MOST_ACTIVATIONS = 2**28
MOST_STEPS = 1024


def check_cost(planned: nn.Module, shape: tuple[int, int, int], where: str) -> None:
    """A ``PackError`` for a network whose one inference takes more than a pack's may.

    ``planned`` lives on the meta device: it is run there, where tensors have shapes and no numbers.
    """
    multiplications = activations = 0

    def count(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal multiplications, activations
        if not isinstance(output, Tensor):
            return
        activations += output.numel()
        if isinstance(module, (_ConvNd, nn.Linear)):
            multiplications += output.numel() * module.weight[0].numel()
        if multiplications > MOST_MULTIPLICATIONS or activations > MOST_ACTIVATIONS:
            raise PackError(
                f"{where} describes a network that multiplies {multiplications:,} times and holds "
                f"{activations:,} values in one inference, and perhaps more: no pack's may"
            )

    handles = [
        module.register_forward_hook(count)
        for module in planned.modules()
        if not any(True for _ in module.children()) or isinstance(module, (_ConvNd, nn.Linear))
    ]
    try:
        with torch.no_grad(), torch.device("meta"):
            planned.eval()(torch.zeros(1, *shape))
    except PackError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise PackError(
            f"{where} describes a network that cannot run on images of shape {shape} "
            f"({type(error).__name__}: {reason})"
        ) from error
    finally:
        for handle in handles:
            handle.remove()
