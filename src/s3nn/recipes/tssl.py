"""TSSL-BP, the multi-step parent of the single-step neuron, as its authors train it."""

from s3nn.config import Data, Fit, Model, Optim, Run

__all__ = ["fashion_tssl"]


def fashion_tssl() -> Run:
    """784-400-400-10 of timing neurons on Fashion-MNIST over five steps, TSSL-BP's own training.

    Source: Zhang & Li, NeurIPS 2020, and Networks/FashionMNIST_400_400.yaml of the authors' code.
    Other than there, images are normalised by Fashion-MNIST's own mean and deviation (they take
    MNIST's), and the last 5,000 training images pick the epoch (they report the best on the test
    split).
    """
    return Run(
        recipe="fashion_tssl",
        data=Data(name="fashion_mnist", batch=100),
        model=Model(
            name="mlp(norm=False)",
            neuron="timing(tau_m=5, tau_s=3)",
            steps=5,
            encoder="synaptic(tau=3)",
            output="timing(tau_m=5, tau_s=3)",
            readout="sum",
        ),
        optim=Optim(
            name="adamw",
            lr=5e-4,
            weight_decay=0.01,
            schedule="constant",
            warmup=0.0,
            clip=1.0,
            bound=4.0,
            loss="kernel(tau=3)",
        ),
        fit=Fit(epochs=100),
    )
