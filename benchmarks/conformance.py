"""Do other people's tools compute what trained networks compute, spike by spike?

    python benchmarks/conformance.py --python norse=PATH snntorch=PATH ...     results/conformance

`make docs` then puts the table into its README.md.  `--python` names the interpreters of tools that
are not installed beside s3nn (docs/export.md says how to bring them).

digits_cnn is trained in a minute, Fashion-MNIST's small CNN7 is that of results/inference.  Each is
exported in every form and dialect; each tool runs one step on test images.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import tyro

from s3nn.commands.exporting import interpreters
from s3nn.config import Run
from s3nn.experiment.conformance import DIALECTS, ENGINES, SIMULATORS, Outcome, conformance
from s3nn.experiment.train import train
from s3nn.experiment.trained import Trained, open_run
from s3nn.files import write_text
from s3nn.recipes import find_recipe
from s3nn.versions import host, versions

PAGE = """# Networks that arrive

Written by `benchmarks/conformance.py`. Two trained single-step networks, exported from the graph as
real numbers and as integers; each file is read by the tool's own loader and run for one step from
zero on test images. Flips are neurons that fire where the graph's do not, or the reverse, of all
layers; logits apart is the largest difference, of the largest logit. A tool that is not in a line
does not read that dialect; result.json says what it answers, and has every layer's flips.

<!-- table: {study} -->
<!-- end -->
"""


@dataclass(frozen=True)
class Flags:
    """Hold the exported files of two networks against their graphs."""

    recipe: str = "digits_cnn"
    """Trained anew, in the folder of the runs."""
    run: Path | None = Path("results/inference/runs/s3nn")
    """A run folder beside it."""
    images: int = 1000
    """Test images a simulator sees at most; the integer network in onnxruntime sees all."""
    everything: bool = True
    """Ask every simulator for every dialect, once, to note what it answers."""
    tools: tuple[str, ...] = (*SIMULATORS, *ENGINES)
    python: tuple[str, ...] = ()
    """Interpreters of tools that are installed elsewhere: norse=/envs/norse/bin/python."""
    epochs: int | None = None
    """Of the recipe, in place of its own."""
    out: Path = Path("results/conformance")
    runs: Path = Path("runs/conformance")


def networks(flags: Flags) -> dict[str, Trained]:
    recipe: Run = find_recipe(flags.recipe)
    fit = replace(recipe.fit, threads=1, epochs=flags.epochs or recipe.fit.epochs)
    folder = flags.runs / flags.recipe
    train(replace(recipe, fit=fit), folder, progress=False)
    found = {flags.recipe: open_run(folder)}
    if flags.run is not None:
        other = open_run(flags.run)
        found[other.run.recipe] = other
    return found


def outcomes(trained: Trained, flags: Flags, everything: bool) -> list[Outcome]:
    pythons = interpreters(flags.python)
    found = conformance(trained, images=flags.images, tools=flags.tools, pythons=pythons)
    if everything:
        tried = {(outcome.form, outcome.file, outcome.tool) for outcome in found}
        tools = [tool for tool in flags.tools if tool in SIMULATORS]
        for outcome in conformance(
            trained,
            images=20,
            tools=tools,
            dialects=DIALECTS,
            forms=("real",),
            pythons=pythons,
            everything=True,
        ):
            if (outcome.form, outcome.file, outcome.tool) not in tried:
                found.append(outcome)
    if "onnxruntime" in flags.tools:
        found = [o for o in found if (o.form, o.tool) != ("integer", "onnxruntime")]
        found += conformance(trained, images=0, tools=("onnxruntime",), forms=("integer",))
    return found


def shows(name: str, found: list[Outcome]) -> list[dict[str, Any]]:
    """A simulator is exact if one file is; the integer network has no logit that differs."""
    claims: list[dict[str, Any]] = []

    def claim(text: str, value: float, bar: float) -> None:
        claims.append({"claim": text, "value": value, "bar": bar, "holds": value <= bar})

    for tool in SIMULATORS:
        ran = [o for o in found if o.tool == tool and o.logit_error is not None]
        if not ran:
            continue
        best = min(ran, key=lambda o: (o.flipped, o.logit_error))
        where = f"{name} in {tool}, {best.form} numbers, {best.file}"
        neurons = sum(best.neurons.values())
        claim(f"{where}: spikes that differ, of {neurons:,}", best.flipped, 0)
        claim(f"{where}: logits apart, of the largest", best.logit_error or 0.0, 1e-5)
    for o in found:
        if o.file == "onnx" and o.logit_error is not None:
            exact = o.form == "integer"
            text = f"{name} in {o.tool}, {o.form} numbers, {o.images:,} images: logits apart"
            claim(text, o.logit_error, 0.0 if exact else 1e-5)
    return claims


def asked(words: list[str]) -> list[str]:
    """The flags, without where the interpreters of this machine are."""
    return [word for word in words if word != "--python" and "=" not in word]


def main(flags: Flags) -> int:
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    claims: list[dict[str, Any]] = []
    for number, (name, trained) in enumerate(networks(flags).items()):
        print(f"{name}", file=sys.stderr, flush=True)
        found = outcomes(trained, flags, flags.everything and number == 0)
        claims += shows(name, found)
        rows += [
            {"network": name} | asdict(o) | {"flipped": o.flipped, "exact": o.exact} for o in found
        ]
    tree = {
        "command": " ".join(["python benchmarks/conformance.py", *asked(sys.argv[1:])]),
        "what": "one step of the exported files of trained networks, beside their graphs",
        "versions": versions(),
        "host": host(1, None),
        "conformance": rows,
        "shows": claims,
    }
    write_text(flags.out / "result.json", json.dumps(tree, indent=1) + "\n")
    if not (flags.out / "README.md").is_file():
        write_text(flags.out / "README.md", PAGE.format(study=flags.out.as_posix()))
    for show in claims:
        print(f"{'holds' if show['holds'] else 'FAILS'}: {show['claim']}: {show['value']:.3g}")
    return 0 if claims and all(show["holds"] for show in claims) else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Flags)))
