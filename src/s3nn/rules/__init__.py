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
    rule: Rule = RULES.make(spec)
    return rule


def __getattr__(name: str) -> Any:
    return RULES.attribute(name)
