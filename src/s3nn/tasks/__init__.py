"""Tasks: what a network is asked, and how well it answers.  One frozen dataclass a file."""

from typing import Any

from s3nn.registry import TASKS
from s3nn.tasks._pictures import MOST_DB, Pictures, psnr_db
from s3nn.tasks.base import Posed, Task

__all__ = ["MOST_DB", "Pictures", "Posed", "Task", "psnr_db"]


def __getattr__(name: str) -> Any:
    return TASKS.attribute(name)
