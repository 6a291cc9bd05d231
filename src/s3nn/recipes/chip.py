"""An analog chip, and training with it in the loop."""

from dataclasses import replace
from math import exp

from s3nn.config import Data, Fit, Model, Optim, Penalty, Run

__all__ = ["digits_chip", "digits_chip_s3nn", "fashion_chip", "fashion_chip_s3nn"]

_STEP, _TAU, _TAU_INPUT = 1.7, 6.0, 8.0  # microseconds
_KEPT = exp(-_STEP / _TAU)
_TAUS = f"tau_s={1 / (1 - _KEPT):.4f}, tau_m={1 / (1 - _KEPT):.4f}"
_CODE = f"least=0.2, tau={_TAU_INPUT / _STEP:.4f}"
# The largest weight of the authors' chip, 63 of 240 a threshold.
_LARGEST = 63 / 240
# What a volley's potential peaks at, where a spike through a weight of 1 comes alone.
_VOLLEY = 4 * _KEPT**3


def fashion_chip() -> Run:
    """256-246-10 for an analog chip, on Fashion-MNIST at 16x16 pixels; minutes.

    In software; ``--chip.seed 0 --teacher.folder RUN --teacher.start --teacher.share 0`` trains its
    weights further on a chip, ``s3nn deploy RUN`` does all of it.

    Source: Cramer et al., PNAS 119 (2022), and the authors' code: the network, its time constants
    (6 us in steps of 1.7), the code of images, the loss, Adam at 1.5e-3 times 0.97 an epoch, and
    weights within what the chip holds.  Other than there: membranes are reset to rest, as on the
    chip (their software subtracts the threshold); 0.1 mean(W^2), whose gradient is below 1e-6, is
    left out; 10,000 labels and 20 epochs in place of all and 50.
    """
    return Run(
        recipe="fashion_chip",
        data=Data(name="fashion_mnist", labels=10_000, validation=2000, batch=100),
        model=Model(
            name=f"one_hidden(gain={0.7 * (1 - _KEPT):.4f}, mean=0.001)",
            neuron=f"cuba({_TAUS}, surrogate=superspike(slope=50))",
            steps=20,
            encoder=f"latency({_CODE}, side=16)",
            output=f"integrator({_TAUS})",
            readout="max",
        ),
        optim=Optim(
            name="adamw",
            lr=1.5e-3,
            weight_decay=0.0,
            schedule="exponential",
            warmup=0.0,
            bound=_LARGEST,
            loss="cross_entropy(scale=10)",
        ),
        fit=Fit(epochs=20),
        penalty=Penalty(name="bursts", strength=5e-4),
    )


def fashion_chip_s3nn() -> Run:
    """The same network in one step, on pixels that are black or white."""
    run = fashion_chip()
    return replace(
        run,
        recipe="fashion_chip_s3nn",
        model=replace(
            run.model,
            name="one_hidden(gain=0.5)",
            neuron="fire",
            steps=1,
            encoder="latency(least=0.2, side=16)",
            output=None,
        ),
        optim=replace(run.optim, bound=_LARGEST * _VOLLEY, loss="cross_entropy(scale=3)"),
    )


def digits_chip() -> Run:
    """64-246-10 for an analog chip, on scikit-learn's digits; seconds."""
    run = fashion_chip()
    return replace(
        run,
        recipe="digits_chip",
        data=Data(name="digits", batch=32),
        model=replace(run.model, encoder=f"latency({_CODE})"),
        fit=Fit(epochs=20),
    )


def digits_chip_s3nn() -> Run:
    """The same network in one step, on pixels that are black or white."""
    run, digits = fashion_chip_s3nn(), digits_chip()
    return replace(
        digits,
        recipe="digits_chip_s3nn",
        model=replace(run.model, encoder="latency(least=0.2)"),
        optim=run.optim,
    )
