"""A trained run on chips: deployed, trained with the chip in the loop, and moved to another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from s3nn.config import Chip, Run, Teacher
from s3nn.errors import UsageError
from s3nn.experiment.train import train
from s3nn.experiment.trained import open_run
from s3nn.files import beside
from s3nn.training.folder import describe


@dataclass(frozen=True)
class OnChip:
    """Test accuracies of a run's weights on one chip.

    deployed: as they were trained, in software.
    in_the_loop: trained further with the chip in the loop; None where that was not asked for.
    moved: those weights on the chip ``moved_to``.
    """

    chip: int
    deployed: float
    in_the_loop: float | None = None
    moved: float | None = None
    moved_to: int | None = None


def in_the_loop(folder: Path, chip: Chip, epochs: int, lr: float | None = None) -> Run:
    """The run that starts at the weights of ``folder`` and trains them on ``chip``."""
    run = describe(folder).run
    return replace(
        run,
        chip=chip,
        teacher=Teacher(folder=str(folder), share=0.0, start=True),
        fit=replace(run.fit, epochs=epochs),
        optim=run.optim if lr is None else replace(run.optim, lr=lr),
    )


def accuracy(folder: Path, chip: Chip | None = None) -> float:
    """Of the run in ``folder`` on its test split, on ``chip`` if one is given."""
    trained = open_run(folder, chip)
    return trained.accuracy(trained.data().test)


def deploy(
    folder: Path,
    chips: Sequence[int],
    chip: Chip | None = None,
    *,
    epochs: int = 0,
    lr: float | None = None,
    out: Path | None = None,
    progress: bool = True,
) -> Iterator[OnChip]:
    """Put the weights of the run in ``folder`` on every one of ``chips``, seeds of a ``chip``.

    With ``epochs``, train them on each for so many, in the folder ``OUT-chipSEED`` (OUT is
    ``folder`` unless given), and move what comes out to the next of ``chips`` (of a single one, to
    the next seed).  What is trained is not trained again.
    """
    if not chips or len(set(chips)) != len(chips):
        raise UsageError(f"chips are named by seeds, each once, got {list(chips)}")
    if describe(folder).run.chip.there:
        raise UsageError(f"{folder} was trained on a chip: deploy a run that was trained without")
    like, out = chip or Chip(), out or folder
    for number, seed in enumerate(chips):
        here = replace(like, seed=seed)
        found = OnChip(seed, accuracy(folder, here))
        if epochs:
            place = beside(out, f"-chip{seed}")
            train(in_the_loop(folder, here, epochs, lr), place, progress=progress)
            other = chips[(number + 1) % len(chips)] if len(chips) > 1 else seed + 1
            found = replace(
                found,
                in_the_loop=accuracy(place),
                moved=accuracy(place, replace(like, seed=other)),
                moved_to=other,
            )
        yield found
