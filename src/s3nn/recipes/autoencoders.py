"""Networks that give back the image they were shown."""

from s3nn.config import Data, Fit, Model, Optim, Run

__all__ = ["digits_autoencoder", "fashion_autoencoder"]


def digits_autoencoder() -> Run:
    """An autoencoder of digits through 16 ReLUs, to be converted; seconds."""
    return Run(
        recipe="digits_autoencoder",
        task="reconstruction",
        data=Data(name="digits", batch=64),
        model=Model(name="autoencoder(code=16)", width=0.5, neuron="relu"),
        optim=Optim(name="adamw", lr=5e-3, weight_decay=0.0, loss="mse"),
        fit=Fit(epochs=20),
    )


def fashion_autoencoder() -> Run:
    """An autoencoder of Fashion-MNIST through 32 ReLUs, to be converted; a minute."""
    return Run(
        recipe="fashion_autoencoder",
        task="reconstruction",
        data=Data(name="fashion_mnist", batch=128),
        model=Model(name="autoencoder", neuron="relu"),
        optim=Optim(name="adamw", lr=3e-3, weight_decay=0.0, loss="mse"),
        fit=Fit(epochs=8),
    )
