"""Surrogate gradients: one frozen dataclass a file, each with its equation and source."""

from typing import Any

from s3nn.registry import SURROGATES, Spec
from s3nn.surrogates.base import Surrogate, fired, spike

__all__ = ["Surrogate", "fired", "make_surrogate", "spike"]


def make_surrogate(spec: Spec | str) -> Surrogate:
    """The surrogate that ``spec`` describes, one inside of another included.

    >>> make_surrogate("masked(of=s3(alpha=5), p=0.3, target=silent)")
    Masked(of=S3(alpha=5, beta=1.0), p=0.3, rescale=False, target='silent')
    """
    spec = Spec.parse(spec) if isinstance(spec, str) else spec
    items = tuple((key, _option(key, value)) for key, value in spec.items)
    surrogate: Surrogate = SURROGATES.build(Spec(spec.name, items))
    return surrogate


def _option(key: str, value: Any) -> Any:
    """What is wrapped is built; any other bare word stands for itself: ``target=silent``."""
    if key == "of" and isinstance(value, (Spec, str)):
        return make_surrogate(value)
    return value.name if isinstance(value, Spec) and not value.items else value


def __getattr__(name: str) -> Any:
    return SURROGATES.attribute(name)
