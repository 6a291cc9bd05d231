"""JSON to frozen dataclasses and back, strict about keys and kinds.

A wrong file is a ``RunFolderError`` of one sentence that names the place, what stands there and
what should.  A number that is not finite is written as null where the schema allows null, and is
refused elsewhere: JSON has no NaN.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from s3nn.errors import RunFolderError


def decode(kind: Any, value: Any, where: str = "result") -> Any:
    """Read the JSON ``value`` as ``kind``: a dataclass, tuple, dict, literal, enum, union or plain.

    A field with a default may be missing; a key that is no field is an error.

    >>> decode(tuple[float, ...], [1, 2.5])
    (1.0, 2.5)
    >>> decode(dict[str, int], {"a": "x"}, "rows[0].steps")
    Traceback (most recent call last):
    s3nn.errors.RunFolderError: rows[0].steps.a is 'x', but should be an integer
    """
    origin = get_origin(kind)
    if kind is Any:
        return value
    if is_dataclass(kind):
        return _decode_dataclass(kind, value, where)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise _wrong(where, value, "a list")
        item = get_args(kind)[0]
        return tuple(decode(item, each, f"{where}[{i}]") for i, each in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise _wrong(where, value, "an object")
        item = get_args(kind)[1]
        return {str(key): decode(item, each, f"{where}.{_key(key)}") for key, each in value.items()}
    if origin is Literal:
        if value not in get_args(kind):
            raise _wrong(where, value, f"one of {', '.join(map(repr, get_args(kind)))}")
        return value
    if isinstance(kind, type) and issubclass(kind, Enum):
        named = {each.value: each for each in kind}
        if not isinstance(value, str) or value not in named:
            raise _wrong(where, value, f"one of {', '.join(map(repr, named))}")
        return named[value]
    if origin in (Union, UnionType):
        return _decode_union(get_args(kind), value, where)
    return _decode_plain(kind, value, where)


def parse_json(text: str | bytes, where: str, most_bytes: int = 64 * 2**20) -> Any:
    """The JSON value of ``text``, or a ``RunFolderError`` that says what is wrong with it.

    Refused besides what is no JSON: more than ``most_bytes``, brackets nested too deeply to be
    read, numbers of thousands of digits, and the NaN and Infinity that JSON does not have.

    >>> parse_json('{"a": [1, 2.5]}', "a.json")
    {'a': [1, 2.5]}
    >>> parse_json("[NaN]", "a.json")
    Traceback (most recent call last):
    s3nn.errors.RunFolderError: a.json cannot be read as JSON (NaN is no number of JSON)
    """
    if len(text) > most_bytes:
        raise RunFolderError(
            f"{where} has {len(text):,} bytes, more than the {most_bytes:,} it may"
        )
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise RunFolderError(f"{where} is nested too deeply to be read") from None
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError are such
        raise RunFolderError(f"{where} cannot be read as JSON ({error})") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def encode(value: Any, where: str = "result") -> Any:
    """What ``json.dumps`` takes, of the same shape that ``decode`` reads.

    >>> encode((1, float("nan")))
    [1, None]
    """
    if is_dataclass(value):
        return {
            f.name: encode(getattr(value, f.name), f"{where}.{f.name}")
            for f in written(value)
            if not (f.metadata.get("sparse") and getattr(value, f.name) == f.default)
        }
    if isinstance(value, dict):
        return {str(key): encode(each, f"{where}.{key}") for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [encode(each, f"{where}[{i}]") for i, each in enumerate(value)]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    raise _wrong(where, value, "a number, a string, a list or an object")


def written(kind: Any) -> list[Any]:
    """The fields of a dataclass that stand in the JSON file; sparse ones not at their default."""
    return [f for f in fields(kind) if f.metadata.get("json", True)]


def _decode_dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise _wrong(where, value, "an object")
    names = [f.name for f in written(kind)]
    missing = [f.name for f in written(kind) if f.name not in value and not _optional(f)]
    unknown = [name for name in value if name not in names]
    if missing or unknown:
        parts = []
        if missing:
            parts.append(f"lacks {', '.join(map(repr, missing))}")
        if unknown:
            named = ", ".join(repr(name)[:60] for name in unknown[:5])
            parts.append(f"has unknown {named}{', ...' if len(unknown) > 5 else ''}")
        raise RunFolderError(
            f"{where} {' and '.join(parts)}: written by another version of s3nn? run it again"
        )
    hints = get_type_hints(kind)
    there = [name for name in names if name in value]
    return kind(**{name: decode(hints[name], value[name], f"{where}.{name}") for name in there})


def _key(key: str) -> str:
    """A key as a message names it: it may come from anyone, and a message is one line."""
    return key if key.isprintable() and len(key) <= 60 else repr(key)[:60]


def _optional(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _decode_union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    not_a_number = isinstance(value, float) and not math.isfinite(value)
    if NoneType in kinds and (value is None or not_a_number):
        return None
    if type(value) in kinds and not not_a_number:
        return value
    choices = [kind for kind in kinds if kind is not NoneType]
    for kind in choices:
        try:
            return decode(kind, value, where)
        except RunFolderError:
            if len(choices) == 1:
                raise
    raise _wrong(where, value, " or ".join(_PLAIN.get(kind, str(kind)) for kind in choices))


_PLAIN = {float: "a finite number", int: "an integer", str: "a string", bool: "true or false"}


_MOST = sys.float_info.max  # a larger integer is no float, NaN compares with nothing


def _decode_plain(kind: Any, value: Any, where: str) -> Any:
    if isinstance(value, bool) and kind is not bool:
        raise _wrong(where, value, _PLAIN[kind])
    if kind is float and isinstance(value, int | float) and -_MOST <= value <= _MOST:
        return float(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind is not float and isinstance(value, kind):
        return value
    raise _wrong(where, value, _PLAIN[kind])


def _wrong(where: str, value: Any, should: str) -> RunFolderError:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return RunFolderError(f"{where} is {shown}, but should be {should}")
