"""A run, complete."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from s3nn.config.checks import check
from s3nn.config.sections import (
    Budget,
    Chip,
    Data,
    Fit,
    Gates,
    Model,
    Optim,
    Penalty,
    Teacher,
)
from s3nn.decode import decode


@dataclass(frozen=True)
class Run:
    """One training run, complete: the same Run and the same machine give the same weights."""

    recipe: str = ""
    task: str = "classification"
    """What the network is asked (see `s3nn list tasks`), e.g. "denoising(sigma=25)"."""
    data: Data = field(default_factory=Data)
    model: Model = field(default_factory=Model)
    optim: Optim = field(default_factory=Optim)
    fit: Fit = field(default_factory=Fit)
    teacher: Teacher = field(default_factory=Teacher)
    penalty: Penalty = field(default_factory=Penalty)
    budget: Budget = field(default_factory=Budget)
    gates: Gates = field(default_factory=Gates)
    chip: Chip = field(default_factory=Chip)
    seed: int = 0

    def check(self) -> Run:
        """This run, or a ``UsageError`` for the first value that cannot be right."""
        check(self)
        return self

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, tree: Any) -> Run:
        """The run of a run.json, or a ``RunFolderError`` that names the key that does not fit."""
        run: Run = decode(cls, _as_now(tree), "run")
        return run.check()

    def flat(self) -> dict[str, Any]:
        """``{"optim.lr": 0.1, ...}``: the settings by the names of their flags."""
        return dict(_flatten(asdict(self), ""))

    def differences(self, other: Run) -> list[str]:
        """The settings in which ``other`` is not this run, as ``name: mine -> other's``."""
        mine, theirs = self.flat(), other.flat()
        return [f"{k}: {mine[k]} -> {theirs[k]}" for k in mine if mine[k] != theirs[k]]

    def with_model(self, **changes: Any) -> Run:
        return replace(self, model=replace(self.model, **changes))


def _as_now(tree: Any) -> Any:
    """The tree of a run.json as it is written now: the power of a penalty is its option."""
    penalty = tree.get("penalty") if isinstance(tree, dict) else None
    if not isinstance(penalty, dict) or "p" not in penalty:
        return tree
    now = {key: value for key, value in penalty.items() if key != "p"}
    if penalty["p"] != 1 and penalty.get("name") is not None:
        now["name"] = f"{penalty['name']}(p={penalty['p']})"
    return tree | {"penalty": now}


def _flatten(tree: dict[str, Any], prefix: str) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, value in tree.items():
        if isinstance(value, dict):
            pairs += _flatten(value, f"{prefix}{key}.")
        else:
            pairs.append((prefix + key, value))
    return pairs
