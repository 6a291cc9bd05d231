"""A run: everything that decides what is trained, as one tree of frozen dataclasses.

The Python API, the command line and run.json share this definition.  It holds names and numbers
only and needs no torch.  Parts are written as specs: ``fire(threshold=0.5)``, ``integer(bits=4)``.
"""

from s3nn.config.run import Run
from s3nn.config.sections import (
    DEFAULT_PRICES,
    LIMITS,
    Budget,
    Chip,
    Data,
    Fit,
    Gates,
    Model,
    Optim,
    Penalty,
    Teacher,
)

__all__ = [
    "DEFAULT_PRICES",
    "LIMITS",
    "Budget",
    "Chip",
    "Data",
    "Fit",
    "Gates",
    "Model",
    "Optim",
    "Penalty",
    "Run",
    "Teacher",
]
