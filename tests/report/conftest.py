"""A plausible comparison of five rows and three seeds, made of nothing but a seeded generator."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from s3nn.report.interval import measure
from s3nn.report.schema import Result

SEEDS = [0, 1, 2]
CLASSES = [f"digit {i}" for i in range(10)]
PRICES = {
    "45nm float32": {"mac_pj": 4.6, "ac_pj": 0.9, "update_pj": 0.9},
    "45nm int8": {"mac_pj": 0.23, "ac_pj": 0.03, "update_pj": 0.03},
    "memory-aware": {"mac_pj": 31.0, "ac_pj": 18.4, "update_pj": 26.0},
}
#            name       neuron                    synapse     T  accuracy  rate  bits s/epoch
ROWS = [
    ("relu", "relu", "real", 1, 0.9776, None, 32, 3.1),
    ("s3nn", "fire(surrogate=s3)", "real", 1, 0.9712, 0.121, 32, 3.4),
    ("s3nn-int4", "fire(surrogate=s3)", "integer(bits=4)", 1, 0.9688, 0.134, 4, 3.9),
    ("bnn", "sign", "binary", 1, 0.9523, 0.483, 1, 3.6),
    ("lif-t4", "lif(tau=2.0)", "real", 4, 0.9721, 0.094, 32, 11.8),
]
#          name, operation, fan-in MACs, neurons
LAYERS: list[tuple[str, str, int, int]] = []
for i, (macs, neurons) in enumerate(
    [(451_584, 50_176), (28_901_376, 12_544), (14_450_688, 25_088), (28_901_376, 6_272)], start=1
):
    LAYERS += [(f"conv{i}", "conv", macs, 0), (f"fire{i}", "neuron", 0, neurons)]
    if i % 2 == 0:
        LAYERS.insert(-1, (f"pool{i}", "pool", 0, 0))
LAYERS += [("linear5", "linear", 1_605_632, 0), ("fire5", "neuron", 0, 256)]
LAYERS.append(("readout", "linear", 2_560, 0))


def make_json(seeds: list[int] = SEEDS, classes: list[str] = CLASSES) -> dict[str, Any]:
    """The JSON object of a synthetic comparison."""
    draw = np.random.default_rng(7)
    return {
        "command": "s3nn compare digits_cnn --seeds 3",
        "recipe": "digits_cnn",
        "data": {
            "name": "digits",
            "checksum": "sha256:4f1c9bb1d2",
            "splits": {"train": 55_000, "validation": 5_000, "test": 10_000},
            "source": "https://example.org/digits",
            "licence": "CC BY 4.0",
            "classes": classes,
        },
        "seeds": seeds,
        "versions": {"s3nn": "0.1.0", "python": "3.11.2", "torch": "2.9.0", "lightning": "2.6.0"},
        "host": {
            "cpu": "AMD EPYC 7B13",
            "cores": 16,
            "threads": 1,
            "gpu": None,
            "memory_bytes": 34_359_738_368,
            "system": "Linux 6.1",
        },
        "shows": [
            {
                "claim": "s3nn is a point from relu",
                "value": 0.0064,
                "bar": 0.01,
                "holds": True,
            },
            {"claim": "s3nn fires below 10 %", "value": 0.121, "bar": 0.1, "holds": False},
        ],
        "failures": [],
        "rows": [_row(spec, seeds, len(classes), draw) for spec in ROWS],
        "price_lists": {
            name: {
                "summary": f"{name}, per operation",
                "source": "Horowitz, ISSCC 2014",
                "constants": constants,
            }
            for name, constants in PRICES.items()
        },
    }


def _row(spec: tuple[Any, ...], seeds: list[int], classes: int, draw: Any) -> dict[str, Any]:
    name, neuron, synapse, steps, accuracy, rate, bits, seconds = spec
    layers = _layers(rate, steps, draw)
    per_seed = np.clip(accuracy + draw.normal(0, 0.0015, len(seeds)), 0, 1).round(4).tolist()
    energy_pj = {p: sum(layer["energy_pj"][p] for layer in layers) for p in PRICES}
    total = {key: sum(layer[key] for layer in layers) for key in ("macs", "acs", "adds")}
    neurons = sum(size for _, operation, _, size in LAYERS if operation == "neuron")
    right = 1000 * accuracy
    confusion = draw.poisson((1000 - right) / classes, (classes, classes))
    np.fill_diagonal(confusion, int(right))
    return {
        "name": name,
        "neuron": neuron,
        "synapse": synapse,
        "steps": steps,
        "accuracy": _measure(per_seed),
        "firing_rate": rate,
        "spikes_per_inference": 0.0 if rate is None else rate * neurons * steps,
        **total,
        "neuron_updates": float(neurons * steps),
        "energy_pj": energy_pj,
        "parameters": 593_408,
        "weight_bits": 593_408 * bits,
        "train_s_per_epoch": seconds,
        "peak_mem_bytes": int(310e6 * steps**0.8),
        "validation_accuracy": _measure([value - 0.001 for value in per_seed]),
        "epochs": 20,
        "layers": layers,
        "curves": _curves(per_seed, draw),
        "potentials": [] if rate is None else _potentials(rate, draw),
        "surrogate": _surrogate(name),
        "confusion": confusion.tolist(),
        "confused": [_wrong(i, classes) for i in range(10)],
        "lint": [
            {
                "edge": "image -> conv1",
                "reason": "the image is analog, so the first layer multiplies",
                "macs": 451_584.0,
                "adds": 0.0,
                "unavoidable": True,
                "energy_pj": {p: 451_584 * prices["mac_pj"] for p, prices in PRICES.items()},
            }
        ],
        "rivals": []
        if rate is None
        else [
            {
                "name": "int8 ReLU, zeros skipped",
                "energy_pj": {"45nm float32": 8.1e6, "45nm int8": 8.0e6, "memory-aware": 9.9e8},
                "own_energy_pj": {"45nm float32": 4e6, "45nm int8": 4e6, "memory-aware": 6e8},
                "break_even_firing_rate": {
                    "45nm float32": 0.061,
                    "45nm int8": 0.05,
                    "memory-aware": 1.0,
                },
            },
            {
                "name": "int4 ReLU, zeros skipped",
                "energy_pj": {"45nm float32": 4.2e6, "45nm int8": 3.1e6, "memory-aware": 7.9e8},
                "own_energy_pj": {"45nm float32": 4e6, "45nm int8": 4e6, "memory-aware": 6e8},
                "break_even_firing_rate": {
                    "45nm float32": 0.0,
                    "45nm int8": 0.0,
                    "memory-aware": 1.0,
                },
            },
        ],
        "settings": {"optim.lr": 0.001, "optim.name": "adamw", "neuron": neuron, "batch": 128},
    }


def _wrong(i: int, classes: int) -> dict[str, Any]:
    labels = {"label": i % classes, "predicted": (i + 3) % classes}
    return {"index": 977 * i, **labels, "confidence": 0.999 - 0.02 * i}


def _measure(per_seed: list[float]) -> dict[str, Any]:
    found = measure(per_seed)
    return {"mean": found.mean, "ci95": found.ci95, "per_seed": list(found.per_seed)}


def _layers(rate: float | None, steps: int, draw: Any) -> list[dict[str, Any]]:
    layers, edge, layer_rate = [], "analog", rate
    for name, operation, macs, neurons in LAYERS:
        spiking_input = edge == "spike"
        counts = {
            "macs": 0.0 if spiking_input else float(macs),
            "acs": float(macs * (layer_rate or 0) * steps) if spiking_input else 0.0,
            "adds": 64.0 if macs else 0.0,
            "neuron_updates": float(neurons * steps),
        }
        if operation == "neuron" and rate is not None:
            layer_rate = float(np.clip(rate * draw.uniform(0.55, 1.5), 0, 1))
        output = "analog" if operation != "neuron" or rate is None else "spike"
        energy_pj = {
            p: counts["macs"] * c["mac_pj"]
            + counts["acs"] * c["ac_pj"]
            + counts["neuron_updates"] * c["update_pj"]
            for p, c in PRICES.items()
        }
        edges = {"input_edge": edge, "output_edge": output, "energy_pj": energy_pj}
        fires = layer_rate if output == "spike" else None
        layers.append(
            {"name": name, "operation": operation, "firing_rate": fires, **edges, **counts}
        )
        edge = output
    return layers


def _curves(per_seed: list[float], draw: Any) -> dict[str, Any]:
    epoch = np.arange(1, 21)
    accuracy = [v - 0.35 * np.exp(-epoch / 3) + draw.normal(0, 0.003, 20) for v in per_seed]
    loss = [0.05 + 1.2 * np.exp(-epoch / 4) + draw.normal(0, 0.01, 20) for _ in per_seed]
    return {
        "train_loss": [line.tolist() for line in loss],
        "validation_accuracy": [line.tolist() for line in accuracy],
        "validation_loss": [(line + 0.06).tolist() for line in loss],
    }


def _potentials(rate: float, draw: Any) -> list[dict[str, Any]]:
    found = []
    for name in (name for name, operation, _, _ in LAYERS if operation == "neuron"):
        u = draw.normal(1 - 1.1 * (0.5 - rate) * 2.4, 0.95, 20_000)
        counts, edges = np.histogram(u, bins=60, range=(-3, 4))
        histogram = {"edges": edges.tolist(), "counts": counts.astype(float).tolist()}
        found.append({"layer": name, "threshold": 1.0, **histogram})
    return found


def _surrogate(name: str) -> dict[str, Any] | None:
    if name == "relu":
        return None
    u = np.linspace(-3, 4, 281)
    sig = 1 / (1 + np.exp(-4 * (u - 1)))
    derivative = np.where(u > 1, 1 / np.maximum(u, 1e-3), 4 * sig * (1 - sig))
    return {"text": "s3(alpha=4.0, beta=1.0)", "u": u.tolist(), "derivative": derivative.tolist()}


def make_details(images: int = 4) -> dict[str, np.ndarray]:
    """Digits drawn with a font, edges of them as spikes, and ten more as the confused ones."""
    draw = np.random.default_rng(3)
    pictures = np.stack([_glyph(label, draw) for label in range(10)])[:, None]
    arrays: dict[str, np.ndarray] = {
        "images": pictures[:images],
        "labels": np.arange(images, dtype=np.uint8),
    }
    for name, _, _, steps, _, rate, _, _ in ROWS:
        arrays[f"confused/{name}"] = pictures
        if rate is None:
            continue
        for i, (layer, size, channels) in enumerate(
            [("fire1", 28, 16), ("fire2", 14, 32), ("fire3", 14, 32), ("fire4", 7, 64)]
        ):
            small = pictures[:images, 0, :: 28 // size, :: 28 // size].astype(float) / 255
            kernels = draw.normal(0, 1, (channels, 3, 3))
            padded = np.pad(small, ((0, 0), (1, 1), (1, 1)))
            windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
            u = np.einsum("khwij,cij->kchw", windows, kernels)
            spikes = (u > np.quantile(u, 1 - rate)).astype(np.uint8) * steps
            arrays[f"spikes/{name}/{i:02d}/{layer}"] = spikes
        vector = (draw.random((images, 256)) < rate).astype(np.uint8) * steps
        arrays[f"spikes/{name}/04/fire5"] = vector
    return arrays


def _glyph(label: int, draw: Any) -> np.ndarray:
    picture = Image.new("L", (28, 28))
    font = ImageFont.load_default(size=25)
    at = (7 + int(draw.integers(-1, 2)), -1 + int(draw.integers(-1, 2)))
    ImageDraw.Draw(picture).text(at, str(label), fill=255, font=font)
    return np.asarray(picture.rotate(float(draw.normal(0, 8))), dtype=np.uint8)


def write_folder(folder: Path, value: dict[str, Any], details: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps(value))
    if details:
        arrays: dict[str, Any] = make_details()
        np.savez_compressed(folder / "details.npz", **arrays)
    return folder


@pytest.fixture
def value() -> dict[str, Any]:
    return make_json()


@pytest.fixture
def result(value: dict[str, Any]) -> Result:
    return Result.from_json(value)


@pytest.fixture
def one_seed() -> Result:
    """Two rows of seed 0 alone."""
    found = Result.from_json(make_json(seeds=[0]))
    return _small(found)


@pytest.fixture
def small(result: Result) -> Result:
    """Two rows with a figure or two each: a page is quickly made."""
    return _small(result)


def _small(result: Result) -> Result:
    relu, s3nn = result.rows[:2]
    first = dict(list(result.price_lists.items())[:1])
    rows = (relu, replace(s3nn, potentials=s3nn.potentials[:1]))
    return replace(result, rows=rows, price_lists=first)


@pytest.fixture
def folder(tmp_path: Path, value: dict[str, Any]) -> Path:
    """A comparison folder with result.json and details.npz."""
    return write_folder(tmp_path / "study", value)


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same folder, shared by tests that only read it or report on it."""
    return write_folder(tmp_path_factory.mktemp("shared") / "study", make_json())
