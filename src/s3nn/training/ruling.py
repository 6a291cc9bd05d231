"""The rule of a run, and what it cannot be combined with."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from s3nn.config import Run
from s3nn.data import DataSet, Stream
from s3nn.data.batches import Batches
from s3nn.errors import UsageError
from s3nn.neurons import PairedNeuron
from s3nn.registry import TASKS, Spec
from s3nn.rules import Rule, make_rule


def rule_of(run: Run, network: nn.Module, shape: tuple[int, ...], classes: int) -> Rule:
    """The rule that trains ``network`` in ``run``, with its matrices; a ``UsageError`` if none can.

    ``shape`` is that of an image, (C, H, W).
    """
    rule = make_rule(run.optim.rule)
    if not rule.plain:
        _can_follow(run, rule, network)
    rule.prepare(network, shape, classes, run.seed)
    return rule


def intensities(run: Run, data: DataSet) -> Iterator[Tensor]:
    """Training images (N, C, H, W) in 0..1 without end, as ``run`` shows them, unnormalised."""
    if isinstance(data.train, Stream):
        raise UsageError(
            f"optim.rule={run.optim.rule} looks at images before training, and those of "
            f"{run.data.name} are read as a stream: take a data set that fits into memory"
        )
    channels, shown = data.spec.shape[0], run.data
    batches = Batches(
        data.train,
        batch_size=min(shown.batch, len(data.train)),
        mean=[0.0] * channels,
        std=[1.0] * channels,
        flip=shown.flip,
        shift=shown.shift,
        shuffle=True,
        drop_last=True,
        seed=run.seed,
    )
    epoch = 0
    while True:
        batches.set_epoch(epoch)
        for x, _ in batches:
            yield x
        epoch += 1


def _can_follow(run: Run, rule: Rule, network: nn.Module) -> None:
    given = f"optim.rule={run.optim.rule}"
    if any(isinstance(module, PairedNeuron) for module in network.modules()):
        raise UsageError(
            f"{given} gives layers a gradient of spikes and neurons of model.neuron="
            f"{run.model.neuron} want one of their times too: take --optim.rule backprop"
        )
    if rule.of_classes and TASKS.get(Spec.parse(run.task).name).of_images:
        raise UsageError(
            f"{given} tells layers the error or the label of classes and task={run.task} has none: "
            "take --optim.rule feedback_alignment"
        )
    flags = {
        f"--fit.step {run.fit.step}": run.fit.step != "plain",
        "--fit.strategy fsdp": run.fit.strategy == "fsdp",
        "--chip": run.chip.there,
    }
    if not rule.crosses:
        flags |= {
            "--fit.window": run.fit.window is not None,
            "--penalty": run.penalty.name is not None,
            "--budget": run.budget.limit is not None,
            "--gates": run.gates.there,
        }
    for flag, there in flags.items():
        if there:
            raise UsageError(
                f"{given} gives hidden layers gradients of its own, and {flag} wants those of "
                "back-propagation: drop one of the two"
            )
