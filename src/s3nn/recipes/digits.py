"""Eight by eight digits: seconds on any machine."""

from s3nn.config import Data, Fit, Model, Optim, Run

__all__ = ["digits_cnn", "digits_mlp"]


def digits_mlp() -> Run:
    """A fully connected network on scikit-learn's digits; seconds."""
    return Run(
        recipe="digits_mlp",
        data=Data(name="digits", shift=1, batch=64),
        model=Model(name="mlp", width=0.5),
        optim=Optim(lr=0.05),
        fit=Fit(epochs=30),
    )


def digits_cnn() -> Run:
    """A small convolutional network on scikit-learn's digits; the demo."""
    return Run(
        recipe="digits_cnn",
        data=Data(name="digits", shift=1, batch=64),
        model=Model(name="cnn7", width=0.5),
        optim=Optim(lr=0.05),
        fit=Fit(epochs=40),
    )
