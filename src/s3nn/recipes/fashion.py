"""Fashion-MNIST."""

from s3nn.config import Data, Fit, Model, Optim, Run

__all__ = ["fashion_cnn7", "fashion_cnn7_small", "fashion_resnet18"]

_DATA = Data(name="fashion_mnist", flip=True, shift=0, batch=128)


def fashion_cnn7() -> Run:
    """CNN7 at full width on Fashion-MNIST; wants a GPU."""
    return Run(
        recipe="fashion_cnn7",
        data=Data(name="fashion_mnist", flip=True, shift=2, batch=128),
        model=Model(name="cnn7"),
        optim=Optim(lr=0.1, label_smoothing=0.1),
        fit=Fit(epochs=60, precision="bf16"),
    )


def fashion_cnn7_small() -> Run:
    """CNN7 at three eighths of its width on Fashion-MNIST; minutes an epoch on two cores."""
    return Run(
        recipe="fashion_cnn7_small",
        data=_DATA,
        model=Model(name="cnn7", width=0.375),
        optim=Optim(lr=0.1),
        fit=Fit(epochs=15, precision="bf16"),
    )


def fashion_resnet18() -> Run:
    """ResNet18 at full width on Fashion-MNIST; wants a GPU."""
    return Run(
        recipe="fashion_resnet18",
        data=Data(name="fashion_mnist", flip=True, shift=2, batch=128),
        model=Model(name="resnet18"),
        optim=Optim(lr=0.1, label_smoothing=0.1),
        fit=Fit(epochs=60, precision="bf16"),
    )
