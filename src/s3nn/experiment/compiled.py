"""From a trained network to a compiled one: lower, quantise, plan, emit, build."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor, nn

from s3nn.errors import UnsupportedError, UsageError
from s3nn.experiment.trained import Trained
from s3nn.graph.ir import Array, Graph, Vertex
from s3nn.graph.lower import lower
from s3nn.graph.margins import Margin, margins
from s3nn.graph.nodes import Fire, MaxPool, PerChannel
from s3nn.graph.quantise import Quantised, quantised
from s3nn.runtime.emit import Source, emit
from s3nn.runtime.engine import Program
from s3nn.runtime.golden import golden_main
from s3nn.runtime.plan import Plan, firing_rates, plan

CALIBRATION = 200  # training images
BITS = 8


@dataclass(frozen=True, eq=False)
class Compilation:
    """A network on its way to C, every stage of it."""

    quantised: Quantised
    rates: dict[str, float]
    plan: Plan
    source: Source

    def program(self, threads: int = 1) -> Program:
        """Built with this machine's C compiler."""
        image, output = self.plan.image, self.plan.output
        shape = (image.channels, image.height, image.width)
        return Program(self.source, shape, output.channels, threads, self.quantised.integer.step)

    def margins(self, images: Array) -> list[Margin]:
        """How near neurons are to their thresholds, and what rounding does to their spikes."""
        return margins(self.quantised, images)

    @cached_property
    def firing_rate(self) -> float:
        """The mean over all hidden neurons of the network, of the calibration images.

        A neuron behind a max-pool is compiled as one a pixel in front of an OR: it is one neuron.
        """
        integer = self.quantised.integer
        readers: dict[str, list[Vertex]] = {}
        for vertex in integer:
            for name in vertex.inputs:
                readers.setdefault(name, []).append(vertex)
        sizes: dict[str, int] = {}
        for vertex in (v for v in integer if isinstance(v.node, Fire)):
            pools = [r.name for r in readers[vertex.name] if isinstance(r.node, MaxPool)]
            (name,) = pools if len(pools) == len(readers[vertex.name]) == 1 else [vertex.name]
            sizes[name] = int(np.prod(integer.specs[name].shape))
        return sum(self.rates[n] * sizes[n] for n in sizes) / max(1, sum(sizes.values()))


def prepare(
    network: nn.Module,
    images: Array,
    *,
    mean: PerChannel = (0.0,),
    std: PerChannel = (1.0,),
    bits: int = BITS,
    name: str = "network",
    vectors: bool = True,
) -> Compilation:
    """All stages but the last; ``compile`` says what the arguments are."""
    lowered = lower(network, images.shape[1:], mean, std)
    _check_logits(lowered)
    found = quantised(lowered, bits, images)
    integer = found.integer
    rates = firing_rates(integer, images)
    steps = plan(integer, rates)
    return Compilation(found, rates, steps, emit(steps, name, vectors=vectors))


def _check_logits(graph: Graph) -> None:
    shape = graph.specs[graph.output.name].shape
    if np.prod(shape) != shape[0]:
        raise UnsupportedError(
            "compiling a network whose output is an image",
            f"layer {graph.output.name} gives {shape}",
            "flatten the output, or take a mean over it: what is compiled gives a logit a class",
        )


def prepare_trained(
    trained: Trained, *, bits: int = BITS, name: str = "network", vectors: bool = True
) -> Compilation:
    """The same for a run that was trained, calibrated with its own training images."""
    trained.classifies("compilation")
    trained.steps_once("compilation")
    images = trained.data().train.first(CALIBRATION).numpy()
    return prepare(
        trained.network,
        images,
        mean=trained.mean,
        std=trained.std,
        bits=bits,
        name=name,
        vectors=vectors,
    )


def c_files(found: Compilation, name: str, images: Array) -> dict[str, str]:
    """The header, the source, and the check that holds golden ``images`` against their logits."""
    expected = found.quantised.integer.run(images)
    return {
        f"{name}.h": found.source.header,
        f"{name}.c": found.source.body,
        f"{name}_check.c": golden_main(found.source, images, expected),
    }


def compile(
    network: Trained | nn.Module,
    images: Array | Tensor | None = None,
    *,
    mean: PerChannel = (0.0,),
    std: PerChannel = (1.0,),
    bits: int = BITS,
    threads: int = 1,
) -> Program:
    """A single-step network as C code of this machine: ``program(images)`` gives its logits.

    What it computes is exactly what the integer graph computes; what integers do to a network of
    real numbers is in ``margins`` of a ``Compilation`` and in ``s3nn compile``'s report.

    Parameters
    ----------
    network: an opened run (``s3nn.open_run``), or any single-step torch network that can be
        lowered: convolutions, linear layers, batch-norms, ``fire`` neurons, pools, sums of two.
    images: uint8 (N, C, H, W), raw pixels to calibrate with; a run brings its own.
    mean, std: of the normalisation ``(x / 255 - mean) / std``, a number a channel or one for
        all; a run brings its own.
    bits: of a hidden layer's weights, 8, 6, 4 or 2; weights trained as integers keep their levels.
    threads: among which a batch is shared.

    >>> import torch
    >>> from s3nn.models import Cnn7
    >>> pixels = torch.randint(0, 256, (8, 1, 8, 8), dtype=torch.uint8)
    >>> program = compile(Cnn7((1, 8, 8), 10, width=0.1).eval(), pixels)
    >>> program(pixels.numpy()).shape
    (8, 10)
    """
    if isinstance(network, Trained):
        return prepare_trained(network, bits=bits).program(threads)
    if images is None:
        raise UsageError("compile needs images to calibrate with: images=, uint8 (N, C, H, W)")
    pixels = images.numpy() if isinstance(images, Tensor) else np.asarray(images)
    return prepare(network, pixels, mean=mean, std=std, bits=bits).program(threads)
