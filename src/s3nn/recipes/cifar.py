"""CIFAR-10 and CIFAR-100."""

from s3nn.config import Data, Fit, Model, Optim, Run

__all__ = ["cifar10_resnet18", "cifar10_vgg11", "cifar100_resnet18"]

_OPTIM = Optim(lr=0.1, label_smoothing=0.1)
_FIT = Fit(epochs=200, precision="auto")


def cifar10_vgg11() -> Run:
    """VGG11 on CIFAR-10; wants a GPU."""
    return Run(
        recipe="cifar10_vgg11",
        data=Data(name="cifar10", flip=True, shift=4),
        model=Model(name="vgg11"),
        optim=_OPTIM,
        fit=_FIT,
    )


def cifar10_resnet18() -> Run:
    """ResNet18 on CIFAR-10; wants a GPU."""
    return Run(
        recipe="cifar10_resnet18",
        data=Data(name="cifar10", flip=True, shift=4),
        model=Model(name="resnet18"),
        optim=_OPTIM,
        fit=_FIT,
    )


def cifar100_resnet18() -> Run:
    """ResNet18 on CIFAR-100; wants a GPU."""
    return Run(
        recipe="cifar100_resnet18",
        data=Data(name="cifar100", flip=True, shift=4),
        model=Model(name="resnet18"),
        optim=_OPTIM,
        fit=_FIT,
    )
