"""SPIDEN: image denoising with spikes."""

from s3nn.config import Data, Fit, Model, Optim, Run, Teacher

__all__ = ["photos_dncnn"]


def photos_dncnn() -> Run:
    """DnCNN that spikes over four steps, for noise of 25 grey levels on photographs; minutes.

    Source: Castagnetti, Pegatoquet, Miramond, "SPIDEN: deep spiking neural networks for efficient
    image denoising", Frontiers in Neuroscience 17 (2023).  Theirs: DnCNN, integrate-and-fire
    neurons with soft reset and a learned threshold, the sigmoid surrogate.  Ours, where the paper
    was not at hand or one core is to do: 6 layers of 24 channels for 17 of 64, a threshold a
    channel, a potential that starts at half of it, an analog image at every step and the mean of
    the outputs, photographs of scikit-image for BSD and Set12; the network starts at the weights of
    its ReLU twin, which is trained first, a threshold at 2 and a surrogate of slope 2 (theirs: 0.8
    to 1, and 1), because few epochs then reach more (docs/LOG.md).  ``--model.neuron relu
    --model.steps 1 --teacher.row None`` is the twin alone.
    """
    return Run(
        recipe="photos_dncnn",
        task="denoising(sigma=25)",
        data=Data(name="photographs", flip=True, batch=8),
        model=Model(
            name="dncnn",
            width=0.375,
            neuron=(
                "iaf(threshold=2, precharge=0.5, learn=True, per_channel=True, "
                "surrogate=sigmoid(alpha=2))"
            ),
            steps=4,
        ),
        optim=Optim(name="adamw", lr=1e-2, weight_decay=1e-4, loss="mse"),
        fit=Fit(epochs=20, precision="auto"),
        teacher=Teacher(row="relu", share=0.0, start=True),
    )
