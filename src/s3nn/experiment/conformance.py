"""Do other people's tools compute what a network computes, from the files that we write?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from s3nn.errors import S3nnError, UsageError, unknown_name
from s3nn.experiment import simulator as worker
from s3nn.experiment.compiled import BITS
from s3nn.experiment.exported import integer_graph, real_graph
from s3nn.experiment.trained import Trained
from s3nn.export import Written, make_exporter
from s3nn.graph.ir import Array, Graph
from s3nn.graph.nodes import Fire, MaxPool

DIALECTS = ("threshold", "cuba", "if")
FORMS = ("real", "integer")
# Who reads which dialect; the others refuse it or fail.
READ_BY = {
    "threshold": (),
    "cuba": ("norse", "snntorch", "spikingjelly"),
    "if": ("norse", "spikingjelly", "sinabs"),
}
ENGINES = ("onnxruntime", "openvino")
SIMULATORS = ("norse", "snntorch", "spikingjelly", "sinabs")
TIMEOUT_S = 3600


@dataclass(frozen=True)
class Outcome:
    """One file in one tool, beside the graph it was written from, over ``images`` test images.

    form         ``real`` or ``integer``: which graph
    file         ``nir threshold``, ``nir cuba``, ``nir if`` or ``onnx``
    flips        a layer: how many of its neurons fired that should not have, or the reverse
    neurons      a layer: how many there are, over all images; none where spikes cannot be seen
    logit_error  the largest difference of two logits, of the largest logit
    agreement    the share of images whose largest logit is the same
    not_run      why there is no number; the others are then empty
    versions     of the tool and of what it stands on
    """

    form: str
    file: str
    tool: str
    images: int
    flips: Mapping[str, int]
    neurons: Mapping[str, int]
    logit_error: float | None
    agreement: float | None
    not_run: str | None
    versions: Mapping[str, str]

    @property
    def flipped(self) -> int:
        return sum(self.flips.values())

    @property
    def exact(self) -> bool:
        """No spike is another and logits are the same to rounding; integers to the last bit."""
        if self.logit_error is None:
            return False
        bar = 0.0 if (self.form, self.file) == ("integer", "onnx") else 1e-5
        return self.flipped == 0 and self.logit_error <= bar


@dataclass(frozen=True, eq=False)
class Expected:
    """What the graph itself gives: spikes of each layer as packed bits, and logits."""

    spikes: Mapping[str, Array]
    neurons: Mapping[str, int]
    logits: Array


def conformance(
    trained: Trained,
    *,
    images: int = 200,
    tools: Sequence[str] = (*SIMULATORS, *ENGINES),
    dialects: Sequence[str] = DIALECTS[1:],
    forms: Sequence[str] = FORMS,
    pythons: Mapping[str, str] | None = None,
    everything: bool = False,
    bits: int = BITS,
) -> list[Outcome]:
    """Write a run in every format, and run one step of each file in every tool that reads it.

    Parameters
    ----------
    images: how many of the test images; 0 for all.
    pythons: a tool's interpreter, where it is not installed beside s3nn.
    everything: also those pairs of simulator and dialect that are known not to work.
    bits: of the hidden weights of the integer form.
    """
    named, every = (*tools, *(pythons or {})), (*SIMULATORS, *ENGINES)
    for chosen, known in ((named, every), (dialects, DIALECTS), (forms, FORMS)):
        for name in chosen:
            if name not in known:
                raise unknown_name("choice", name, known)
    trained.classifies("conformance")
    if images < 0:
        raise UsageError(f"--images {images}: give a number of images, or 0 for all of them")
    split = trained.data().test.images.numpy()
    pixels = split[:images] if images else split
    pythons = {tool: (pythons or {}).get(tool, sys.executable) for tool in tools}
    found: list[Outcome] = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "images.npy", pixels)
        for form in forms:
            found += _of_nir(trained, form, folder, pixels, dialects, pythons, everything, bits)
            found += _of_onnx(trained, form, folder, pixels, pythons, bits)
    return found


def _of_nir(
    trained: Trained,
    form: str,
    folder: Path,
    pixels: Array,
    dialects: Sequence[str],
    pythons: Mapping[str, str],
    everything: bool,
    bits: int,
) -> list[Outcome]:
    pairs = [
        (dialect, tool)
        for dialect in dialects
        for tool in pythons
        if tool in SIMULATORS and (everything or tool in READ_BY[dialect])
    ]
    if not pairs:
        return []
    graph = real_graph(trained) if form == "real" else integer_graph(trained, bits, in_floats=True)
    expected = _expected(graph, pixels)
    found, files = [], dict.fromkeys(dialects, "")
    written: dict[str, Written] = {}
    for dialect in files:
        try:
            path = folder / f"{form}-{dialect}.nir"
            written[dialect] = make_exporter("nir", dialect=dialect).write(graph, path)
        except S3nnError as error:
            files[dialect] = str(error)
    for dialect, tool in pairs:
        file = f"nir {dialect}"
        if files[dialect]:
            found.append(_not_run(form, file, tool, len(pixels), files[dialect]))
        else:
            found.append(_ran(form, file, tool, pythons[tool], written[dialect], folder, expected))
    return found


def _of_onnx(
    trained: Trained,
    form: str,
    folder: Path,
    pixels: Array,
    pythons: Mapping[str, str],
    bits: int,
) -> list[Outcome]:
    # OpenVINO has no integer convolutions but those that it quantised itself.
    engines = [t for t in pythons if t == "onnxruntime" or (t == "openvino" and form == "real")]
    if not engines:
        return []
    try:
        graph = real_graph(trained) if form == "real" else integer_graph(trained, bits)
        exporter = make_exporter("onnx" if form == "real" else "onnx_integer")
        written = exporter.write(graph, folder / f"{form}.onnx")
    except S3nnError as error:
        return [_not_run(form, "onnx", tool, len(pixels), str(error)) for tool in engines]
    expected = _expected(graph, pixels, spikes=False)
    return [_ran(form, "onnx", tool, pythons[tool], written, folder, expected) for tool in engines]


def _expected(graph: Graph, pixels: Array, batch: int = 100, *, spikes: bool = True) -> Expected:
    layers = [
        v.name
        for v in graph
        if isinstance(v.node, Fire)
        or (isinstance(v.node, MaxPool) and graph.specs[v.name].edge.binary)
    ]
    layers = layers if spikes else []
    packed: dict[str, list[Array]] = {name: [] for name in layers}
    logits: list[Array] = []
    for start in range(0, len(pixels), batch):
        part = pixels[start : start + batch]
        for vertex, values in graph.values(part):
            if vertex.name in packed:
                packed[vertex.name].append(np.packbits(values.reshape(len(part), -1) > 0, axis=1))
        logits.append(values)
    neurons = {name: int(np.prod(graph.specs[name].shape)) * len(pixels) for name in layers}
    scale = graph.step if spikes else 1.0
    return Expected(
        {name: np.concatenate(found) for name, found in packed.items()},
        neurons,
        np.concatenate(logits) * scale,
    )


def _ran(
    form: str,
    file: str,
    tool: str,
    python: str,
    written: Written,
    folder: Path,
    expected: Expected,
) -> Outcome:
    """Run the worker in the tool's interpreter and hold what it found against the graph's."""
    out, images = folder / "out.npz", len(expected.logits)
    out.unlink(missing_ok=True)
    (folder / "names.json").write_text(json.dumps(list(written.spiking.values())))
    words = [tool, str(written.path), str(folder / "images.npy"), str(out)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    try:
        done = subprocess.run(
            [python, "-W", "ignore", worker.__file__, *words, str(folder / "names.json")],
            env=environment | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return _not_run(form, file, tool, images, f"{python}: {error}")
    if done.returncode or not out.is_file():
        said = [line for line in done.stderr.strip().splitlines() if line.strip()]
        reason = said[-1][:300] if said else f"it ended with {done.returncode}"
        return _not_run(form, file, tool, images, reason)
    with np.load(out, allow_pickle=False) as held:
        logits = held["logits"].reshape(images, -1)
        versions = json.loads(str(held["versions"]))
        flips = {}
        if written.spiking and float(held["largest"]) > 1:
            reason = f"a neuron put out {float(held['largest']):g} in one step, not 0 or 1"
            return _not_run(form, file, tool, images, reason)
        for vertex, node in written.spiking.items():
            changed = expected.spikes[vertex] ^ held[f"spikes/{node}"]
            flips[vertex] = int(np.unpackbits(changed).sum())
    largest = float(np.abs(expected.logits).max()) or 1.0
    apart = float(np.abs(logits.astype(np.float64) - expected.logits).max()) / largest
    same = logits.argmax(1) == expected.logits.argmax(1)
    return Outcome(
        form=form,
        file=file,
        tool=tool,
        images=images,
        flips=flips,
        neurons={name: expected.neurons[name] for name in flips},
        logit_error=apart,
        agreement=float(same.mean()),
        not_run=None,
        versions=versions,
    )


def _not_run(form: str, file: str, tool: str, images: int, reason: str) -> Outcome:
    return Outcome(form, file, tool, images, {}, {}, None, None, reason, {})
