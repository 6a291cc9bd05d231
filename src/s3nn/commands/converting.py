"""convert: a trained ReLU run as spikes over many steps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from s3nn.commands.flags import parse
from s3nn.commands.terminal import make_console, print_table
from s3nn.files import beside

if TYPE_CHECKING:
    from rich.table import Table

    from s3nn.experiment.convert import Converted
    from s3nn.tasks import Task


@dataclass(frozen=True)
class ConvertFlags:
    """Turn a trained ReLU run into integrate-and-fire neurons over many steps, without training."""

    run: Annotated[Path, tyro.conf.Positional]
    """A run folder of relu or clip_floor neurons."""
    steps: int = 32
    """T: the first layer reads the image once, every other layer runs at each step."""
    precharge: tuple[float, ...] = (0.5,)
    """What neurons start with, in thresholds, below 1: one number, or one a layer; 0: nothing."""
    delay: int | Literal["depth", "validation"] = 0
    """Steps whose outputs are left out: a number, one a layer, or what validation picks."""
    percentile: float = 99.9
    """Of a layer's positive activations, which is its threshold; 100: the largest."""
    images: int = 500
    """Training images that the thresholds come from."""
    out: Path | None = None
    """The run folder (default: RUN-iaf-tSTEPS)."""


def convert_run(words: list[str]) -> None:
    flags = parse(ConvertFlags, "convert", words)
    from s3nn.experiment.convert import Settings
    from s3nn.experiment.convert import convert_run as convert
    from s3nn.experiment.trained import open_run
    from s3nn.report import SPARE, console_table

    settings = Settings(flags.steps, flags.precharge, flags.delay, flags.percentile, flags.images)
    folder = flags.out or beside(flags.run, f"-iaf-t{flags.steps}")
    console = make_console()
    with console.status("converting and running"):
        found = convert(flags.run, settings, folder)
    console.print(_by_steps(found, open_run(flags.run).task))
    print_table(console, console_table(found.result), SPARE)
    print(folder / "report.html")


def _by_steps(found: Converted, task: Task) -> Table:
    """Scores and spikes on validation images at the powers of two of steps, and at the last."""
    from itertools import accumulate

    from rich import box
    from rich.table import Table

    from s3nn.conversion import settled
    from s3nn.report.units import count_text

    name, near_enough, about = (
        ("PSNR", 0.5, "half a dB") if task.of_images else ("accuracy", 0.01, "a point")
    )
    title = f"{name} on validation images by the steps taken"
    table = Table(title=title, box=box.SIMPLE)
    delayed = [f"t > {found.after}"] if found.after else []
    for column in ("steps", "all outputs", *delayed, "spikes"):
        table.add_column(column, justify="right")
    spikes, last = list(accumulate(found.spikes)), len(found.scores)
    for step in [t for t in range(1, last + 1) if t & (t - 1) == 0 or t == last]:
        late = found.delayed[step - 1]
        shown = ["–" if late is None else task.said(late)] if found.after else []
        score = task.said(found.scores[step - 1])
        table.add_row(str(step), score, *shown, count_text(spikes[step - 1]))
    values = [float("nan") if score is None else score for score in found.delayed]
    near = settled(values, found.parent - near_enough)
    told = f"not within {about} of it" if near is None else f"within {about} of it from step {near}"
    table.caption = f"the ReLU network: {task.said(found.parent)}; {told}"
    return table
