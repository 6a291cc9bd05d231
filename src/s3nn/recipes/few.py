"""Few labels."""

from s3nn.config import Data, Fit, Model, Optim, Run

__all__ = ["fashion_few"]

_BATCH = 64


def fashion_few() -> Run:
    """Masked surrogates (MSG) and weighted steps (TWO) on 1,000 labels of Fashion-MNIST; seconds.

    Source: Li, Zhao, Zhao, Zeng, Neural Networks 179 (2024), arXiv 2406.19645, and the authors'
    code.  As theirs: the neuron (v += (x - v)/2 with threshold 1/2 and their triangle of slope 2
    is, in units twice as large, this lif with threshold 1 and triangle(width=1)), p = 0.5, no
    rescaling, the read-out, AdamW at 0.05 batch/1024 without weight decay, a cosine.  Adapted: a
    fully connected network of 200-200 on few labels in place of VGG and ResNet on event data, 4
    steps of latency code, so that steps differ, 40 epochs for 120, and the spike in the reset is a
    constant to the backward pass (theirs passes a gradient).  Models are chosen on 1,000 images.
    """
    return Run(
        recipe="fashion_few",
        data=Data(name="fashion_mnist", labels=1000, validation=1000, batch=_BATCH),
        model=Model(
            name="mlp",
            width=0.5,
            neuron="lif(surrogate=masked(of=triangle, p=0.5))",
            steps=4,
            encoder="latency",
            readout="weighted",
        ),
        optim=Optim(
            name="adamw",
            lr=0.05 * _BATCH / 1024,
            weight_decay=0.0,
            schedule="cosine",
            warmup=0.0,
        ),
        fit=Fit(epochs=40),
    )
