"""ANTLR: who fires first, learned from spikes and from their times."""

from s3nn.config import Data, Fit, Model, Optim, Run

__all__ = ["digits_antlr", "fashion_antlr"]

_NEURON = "antlr(tau_s=20, tau_m=20)"


def digits_antlr() -> Run:
    """A fully connected network whose outputs race, on scikit-learn's digits over 16 steps.

    Source: Kim, Kim, Kim, NeurIPS 2020.  Their task is MNIST with time constants of 100 steps, 800
    hidden neurons, T up to 300 and Adam at 1e-3; here steps are fewer and decay as much faster.
    """
    return Run(
        recipe="digits_antlr",
        data=Data(name="digits", batch=16),
        model=Model(
            name="mlp(norm=False)",
            width=0.5,
            neuron=_NEURON,
            output=_NEURON,
            steps=16,
            encoder="latency",
            readout="first_spike(threshold=0.5, scale=6)",
        ),
        optim=Optim(
            name="adamw", lr=1e-3, weight_decay=0.0, schedule="cosine", warmup=0.0, loss="latency"
        ),
        fit=Fit(epochs=20),
    )


def fashion_antlr() -> Run:
    """784-400-400-10 whose outputs race, on Fashion-MNIST over 32 steps."""
    run = digits_antlr()
    return Run(
        recipe="fashion_antlr",
        data=Data(name="fashion_mnist", batch=64),
        model=Model(**{**vars(run.model), "width": 1.0, "steps": 32}),
        optim=run.optim,
        fit=Fit(epochs=20),
    )
