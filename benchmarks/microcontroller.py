"""What a network takes on a microcontroller: flash, RAM and instructions, all of them emulated.

    python benchmarks/microcontroller.py RUN [RELU_RUN] [--emx PYTHON]

RUN is a trained S3NN, compiled at 8 and at 4 bits.  RELU_RUN is its full-precision twin, of fully
connected layers: written by hand in 8 bits, and, with a Python that has emx-onnx-cgen, in floats
by that.  All are built with the same flags.  Flash is a whole program without printf: code, weights
and start-up.  RAM is its data, image and logits among it, and the deepest stack of a run.

Instructions are an image's, the mean over golden images; they are no cycles, of which most
instructions take one or two on these cores.  Exact says whether the logits of all golden images
were right bit for bit: for the compiled S3NN those of the integer graph in numpy, for 8 bits by
hand those of its own in numpy, for floats those of the twin in float64, rounded.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tyro
from numpy.typing import NDArray

import s3nn
from microcontroller_run import emx, int8, twin
from s3nn.graph.lower import lower
from s3nn.graph.quantise import quantise
from s3nn.runtime.boards import BOARDS, Board, build, build_texts, measure, missing_tools, run
from s3nn.runtime.emit import Source, emit
from s3nn.runtime.golden import bare_main, golden_main, sizes
from s3nn.runtime.plan import firing_rates, plan

MOST_FLASH, MOST_RAM = 64 * 1024, 16 * 1024


@dataclass(frozen=True)
class Flags:
    run: tyro.conf.Positional[Path]
    """The folder of a trained S3NN."""
    relu_run: tyro.conf.Positional[Path | None] = None
    """The folder of its full-precision twin."""
    emx: Path | None = None
    """A Python interpreter whose environment has emx-onnx-cgen."""
    bits: tuple[int, ...] = (8, 4)
    images: int = 16
    """Golden images."""
    calibration: int = 500
    out: Path = Path("results/microcontroller/result.json")


@dataclass(frozen=True)
class Row:
    board: str
    engine: str
    flash_bytes: int
    ram_bytes: int
    instructions: int
    exact: bool
    accuracy: float
    """On the whole test split, of the arithmetic that the engine stands for."""
    additions: float | None = None
    multiplications: int | None = None
    largest_difference: float | None = None
    """Of a float logit from the float64 network's."""


@dataclass(frozen=True)
class Data:
    calibration: NDArray[np.uint8]
    golden: NDArray[np.uint8]
    test: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def accuracy(self, logits: NDArray) -> float:
        return float((logits.argmax(1) == self.labels).mean())


def load(trained: s3nn.Trained, flags: Flags) -> Data:
    found = trained.data()
    test = found.test.images.numpy()
    return Data(
        found.train.images[: flags.calibration].numpy(),
        *(test[: flags.images], test, found.test.labels.numpy()),
    )


def compiled(trained: s3nn.Trained, data: Data, flags: Flags, folder: Path) -> list[Row]:
    rows = []
    network = trained.network.double()
    graph = lower(network, trained.shape, trained.mean, trained.std)
    for bits in flags.bits:
        integer = quantise(graph, bits, data.calibration)
        made = plan(integer)
        source = emit(made, vectors=False)
        counts = sizes(made, source, firing_rates(integer, data.calibration))
        logits = integer.run(data.test)
        for board in BOARDS.values():
            row = integers(board, f"s3nn, {bits} bits", source, data, logits, folder)
            rows.append(Row(**row, additions=counts.additions,
                            multiplications=counts.multiplications))  # fmt: skip
    return rows


def by_hand(layers: list[twin.Layer], data: Data, folder: Path) -> list[Row]:
    quantised = int8.quantise(layers, data.calibration)
    source, logits = int8.emit(quantised), int8.run(quantised, data.test)
    multiplications = sum(layer.weight.size for layer in layers)
    return [
        Row(**integers(board, "relu by hand, 8 bits", source, data, logits, folder),
            additions=0, multiplications=multiplications)
        for board in BOARDS.values()
    ]  # fmt: skip


def integers(
    board: Board, engine: str, source: Source, data: Data, logits: NDArray, folder: Path
) -> dict:
    golden = golden_main(source, data.golden, logits[: len(data.golden)])
    measured = measure(board, build(board, source, golden, folder))
    bare = build(board, source, bare_main(source), folder)
    return {
        "board": board.name,
        "engine": engine,
        "flash_bytes": bare.flash_bytes,
        "ram_bytes": bare.ram_bytes + measured.stack_bytes,
        "instructions": measured.instructions,
        "exact": measured.exact == measured.images,
        "accuracy": data.accuracy(logits),
    }


def floats(layers: list[twin.Layer], data: Data, python: Path, folder: Path) -> list[Row]:
    """Multiply and add in one instruction where a board has one, as its compilers do by default."""
    model, logits = emx.generate(layers, python), twin.run(layers, data.test)
    pixels, classes = data.golden[0].size, logits.shape[1]
    rows = []
    for board in BOARDS.values():
        flags = ("-ffp-contract=fast",)
        texts = {"model.c": model, "main.c": emx.main(data.golden, classes)}
        elf = build_texts(board, texts, folder, flags)
        measured = measure(board, elf)
        found = emx.read(run(board, elf), len(data.golden))
        wanted = logits[: len(found)]
        bare = build_texts(board, texts | {"main.c": emx.bare(pixels, classes)}, folder, flags)
        rows.append(
            Row(
                board.name, "relu by emx-onnx-cgen, floats", bare.flash_bytes,
                bare.ram_bytes + measured.stack_bytes, measured.instructions,
                bool((found == wanted.astype(np.float32)).all()), data.accuracy(logits), 0,
                sum(layer.weight.size for layer in layers),
                float(np.abs(found - wanted).max()),
            )
        )  # fmt: skip
    return rows


def versions(flags: Flags) -> dict[str, str]:
    tools = {tool for board in BOARDS.values() for tool in (board.compiler, board.emulator[0])}
    found = {}
    for tool in sorted(tools):
        done = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True)
        found[tool] = done.stdout.splitlines()[0]
    if flags.emx is not None:
        found["emx-onnx-cgen"] = emx.version(flags.emx)
    return found


def shows(row: Row) -> list[dict[str, object]]:
    """What a spiking network has to show on a Cortex-M."""
    if not row.engine.startswith("s3nn"):
        return []
    name = f"{row.engine} on {row.board}"
    found: list[dict[str, object]] = [
        {"claim": f"{name}: every golden logit is exact", "value": row.exact, "bar": True,
         "holds": row.exact},
    ]  # fmt: skip
    for what, value, bar in (
        ("flash", row.flash_bytes, MOST_FLASH), ("RAM", row.ram_bytes, MOST_RAM)
    ):  # fmt: skip
        text = f"{name}: at most {bar // 1024} KiB of {what}"
        found.append({"claim": text, "value": value, "bar": bar, "holds": value <= bar})
    return found


def main() -> int:
    flags = tyro.cli(Flags, description=__doc__)
    for board in BOARDS.values():
        if missing := missing_tools(board):
            print(f"{board.processor} needs {', '.join(missing)}: {' '.join(board.packages)}")
            return 2
    trained = s3nn.open_run(flags.run)
    data = load(trained, flags)
    with TemporaryDirectory() as name:
        folder = Path(name)
        rows = compiled(trained, data, flags, folder)
        if flags.relu_run is not None:
            relu = s3nn.open_run(flags.relu_run)
            layers = twin.layers(relu)
            twin.check(layers, relu, data.golden)
            rows += by_hand(layers, data, folder)
            if flags.emx is not None:
                rows += floats(layers, data, flags.emx, folder)
    tree = {
        "command": f"python benchmarks/microcontroller.py {' '.join(sys.argv[1:])}".strip(),
        "what": f"one inference of {trained.run.model.name}, width {trained.run.model.width:g}, on "
        f"{trained.run.data.name}",
        "recipe": trained.run.recipe,
        "width": trained.run.model.width,
        "golden_images": len(data.golden),
        "tools": versions(flags),
        "rows": [asdict(row) for row in rows],
        "shows": [show for row in rows for show in shows(row)],
    }
    flags.out.parent.mkdir(parents=True, exist_ok=True)
    flags.out.write_text(json.dumps(tree, indent=2) + "\n", encoding="utf-8")
    heads = f"{'flash':>8}{'RAM':>7}{'instructions':>14}{'test %':>8}  exact"
    print(f"{'board':12}{'engine':32}{heads}")
    for row in rows:
        print(
            f"{row.board:12}{row.engine:32}{row.flash_bytes:8}{row.ram_bytes:7}"
            f"{row.instructions:14}{100 * row.accuracy:8.2f}  {row.exact}"
        )
    ours = [row for row in rows if row.engine.startswith("s3nn")]
    return 0 if all(row.exact for row in ours) else 1


if __name__ == "__main__":
    sys.exit(main())
