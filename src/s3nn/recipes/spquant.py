"""SpQuant-SNN: potentials and weights of a few bits, and gates that drop spikes."""

from s3nn.config import Data, Fit, Model, Optim, Run

__all__ = ["fashion_spquant"]


def fashion_spquant() -> Run:
    """Ternary potentials and 4-bit weights over four steps on Fashion-MNIST; one core.

    Add ``--gates.spatial --gates.channel`` for the gates.
    """
    return Run(
        recipe="fashion_spquant",
        data=Data(name="fashion_mnist", flip=True, batch=128),
        model=Model(
            name="cnn7", width=0.25, neuron="quantised_lif", synapse="mean_scaled", steps=4
        ),
        optim=Optim(lr=0.1, loss="tet(share=0.05)"),
        fit=Fit(epochs=8, precision="auto"),
    )
