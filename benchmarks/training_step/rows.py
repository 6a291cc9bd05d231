"""A row's name to its network."""

from __future__ import annotations

import re
from contextlib import ExitStack

from torch import nn

from s3nn.lean import lean
from training_step.architecture import Architecture
from training_step.peers import PEERS

OURS = ("relu", "s3nn", "s3nn-lean", "s3nn-compiled", "s3nn-events", "lif-t4")
ROWS = (*OURS, *PEERS)
COMPILED = ("-compiled", "-events")  # rows that hand work to torch.compile


def build(row: str, architecture: Architecture, held: ExitStack) -> nn.Module:
    """The network of ``row``: another library's, or ours, which may train lean until ``held`` ends.

    Any row of ``s3nn compare`` is ours; ``-lean``, ``-compiled`` or ``-events`` behind it says how
    it trains.
    """
    if row in PEERS:
        return PEERS[row].network(architecture)
    name, way = plain(row)
    network = architecture.row(name)
    if way:
        held.enter_context(lean(network, compiled=way != "lean", events=way == "events"))
    return network


def plain(row: str) -> tuple[str, str]:
    """One of our rows without the way that it trains, and that way.

    >>> plain("s3nn-lean"), plain("s3nn-int4")
    (('s3nn', 'lean'), ('s3nn-int4', ''))
    """
    match = re.fullmatch(r"(.*)-(lean|compiled|events)", row)
    return (match[1], match[2]) if match else (row, "")
