"""ImageNet, or any images of its size, streamed from shards: see docs/imagenet.md."""

from s3nn.config import Data, Fit, Model, Optim, Run

__all__ = ["imagenet_resnet18", "imagenet_resnet34"]

# Random cuts and flips; `s3nn shard IMAGES imagenet-shards` writes what they are cut from.
_DATA = Data(name="shards:imagenet-shards", flip=True, workers=8, batch=256)
# The learning rate goes with the batch: twice both for 512.
_OPTIM = Optim(lr=0.2, weight_decay=5e-5, schedule="cosine", warmup=0.05, label_smoothing=0.1)
_FIT = Fit(epochs=100, precision="auto")


def imagenet_resnet18() -> Run:
    """ResNet18 in one step on ImageNet, from shards; wants GPUs."""
    return Run(
        recipe="imagenet_resnet18",
        data=_DATA,
        model=Model(name="imagenet_resnet18"),
        optim=_OPTIM,
        fit=_FIT,
    )


def imagenet_resnet34() -> Run:
    """ResNet34 in one step on ImageNet, from shards; wants GPUs."""
    return Run(
        recipe="imagenet_resnet34",
        data=_DATA,
        model=Model(name="imagenet_resnet34"),
        optim=_OPTIM,
        fit=_FIT,
    )
