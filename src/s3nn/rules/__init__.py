"""Rules: what a layer is told to change by.  One file each."""

from typing import Any

from s3nn.registry import RULES, Spec
from s3nn.rules.base import Rule

__all__ = ["Rule", "make_rule"]


def make_rule(spec: Spec | str) -> Rule:
    """The rule that ``spec`` describes.

    >>> make_rule("brp(form=target)").form
    'target'
    """
    spec = Spec.parse(spec) if isinstance(spec, str) else spec
    items = tuple((key, _word(value)) for key, value in spec.items)
    rule: Rule = RULES.build(Spec(spec.name, items))
    return rule


def _word(value: Any) -> Any:
    """A bare word stands for itself: ``brp(form=target)``."""
    return value.name if isinstance(value, Spec) and not value.items else value


def __getattr__(name: str) -> Any:
    return RULES.attribute(name)
