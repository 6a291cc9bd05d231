"""list: what there is, read from the registries without importing a part."""

from __future__ import annotations

from s3nn.errors import UsageError, unknown_name
from s3nn.registry import (
    DATA_SETS,
    ENCODERS,
    FORMATS,
    LOSSES,
    MODELS,
    NEURONS,
    PENALTIES,
    READOUTS,
    RECIPES,
    RULES,
    SURROGATES,
    SYNAPSES,
    TASKS,
    Registry,
)
from s3nn.rows import EXAMPLES

KINDS: dict[str, Registry] = {
    "recipes": RECIPES,
    "tasks": TASKS,
    "models": MODELS,
    "neurons": NEURONS,
    "surrogates": SURROGATES,
    "synapses": SYNAPSES,
    "encoders": ENCODERS,
    "readouts": READOUTS,
    "losses": LOSSES,
    "rules": RULES,
    "penalties": PENALTIES,
    "data": DATA_SETS,
    "formats": FORMATS,
}
ROWS = "rows"

USAGE = f"""\
usage: s3nn list [KIND]

What there is, all of it or one kind: {", ".join([*KINDS, ROWS])}.
"""


def list_parts(words: list[str]) -> None:
    # No tyro here: it takes longer to import than everything else this command does.
    if words[:1] in (["-h"], ["--help"]):
        print(USAGE, end="")
        return
    if len(words) > 1:
        raise UsageError(f"s3nn list takes one kind at most, got {' '.join(words)}")
    for kind in words or [*KINDS, ROWS]:
        if kind == ROWS:
            print(f"{ROWS}:\n  {', '.join(EXAMPLES)}")
            continue
        if kind not in KINDS:
            raise unknown_name("kind", kind, [*KINDS, ROWS])
        entries = KINDS[kind].entries
        width = max(map(len, entries))
        print(f"{kind}:")
        for entry in sorted(entries.values(), key=lambda e: e.name):
            print(f"  {entry.name:<{width}}  {entry.summary}")
