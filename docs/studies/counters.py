"""Operations an inference as each counter has them."""

from __future__ import annotations

from typing import Any

from studies._page import page


def table(tree: dict[str, Any]) -> str:
    heads = ["model", "row", "ACs", "NeuroBench", "SpikingJelly", "syops"]
    heads += ["MACs", "NeuroBench", "SpikingJelly", "syops"]
    lines: list[list[str]] = []
    for row in tree["counters"]:
        cells = [row["model"], row["row"]]
        for kind in ("acs", "macs"):
            mine = row["ours"][kind] / row["samples"]
            cells.append(f"{mine:,.0f}")
            for name in ("neurobench", "spikingjelly", "syops"):
                apart = row["theirs"][name][kind] - mine
                cells.append("same" if abs(apart) < 1e-6 else f"{apart:+,.0f}")
        lines.append(cells)
    what = f"Operations an inference, and what others count beyond ours; {tree['what']}."
    return page(what, heads, lines, words=2)
