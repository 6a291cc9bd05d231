"""NeuroBench's harness around a network of ours, so that others confirm our counts.

Needs the extra ``s3nn[neurobench]``.  What its numbers mean beside ours: docs/counts.md.
Source: Yik et al., "The neurobench framework for benchmarking neuromorphic computing algorithms and
systems", Nature Communications 16 (2025); the package neurobench 2.3.0.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from s3nn.clock import Scan
from s3nn.energy.plain import plain
from s3nn.errors import S3nnError, UnsupportedError, UsageError
from s3nn.graph.trace import trace
from s3nn.neurons import Neuron

if TYPE_CHECKING:
    from neurobench.models import TorchModel

INSTALL = "pip install 's3nn[neurobench]'"


@dataclass(frozen=True)
class NeuroBenchCounts:
    """What NeuroBench says, a sample each where it counts operations.

    effective_macs       accumulations of the inputs that are not zero, in layers that read anything
                         beside -1, 0 and 1 in a batch
    effective_acs        the same in the other layers
    dense                accumulations if every input and every weight were not zero
    activation_sparsity  the share of the neurons' outputs that are zero
    footprint_bytes      of all parameters and buffers as they lie in memory
    parameters           how many there are
    """

    effective_macs: float
    effective_acs: float
    dense: float
    activation_sparsity: float
    footprint_bytes: int
    parameters: int


def as_neurobench(model: nn.Module, activations: Sequence[type[nn.Module]] = ()) -> TorchModel:
    """``model`` for ``neurobench.benchmarks.Benchmark``, with every layer and neuron seen.

    It holds a copy in torch's own layers (``s3nn.energy.plain``).  Every layer of neurons, over
    time too, is an activation module, and so are the classes in ``activations``.

    Raises ``UnsupportedError`` where NeuroBench would pass over weights without a word: functions
    such as ``torch.nn.functional.conv2d``, and layers that are neither ``nn.Linear`` nor a
    convolution.  Raises ``UsageError`` where it is not installed.
    """
    models = _neurobench("models")
    # It looks at children only, as tracing does: a model that is one layer needs a parent.
    whole = nn.Sequential(model)
    unseen = [site.name.removeprefix("0.") for site in trace(whole) if _has_weights(whole, site)]
    if unseen:
        raise UnsupportedError(
            "a layer that NeuroBench would count as nothing",
            ", ".join(unseen),
            "write it as an nn.Linear or an nn.Conv module",
        )
    wrapped: TorchModel = models.TorchModel(plain(whole))
    for kind in (Neuron, Scan, *activations):
        wrapped.add_activation_module(kind)
    return wrapped


def count_with_neurobench(
    model: nn.Module, batches: Iterable[Tensor | tuple[Tensor, Tensor]]
) -> NeuroBenchCounts:
    """NeuroBench's counts of ``model`` on ``batches``: images (N, C, H, W), or (images, labels).

    It adds up in the precision of the model: sums of 32-bit floats are exact up to 2^24 operations
    a layer and batch, those of a model and images in double precision up to 2^53.

    Raises ``S3nnError`` where one of its metrics fails, which it would report as 0.
    """
    wrapped = as_neurobench(model)
    static, workload = (_neurobench(f"metrics.{kind}") for kind in ("static", "workload"))
    shown = _Loader([batch if isinstance(batch, Tensor) else batch[0] for batch in batches])
    if not shown.batches:
        raise UsageError("there is nothing to count: no batch was given")
    metrics = [
        [static.Footprint, static.ParameterCount],
        [workload.ActivationSparsity, workload.SynapticOperations],
    ]
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(io.StringIO()), torch.no_grad():
        benchmark = _neurobench("benchmarks").Benchmark(wrapped, shown, [], [], metrics)
        found: dict[str, Any] = benchmark.run()
    failed = [line for line in said.getvalue().splitlines() if line.startswith("Error running")]
    if failed:
        raise S3nnError(f"NeuroBench could not count {type(model).__name__}: {failed[0]}")
    operations = found["SynapticOperations"]
    return NeuroBenchCounts(
        effective_macs=operations["Effective_MACs"],
        effective_acs=operations["Effective_ACs"],
        dense=operations["Dense"],
        activation_sparsity=found["ActivationSparsity"],
        footprint_bytes=found["Footprint"],
        parameters=found["ParameterCount"],
    )


class _Loader:
    """Batches as the harness wants them: pairs, a length, and a data set that has one."""

    def __init__(self, batches: list[Tensor]) -> None:
        self.batches = batches
        self.dataset = range(sum(map(len, batches)))

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return ((batch, torch.zeros(len(batch), dtype=torch.int64)) for batch in self.batches)


_FUNCTIONS = (
    *("conv", "linear", "bilinear", "matmul", "bmm", "mm", "mv", "dot", "inner", "outer"),
    *("addmm", "addmv", "baddbmm", "einsum", "tensordot"),
)


def _has_weights(model: nn.Module, site: Any) -> bool:
    """Whether a site that is not known has weights of synapses."""
    if not site.opaque:
        return False
    if site.module is not None:
        inside = model.get_submodule(site.module).parameters()
        return any(p.ndim > 1 for p in inside)
    return site.operation.removeprefix("opaque ").startswith(_FUNCTIONS)


def _neurobench(part: str) -> Any:
    from importlib import import_module

    try:
        return import_module(f"neurobench.{part}")
    except Exception as error:  # a torchaudio that does not fit torch raises OSError
        raise UsageError(
            f"NeuroBench cannot be imported ({type(error).__name__}: {error}): {INSTALL}"
        ) from error
