"""Names for parts: a registry reads a folder, a spec says which part with which options.

A registry is a folder of modules.  Each module lists what it offers in ``__all__``; the name of an
offer is its identifier in snake case (``StraightThrough`` -> ``straight_through``).  Listing reads
the syntax trees only, so that it needs no torch; ``get`` imports the one module that is asked for.
"""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from math import inf
from pathlib import Path
from typing import Any

from s3nn.errors import UsageError, unknown_name

SPEC_LENGTH = 1000


@dataclass(frozen=True)
class Entry:
    """One offer of a folder: its name, where it lives, and the first line of its docstring."""

    name: str
    module: str
    attribute: str
    summary: str


@dataclass(frozen=True)
class Registry:
    """The parts of one kind, found by reading the folder of ``package``.

    >>> surrogates = Registry("surrogate", "s3nn.surrogates")
    >>> "s3" in surrogates.names()
    True
    """

    kind: str
    package: str

    @cached_property
    def folder(self) -> Path:
        parts = self.package.split(".")[1:]
        return Path(__file__).resolve().parent.joinpath(*parts)

    @cached_property
    def entries(self) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for path in sorted(self.folder.glob("*.py")):
            if path.stem.startswith("_") or path.stem == "base":
                continue
            for entry in _read_module(path, f"{self.package}.{path.stem}"):
                if entry.name in found:
                    raise UsageError(
                        f"two {self.kind}s are called {entry.name!r}: "
                        f"{found[entry.name].module} and {entry.module}; rename one of them"
                    )
                found[entry.name] = entry
        return found

    def names(self) -> list[str]:
        return sorted(self.entries)

    def get(self, name: str) -> Any:
        """The class or function called ``name``; an unknown name gets a did-you-mean."""
        if name not in self.entries:
            raise unknown_name(self.kind, name, self.entries)
        entry = self.entries[name]
        return getattr(import_module(entry.module), entry.attribute)

    def build(self, spec: Spec | str, /, **context: Any) -> Any:
        """Call the part that ``spec`` names with the spec's options and ``context``.

        An option that the part does not take is a ``UsageError`` that lists those it takes, and so
        is a value of the wrong kind: a word or a broken number where a whole one is wanted.
        """
        spec = Spec.parse(spec) if isinstance(spec, str) else spec
        part = self.get(spec.name)
        takes = inspect.signature(part).parameters
        free = set(takes) - set(context)
        for option, value in spec.items:
            if option not in free:
                raise unknown_name(f"option of {self.kind} {spec.name}", option, free)
            if not _fits(value, takes[option].annotation):
                kind = re.sub(r"<class '(.*)'>", r"\1", str(takes[option].annotation))
                kind = kind.replace("bool", "bool (True or False)")
                raise UsageError(f"{option} of {self.kind} {spec.name} takes {kind}, got {value}")
        return part(**spec.options, **context)

    def make(self, spec: Spec | str, /, **context: Any) -> Any:
        """As ``build``, where a bare word stands for itself: ``membrane(take=max)``."""
        spec = Spec.parse(spec) if isinstance(spec, str) else spec
        items = tuple((key, _word(value)) for key, value in spec.items)
        return self.build(Spec(spec.name, items), **context)

    def attribute(self, identifier: str) -> Any:
        """``__getattr__`` of the package: ``from s3nn.surrogates import S3`` imports one file."""
        for entry in self.entries.values():
            if entry.attribute == identifier:
                return self.get(entry.name)
        raise AttributeError(f"module {self.package!r} has no attribute {identifier!r}")


@dataclass(frozen=True)
class Spec:
    """A part and its options, written as a call: ``fire(threshold=0.5, surrogate=s3(alpha=5))``.

    >>> Spec.parse("fire(threshold=0.5, surrogate=s3(alpha=5))").options["surrogate"]
    Spec(name='s3', items=(('alpha', 5),))
    >>> str(Spec.parse("integer( bits = 4 )"))
    'integer(bits=4)'
    """

    name: str
    items: tuple[tuple[str, Any], ...] = ()

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.items)

    def __str__(self) -> str:
        if not self.items:
            return self.name
        shown = ", ".join(
            f"{key}={value if isinstance(value, Spec) else repr(value)}"
            for key, value in self.items
        )
        return f"{self.name}({shown})"

    @classmethod
    def parse(cls, text: str) -> Spec:
        try:
            if len(text) > SPEC_LENGTH:
                raise ValueError(f"more than {SPEC_LENGTH} characters")
            node = ast.parse(text.strip(), mode="eval").body
            return cls._from_node(node)
        except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
            raise UsageError(
                f"cannot read {text[:100]!r}: write a name, or a name with options "
                "such as fire(threshold=0.5)"
            ) from error

    @classmethod
    def _from_node(cls, node: ast.expr) -> Spec:
        if isinstance(node, ast.Name):
            return cls(node.id)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args:
            items = tuple((k.arg, cls._value(k.value)) for k in node.keywords if k.arg)
            if len(dict(items)) == len(node.keywords):  # no **options, no option twice
                return cls(node.func.id, items)
        raise ValueError(ast.unparse(node))

    @classmethod
    def _value(cls, node: ast.expr) -> Any:
        match node:
            case ast.Name(id="inf"):
                return inf
            case ast.UnaryOp(op=ast.USub(), operand=ast.Name(id="inf")):
                return -inf
            case ast.Name() | ast.Call():
                return cls._from_node(node)
        return ast.literal_eval(node)


_NUMBERS = {"bool", "int", "float", "None"}


def _fits(value: Any, annotation: Any) -> bool:
    """Whether a value, as a spec can have it, is of the kind that a parameter says it takes."""
    kinds = set(re.findall(r"\w+", str(annotation))) - {"class"}
    match value:
        case _ if "Any" in kinds or annotation is inspect.Parameter.empty:
            return True
        case bool():
            return "bool" in kinds
        case int():
            return bool(kinds & {"int", "float"})
        case float():
            return "float" in kinds
        case None:
            return "None" in kinds
        case str() | Spec():
            return not kinds <= _NUMBERS
        case tuple() | list():
            return bool(kinds & {"tuple", "list", "Sequence", "Iterable"})
        case set() | dict() | bytes() | complex():
            return False
    return True


def _word(value: Any) -> Any:
    return value.name if isinstance(value, Spec) and not value.items else value


def snake_case(identifier: str) -> str:
    """The name of an offer: ``StraightThrough`` -> ``straight_through``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", identifier).lower()


def name_of(part: object) -> str:
    """What specs call a part: ``name_of(StraightThrough())`` is ``straight_through``."""
    return snake_case(type(part).__name__)


def _read_module(path: Path, module: str) -> list[Entry]:
    """The entries of one file, from its syntax tree alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    offers: list[str] = []
    summaries: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets
        ):
            offers = list(ast.literal_eval(node.value))
        elif isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            doc = ast.get_docstring(node) or ""
            summaries[node.name] = doc.partition("\n")[0]
    return [Entry(snake_case(name), module, name, summaries.get(name, "")) for name in offers]


SURROGATES = Registry("surrogate", "s3nn.surrogates")
NEURONS = Registry("neuron", "s3nn.neurons")
SYNAPSES = Registry("synapse", "s3nn.synapses")
ENCODERS = Registry("encoder", "s3nn.clock.encoders")
READOUTS = Registry("read-out over time", "s3nn.clock.readouts")
LOSSES = Registry("loss", "s3nn.losses")
TASKS = Registry("task", "s3nn.tasks")
RULES = Registry("rule", "s3nn.rules")
PENALTIES = Registry("penalty", "s3nn.penalties")
MODELS = Registry("model", "s3nn.models")
DATA_SETS = Registry("data set", "s3nn.data")
RECIPES = Registry("recipe", "s3nn.recipes")
FORMATS = Registry("export format", "s3nn.export")
