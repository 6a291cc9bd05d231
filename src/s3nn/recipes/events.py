"""Recordings of event cameras."""

from s3nn.config import Data, Fit, Model, Optim, Run

__all__ = ["dvs_gesture", "n_mnist"]


def n_mnist() -> Run:
    """LIF over 10 frames of N-MNIST; pass --data.folder.

    ``--model.steps 1 --model.neuron fire`` is the single-step twin: it sees all frames at once, as
    20 channels.  Only the first convolution grows with the frames, and it runs once instead of ten
    times; what is lost is memory along time in the layers above, which see no order but what the
    first layer makes of the channels.
    """
    return Run(
        recipe="n_mnist",
        data=Data(name="n_mnist", frames=10, shift=2, batch=128),
        model=Model(name="cnn7", width=0.25, neuron="lif", steps=10, encoder="frames"),
        optim=Optim(lr=0.05),
        fit=Fit(epochs=10),
    )


def dvs_gesture() -> Run:
    """LIF over 10 frames of DVS128 Gesture; pass --data.folder.

    The single-step twin is that of n_mnist: ``--model.steps 1 --model.neuron fire``.
    """
    return Run(
        recipe="dvs_gesture",
        data=Data(name="dvs_gesture", frames=10, frames_by="count", shift=8, batch=16),
        model=Model(name="vgg11", width=0.25, neuron="lif", steps=10, encoder="frames"),
        optim=Optim(lr=0.02),
        fit=Fit(epochs=60),
    )
