"""One converted network, run once: what every T and every t_d would have answered."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path

from s3nn.conversion import best_delay, run_by_steps, settled
from s3nn.data import DataSet
from s3nn.data.base import Split
from s3nn.energy import PRICE_LISTS, count, price
from s3nn.experiment.convert import Settings, converted, posed, score_of
from s3nn.experiment.trained import Trained
from s3nn.files import write_text


@dataclass(frozen=True)
class Answers:
    """Test scores of the converted network after each step, with and without a delay.

    delays: t_d of each step, the best on validation images; scores, delayed: a number a step;
    spikes: of an image up to each step; energy_pj: an image's, by price list, at each of ``at``.
    """

    scores: tuple[float, ...]
    delayed: tuple[float, ...]
    delays: tuple[int, ...]
    spikes: tuple[float, ...]
    at: tuple[int, ...]
    energy_pj: dict[str, tuple[float, ...]]

    def near(self, delayed: bool, least: float) -> int | None:
        """The first step from which on the score is ``least`` or more; None: never."""
        return settled(self.delayed if delayed else self.scores, least)


def answers(
    trained: Trained, data: DataSet, settings: Settings, at: tuple[int, ...], counted: int, to: Path
) -> Answers:
    """Run the test split once and keep the file ``to``; where it is there, read it."""
    if to.is_file():
        return read(to)
    network = converted(trained, data, settings)
    tables, spikes = {}, None
    for split in ("validation", "test"):
        shown = posed(getattr(data, split), trained, settings.steps)
        seen = run_by_steps(network, shown, score_of(trained.task))
        tables[split], spikes = seen.scores, seen.spikes.sum(0)
    assert spikes is not None
    steps = range(1, settings.steps + 1)
    delays = [best_delay(tables["validation"], step) for step in steps]
    found = Answers(
        scores=tuple(tables["test"][0].tolist()),
        delayed=tuple(
            float(tables["test"][after, step - 1])
            for step, after in zip(steps, delays, strict=True)
        ),
        delays=tuple(delays),
        spikes=tuple(accumulate(spikes.tolist())),
        at=at,
        energy_pj=_energies(trained, data, settings, at, counted),
    )
    write_text(to, json.dumps(asdict(found), indent=1) + "\n")
    return found


def _energies(
    trained: Trained, data: DataSet, settings: Settings, at: tuple[int, ...], counted: int
) -> dict[str, tuple[float, ...]]:
    """Of the first ``counted`` test images, at each number of steps."""
    split: Split = data.test[:counted]
    found: dict[str, list[float]] = {key: [] for key in PRICE_LISTS}
    for steps in at:
        fewer = Settings(steps, settings.precharge, 0, settings.percentile, settings.images)
        counts = count(converted(trained, data, fewer), posed(split, trained, steps))
        for key, prices in PRICE_LISTS.items():
            found[key].append(price(counts, prices).total_pj)
    return {key: tuple(values) for key, values in found.items()}


def read(path: Path) -> Answers:
    tree = json.loads(path.read_text(encoding="utf-8"))
    energy_pj = {key: tuple(values) for key, values in tree.pop("energy_pj").items()}
    return Answers(**{key: tuple(values) for key, values in tree.items()}, energy_pj=energy_pj)
