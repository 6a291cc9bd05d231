"""SSTDP: one spike a neuron, weights that learn from the times of spikes."""

from dataclasses import replace

from s3nn.config import Data, Fit, Model, Optim, Run

__all__ = ["digits_sstdp", "fashion_sstdp"]


def digits_sstdp() -> Run:
    """64-400-10 of neurons that fire once, on scikit-learn's digits; a minute.

    Pixels have 17 levels, hence 17 steps: with more, steps would pass at which nothing comes.  The
    rule and its targets are those of Liu et al. (see ``fashion_sstdp``); the rest is ours, AdamW
    among it.
    """
    return Run(
        recipe="digits_sstdp",
        data=Data(name="digits", batch=16),
        model=Model(
            name="mlp(norm=False, hidden=1)",
            neuron="sstdp(threshold=100, start=8)",
            output="sstdp(threshold=100, start=4)",
            steps=17,
            encoder="latency",
            readout="first_spike",
        ),
        optim=Optim(
            name="adamw",
            lr=0.3,
            weight_decay=0.0,
            schedule="cosine",
            warmup=0.0,
            loss="target_time(delta=10, form=mean)",
        ),
        fit=Fit(epochs=40),
    )


def fashion_sstdp() -> Run:
    """784-1600-10 of neurons that fire once, on Fashion-MNIST over 255 steps; a quarter of an hour.

    Source: Liu et al., Front. Neurosci. 15 (2021) 756876, and the authors' code, from which are
    T, the threshold, SGD without momentum, the weight decay, the batch, a = 1 and b = 0 and the
    share of dead neurons.  Ours: 1,600 hidden neurons for their 400, balanced gradients, smaller
    first weights (theirs start at 39.2 and 192), the form of the targets (their paper's, not their
    code's) with its margin, a cosine from 20 for their constant rate of 10, and 8 epochs for 100.
    """
    run = digits_sstdp()
    return replace(
        run,
        recipe="fashion_sstdp",
        data=Data(name="fashion_mnist", batch=64),
        model=replace(
            run.model,
            width=4.0,
            neuron="sstdp(threshold=100, start=10, balance=True)",
            output="sstdp(threshold=100, start=4, balance=True)",
            steps=255,
        ),
        optim=Optim(
            lr=20.0,
            weight_decay=1e-6,
            momentum=0.0,
            schedule="cosine",
            warmup=0.0,
            loss="target_time(delta=80, form=mean)",
        ),
        fit=Fit(epochs=8),
    )
