"""The processes that train together, started by torchrun or by SLURM."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Processes:
    """How many there are, on how many nodes, and which one this is."""

    rank: int = 0
    world: int = 1
    nodes: int = 1
    local_rank: int = 0

    @classmethod
    def here(cls) -> Processes:
        """What torchrun or srun says in the environment; one process without them."""
        from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
        from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

        if TorchElasticEnvironment.detect():
            started: TorchElasticEnvironment | SLURMEnvironment = TorchElasticEnvironment()
            nodes = started.world_size() // int(os.environ["LOCAL_WORLD_SIZE"])
        elif SLURMEnvironment.detect():
            started = SLURMEnvironment()
            nodes = int(os.environ.get("SLURM_NNODES", "1"))
        else:
            return cls()
        return cls(started.global_rank(), started.world_size(), nodes, started.local_rank())

    def device(self, accelerator: str) -> torch.device:
        """Where this process trains, so that its images can lie there from the start."""
        if accelerator == "cpu" or not torch.cuda.is_available():
            return torch.device("cpu")
        return torch.device("cuda", self.local_rank)
