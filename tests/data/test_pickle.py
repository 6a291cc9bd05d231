import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from s3nn.data._pickle import read_batch
from s3nn.errors import DataError

ROWS = np.arange(12, dtype=np.uint8).reshape(3, 4)
PATH = Path("data_batch_1")

# What Python 2 wrote for {'data': ROWS, 'labels': [0, 1, 2]}: text as bytes, the old module's name.
PYTHON_2 = (
    b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\n"
    b"q\x04K\x00\x85U\x01b\x87Rq\x05(K\x01K\x03K\x04\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87R"
    b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x0c"
    + ROWS.tobytes()
    + b"tbU\x06labelsq\x07]q\x08(K\x00K\x01K\x02eu."
)


def read(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    return read_batch(bytearray(data), PATH, "labels", pixels=4)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("rows", [ROWS, np.asfortranarray(ROWS)], ids=["c", "fortran"])
def test_batches_are_read_at_each_protocol(protocol: int, rows: np.ndarray) -> None:
    read_rows, labels = read(pickle.dumps({"data": rows, "labels": [2, 0, 1]}, protocol=protocol))
    np.testing.assert_array_equal(read_rows, ROWS)
    assert labels.tolist() == [2, 0, 1]


def test_a_batch_that_python_2_wrote_is_read() -> None:
    assert pickle.loads(PYTHON_2, encoding="bytes")[b"data"].tolist() == ROWS.tolist()
    rows, labels = read(PYTHON_2)
    np.testing.assert_array_equal(rows, ROWS)
    assert labels.tolist() == [0, 1, 2]


class Runs:
    """An object whose pickle runs a command."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.path}",)


def test_what_a_file_asks_to_run_is_refused_and_does_not_run(tmp_path: Path) -> None:
    data = pickle.dumps({"data": ROWS, "labels": Runs(tmp_path / "ran")})
    with pytest.raises(DataError, match=r"asks for (posix|nt)\.system, which is not allowed"):
        read(data)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "pickled",
    [b"cbuiltins\neval\n(V1\ntR.", b"cnumpy\nload\n.", b"cnumpy.core.multiarray\nfromfile\n."],
)
def test_no_other_name_may_be_used(pickled: bytes) -> None:
    with pytest.raises(DataError, match="not allowed"):
        read(pickled)


@pytest.mark.parametrize(
    ("batch", "says"),
    [
        ([1, 2], "holds a list"),
        ({"labels": [1]}, "has no 'data'"),
        ({"data": ROWS}, "has no 'labels'"),
        ({"data": ROWS, "labels": [1, 2]}, "3 images and 2 labels"),
        ({"data": ROWS, "labels": [1, 2, "3"]}, "not a list of integers"),
        ({"data": ROWS.astype(float), "labels": [1, 2, 3]}, "not a uint8 array"),
        ({"data": ROWS.astype(object), "labels": [1, 2, 3]}, "not a uint8 array"),
        ({"data": ROWS[:, :3], "labels": [1, 2, 3]}, "not a uint8 array"),
        ({"data": ROWS[0], "labels": [1, 2, 3]}, "not a uint8 array"),
        ({"data": b"rows", "labels": [1, 2, 3]}, "not a uint8 array"),
    ],
)
def test_what_is_no_batch_is_said(batch: object, says: str) -> None:
    with pytest.raises(DataError, match=f"data_batch_1.*{says}"):
        read(pickle.dumps(batch, protocol=2))


@pytest.mark.parametrize("cut", range(0, len(PYTHON_2), 7))
def test_a_cut_file_is_said_to_be_damaged(cut: int) -> None:
    with pytest.raises(DataError, match="data_batch_1"):
        read(PYTHON_2[:cut])
