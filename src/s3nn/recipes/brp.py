"""Reward propagation: every layer learns from the label itself."""

from s3nn.config import Data, Fit, Model, Optim, Run

__all__ = ["digits_brp", "fashion_brp"]


def digits_brp() -> Run:
    """Reward propagation on scikit-learn's digits, four steps of leaky neurons; seconds."""
    return Run(
        recipe="digits_brp",
        data=Data(name="digits", batch=32),
        model=Model(name="cnn3", width=0.25, neuron="lif", steps=4),
        optim=_optim(lr=3e-3),
        fit=Fit(epochs=10),
    )


def fashion_brp() -> Run:
    """Reward propagation in a quarter of its authors' network, in one step, on Fashion-MNIST.

    Source: Zhang, Jia, Cheng, Xu, IEEE TNNLS 2021, and the authors' code: a convolution and a fully
    connected layer, the rule, Adam, batches of 100 (theirs: 50).  Adapted: the single-step neuron
    on the image itself in place of 20 steps of random spikes, batch-norm, a linear read-out with
    the cross-entropy in place of spikes with the squared error, a cosine, and the learning rate,
    chosen on validation images.  For their neuron: --model.neuron "lif(tau=1.25, threshold=0.5,
    surrogate=rectangle)" --model.steps 20 --model.encoder rate.
    """
    return Run(
        recipe="fashion_brp",
        data=Data(name="fashion_mnist", batch=100),
        model=Model(name="cnn3", width=0.25),
        optim=_optim(lr=1e-2),
        fit=Fit(epochs=6),
    )


def _optim(lr: float) -> Optim:
    return Optim(name="adamw", lr=lr, weight_decay=0.0, schedule="cosine", warmup=0.0, rule="brp")
