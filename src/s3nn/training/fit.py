"""One training run in one folder: begun, resumed or already there."""

from __future__ import annotations

import json
import logging
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, EMAWeightAveraging
from lightning.pytorch.loggers import Logger
from torch import nn

from s3nn.clock import Race, Unroll, Windows
from s3nn.config import Fit, Run
from s3nn.data import DataSet, Stream
from s3nn.data.batches import Batches
from s3nn.data.stream import StreamedBatches
from s3nn.energy.spending import Spending
from s3nn.errors import RunFolderError, UsageError
from s3nn.lean import lean
from s3nn.losses import make_loss
from s3nn.native import find_compiler
from s3nn.neurons import make_neuron
from s3nn.registry import name_of
from s3nn.rules import Rule
from s3nn.tasks import Posed, Task
from s3nn.training import folder as files
from s3nn.training import remarks
from s3nn.training.asked import task_of
from s3nn.training.build import build_model, start_at
from s3nn.training.callbacks import (
    SCORE,
    History,
    Sharpen,
    WholeCheckpoints,
    checkpoints,
    surrogates_of,
)
from s3nn.training.learner import Learner
from s3nn.training.loader import Loader
from s3nn.training.memory import keep_freed_memory
from s3nn.training.precision import Arithmetic, arithmetic
from s3nn.training.processes import Processes
from s3nn.training.progress import progress_callback
from s3nn.training.redraw import Redraw
from s3nn.training.restraint import Restraint, restraint_of
from s3nn.training.ruling import intensities, rule_of
from s3nn.versions import versions

_PRECISION: dict[Arithmetic, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "32": "32-true",
    "bf16": "bf16-mixed",
    "16": "16-mixed",
}
ARITHMETIC = "arithmetic"  # of the training step, among what the numbers of run.json depend on
# Images that are evaluated at once; the layers of image networks are as large as the image.
EVALUATION_BATCH, OF_IMAGES = 500, 32


@dataclass(frozen=True)
class Fitted:
    """A network with the weights that validation picked, and how it got there."""

    network: nn.Module
    history: list[dict[str, float]]


def fit(
    run: Run,
    folder: Path,
    data: DataSet,
    *,
    teacher: nn.Module | None = None,
    start: nn.Module | None = None,
    spending: Spending | None = None,
    progress: bool = True,
) -> Fitted:
    """Train ``run`` on ``data`` in ``folder``, from its last checkpoint if it was begun there.

    ``teacher`` is the trained network that ``run.teacher`` speaks of and ``start`` the one at whose
    weights training starts; ``spending`` what the budget limits, where that has to be measured
    first.

    Raises ``RunFolderError`` for a folder that holds something else or is damaged and
    ``TrainingError`` for a loss that is not finite.
    """
    run.check()
    _can_run(run)
    begun = files.claim(folder, run)
    if begun:
        _check_same_data(folder, data)
    network, history = untrained(run, data), History(folder / files.METRICS)
    if begun and (folder / files.WEIGHTS).is_file():
        files.read_weights(folder, network)
        return Fitted(network, read_history(folder))
    _check_sharpens(run, network)
    restraint = restraint_of(run, network, tuple(data.spec.shape), spending)
    rule = rule_of(run, network, tuple(data.spec.shape), len(data.spec.classes))
    processes = Processes.here()
    computed = _arithmetic(run, folder if begun else None, processes)
    if processes.rank == 0 and not begun:
        folder.mkdir(parents=True, exist_ok=True)
        parts = versions() | {ARITHMETIC: computed}
        files.write_run(folder, run, data_description(data), parts)
    said = progress and processes.rank == 0
    if said:
        remarks.before(run, network, processes.device(run.fit.accelerator))
    with files.alone(folder), files.withdrawn_where_nothing_is(folder):
        with _quiet_lightning():
            if start is not None:
                anew = start_at(network, start)
                if said:
                    remarks.beginning_anew(anew)
            _train(
                *(run, folder, data, network, teacher, restraint, rule, history),
                *(processes, computed, progress),
            )
        _keep_best(folder, network, processes)
    if said:
        remarks.afterwards(run, history.lines)
    return Fitted(network, history.lines)


def can_train(run: Run, data: DataSet) -> None:
    """Raise what ``fit`` would, of ``run`` alone, before anything else is trained for it."""
    run.check()
    _can_run(run)
    network, shape = untrained(run, data), tuple(data.spec.shape)
    _check_sharpens(run, network)
    if run.budget.latency_us is None:
        restraint_of(run, network, shape, None)
    rule_of(run, network, shape, len(data.spec.classes))


def _check_sharpens(run: Run, network: nn.Module) -> None:
    """A ``UsageError`` where surrogates are to become steeper and none of them can."""
    found = [surrogate for _, surrogate in surrogates_of(network)]
    if run.optim.sharpen != 1 and found and all(s == s.sharper(2) for s in found):
        raise UsageError(
            f"optim.sharpen={run.optim.sharpen:g} does nothing to the surrogate "
            f"{name_of(found[0])}, which has no slope and no width: pass --optim.sharpen 1"
        )


def _arithmetic(run: Run, begun: Path | None, processes: Processes) -> Arithmetic:
    """What training computes in; a run that goes on, in folder ``begun``, in what it began with."""
    known = files.describe(begun).versions.get(ARITHMETIC) if begun else None
    if run.fit.precision == "auto" and known in _PRECISION:
        return known
    return arithmetic(run.fit.precision, processes.device(run.fit.accelerator))


def _check_same_data(folder: Path, data: DataSet) -> None:
    begun = files.describe(folder).data["checksum"]
    if data.spec.checksum != begun:
        raise RunFolderError(
            f"{folder} was begun on other images: their checksum is {begun[:19]}..., that of "
            f"{data.spec.name} is {data.spec.checksum[:19]}... now: choose another --out, or bring "
            "them back"
        )


def _keep_best(folder: Path, network: nn.Module, processes: Processes) -> None:
    """The weights of the best epoch into ``network`` and its file, in place of the checkpoints."""
    best = torch.load(folder / files.BEST, map_location="cpu", weights_only=True)["state_dict"]
    prefix = "network."
    network.cpu().load_state_dict(
        {k.removeprefix(prefix): v for k, v in best.items() if k.startswith(prefix)}
    )
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
    if processes.rank == 0:
        files.write_weights(folder, network)
        for checkpoint in (files.BEST, files.LAST):
            (folder / checkpoint).unlink()


def untrained(run: Run, data: DataSet) -> nn.Module:
    """The run's network with its first weights, which follow from the seed."""
    asked(run, data)
    L.seed_everything(run.seed, verbose=False)
    spec = data.spec
    classes, mean, std = len(spec.classes), spec.mean, spec.std
    return build_model(
        run.model, spec.shape, classes, mean=mean, std=std, gates=run.gates, chip=run.chip
    )


def data_description(data: DataSet) -> dict[str, Any]:
    spec = data.spec
    return {
        "name": spec.name,
        "checksum": spec.checksum,
        "splits": dict(spec.sizes),
        "source": spec.source,
        "licence": spec.licence,
        "classes": list(spec.classes),
        "shape": list(spec.shape),
        "mean": list(spec.mean),
        "std": list(spec.std),
    }


def read_history(folder: Path) -> list[dict[str, float]]:
    """The lines of metrics.jsonl."""
    path = folder / files.METRICS
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{path} is missing or damaged ({error}): train again") from error


def _train(
    run: Run,
    folder: Path,
    data: DataSet,
    network: nn.Module,
    teacher: nn.Module | None,
    restraint: Restraint | None,
    rule: Rule,
    history: History,
    processes: Processes,
    computed: Arithmetic,
    progress: bool,
) -> None:
    if run.fit.threads is not None:
        torch.set_num_threads(run.fit.threads)
    keep_freed_memory()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if run.fit.window is not None and isinstance(network, Unroll):
        network.windows = Windows(run.fit.window, run.fit.recompute, run.fit.truncate)
    task = asked(run, data)
    loader = Loader(*batches(run, data, task, processes))
    learner = Learner(network, run, task=task, teacher=teacher, restraint=restraint, rule=rule)
    callbacks: list[Callback] = [history, *checkpoints(folder)]
    if run.fit.patience is not None:
        callbacks.append(EarlyStopping(SCORE, mode="max", patience=run.fit.patience))
    if run.optim.average:
        callbacks.append(EMAWeightAveraging(decay=run.optim.average))
    if run.optim.sharpen != 1:
        callbacks.append(Sharpen(run.optim.sharpen))
    if isinstance(network, Race):
        callbacks.append(Redraw(run.seed))
    if progress and processes.rank == 0:
        callbacks.append(progress_callback())
    trainer = L.Trainer(
        accelerator=run.fit.accelerator,
        devices=processes.world // processes.nodes if processes.world > 1 else 1,
        num_nodes=processes.nodes,
        strategy=run.fit.strategy if processes.world > 1 else "auto",
        accumulate_grad_batches=run.fit.accumulate,
        precision=_PRECISION[computed],
        max_epochs=run.fit.epochs,
        gradient_clip_val=run.optim.clip,
        callbacks=callbacks,
        logger=_logger(run.fit, folder),
        plugins=[WholeCheckpoints()],
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        enable_progress_bar=progress and processes.rank == 0,
        enable_model_summary=False,
        deterministic="warn" if torch.cuda.is_available() else None,
        use_distributed_sampler=False,
        default_root_dir=folder,
    )
    last = folder / files.LAST
    if not last.is_file():
        rule.pretrain(network, intensities(run, data), run.seed)
    held = restraint.attached() if restraint else nullcontext()
    try:
        with _step(run.fit.step, network), held, rule.attached(network):
            trainer.fit(learner, loader, ckpt_path=str(last) if last.is_file() else None)
    except SystemExit:  # what Lightning makes of an interrupt
        if not trainer.interrupted:
            raise
    if trainer.interrupted:
        raise KeyboardInterrupt


def asked(run: Run, data: DataSet) -> Task:
    """The task of ``run`` on ``data``; parts that do not go with it are a ``UsageError``."""
    spec, side = data.spec, min(data.spec.shape[1:])
    for name, pixels in (("shift", run.data.shift), ("cutout", run.data.cutout)):
        if pixels > side:
            raise UsageError(
                f"data.{name}={pixels} leaves nothing of some images, which are "
                f"{spec.shape[1]} x {spec.shape[2]} pixels: pass {side} at most"
            )
    return task_of(run, len(spec.classes), spec.mean, spec.std)


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
    held = Batches(data.validation, batch_size=evaluation_batch(task), **common)
    rank = processes.rank
    return Posed(train, task, run.seed, rank), Posed(held, task, rank=rank)


def evaluation_batch(task: Task) -> int:
    """How many images are evaluated at once."""
    return OF_IMAGES if task.of_images else EVALUATION_BATCH


def _step(step: str, network: nn.Module) -> AbstractContextManager[Any]:
    if step == "plain":
        return nullcontext()
    return lean(network, compiled=step == "compiled", events=step == "events")


def _can_run(run: Run) -> None:
    """A ``UsageError`` for what this machine lacks, and for settings that go past each other."""
    if run.fit.tensorboard and find_spec("tensorboard") is None:
        raise UsageError(
            "--fit.tensorboard needs the package tensorboard: pip install 's3nn[tensorboard]'"
        )
    if run.fit.strategy == "fsdp" and not torch.cuda.is_available():
        raise UsageError("--fit.strategy fsdp shards over GPUs and there is none here: use ddp")
    compilers = (os.environ.get("CXX", "g++"), "g++", "clang++")
    if run.fit.step == "compiled" and not any(map(shutil.which, compilers)):
        raise UsageError("--fit.step compiled needs a C++ compiler, g++ or clang++: use lean")
    if run.fit.step == "events":
        find_compiler()
    if run.fit.step == "compiled" and run.optim.sharpen != 1:
        raise UsageError("--optim.sharpen would compile the step anew each epoch: use step lean")
    loss = make_loss(run.optim.loss)
    if run.optim.label_smoothing and not loss.smooths:
        raise UsageError(
            f"optim.label_smoothing={run.optim.label_smoothing:g} does nothing to the loss "
            f"{run.optim.loss}, which is no cross-entropy: pass --optim.label-smoothing 0"
        )
    loss.check_steps(run.model.steps)
    loss.check_outputs(None if run.model.output is None else make_neuron(run.model.output, 1))


def _logger(fit: Fit, folder: Path) -> Logger | Literal[False]:
    if not fit.tensorboard:
        return False
    from lightning.pytorch.loggers import TensorBoardLogger

    return TensorBoardLogger(folder, name="", version="tensorboard")


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Hide advice that does not apply: our batches are tensors already in memory."""
    log = logging.getLogger("lightning.pytorch")
    level = log.level
    log.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        for message in (
            ".*does not have many workers.*",
            ".*suggested max number of worker.*",
            ".*not an instance of.*DataLoader.*",
            ".*number of training batches.*",
            ".*exists and is not empty.*",
            ".*lr_scheduler.step.*",
            ".*weights_only.*",
            ".*tensorboard.*",
            ".*isinstance\\(treespec, LeafSpec\\).*",
        ):
            warnings.filterwarnings("ignore", message=message)
        try:
            yield
        finally:
            log.setLevel(level)
