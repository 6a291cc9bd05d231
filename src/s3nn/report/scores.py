"""What the rows of a result are judged by, and how that is written down."""

from __future__ import annotations

from dataclasses import dataclass

from s3nn.report import units
from s3nn.report.schema import Measure, Result


@dataclass(frozen=True)
class Score:
    """A score: its name, the unit that it is shown in and its factor, and that of differences.

    ``best`` is what the row with the highest is called, ``curve`` the field of ``Curves``.
    """

    name: str
    unit: str
    factor: float
    difference: str
    best: str
    curve: str

    def text(self, score: Measure) -> str:
        """A mean and, with several seeds, the half width of its interval."""
        return units.measure_text(score, self.factor, self.unit)

    def signed(self, difference: float) -> str:
        """A difference of two scores, with its sign and without its unit."""
        return units.signed_points(difference * self.factor / 100)

    @property
    def title(self) -> str:
        """The name at the beginning of a sentence."""
        return self.name[0].upper() + self.name[1:]

    def axis(self, split: str) -> str:
        return f"{split} {self.name}, {self.unit}"


ACCURACY = Score("accuracy", "%", 100.0, "points", "most accurate", "validation_accuracy")
PSNR = Score("PSNR", "dB", 1.0, "dB", "nearest to the true images", "validation_psnr_db")


def score_of(result: Result) -> Score:
    """PSNR where networks answer with images, accuracy elsewhere.

    >>> PSNR.text(Measure(29.131, None, (29.131,))), ACCURACY.axis("test")
    ('29.13 dB', 'test accuracy, %')
    """
    return PSNR if any(row.images is not None for row in result.rows) else ACCURACY
