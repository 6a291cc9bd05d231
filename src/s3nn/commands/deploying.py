"""deploy: a trained run on analog chips."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from s3nn.commands.flags import parse
from s3nn.commands.terminal import make_console
from s3nn.config import Chip
from s3nn.errors import UsageError


@dataclass(frozen=True)
class DeployFlags:
    """Accuracy of a run's weights on analog chips; with --epochs, train them there too."""

    run: Annotated[Path, tyro.conf.Positional]
    """A run folder, trained in software: s3nn train fashion_chip."""
    chips: tuple[int, ...] = (0, 1, 2)
    """The seeds of the chips."""
    epochs: int = 0
    """Train with each chip in the loop for so many epochs, then move to the next chip."""
    lr: float | None = None
    """The learning rate in the loop (default: the run's)."""
    out: Path | None = None
    """Trainings in the loop go to OUT-chipSEED (default: RUN-chipSEED)."""
    chip: Chip = field(default_factory=Chip)
    """What all of the chips have in common, all but --chip.seed: the seeds are --chips."""


def deploy(words: list[str]) -> None:
    flags = parse(DeployFlags, "deploy", words)
    if flags.chip.there:
        raise UsageError(
            f"--chip.seed {flags.chip.seed}: deploy takes the seeds of several chips, --chips "
            f"{flags.chip.seed}"
        )
    if flags.epochs < 0:
        raise UsageError(f"--epochs {flags.epochs}: 0 to train nothing, or more")
    from rich import box
    from rich.table import Table

    from s3nn.experiment.deploying import accuracy
    from s3nn.experiment.deploying import deploy as deploy_run

    console = make_console()
    ideal = accuracy(flags.run)
    table = Table(title=f"{flags.run}: % of the test images", box=box.SIMPLE)
    for column in ("chip", "ideal", "deployed", "in the loop", "moved to"):
        table.add_column(column, justify="right")
    for found in deploy_run(
        flags.run, flags.chips, flags.chip, epochs=flags.epochs, lr=flags.lr, out=flags.out
    ):
        moved = "" if found.moved is None else f"{100 * found.moved:.2f} on {found.moved_to}"
        looped = "" if found.in_the_loop is None else f"{100 * found.in_the_loop:.2f}"
        cells = (f"{100 * ideal:.2f}", f"{100 * found.deployed:.2f}", looped, moved)
        table.add_row(str(found.chip), *cells)
    console.print(table)
