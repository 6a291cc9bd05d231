"""s3nn: spiking neural networks that run in one time step.

    import s3nn

    run = s3nn.find_recipe("digits_cnn")
    result = s3nn.train(run, "runs/first")          # or, under if __name__ == "__main__":,
                                                    # s3nn.compare(run, seeds=3)
    trained = s3nn.open_run("runs/first")           # .network, .predict(uint8 images)

    counts = s3nn.count(trained.network, batches)   # exact operations
    energy = s3nn.price(counts, s3nn.PRICE_LISTS["float32_45nm"])

    s3nn.pack("runs/first", "first.zip")            # to share; s3nn.load("first.zip") reads it

    program = s3nn.compile(trained)                 # C for this machine: program(uint8 images)

    spiking = s3nn.spikify(my_relu_network)         # a network of your own, one step, to be trained
    spiking = s3nn.convert(trained.network, images, steps=32)    # many steps, without training

Names are imported when they are first asked for: ``import s3nn`` loads no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from s3nn.clock import unroll
    from s3nn.config import Run
    from s3nn.conversion import convert
    from s3nn.data import load as load_data
    from s3nn.energy import PRICE_LISTS, Counts, Energy, count, integer_rivals, lint, price
    from s3nn.errors import S3nnError, TrainingError, UnsupportedError, UsageError
    from s3nn.experiment.compare import compare
    from s3nn.experiment.compiled import compile
    from s3nn.experiment.train import train
    from s3nn.experiment.trained import Trained, open_run
    from s3nn.graph.lower import lower
    from s3nn.graph.quantise import quantise
    from s3nn.graph.trace import trace
    from s3nn.models import Parts, SpikingModel
    from s3nn.neurons import Neuron, make_neuron
    from s3nn.own import add_models
    from s3nn.packs import load, pack
    from s3nn.recipes import find_recipe
    from s3nn.report.schema import Result
    from s3nn.rows import with_row
    from s3nn.spikifying import spikify
    from s3nn.surrogates import Surrogate, spike
    from s3nn.synapses import Synapse
    from s3nn.training.build import build_model

_HOME = {
    "Counts": "energy",
    "Energy": "energy",
    "Neuron": "neurons",
    "PRICE_LISTS": "energy",
    "Parts": "models",
    "Result": "report.schema",
    "Run": "config",
    "S3nnError": "errors",
    "SpikingModel": "models",
    "Surrogate": "surrogates",
    "Synapse": "synapses",
    "Trained": "experiment.trained",
    "TrainingError": "errors",
    "UnsupportedError": "errors",
    "UsageError": "errors",
    "add_models": "own",
    "build_model": "training.build",
    "compare": "experiment.compare",
    "compile": "experiment.compiled",
    "convert": "conversion",
    "count": "energy",
    "find_recipe": "recipes",
    "lower": "graph.lower",
    "quantise": "graph.quantise",
    "lint": "energy",
    "load": "packs",
    "load_data": "data:load",
    "make_neuron": "neurons",
    "open_run": "experiment.trained",
    "pack": "packs",
    "price": "energy",
    "integer_rivals": "energy",
    "spike": "surrogates",
    "spikify": "spikifying",
    "trace": "graph.trace",
    "train": "experiment.train",
    "unroll": "clock",
    "with_row": "rows",
}

__all__ = [
    "PRICE_LISTS",
    "Counts",
    "Energy",
    "Neuron",
    "Parts",
    "Result",
    "Run",
    "S3nnError",
    "SpikingModel",
    "Surrogate",
    "Synapse",
    "Trained",
    "TrainingError",
    "UnsupportedError",
    "UsageError",
    "add_models",
    "build_model",
    "compare",
    "compile",
    "convert",
    "count",
    "find_recipe",
    "integer_rivals",
    "lint",
    "load",
    "load_data",
    "lower",
    "make_neuron",
    "open_run",
    "pack",
    "price",
    "quantise",
    "spike",
    "spikify",
    "trace",
    "train",
    "unroll",
    "with_row",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 's3nn' has no attribute {name!r}")
    module, _, called = _HOME[name].partition(":")
    return getattr(import_module(f"s3nn.{module}"), called or name)
