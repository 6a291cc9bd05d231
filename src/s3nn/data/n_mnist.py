"""N-MNIST: the digits of MNIST, shown to a moving event camera."""

from __future__ import annotations

from pathlib import Path

from s3nn.data._atis import read_atis
from s3nn.data._event_frames import Framing
from s3nn.data._recorded import Recorded, original_folder
from s3nn.data.base import Places, Raw, Split
from s3nn.errors import DataError

__all__ = ["N_MNIST"]

WANTED = (
    "Train/0 to Train/9 and Test/0 to Test/9 with numbered .bin files, unpacked from Train.zip and "
    "Test.zip of https://www.garrickorchard.com/datasets/n-mnist"
)


class N_MNIST(Recorded):  # noqa: N801 - as its authors write it
    """60,000 train and 10,000 test recordings of digits, 34x34 pixels of two polarities, 0.3 s.

    They are numbered as MNIST's images are, and the last 5,000 are held out for validation as
    there.

    Source: Orchard, Jayawant, Cohen, Thakor, "Converting static image datasets to spiking
    neuromorphic datasets using saccades", Front. Neurosci. 9 (2015) 437;
    https://www.garrickorchard.com/datasets/n-mnist.
    """

    name = "n_mnist"
    classes = tuple(str(digit) for digit in range(10))
    licence = "CC BY-SA 4.0 (Orchard et al., 2015)"
    validation_last = 5_000

    def __init__(self, framing: Framing | None = None) -> None:
        super().__init__(framing)
        self.see((34, 34))

    def read(self, places: Places) -> Raw:
        folder = original_folder(self, places, WANTED)
        train, test = self._part(folder / "Train"), self._part(folder / "Test")
        return Raw(train, test, validation=None, source="original files in the user's folder")

    def _part(self, top: Path) -> Split:
        found = sorted(
            (_number(path), label, path)
            for label, digit in enumerate(self.classes)
            for path in (top / digit).glob("*.bin")
        )
        for expected, (number, _, path) in enumerate(found, start=1):
            if number != expected:
                raise DataError(
                    f"{top} has no recording {expected:05}.bin, or two of one number (next is "
                    f"{path.parent.name}/{path.name}): unpack the archive again"
                )
        if not found:
            raise DataError(f"{top} has no recordings of n_mnist: {WANTED}")
        samples = ((read_atis(path).events, path) for _, _, path in found)
        return self.framed(samples, [label for _, label, _ in found])


def _number(path: Path) -> int:
    if not path.stem.isdecimal():
        raise DataError(f"{path} is not a number, as recordings of n_mnist are: take it away")
    return int(path.stem)
