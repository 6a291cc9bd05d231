"""A single-step model run for T steps."""

from __future__ import annotations

import copy

from torch import Tensor, nn

from s3nn.clock.encoders import Encoder
from s3nn.clock.encoders.direct import Direct
from s3nn.clock.pairs import PairedScan, check_pairs
from s3nn.clock.pools import ChargePool
from s3nn.clock.readouts import Readout
from s3nn.clock.readouts.mean import Mean
from s3nn.clock.scan import Scan
from s3nn.clock.stages import STAGES, check_stages
from s3nn.clock.windows import Windows
from s3nn.errors import UsageError
from s3nn.neurons.base import Neuron, PairedNeuron, TemporalNeuron


class Unroll(nn.Module):
    """A model with an encode, features and a read-out, run for T steps.

    ``encoder`` makes a sequence of the image, ``over_time`` one answer of the outputs.  Between
    the layers the steps are folded into the batch, (T N, C, ...); only temporal neurons see them
    apart.  Where the encoder shows the same at every step, the first layer runs once.

    ``output``, where there is one, is a layer of neurons behind the read-out: what they emit at
    every step is what ``over_time`` gets.

    ``windows`` makes training go through time piece by piece (see ``Windows``).
    """

    def __init__(
        self,
        model: nn.Module,
        encoder: Encoder,
        over_time: Readout,
        output: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.encode, self.features, self.readout = (model.get_submodule(name) for name in STAGES)
        self.encoder, self.over_time = encoder, over_time
        self.output = output
        self.input_shape = getattr(model, "input_shape", None)
        self.answers_images = getattr(model, "answers_images", False)
        self.reach = getattr(model, "reach", None)
        self.steps = encoder.steps
        self.windows: Windows | None = None

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.over_time(self.each_step(x))
        return answer

    def each_step(self, x: Tensor) -> Tensor:
        """The outputs of every step, (T, N, classes), for images x (N, C, H, W)."""
        if self.windows is not None and self.training:
            return self.windows.outputs(self, x)
        return self.outputs(self.currents(x)).unflatten(0, (self.steps, -1))

    def outputs(self, current: Tensor) -> Tensor:
        """The outputs (k N, classes) of some steps, from the first neurons' current in them."""
        found: Tensor = self.readout(self.features(current))
        return found if self.output is None else self.output(found)

    def currents(self, x: Tensor) -> Tensor:
        """The current of the first neurons at every step, (T N, C, ...)."""
        found: Tensor = (
            self.encoder(self.encode(x)) if self.encoder.constant else self.encode(self.encoder(x))
        )
        return found


def unroll(
    model: nn.Module,
    steps: int,
    encoder: Encoder | None = None,
    over_time: Readout | None = None,
    output: Neuron | None = None,
) -> nn.Module:
    """A copy of ``model`` that runs for ``steps`` time steps.

    ``encoder`` is direct unless given, and ``over_time`` the mean; ``output`` are neurons behind
    the read-out, for all its classes.  With none of them given and one step, this is a plain copy.

    >>> import torch
    >>> from s3nn.models import Mlp, Parts
    >>> net = unroll(Mlp((1, 8, 8), classes=10, parts=Parts(neuron="lif")), steps=4)
    >>> net(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    """
    if steps < 1:
        raise UsageError(f"a network runs for 1 step or more, got {steps}")
    model = copy.deepcopy(model)
    if steps == 1 and encoder is None and over_time is None and output is None:
        return model
    encoder, over_time = encoder or Direct(steps), over_time or Mean(steps)
    if (encoder.steps, over_time.steps) != (steps, steps):
        raise UsageError(
            f"an encoder of {encoder.steps} steps and a read-out of {over_time.steps} were given "
            f"for a network of {steps}: make them agree"
        )
    check_stages(model, "unrolling")
    # A neuron in two places keeps the state of each: it is taken through time in both.
    places = [*model.named_modules(remove_duplicate=False)]
    temporal = [name for name, module in places if isinstance(module, TemporalNeuron)]
    repeats = steps > 1 and encoder.constant
    if repeats and not temporal and any(isinstance(m, Neuron) for m in model.modules()):
        raise UsageError(
            f"none of this model's neurons has a memory, so {steps} steps would repeat one step "
            f"{steps} times: use steps=1, or a temporal neuron such as lif"
        )
    neurons = [*(model.get_submodule(name) for name in temporal), output]
    if any(isinstance(neuron, PairedNeuron) for neuron in neurons):
        check_pairs(model, output)
    for name in temporal:
        parent, _, child = name.rpartition(".")
        layer = _in_time(model.get_submodule(name), steps, first=name == temporal[0])
        setattr(model.get_submodule(parent), child, layer)
    if any(isinstance(m, TemporalNeuron) and m.pool == "charge" for m in model.modules()):
        _pool_charges(model, steps, encoder)
    behind = None if output is None else _in_time(copy.deepcopy(output), steps, last=True)
    return Unroll(model, encoder, over_time, behind)


def _pool_charges(model: nn.Module, steps: int, encoder: Encoder) -> None:
    """Let the max-pools of ``model`` that run at every step compare charges."""
    for name, module in list(model.named_modules(remove_duplicate=False)):
        once = encoder.constant and name.startswith("encode.")
        if isinstance(module, nn.MaxPool2d) and not once:
            model.set_submodule(name, ChargePool(module, steps))


def _in_time(
    neuron: nn.Module, steps: int, *, first: bool = False, last: bool = False
) -> nn.Module:
    if isinstance(neuron, PairedNeuron):
        return PairedScan(neuron, steps, first=first, last=last)
    return Scan(neuron, steps) if isinstance(neuron, TemporalNeuron) else neuron
