"""torch itself: eager, and compiled ahead of time."""

from __future__ import annotations

import warnings
from contextlib import redirect_stderr
from copy import deepcopy
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from s3nn.rivals.setting import Images, Logits, Run, Setting

# AOTInductor and not torch.compile with freezing, which makes the same kernels but at batch 1 takes
# half as long again: as long as eager.
COMPILED = {
    "freezing": True,
    "max_autotune": True,  # chooses a kernel for the read-out; there is none for convolutions
    "autotune_num_choices_displayed": 0,
}


def eager(setting: Setting) -> tuple[Run, str]:
    network = _channels_last(setting.network)

    def run(images: Images) -> Logits:
        with torch.inference_mode():
            return network(_tensor(images)).numpy()

    return run, "batch-norm folded, channels_last, inference_mode"


def compiled(setting: Setting) -> tuple[Run, str]:
    network = _channels_last(setting.network)
    example = torch.zeros(setting.shape).contiguous(memory_format=torch.channels_last)
    with (
        TemporaryDirectory() as folder,
        torch.no_grad(),  # freezing is for inference alone, in silence
        warnings.catch_warnings(),
        redirect_stderr(StringIO()),  # the tuner's log; what fails is raised
    ):
        warnings.simplefilter("ignore")
        package = torch._inductor.aoti_compile_and_package(
            torch.export.export(network, (example,)),
            package_path=str(Path(folder) / "network.pt2"),
            inductor_configs=COMPILED,
        )
        call = torch._inductor.aoti_load_package(package)

    def run(images: Images) -> Logits:
        return call(_tensor(images)).numpy()

    return run, "AOTInductor, freezing, max_autotune, channels_last"


def _channels_last(network: nn.Module) -> nn.Module:
    return deepcopy(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _tensor(images: Images) -> Tensor:
    return torch.from_numpy(images).contiguous(memory_format=torch.channels_last)
