"""The LightningModule: loss, metrics, optimiser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot
from torchmetrics import MeanMetric

from s3nn.clock import Unroll
from s3nn.config import Optim, Run
from s3nn.errors import TrainingError
from s3nn.gates import MaskLoss
from s3nn.losses import Loss, make_loss
from s3nn.rules import Rule
from s3nn.rules.backprop import Backprop
from s3nn.tasks import Task
from s3nn.training.augment import cutout, mixup
from s3nn.training.distillation import distillation
from s3nn.training.restraint import Budgeted, Restraint

# One more than any seed a user would give: epochs of different runs draw from different streams.
EPOCH_STRIDE = 1_000_003


class Learner(L.LightningModule):
    """The loss of what ``network`` answers to ``task``, and what the run adds to it.

    Batches are as the task poses them: what is shown, (N, C, H, W), and what is wanted, which are
    labels (N,) for logits (N, classes), or images.
    ``teacher`` (in eval mode, never trained) is distilled from where the run says so;
    ``restraint`` holds the network's spikes back, and ``rule`` says where gradients come from,
    where they are attached.
    """

    def __init__(
        self,
        network: nn.Module,
        run: Run,
        *,
        task: Task,
        teacher: nn.Module | None = None,
        restraint: Restraint | None = None,
        rule: Rule | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.run = run
        self.task, self.score = task, task.metric()
        self.rule = rule or Backprop()
        self.loss: Loss = make_loss(run.optim.loss)
        self._teacher = (teacher,)  # in a tuple: no parameters of ours
        self.restraint = restraint
        self.spent = MeanMetric()
        self.masks = MaskLoss(network, run.gates.target, run.gates.weight)
        self._synaptic = {name for name, p in network.named_parameters() if p.ndim > 1}

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x)
        return logits

    def on_fit_start(self) -> None:
        for teacher in self._teacher:
            if teacher is not None:
                teacher.eval().requires_grad_(False).to(self.device)

    def on_train_epoch_start(self) -> None:
        torch.manual_seed(self.run.seed + EPOCH_STRIDE * (self.current_epoch + 1))
        self.masks.begin_epoch(self.current_epoch / self.run.fit.epochs)
        if isinstance(self.network, Unroll):
            self.network.over_time.begin_epoch(self.current_epoch)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        x, y = batch
        if self.run.data.cutout:
            x = cutout(x, self.run.data.cutout)
        parts = [(1.0, y)]
        if self.run.data.mixup:
            x, partner, share = mixup(x, self.run.data.mixup)
            parts = [(share, y), (1 - share, y[partner])]
        with self.masks.watched() as passed, _batch_norms_fed(x):
            loss = self._restrained(x, parts)
        loss = loss + passed.loss()
        if not bool(torch.isfinite(loss)):
            raise TrainingError(
                f"the loss is {loss.item()} at step {self.global_step + 1} "
                f"(epoch {self.current_epoch + 1}): {first_not_finite(self.network, x)}; "
                "try a smaller --optim.lr, --optim.clip 1, or --fit.precision 32"
            )
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, sync_dist=True)
        return loss

    @torch.no_grad()
    def on_train_batch_end(self, outputs: Any, batch: Any, batch_index: int) -> None:
        bound = self.run.optim.bound
        if bound is not None:
            for name, parameter in self.network.named_parameters():
                if _plain(name) in self._synaptic and parameter.requires_grad:
                    parameter.clamp_(-bound, bound)

    def _restrained(self, x: Tensor, labels: list[tuple[float, Tensor]]) -> Tensor:
        if self.restraint is None:
            return self._loss(x, labels)
        self.restraint.begin()
        loss = self._loss(x, labels)
        parts = self.trainer.accumulate_grad_batches
        steps = parts * int(self.trainer.estimated_stepping_batches)
        return loss + self.restraint.loss(len(x), parts * self.global_step, steps)

    def _loss(self, x: Tensor, labels: list[tuple[float, Tensor]]) -> Tensor:
        logits, steps = self._answers(x, labels[0][1])
        optim, how = self.run.optim, self.run.teacher

        smoothing = optim.label_smoothing
        loss = torch.stack(
            [share * self.loss(steps, logits, y, smoothing) for share, y in labels]
        ).sum()
        if self.loss.sums:  # a batch in parts, on one process or several, is a mean over them
            loss = loss * (self.trainer.accumulate_grad_batches * self.trainer.world_size)
        (teacher,) = self._teacher
        if teacher is not None and how.share > 0:
            with torch.no_grad():
                taught = teacher(x).float()
            follows = distillation(logits, taught, how.temperature)
            loss = (1 - how.share) * loss + how.share * follows
        if not self.rule.of_classes:
            return loss
        reward = sum(share * one_hot(y, logits.shape[1]) for share, y in labels)
        return self.rule.credit(loss, steps, logits, torch.as_tensor(reward))

    def _answers(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The answers, (N, classes) or images, and the outputs of every step, (T, N, ...)."""
        if not isinstance(self.network, Unroll):
            steps = self.network(x).float().unsqueeze(0)
            return steps[0], steps  # in this order: a rule may ask for the gradient of the steps
        steps = self.network.each_step(x).float()
        self.network.over_time.learn(steps.detach(), labels)
        return self.network.over_time(steps), steps

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> None:
        x, y = batch
        # Evaluation is in 32 bits, whatever training is: a spike is a comparison, and a rounded
        # membrane potential may fall on the other side.
        with torch.autocast(x.device.type, enabled=False), self.masks.watched() as passed:
            answer = self._observed(x)
        if passed.shares:
            self.log("validation_passed", passed.mean(), sync_dist=True)
        self.score(self.task.says(x, answer), self.task.says(x, y))
        error = self.task.error(answer, y)
        self.log("validation_loss", error, sync_dist=True)
        self.log(f"validation_{self.task.score}", self.score, prog_bar=True)

    def _observed(self, x: Tensor) -> Tensor:
        """The answer to ``x``; where there is a budget, what it spends is logged."""
        if not isinstance(self.restraint, Budgeted):
            return self(x)
        self.restraint.begin()
        logits = self(x)
        self.spent(self.restraint.spent(len(x)).float(), weight=len(x))
        self.log("validation_spent", self.spent)
        return logits

    def on_validation_epoch_end(self) -> None:
        # The metrics' own states, not what is logged: an average of weights is swapped out by now.
        score = self.score.compute()
        if isinstance(self.restraint, Budgeted):
            spent, most = self.spent.compute(), self.restraint.most
            # What the kept epoch is picked by: the task's score, or below 0 the excess over budget.
            score = score if spent <= most else 1 - spent / most
            self.restraint.validated(spent, self.run.fit.epochs)
        self.log("validation_score", score, sync_dist=False)

    def configure_optimizers(self) -> Any:
        optim = self.run.optim
        named = [(_plain(name), p) for name, p in self.network.named_parameters()]
        groups = [
            {
                "params": [p for name, p in named if name in self._synaptic],
                "weight_decay": optim.weight_decay,
            },
            {
                "params": [p for name, p in named if name not in self._synaptic],
                "weight_decay": 0.0,
            },
        ]
        optimizer: torch.optim.Optimizer
        if optim.name == "adamw":
            optimizer = torch.optim.AdamW(groups, lr=optim.lr)
        else:
            optimizer = torch.optim.SGD(
                groups, lr=optim.lr, momentum=optim.momentum, nesterov=optim.momentum > 0
            )
        steps = int(self.trainer.estimated_stepping_batches)
        scheduler = make_schedule(optimizer, optim, steps, self.run.fit.epochs)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }


@contextmanager
def _batch_norms_fed(x: Tensor) -> Iterator[None]:
    """torch's word for a batch-norm that has one value a channel, as a user can act on it."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise TrainingError(
            f"a batch-norm cannot learn from {len(x)} image at a time, which is one value a "
            "channel: take a larger --data.batch, or a smaller --fit.accumulate"
        ) from error


def _plain(name: str) -> str:
    """A parameter's name without what sharding puts into it."""
    return name.replace("_fsdp_wrapped_module.", "")


def make_schedule(
    optimizer: torch.optim.Optimizer, optim: Optim, steps: int, epochs: int = 1
) -> torch.optim.lr_scheduler.LRScheduler:
    """The learning rate over all ``steps`` of a run of ``epochs``.

    constant     a linear rise over the warm-up share, then optim.lr
    cosine       the rise, then a half cosine to zero
    exponential  the rise, then a factor of optim.decay an epoch
    one_cycle    torch's OneCycleLR: a cosine rise from lr/25, then a cosine fall; momentum (of
                 adamw its first beta) against it, around optim.momentum by half of what it is
                 short of 1: 0.95 to 0.85 and back for 0.9
    """
    schedulers = torch.optim.lr_scheduler
    rise = int(optim.warmup * steps)
    if optim.schedule == "one_cycle":
        # The rise must end after the first step: of a run of one step too, hence 1.5.
        share = min(max(optim.warmup, 1 / max(steps, 1.5)), 0.99)
        room = (1 - optim.momentum) / 2
        return schedulers.OneCycleLR(
            optimizer,
            optim.lr,
            total_steps=steps + 1,
            pct_start=share,
            cycle_momentum=optim.momentum > 0,
            base_momentum=max(0.0, round(optim.momentum - room, 9)),
            max_momentum=round(optim.momentum + room, 9),
        )
    rest: torch.optim.lr_scheduler.LRScheduler
    if optim.schedule == "cosine":
        rest = schedulers.CosineAnnealingLR(optimizer, T_max=max(1, steps - rise))
    elif optim.schedule == "exponential":
        per_epoch = max(1, steps // epochs)
        rest = schedulers.StepLR(optimizer, step_size=per_epoch, gamma=optim.decay)
    else:
        rest = schedulers.ConstantLR(optimizer, factor=1.0)
    if rise == 0:
        return rest
    warm = schedulers.LinearLR(optimizer, start_factor=1e-3, total_iters=rise)
    return schedulers.SequentialLR(optimizer, [warm, rest], milestones=[rise])


def first_not_finite(network: nn.Module, x: Tensor) -> str:
    """In words, where a forward pass of ``x`` first leaves the finite numbers."""
    for name, parameter in network.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            return f"the parameter {name} is no longer finite"
    found: list[str] = []
    handles = [
        module.register_forward_hook(_watch(name, found))
        for name, module in network.named_modules()
        if not list(module.children())
    ]
    try:
        with torch.no_grad():
            network(x)
    finally:
        for handle in handles:
            handle.remove()
    return f"the output of layer {found[0]} is not finite" if found else "every layer is finite"


def _watch(name: str, found: list[str]) -> Any:
    def hook(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and not bool(torch.isfinite(output).all()):
            found.append(name)

    return hook
