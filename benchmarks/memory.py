"""What a training step of a network in time keeps in memory, with windows that are run again.

    python benchmarks/memory.py

Bytes are counted, not sampled: the most that tensors hold at a time in one step, parameters apart
and their gradients included.  One step of the same network, T = 1, is the measure.  That
windows change neither outputs nor gradients is checked first, with batch-norms standing still.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from s3nn.clock import Unroll, Windows, unroll
from s3nn.files import write_text
from s3nn.lean.measure import LiveBytes
from s3nn.models import Parts
from s3nn.registry import MODELS
from s3nn.versions import host, versions

BAR = 2.0
AT = 8
CLOSE = 1e-9


@dataclass(frozen=True)
class Flags:
    """Count the memory of training steps over 1 to 32 time steps."""

    model: str = "cnn7"
    neuron: str = "lif"
    width: float = 0.375
    shape: tuple[int, int, int] = (1, 28, 28)
    batch: int = 64
    steps: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    out: Path = Path("results/memory")


def network(flags: Flags, steps: int, windows: Windows | None) -> nn.Module:
    torch.manual_seed(0)
    parts = Parts(flags.neuron)
    model = MODELS.build(
        flags.model, input_shape=flags.shape, classes=10, parts=parts, width=flags.width
    )
    net = unroll(model, steps)
    if isinstance(net, Unroll):
        net.windows = windows
    return net.train()


def peak_bytes(net: nn.Module, x: Tensor, y: Tensor) -> int:
    with LiveBytes() as live:
        cross_entropy(net(x), y).backward()
    return live.peak


def parity(flags: Flags, steps: int) -> float:
    """How far gradients of windows are from those of all steps at once, of the largest."""
    x, y = torch.randn(4, *flags.shape, dtype=torch.float64), torch.arange(4)
    grads = []
    for windows in (None, Windows(1, recompute=True)):
        net = network(flags, steps, windows).double()
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        cross_entropy(net(x), y).backward()
        grads.append(torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None]))
    return float((grads[0] - grads[1]).abs().max() / grads[0].abs().max())


def measure(flags: Flags) -> list[dict[str, Any]]:
    x, y = torch.randn(flags.batch, *flags.shape), torch.arange(flags.batch) % 10
    one = peak_bytes(network(flags, 1, None), x, y)
    rows = []
    for steps in flags.steps:
        row: dict[str, Any] = {"steps": steps}
        for name, windows in (("whole", None), ("recomputed", Windows(1, recompute=True))):
            peak = peak_bytes(network(flags, steps, windows), x, y)
            row |= {f"{name}_bytes": peak, f"{name}_to_one_step": peak / one}
        rows.append(row)
        print(
            f"T={steps}: {row['whole_to_one_step']:.2f} of one step, "
            f"recomputed {row['recomputed_to_one_step']:.2f}",
            file=sys.stderr,
        )
    return rows


def main(flags: Flags) -> int:
    apart = parity(flags, AT)
    if not apart < CLOSE:
        print(f"gradients of windows differ by {apart:.2g} of the largest", file=sys.stderr)
        return 1
    rows = measure(flags)
    value = next(row["recomputed_to_one_step"] for row in rows if row["steps"] == AT)
    show = {
        "claim": f"memory of training at T={AT} with recomputation, of that at T=1",
        "value": value,
        "bar": BAR,
        "holds": value <= BAR,
    }
    tree = {
        "command": f"python benchmarks/memory.py {' '.join(sys.argv[1:])}".strip(),
        "what": f"a training step of {flags.model}, width {flags.width:g}, {flags.neuron}, "
        f"{flags.batch} images of {'x'.join(map(str, flags.shape))}",
        "versions": versions(),
        "host": host(torch.get_num_threads(), None),
        "gradients_apart": apart,
        "windows": rows,
        "shows": [show],
    }
    write_text(flags.out / "result.json", json.dumps(tree, indent=1) + "\n")
    print(f"{'holds' if show['holds'] else 'FAILS'}: {show['claim']}: {value:.3g} ({BAR:g})")
    return 0 if show["holds"] else 1


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main(tyro.cli(Flags)))
