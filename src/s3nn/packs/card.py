"""README.md of a pack: a model card that says what result.json says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from s3nn.config import Run
from s3nn.report import units
from s3nn.report.schema import Result, Row
from s3nn.report.scores import score_of
from s3nn.report.text import escape

WHAT = {
    "run.json": "the resolved run: replays the training",
    "result.json": "everything that was measured",
    "comparison.json": "the comparison over seeds that it is one network of",
    "counts.json": "exact operations, layer by layer",
    "metrics.jsonl": "the learning curve, a line an epoch",
    "conversion.json": "what it was converted from, and how",
    "model.safetensors": "the weights",
    "golden.safetensors": "test images with their logits and spikes",
}
FOLDERS = {
    "c": "the network as integer C (s3nn compile)",
    "onnx": "the network for ONNX runtimes",
    "nir": "the network in the Neuromorphic Intermediate Representation",
}


@dataclass(frozen=True)
class Study:
    """A comparison over seeds, and the row of it that the packed network is."""

    result: Result
    row: Row


def card(
    run: Run,
    result: Result,
    sizes: Mapping[str, int],
    *,
    shape: tuple[int, ...],
    samples: int,
    study: Study | None = None,
    licence: str | None = None,
) -> str:
    """The text of README.md.

    ``sizes`` are the pack's files with their bytes, ``samples`` the images that were counted.
    """
    row, model = result.rows[0], run.model
    taken = f"(N, {', '.join(map(str, shape))})"
    known = [lay for lay in row.layers if lay.firing_rate is not None]
    text: str = (
        _environment()
        .get_template("card.md.j2")
        .render(
            title=f"{escape(row.name)}: {escape(model.name)} on {escape(result.data.name)}",
            tags=["spiking-neural-network", "s3nn"] if row.spikes else ["s3nn"],
            licence=licence,
            pipeline="image-classification" if row.images is None else "image-to-image",
            use=f"probabilities = trained.predict(images)  # uint8 {taken}"
            if row.images is None
            else f"trained.network  # images, normalised: {taken}",
            summary=_summary(run, row),
            facts=[
                ("architecture", f"{model.name}, width {model.width:g}"),
                ("neuron", row.neuron),
                ("synapse", row.synapse),
                ("task", run.task),
                ("time steps", str(row.steps)),
                ("parameters", f"{row.parameters:,} ({units.bytes_text(row.weight_bits / 8)})"),
                ("input", f"{' x '.join(map(str, shape))} (channels x height x width), 8 bits"),
                ("licence of the weights", licence or "not stated"),
            ],
            score=score_of(result).title,
            scores=_scores(result, row, study),
            samples=f"{samples:,}",
            operations=f"{units.count_text(row.macs)} multiply-accumulates, "
            f"{units.count_text(row.acs)} accumulates, {units.count_text(row.adds)} additions, "
            f"{units.count_text(row.neuron_updates)} neuron updates, "
            f"{row.spikes_per_inference:,.1f} spikes",
            energies=[
                (name, units.energy_text(row.energy_pj.get(name)), p.summary, p.source)
                for name, p in result.price_lists.items()
            ],
            rates=[(lay.name, units.percent_text(lay.firing_rate)) for lay in known]
            + ([("all", units.percent_text(row.firing_rate))] if known else []),
            data=[
                ("name", result.data.name),
                ("images", ", ".join(f"{n} {k:,}" for n, k in result.data.splits.items())),
                ("classes", ", ".join(result.data.classes[:50])),
                ("where from", result.data.source),
                ("licence", result.data.licence),
                ("checksum", result.data.checksum),
            ],
            command=result.command,
            converted="conversion.json" in sizes,
            versions=[(k, units.scalar_text(v)) for k, v in result.versions.items() if v],
            files=[(name, _what(name), f"{size:,}") for name, size in sorted(sizes.items())],
            s3nn=result.versions.get("s3nn"),
        )
    )
    return text


def _summary(run: Run, row: Row) -> str:
    if not row.spikes:
        return "A network without spikes, trained and measured with s3nn."
    steps = "one time step" if row.steps == 1 else f"{row.steps} time steps"
    rate = units.percent_text(row.firing_rate)
    return f"A spiking network that runs in {steps}; {rate} of its neurons fire, on average."


def _scores(result: Result, row: Row, study: Study | None) -> list[str]:
    score, seed = score_of(result), ", ".join(map(str, result.seeds))
    validated = row.validation_accuracy if row.images is None else row.images.validation_psnr_db
    images = f"{result.data.splits.get('test', 0):,} test images"
    lines = [f"{score.text(row.score)} on {images} (seed {seed})"]
    if row.images is not None:
        lines.append(f"SSIM {row.images.ssim.mean:.4f} on the same")
    if validated is not None:
        lines.append(f"{score.text(validated)} on validation, which picked the epoch")
    if study is not None:
        lines.append(
            f"{score.text(study.row.score)} over {len(study.row.score.per_seed)} seeds of this "
            "network" + (", with the 95 % interval" if study.row.score.ci95 is not None else "")
        )
    return lines


def _what(name: str) -> str:
    folder = name.partition("/")[0]
    return WHAT.get(name, FOLDERS.get(folder, "this card" if name == "README.md" else ""))


def _environment() -> Environment:
    environment = Environment(  # markdown, which its filters escape
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = escape
    environment.filters["json"] = json.dumps
    environment.filters["code"] = lambda text: " ".join(text.replace("`", "").split())
    return environment
