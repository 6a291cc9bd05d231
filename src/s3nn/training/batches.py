"""The batches that a run is trained and validated on."""

from __future__ import annotations

from typing import Any

from s3nn.config import Run
from s3nn.data import DataSet, Stream
from s3nn.data.batches import Batches
from s3nn.data.stream import StreamedBatches
from s3nn.tasks import Posed, Task
from s3nn.training.processes import Processes


def batches(run: Run, data: DataSet, task: Task, processes: Processes) -> tuple[Posed, Posed]:
    """The training batches, shuffled and augmented, and the validation batches as they are.

    What is shown and what is wanted is the task's, its noise fresh in training.
    """
    spec, shown = data.spec, run.data
    common: dict[str, Any] = {
        "mean": spec.mean,
        "std": spec.std,
        "rank": processes.rank,
        "world": processes.world,
        "device": processes.device(run.fit.accelerator),
    }
    own: dict[str, Any] = {
        "batch_size": shown.batch // run.fit.accumulate,
        "parts": run.fit.accumulate,
        "flip": shown.flip,
        "seed": run.seed,
    }
    train: StreamedBatches | Batches
    if isinstance(data.train, Stream):
        train = StreamedBatches(data.train, workers=shown.workers, **own, **common)
    else:
        train = Batches(
            data.train, shift=shown.shift, shuffle=True, drop_last=True, **own, **common
        )
    held = Batches(data.validation, batch_size=task.evaluation_batch, **common)
    rank = processes.rank
    return Posed(train, task, run.seed, rank), Posed(held, task, rank=rank)
