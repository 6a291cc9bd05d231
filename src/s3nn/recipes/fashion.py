"""Fashion-MNIST."""

from dataclasses import replace

from s3nn.config import Data, Fit, Model, Optim, Run

__all__ = [
    "fashion_cnn7",
    "fashion_cnn7_half",
    "fashion_cnn7_large",
    "fashion_cnn7_narrow",
    "fashion_cnn7_small",
    "fashion_resnet18",
    "fashion_vgg11",
]

_LONG = Run(
    data=Data(name="fashion_mnist", flip=True, shift=1, batch=128),
    optim=Optim(lr=0.1),
    fit=Fit(epochs=45, precision="auto"),
)


def fashion_cnn7() -> Run:
    """CNN7 at full width on Fashion-MNIST; an hour and a quarter on one core, minutes on a GPU."""
    return replace(
        _LONG,
        recipe="fashion_cnn7",
        model=Model(name="cnn7"),
        fit=replace(_LONG.fit, step="events"),
    )


def fashion_vgg11() -> Run:
    """VGG11 at full width on Fashion-MNIST; wants a GPU."""
    return replace(_LONG, recipe="fashion_vgg11", model=Model(name="vgg11"))


def fashion_resnet18() -> Run:
    """ResNet18 at full width on Fashion-MNIST; wants a GPU."""
    return replace(_LONG, recipe="fashion_resnet18", model=Model(name="resnet18"))


def fashion_cnn7_half() -> Run:
    """CNN7 at half its width on Fashion-MNIST, for long; an hour on one core."""
    return replace(_LONG, recipe="fashion_cnn7_half", model=Model(name="cnn7", width=0.5))


def fashion_cnn7_large() -> Run:
    """CNN7 at three quarters of its width on Fashion-MNIST, for long."""
    return replace(_LONG, recipe="fashion_cnn7_large", model=Model(name="cnn7", width=0.75))


def fashion_cnn7_narrow() -> Run:
    """CNN7 at an eighth of its width on Fashion-MNIST, for studies of many trainings."""
    return Run(
        recipe="fashion_cnn7_narrow",
        data=Data(name="fashion_mnist", flip=True, batch=128),
        model=Model(name="cnn7", width=0.125),
        optim=Optim(lr=0.1),
        fit=Fit(epochs=6),
    )


def fashion_cnn7_small() -> Run:
    """CNN7 at three eighths of its width on Fashion-MNIST; a minute an epoch on one core."""
    return Run(
        recipe="fashion_cnn7_small",
        data=Data(name="fashion_mnist", flip=True, batch=128),
        model=Model(name="cnn7", width=0.375),
        optim=Optim(lr=0.1),
        fit=Fit(epochs=45, precision="auto"),
    )
