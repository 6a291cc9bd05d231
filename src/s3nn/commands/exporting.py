"""export, import and conformance: networks that travel, and whether they arrive."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from s3nn.commands.flags import parse
from s3nn.commands.terminal import make_console
from s3nn.config import Data
from s3nn.errors import UsageError
from s3nn.files import check_file_place

if TYPE_CHECKING:
    from rich.table import Table

    from s3nn.experiment.conformance import Outcome


@dataclass(frozen=True)
class ExportFlags:
    """Write a trained run as a file that other tools read."""

    run: Annotated[Path, tyro.conf.Positional]
    """A run folder."""
    to: Literal["nir", "onnx"] = "nir"
    """NIR for simulators and neuromorphic chips, ONNX for runtimes; both take pixels, 0 to 255."""
    dialect: Literal["threshold", "cuba", "if"] = "threshold"
    """How NIR's neurons are written; `s3nn conformance` says who reads which."""
    integer: bool = False
    """The network of integers, which is exact wherever it runs, in place of real numbers."""
    bits: Literal[8, 6, 4, 2] = 8
    """Of a hidden layer's weights in integers."""
    out: Path | None = None
    """The file (default: in RUN/exported); one that is there is replaced."""


@dataclass(frozen=True)
class ImportFlags:
    """Turn a NIR file of a single-step network into a run folder.

    The folder is taken by eval, predict, compile, energy, bench, export and conformance.  The
    file's outputs are the data's classes in their order.
    """

    file: Annotated[Path, tyro.conf.Positional]
    """A NIR file (.nir), ours or another tool's."""
    data: Data = field(default_factory=Data)
    """What it classifies; its test split gives the accuracy and the operations."""
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    """Its input is (pixel / 255 - mean) / std, one number or one a channel."""
    raw: bool | None = None
    """Its input is pixels, 0 to 255 (default: if the file says so, as ours do)."""
    dt: float = 1e-4
    """Seconds a time step of its neurons takes."""
    out: Path | None = None
    """The run folder (default: runs/NAME-imported)."""


@dataclass(frozen=True)
class ConformanceFlags:
    """Run one step of a run's exported files in simulators and runtimes, and compare all spikes."""

    run: Annotated[Path, tyro.conf.Positional]
    """A run folder."""
    images: int = 200
    """Test images; 0 for all."""
    tools: tuple[
        Literal["norse", "snntorch", "spikingjelly", "sinabs", "onnxruntime", "openvino"], ...
    ] = ("norse", "snntorch", "spikingjelly", "sinabs", "onnxruntime", "openvino")
    dialects: tuple[Literal["threshold", "cuba", "if"], ...] = ("cuba", "if")
    forms: tuple[Literal["real", "integer"], ...] = ("real", "integer")
    python: tuple[str, ...] = ()
    """Interpreters of tools that are installed elsewhere: norse=/envs/norse/bin/python."""
    everything: bool = False
    """Also try simulators with dialects that they are known not to read."""
    bits: Literal[8, 6, 4, 2] = 8
    """Of a hidden layer's weights in integers."""
    json: Path | None = None
    """A file for all numbers."""


def export(words: list[str]) -> None:
    flags = parse(ExportFlags, "export", words)
    from s3nn.experiment.exported import export_run
    from s3nn.experiment.trained import open_run
    from s3nn.export import make_exporter
    from s3nn.report.units import bytes_text

    if flags.to != "nir" and flags.dialect != "threshold":
        raise UsageError(f"--dialect {flags.dialect} is of NIR files: leave it out for {flags.to}")
    name = f"{flags.to}-{flags.dialect}" if flags.to == "nir" else flags.to
    name = f"{name}-integer" if flags.integer else name
    path = flags.out or flags.run / "exported" / f"{name}{make_exporter(flags.to).suffix}"
    check_file_place(path)
    found = export_run(
        open_run(flags.run),
        path,
        to=flags.to,
        dialect=flags.dialect,
        integer=flags.integer,
        bits=flags.bits,
    )
    print(f"{path}: {bytes_text(path.stat().st_size)}, {len(found.written.graph)} operations")
    if flags.integer:
        print("potentials are integers: none can equal a threshold of the file")
    else:
        print(
            f"{found.ties} of {found.potentials} potentials equal their threshold: there tools "
            "that fire at u >= threshold differ" + "; --integer has no ties" * (found.ties > 0)
        )


def import_file(words: list[str]) -> None:
    flags = parse(ImportFlags, "import", words)
    from s3nn.experiment.imported import import_run
    from s3nn.report.units import count_text, percent_text

    out = flags.out or Path("runs") / f"{flags.file.stem}-imported"
    found = import_run(
        flags.file, out, flags.data, mean=flags.mean, std=flags.std, raw=flags.raw, dt=flags.dt
    )
    counts = found.counts
    each = [count_text(n / counts.samples) for n in (counts.macs, counts.acs)]
    fires = "" if counts.firing_rate is None else f", {percent_text(counts.firing_rate)} fire"
    print(f"{100 * found.accuracy:.2f} % of {found.images} test images of {flags.data.name}")
    print(f"{each[0]} multiplications and {each[1]} additions of weights an inference{fires}")
    print(f"{out}: a run folder for eval, predict, compile, energy, bench, export, conformance")


def conformance(words: list[str]) -> None:
    flags = parse(ConformanceFlags, "conformance", words)
    from s3nn.experiment.conformance import conformance as compared
    from s3nn.experiment.trained import open_run
    from s3nn.files import check_file_place, write_text

    if flags.json is not None:
        check_file_place(flags.json)
    console = make_console()
    with console.status("exporting and simulating"):
        found = compared(
            open_run(flags.run),
            images=flags.images,
            tools=flags.tools,
            dialects=flags.dialects,
            forms=flags.forms,
            pythons=interpreters(flags.python),
            everything=flags.everything,
            bits=flags.bits,
        )
    if flags.json is not None:
        text = json.dumps([asdict(outcome) for outcome in found], indent=1)
        write_text(flags.json, text + "\n")
    console.print(table(f"{flags.run}: one step of each file, beside the graph", found))
    for outcome in found:
        if outcome.not_run is not None:
            line = f"not run: {outcome.tool}, {outcome.form}, {outcome.file}: {outcome.not_run}"
            console.print(line, markup=False, highlight=False)
    if all(outcome.not_run is not None for outcome in found):
        raise UsageError(
            "none of these tools ran: pip install 's3nn[interop]', or name the interpreter of each "
            "with --python TOOL=PATH"
        )


def interpreters(words: tuple[str, ...]) -> dict[str, str]:
    """TOOL=PATH words as a dict."""
    found = {}
    for word in words:
        tool, equals, path = word.partition("=")
        if not equals or not path:
            raise UsageError(
                f"--python {word!r}: write TOOL=PATH, such as norse=/envs/a/bin/python"
            )
        found[tool] = path
    return found


def table(title: str, found: list[Outcome]) -> Table:
    from rich import box
    from rich.table import Table

    made = Table(title=title, box=box.SIMPLE)
    for column in ("numbers", "file", "tool", "flips", "of neurons", "logits apart", "same class"):
        left = column in ("numbers", "file", "tool")
        made.add_column(column, justify="left" if left else "right")
    for outcome in found:
        if outcome.not_run is not None:
            continue
        neurons = sum(outcome.neurons.values())
        assert outcome.logit_error is not None
        assert outcome.agreement is not None
        made.add_row(
            *(outcome.form, outcome.file, outcome.tool),
            f"{outcome.flipped}" if neurons else "–",
            f"{neurons}" if neurons else "–",
            f"{outcome.logit_error:.1g}",
            f"{100 * outcome.agreement:.2f} %",
        )
        for layer, flips in outcome.flips.items():
            if flips:
                made.add_row("", "", f"  {layer}", str(flips), str(outcome.neurons[layer]), "", "")
    return made
