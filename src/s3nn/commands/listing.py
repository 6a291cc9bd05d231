"""list: what there is, read from the registries without importing a part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from s3nn.commands.flags import parse
from s3nn.errors import unknown_name
from s3nn.registry import DATA_SETS, MODELS, NEURONS, RECIPES, SURROGATES, SYNAPSES, Registry

KINDS: dict[str, Registry] = {
    "recipes": RECIPES,
    "models": MODELS,
    "neurons": NEURONS,
    "surrogates": SURROGATES,
    "synapses": SYNAPSES,
    "data": DATA_SETS,
}


@dataclass(frozen=True)
class ListFlags:
    """What there is: recipes, models, neurons, surrogates, synapses, data."""

    kind: Annotated[str | None, tyro.conf.Positional] = None
    """One kind only."""


def list_parts(words: list[str]) -> None:
    kind = parse(ListFlags, "list", words).kind
    if kind is not None and kind not in KINDS:
        raise unknown_name("kind", kind, KINDS)
    for name in [kind] if kind else KINDS:
        entries = KINDS[name].entries
        width = max(map(len, entries))
        print(f"{name}:")
        for entry in sorted(entries.values(), key=lambda e: e.name):
            print(f"  {entry.name:<{width}}  {entry.summary}")
