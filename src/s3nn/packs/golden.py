"""Golden vectors: test images with the answers and spikes that the packed network gives for them.

They are computed in double precision, where another machine's rounding flips no spike: who unpacks
a network knows that what arrived computes what was sent.  (The vectors that go with compiled C,
``s3nn.runtime.golden``, are integers and exact.)
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from safetensors.torch import save
from torch import Tensor, nn

from s3nn.clock.layers import binary_layers
from s3nn.data.batches import normalise
from s3nn.errors import PackError
from s3nn.experiment.trained import Trained
from s3nn.graph.ir import Edge
from s3nn.training.weights import Form, fits, forms, tensors

MOST_IMAGES = 64
# Relative to the largest value; rounding in double precision is nine orders smaller.
TOLERANCE = 1e-5


@dataclass(frozen=True, eq=False)
class Golden:
    """Raw images uint8 (N, C, H, W), answers float64, spikes int64 (N, layers).

    Answers are logits (N, classes), or as large as the images where the task is one of images.

    ``spikes`` counts those that a layer of neurons emits for an image, over all steps; layers come
    in the order of the network's modules, and only those whose neurons spike.
    """

    images: Tensor
    answers: Tensor
    spikes: Tensor

    def to_bytes(self) -> bytes:
        return save({n: getattr(self, n).contiguous() for n in ("images", "answers", "spikes")})


@dataclass(frozen=True)
class Proof:
    """What running the golden images gave: how many, and the largest error of an answer's value."""

    images: int
    error: float


def golden(trained: Trained, images: Tensor) -> Golden:
    """The golden vectors of a network for raw images."""
    answers, spikes = _run(trained, images)
    return Golden(images, answers, spikes)


def read_golden(content: bytes, trained: Trained, where: str) -> Golden:
    """The vectors that ``content`` holds; of another form than the network's: ``PackError``."""
    found = forms(content, where)
    count = found["images"].shape[0] if "images" in found and found["images"].shape else 0
    if not 1 <= count <= MOST_IMAGES:
        raise PackError(f"{where} has {count} images; it needs 1 to {MOST_IMAGES}")
    answer = trained.shape if trained.task.of_images else (len(trained.classes),)
    expected = {
        "images": Form(torch.uint8, (count, *trained.shape)),
        "answers": Form(torch.float64, (count, *answer)),
        "spikes": Form(torch.int64, (count, len(binary_layers(trained.network, Edge.SPIKE)))),
    }
    fits(found, expected, where)
    return Golden(**tensors(content, where))


def prove(trained: Trained, vectors: Golden, where: str) -> Proof:
    """Run the golden images; an answer that is not as it was is a ``PackError``."""
    answers, spikes = _run(trained, vectors.images)
    largest = float(vectors.answers.abs().max())
    error = float((answers - vectors.answers).abs().max()) / max(largest, 1e-300)
    apart = int((spikes != vectors.spikes).any(1).sum())
    if not error <= TOLERANCE or apart:
        raise PackError(
            f"{where}: of {len(answers)} golden images, {apart} fire otherwise than they did where "
            f"it was packed, and an answer is {error:.1e} off: weights and vectors do not belong "
            "together"
        )
    return Proof(len(answers), error)


def _run(trained: Trained, images: Tensor) -> tuple[Tensor, Tensor]:
    network = copy.deepcopy(trained.network).double().eval()
    layers = [layer for _, layer in binary_layers(network, Edge.SPIKE)]
    spikes = torch.zeros(len(images), len(layers), dtype=torch.int64)
    for number, layer in enumerate(layers):

        def count(module: nn.Module, inputs: object, output: Tensor, number: int = number) -> None:
            by_image = output.reshape(-1, len(images), *output.shape[1:])
            axes = [axis for axis in range(by_image.ndim) if axis != 1]
            spikes[:, number] += by_image.count_nonzero(axes)

        layer.register_forward_hook(count)
    with torch.inference_mode():
        x = normalise(images, trained.mean, trained.std).double()
        answers: Tensor = network(x)
    return answers.detach().clone(), spikes
