"""SSTDP: one spike a neuron, weights that learn from the times of spikes."""

from s3nn.config import Data, Fit, Model, Optim, Run

__all__ = ["digits_sstdp", "fashion_sstdp"]


def digits_sstdp() -> Run:
    """64-400-10 of neurons that fire once, on scikit-learn's digits; a minute.

    Their pixels have 17 levels, hence 17 steps: with more, steps would pass at which nothing comes.
    """
    return Run(
        recipe="digits_sstdp",
        data=Data(name="digits", batch=16),
        model=Model(
            name="mlp(norm=False, hidden=1)",
            neuron="sstdp(threshold=100, start=4)",
            output="sstdp(threshold=100, start=10)",
            steps=17,
            encoder="latency",
            readout="first_spike",
        ),
        optim=Optim(
            lr=3.0,
            weight_decay=1e-6,
            momentum=0.0,
            schedule="cosine",
            warmup=0.0,
            loss="target_time(delta=10, form=mean)",
        ),
        fit=Fit(epochs=40),
    )


def fashion_sstdp() -> Run:
    """784-400-10 of neurons that fire once, on Fashion-MNIST over 255 steps."""
    run = digits_sstdp()
    return Run(
        recipe="fashion_sstdp",
        data=Data(name="fashion_mnist", batch=64),
        model=Model(**{**vars(run.model), "steps": 255}),
        optim=run.optim,
        fit=Fit(epochs=15),
    )
