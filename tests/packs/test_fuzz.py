"""Whatever a pack holds, reading it gives a network or one sentence: it never hangs, crashes, runs.

Every example starts from a whole pack and changes something: bytes of the zip, the JSON that a
safetensors file begins with, or a value in run.json.  What is changed is signed again, so that it
passes the checksums and reaches what reads it.  An audit hook watches for anything executed.
"""

from __future__ import annotations

import copy
import json
import os
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from s3nn.errors import S3nnError
from s3nn.packs.manifest import Manifest
from s3nn.packs.read import _read, proved

MORE = int(os.environ.get("S3NN_FUZZ", "1"))
SECONDS = 20  # far more than any example takes; a hang is longer
FORBIDDEN = ("pickle.find_class", "os.system", "subprocess.Popen", "os.exec", "marshal.loads")


def fuzz(examples: int) -> settings:
    """Some examples, the same each time; S3NN_FUZZ=20 looks at twenty times as many others."""
    return settings(
        max_examples=examples * MORE,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
        database=None,
        derandomize=MORE == 1,
    )


watching = False
executed: list[str] = []


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if watching and event in FORBIDDEN:
        executed.append(event)


@cache
def _installed() -> bool:
    sys.addaudithook(_watch)  # for good: there is no taking it away
    return True


@contextmanager
def one_sentence() -> Iterator[None]:
    """Inside, what is wrong is an ``S3nnError`` of one line, soon; and nothing is executed."""
    global watching
    began, watching = time.monotonic(), _installed()
    try:
        yield
    except S3nnError as error:
        text = str(error)
        assert text, "an error says what is wrong"
        assert "\n" not in text
        assert len(text) < 1000
    finally:
        watching = False
    assert executed == []
    assert time.monotonic() - began < SECONDS


@pytest.fixture(scope="module")
def whole(packed: Path) -> dict[str, bytes]:
    import s3nn.packs.hub  # what is imported later would look like something executed

    assert s3nn.packs.hub.SCHEME
    contents = {p.name: p.read_bytes() for p in packed.iterdir() if p.name != "pack.json"}
    proved(Manifest.of(contents, "0"), contents, "pack")
    return contents


@pytest.fixture(scope="module")
def zipped(run: Path) -> bytes:
    from s3nn.packs import pack

    pack(run, run.parent / "whole.zip", images=4)
    return (run.parent / "whole.zip").read_bytes()


@fuzz(25)
@given(
    places=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), max_size=4),
    at_the_end=st.booleans(),
    keep=st.one_of(st.just(1.0), st.floats(0, 1)),
)
def test_bytes_of_a_zip(
    zipped: bytes,
    tmp_path: Path,
    places: list[tuple[float, bytes]],
    at_the_end: bool,
    keep: float,
) -> None:
    data = bytearray(zipped[: int(keep * len(zipped))])
    directory = max(0, len(data) - 700)  # the list of files, where a zip is most easily broken
    for place, piece in places:
        first = directory if at_the_end else 0
        start = first + int(place * (len(data) - first))
        data[start : start + len(piece)] = piece
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    with one_sentence():
        _read(path, "a.zip")


numbers = st.one_of(
    st.integers(-(2**70), 2**70),
    st.integers(-3, 40),
    st.floats(),
    st.sampled_from([0, 1, 2**31, 2**63, 10**400, 1e308]),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=12)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
specs = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            *("fire(threshold=nan)", "fire(threshold=1e-400)", "fire(learn=None)", "fire(learn=3)"),
            *("lif(tau=0)", "lif(tau='a')", "fire(channels=7)", "fire(surrogate=1)", "iaf", "sign"),
            *("fire(surrogate=masked(of=masked(of=s3)))", "fire(surrogate=s3(alpha=-1))", "relu"),
            *("integer(bits=0)", "integer(bits=10**9)", "integer(bits=2)", "binary", "real(x=1)"),
            *(
                "mlp",
                "mlp(norm=[1])",
                "vgg11",
                "cnn7(width=9)",
                "resnet18",
                "mean",
                "max",
                "direct",
            ),
            *("rate", "frames", "latency", "rows", "membrane(tau=0)", "weighted", "first_spike"),
            *("__import__", "f'{1}'", "(lambda: 1)()", "fire(**{})", "fire(threshold=(1,))"),
        ]
    ),
)


def replaced(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of ``tree`` with another value at a path."""
    tree = copy.deepcopy(tree)
    node = tree
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return tree


def paths(tree: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs: Any = tree.items() if isinstance(tree, dict) else enumerate(tree)
    found = []
    for key, value in pairs:
        found.append((*above, key))
        if isinstance(value, dict | list):
            found += paths(value, (*above, key))
    return found


@fuzz(50)
@given(data=st.data())
def test_values_of_run_json(whole: dict[str, bytes], data: st.DataObject) -> None:
    tree = json.loads(whole["run.json"])
    for _ in range(data.draw(st.integers(1, 3))):
        about = data.draw(st.sampled_from(["model", "data", "any"]))
        start: tuple[str, ...] = {"model": ("run", "model"), "data": ("data",), "any": ()}[about]
        node = tree
        for key in start:
            node = node[key] if isinstance(node, dict) and isinstance(node.get(key), dict) else {}
        places = paths(node, start)
        if not places:
            continue
        path = data.draw(st.sampled_from(places))
        tree = replaced(tree, path, data.draw(specs if about == "model" else values))
    contents = whole | {"run.json": json.dumps(tree).encode()}
    with one_sentence():
        proved(Manifest.of(contents, "0"), contents, "pack")


@fuzz(30)
@given(content=st.one_of(st.binary(max_size=60), values.map(lambda v: json.dumps(v).encode())))
@example(content=b'{"run":{},"data":{},"versions":{}}')
def test_any_run_json(whole: dict[str, bytes], content: bytes) -> None:
    contents = whole | {"run.json": content}
    with one_sentence():
        proved(Manifest.of(contents, "0"), contents, "pack")


@pytest.mark.parametrize("name", ["model.safetensors", "golden.safetensors"])
@fuzz(25)
@given(data=st.data())
def test_headers_of_safetensors(whole: dict[str, bytes], name: str, data: st.DataObject) -> None:
    content = whole[name]
    length = int.from_bytes(content[:8], "little")
    tree = json.loads(content[8 : 8 + length])
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(paths(tree) or [("a",)]))
        tree = replaced(tree, path, data.draw(values))
    text = json.dumps(tree).encode()
    size = data.draw(st.one_of(st.just(len(text)), st.integers(0, 2**64 - 1)))
    body = content[8 + length :][: data.draw(st.sampled_from([None, 0, 100]))]
    contents = whole | {name: struct.pack("<Q", size) + text + body}
    with one_sentence():
        proved(Manifest.of(contents, "0"), contents, "pack")


@fuzz(25)
@given(data=st.data())
def test_bytes_of_weights(whole: dict[str, bytes], data: st.DataObject) -> None:
    """Numbers that are not what was packed: the golden vectors, at the latest, say so."""
    content = bytearray(whole["model.safetensors"])
    place = data.draw(st.integers(0, len(content) - 8))
    content[place : place + 8] = data.draw(st.binary(min_size=8, max_size=8))
    contents = whole | {"model.safetensors": bytes(content)}
    with one_sentence():
        proved(Manifest.of(contents, "0"), contents, "pack")


@fuzz(15)
@given(data=st.data())
def test_values_of_the_manifest(whole: dict[str, bytes], data: st.DataObject) -> None:
    tree = json.loads(Manifest.of(whole, "0").text())
    path = data.draw(st.sampled_from(paths(tree)))
    tree = replaced(tree, path, data.draw(values))
    with one_sentence():
        Manifest.read(json.dumps(tree).encode(), "pack.json")


@fuzz(15)
@given(data=st.data())
def test_values_of_result_json(whole: dict[str, bytes], data: st.DataObject) -> None:
    tree = json.loads(whole["result.json"])
    path = data.draw(st.sampled_from(paths(tree)))
    contents = whole | {"result.json": json.dumps(replaced(tree, path, data.draw(values))).encode()}
    with one_sentence():
        proved(Manifest.of(contents, "0"), contents, "pack")
