"""Energy: count exactly, then price.

count(model, batches) -> Counts        exact integers, from the spikes that were there
price(counts, prices) -> Energy        under one of PRICE_LISTS
integer_rivals(counts, relu_counts)    the integer ReLU networks to beat
lint(model, counts)                    edges that are not binary
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from s3nn.energy.counting import count
    from s3nn.energy.counts import Counts, LayerCounts
    from s3nn.energy.finding import Finding
    from s3nn.energy.ledger import Energy, price
    from s3nn.energy.linting import lint
    from s3nn.energy.prices import PRICE_LISTS, LayerEnergy, PriceList
    from s3nn.energy.rivalry import Rival, integer_rivals

__all__ = [
    "PRICE_LISTS",
    "Counts",
    "Energy",
    "Finding",
    "LayerCounts",
    "LayerEnergy",
    "PriceList",
    "Rival",
    "count",
    "integer_rivals",
    "lint",
    "price",
]

_HOME = {
    "PRICE_LISTS": "prices",
    "Counts": "counts",
    "Energy": "ledger",
    "Finding": "finding",
    "LayerCounts": "counts",
    "LayerEnergy": "prices",
    "PriceList": "prices",
    "Rival": "rivalry",
    "count": "counting",
    "lint": "linting",
    "price": "ledger",
    "integer_rivals": "rivalry",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
