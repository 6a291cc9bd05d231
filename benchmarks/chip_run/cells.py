"""What is trained and measured on chips, and what was before is read back."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from s3nn.config import Chip, Run
from s3nn.experiment.deploying import accuracy, in_the_loop
from s3nn.experiment.train import train
from s3nn.files import write_text


@dataclass
class Bench:
    """One network on chips: its run in software, and accuracies by where they were measured.

    Accuracies are kept in FOLDER/accuracies.json, trainings in folders beside it.
    """

    run: Run
    folder: Path
    known: dict[str, float] = field(default_factory=dict)

    @classmethod
    def at(cls, run: Run, folder: Path) -> Bench:
        path = folder / "accuracies.json"
        known = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        bench = cls(run, folder, known)
        train(run, bench.software, progress=False)
        return bench

    @property
    def software(self) -> Path:
        return self.folder / "software"

    def ideal(self) -> float:
        return self._known("ideal", lambda: accuracy(self.software))

    def deployed(self, chip: Chip) -> float:
        """The weights of software on ``chip``."""
        return self._known(f"deployed {asdict(chip)}", lambda: accuracy(self.software, chip))

    def trained_longer(self, chip: Chip, epochs: int, lr: float) -> float:
        """The weights of software, trained further in software for as long, on ``chip``."""
        run = in_the_loop(self.software, self.run.chip, epochs, lr)
        place = self.folder / f"software-e{epochs}"

        def measured() -> float:
            train(run, place, progress=False)
            return accuracy(place, chip)

        return self._known(f"longer {asdict(chip)}, {epochs} x {lr:g}", measured)

    def trained_on(self, chip: Chip, epochs: int, lr: float, on: Chip | None = None) -> float:
        """Weights trained on ``chip``, measured there, or on another chip ``on``."""
        run = in_the_loop(self.software, chip, epochs, lr)
        place = self.folder / _name(chip, self.run.chip, epochs)

        def measured() -> float:
            train(run, place, progress=False)
            return accuracy(place, on)

        where = "" if on is None else f" on {asdict(on)}"
        return self._known(f"in the loop {asdict(chip)}, {epochs} x {lr:g}{where}", measured)

    def _known(self, key: str, measured: Callable[[], float]) -> float:
        if key not in self.known:
            print(f"{self.folder.name}: {key}", file=sys.stderr, flush=True)
            self.known[key] = measured()
            text = json.dumps(self.known, indent=1) + "\n"
            write_text(self.folder / "accuracies.json", text)
        return self.known[key]


def _name(chip: Chip, usual: Chip, epochs: int) -> str:
    """``chip0-dead0.2-e4``: the seed, what is not as usual, and the epochs."""
    plain, changed = vars(replace(usual, seed=chip.seed)), vars(chip)
    parts = [f"{name}{value:g}" for name, value in changed.items() if value != plain[name]]
    return "-".join([f"chip{chip.seed}", *parts, f"e{epochs}"])
