"""What a row says that cannot run here."""

from __future__ import annotations


class NotRunError(Exception):
    """A row that is left out: why, and what would bring it."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy
