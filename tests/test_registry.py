"""Names, specs and folders."""

from __future__ import annotations

import importlib
import keyword
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3nn.errors import UsageError
from s3nn.registry import LOSSES, MODELS, NEURONS, SURROGATES, SYNAPSES, Registry, Spec

PART = '''
__all__ = ["{name}"]


class {name}:
    """{name}, in a word.

    More of it.
    """

    def __init__(self, size=1, *, colour="red"):
        self.size, self.colour = size, colour
'''


@pytest.fixture
def registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Registry:
    """A registry of two parts, in a folder of its own."""
    package = f"things_of_{request.node.name}"  # imports are cached by name
    folder = tmp_path / package
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "base.py").write_text(PART.format(name="Abstract"))
    (folder / "_private.py").write_text(PART.format(name="Hidden"))
    (folder / "round_thing.py").write_text(PART.format(name="RoundThing"))
    (folder / "box2.py").write_text(PART.format(name="Box2"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(Registry, "folder", folder)
    return Registry("thing", package)


def test_a_folder_is_read(registry: Registry) -> None:
    assert registry.names() == ["box2", "round_thing"]
    entry = registry.entries["round_thing"]
    assert (entry.module, entry.attribute) == (f"{registry.package}.round_thing", "RoundThing")
    assert entry.summary == "RoundThing, in a word."
    assert registry.build("round_thing(size=3)", colour="blue").colour == "blue"
    assert registry.attribute("Box2") is registry.get("box2")
    with pytest.raises(AttributeError, match="no attribute 'Abstract'"):
        registry.attribute("Abstract")


def test_a_new_file_is_all_it_takes(registry: Registry) -> None:
    (registry.folder / "late.py").write_text(PART.format(name="LateComer"))
    importlib.invalidate_caches()
    assert registry.build("late_comer(size=7)").size == 7


def test_two_parts_of_one_name_are_an_error(registry: Registry) -> None:
    (registry.folder / "twice.py").write_text(PART.format(name="RoundThing"))
    with pytest.raises(UsageError, match=r"two things are called 'round_thing': .*\.twice; rename"):
        registry.names()


def test_wrong_names_and_options_get_a_did_you_mean(registry: Registry) -> None:
    with pytest.raises(UsageError, match="unknown thing 'round_thin': did you mean 'round_thing'"):
        registry.get("round_thin")
    with pytest.raises(UsageError, match="option of thing box2 'sise': did you mean 'size'"):
        registry.build("box2(sise=3)")
    with pytest.raises(UsageError, match=r"unknown option .* 'colour' \(known: size\)"):
        registry.build("box2(colour='red')", colour="blue")


@pytest.mark.parametrize(
    ("make", "spec", "says"),
    [
        (
            NEURONS.build,
            "fire(learn=false)",
            "learn of neuron fire takes bool .True or False., got false",
        ),
        (NEURONS.build, "fire(per_channel=1)", "takes bool .True or False., got 1"),
        (NEURONS.build, "fire(threshold=nan)", "takes float, got nan"),
        (NEURONS.build, "fire(threshold=(1, 2))", r"takes float, got \(1, 2\)"),
        (NEURONS.build, "fire(surrogate=[1])", r"takes Surrogate \| None, got \[1\]"),
        (NEURONS.build, "fire(threshold=1j)", "takes float, got 1j"),
        (NEURONS.build, "fire(threshold=inf)", "number of 32 bits, 1.18e-38 to 3.4e.38, got inf"),
        (NEURONS.build, "fire(threshold=1e-46)", "number of 32 bits"),
        (
            NEURONS.build,
            "fire(surrogate=3)",
            r"surrogate of neuron fire takes Surrogate \| None, got 3",
        ),
        (SURROGATES.build, "s3(alpha=foo)", "takes float, got foo"),
        (SYNAPSES.build, "integer(bits=2.5)", "bits of synapse integer takes int, got 2.5"),
        (LOSSES.make, "mse(total=false)", "total of loss mse takes bool"),
        (LOSSES.make, "tet(share=nan)", "share of loss tet takes float"),
    ],
)
def test_values_of_the_wrong_kind(make: Callable[[str], object], spec: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        make(spec)


def test_values_of_the_right_kind() -> None:
    assert SURROGATES.build("s3(alpha=5, beta=None)").beta is None
    assert SURROGATES.build("straight_through(clip=inf)").clip == float("inf")
    assert LOSSES.make("mse(total=True)").total is True


def test_specs_are_read_and_written() -> None:
    spec = Spec.parse(" fire( threshold = 0.5, surrogate=s3(alpha=5, beta=None), learn=True ) ")
    inner = Spec("s3", (("alpha", 5), ("beta", None)))
    assert spec == Spec("fire", (("threshold", 0.5), ("surrogate", inner), ("learn", True)))
    assert str(spec) == "fire(threshold=0.5, surrogate=s3(alpha=5, beta=None), learn=True)"
    assert Spec.parse("relu") == Spec("relu") == Spec.parse("relu()")
    literals = Spec.parse("f(x=-1.5, y='a b', z=(1, 2))").options
    assert literals == {"x": -1.5, "y": "a b", "z": (1, 2)}


@pytest.mark.parametrize(
    "text",
    [
        *("", "  ", "fire(", "fire(0.5)", "1 + 1", "a.b", "a.b()", "fire(threshold=)", "'fire'"),
        *("f, g", "f(x=1+1)", "f(x=open('a'))", "f(x=[y])", "f(x=1)(y=2)", "f(x=1, x=2)"),
        *("f(**x)", "\0"),
    ],
)
def test_text_that_is_no_spec_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write a name, or a name with options such as"):
        Spec.parse(text)


names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name.isidentifier() and name not in {"inf", "nan"}
)
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)


def specs(values: st.SearchStrategy[object]) -> st.SearchStrategy[Spec]:
    options = st.dictionaries(names, values, max_size=3)
    return st.builds(lambda name, items: Spec(name, tuple(items.items())), names, options)


@given(specs(plain | specs(plain)))
def test_every_spec_survives_its_text(spec: Spec) -> None:
    words = {spec.name, *spec.options}
    inner = [value for value in spec.options.values() if isinstance(value, Spec)]
    words.update(word for value in inner for word in (value.name, *value.options))
    if not any(keyword.iskeyword(word) for word in words):
        assert Spec.parse(str(spec)) == spec


def test_the_shelves_of_this_library() -> None:
    assert {"s3", "sigmoid", "rectangle", "triangle", "arctan", "straight_through"} <= set(
        SURROGATES.names()
    )
    assert {"relu", "fire", "sign", "lif", "timing"} <= set(NEURONS.names())
    assert {"real", "binary", "integer"} <= set(SYNAPSES.names())
    assert {"mlp", "cnn7", "vgg11", "resnet18"} <= set(MODELS.names())
    for registry in (SURROGATES, NEURONS, SYNAPSES, MODELS):
        for name, entry in registry.entries.items():
            assert entry.summary, f"{entry.module} has no docstring to list {name} by"


def test_listing_needs_no_torch() -> None:
    code = (
        "import sys; from s3nn.registry import *; from s3nn.registry import SURROGATES, MODELS; "
        "SURROGATES.names(); MODELS.names(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_sentences_call_a_part_what_specs_call_it() -> None:
    antlr = NEURONS.build("antlr", channels=4, answer="times")
    with pytest.raises(UsageError, match="the loss target_time gives those of spikes"):
        LOSSES.build("target_time").check_outputs(antlr)
