"""compile: a trained run as C, with a report of what that does to it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from s3nn.commands.flags import parse
from s3nn.commands.terminal import make_console

if TYPE_CHECKING:
    from rich.table import Table

    from s3nn.graph.margins import Margin

CHECKED = 500  # validation images, at most, whose margins are looked at
GOLDEN = 8  # test images with their logits, for the check that goes with the code


@dataclass(frozen=True)
class CompileFlags:
    """Turn a trained run into C whose running time follows its spikes."""

    run: Annotated[Path, tyro.conf.Positional]
    """A run folder."""
    bits: Literal[8, 6, 4, 2] = 8
    """Of a hidden layer's weights (2: ternary); weights trained as integers keep their levels."""
    out: Path | None = None
    """Where the C goes (default: RUN/compiled)."""
    name: str = "network"
    """What the C functions and files are called."""
    small: bool = False
    """For microcontrollers: weights are not padded to whole vectors."""


def compile_run(words: list[str]) -> None:
    flags = parse(CompileFlags, "compile", words)
    from s3nn.experiment.compiled import c_files, prepare_trained
    from s3nn.experiment.trained import open_run
    from s3nn.files import check_folder_place, write_texts
    from s3nn.native import check_can_build
    from s3nn.report.units import bytes_text, count_text
    from s3nn.runtime.golden import sizes

    check_can_build()  # before minutes are spent
    trained = open_run(flags.run)
    console = make_console()
    out = flags.out or flags.run / "compiled"
    check_folder_place(out)
    with console.status("lowering and quantising"):
        found = prepare_trained(trained, bits=flags.bits, name=flags.name, vectors=not flags.small)
    data = trained.data()
    with console.status("compiling and checking"):
        program = found.program()
        images, labels = data.test.images.numpy(), data.test.labels.numpy()
        compiled = float((program(images).argmax(1) == labels).mean())
        real = trained.accuracy(data.test)
        golden = images[:GOLDEN]
        expected = found.quantised.integer.run(golden)
        exact = bool((program(golden) == expected).all())
        layers = found.margins(data.validation.images[:CHECKED].numpy())
    takes = sizes(found.plan, found.source, found.rates)
    report = {
        "bits": flags.bits,
        "accuracy": {"real": real, "compiled": compiled, "images": len(labels)},
        "exact": {"images": len(golden), "holds": exact},
        "firing_rate": found.firing_rate,
        "sizes": asdict(takes),
        "layers": [asdict(layer) for layer in layers],
    }
    texts = c_files(found, flags.name, golden)
    write_texts(out, texts | {"report.json": json.dumps(report, indent=1) + "\n"})
    console.print(_table(flags.run, layers))
    console.print(
        f"accuracy on {len(labels)} test images: {100 * real:.2f} % in real numbers, "
        f"{100 * compiled:.2f} % compiled"
    )
    console.print(
        f"{bytes_text(takes.flash_bytes)} of constants, {bytes_text(takes.ram_bytes)} of working "
        f"memory; where {100 * found.firing_rate:.1f} % of the neurons fire, "
        f"{count_text(takes.additions)} additions and {count_text(takes.multiplications)} "
        "multiplications an inference"
    )
    console.print(f"{out}: {flags.name}.h, {flags.name}.c, {flags.name}_check.c, report.json")


def _table(run: Path, layers: list[Margin]) -> Table:
    from rich import box
    from rich.table import Table

    from s3nn.graph.margins import NEAR

    table = Table(title=f"{run}: what integers do to its spikes", box=box.SIMPLE)
    near = f"within {NEAR:g}\nof threshold"
    for column in ("layer", "fires", near, "error", "flips\npredicted", "flips\nmeasured"):
        table.add_column(column, justify="left" if column == "layer" else "right")
    for layer in layers:
        table.add_row(
            layer.layer,
            f"{100 * layer.firing_rate:.1f} %",
            f"{100 * layer.near:.2f} %",
            f"{layer.error:.4f}",
            f"{100 * layer.predicted_flips:.3f} %",
            f"{100 * layer.flips:.3f} %",
        )
    table.caption = "distances and errors of potentials in standard deviations of the layer's"
    return table
