"""A user's own ReLU network, made a single-step spiking network that trains."""

from __future__ import annotations

import copy
import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.parameter import is_lazy

from s3nn._tracing import (
    DROPOUTS,
    NOT_CONVERTED,
    RELUS,
    channels,
    module_of,
    note_shapes,
    operation,
    trace,
    where,
)
from s3nn.errors import UnsupportedError, UsageError
from s3nn.graph.ir import Edge
from s3nn.graph.trace import in_place, is_size, operation_of, output_edge
from s3nn.neurons import Neuron, Threshold, make_neuron
from s3nn.registry import SYNAPSES, Spec, name_of
from s3nn.synapses import Synapse, SynapticConv2d, SynapticLinear

__all__ = ["Finding", "Spikified", "SpikifyReport", "spikify"]


@dataclass(frozen=True)
class Finding:
    """Something in a network that is not as a spiking network would have it, and the way out."""

    where: str
    what: str
    instead: str


@dataclass(frozen=True)
class SpikifyReport:
    """What ``spikify`` did: the neurons it put in, and what it could not convert."""

    neurons: tuple[str, ...]
    findings: tuple[Finding, ...]

    def __str__(self) -> str:
        found = [f"{f.where}: {f.what}; {f.instead}" for f in self.findings]
        return "\n".join([f"{len(self.neurons)} ReLUs are neurons now", *found])


ROUNDING = 1e-5  # of the largest potential: what 32 bits may make of one


class Spikified(nn.Module):
    """A traced copy of a user's network whose ReLUs are neurons, with the report on it."""

    def __init__(self, network: fx.GraphModule, report: SpikifyReport) -> None:
        super().__init__()
        self.network, self.report = network, report

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.network(x)
        return out


def spikify(
    model: nn.Module,
    *,
    neuron: Spec | str = "fire",
    synapse: Spec | str = "real",
    calibrate: Tensor | None = None,
    firing_rate: float = 0.1,
) -> Spikified:
    """A copy of a ReLU network of one input, in which every call of a ReLU is a layer of neurons.

    Found are ``nn.ReLU``, ``nn.ReLU6`` and their functions and methods, each call for itself: a
    module that is used twice becomes two layers of neurons.  A max-pool behind a ReLU stays, and is
    an OR of spikes.  ``report`` of the result says what is not converted and which layers behind
    neurons still read real numbers.  The given model is left as it is.

    Parameters
    ----------
    neuron: what a ReLU becomes.
    synapse: other than ``real``, nn.Conv2d and nn.Linear see their weights through it, the first
        and the last ones as the synapse wants it at the ends.
    calibrate: a batch of inputs (N, ...).  Without it thresholds stay as ``neuron`` has them, which
        a network without batch-norm may never reach.  With it, layer by layer and with the layers
        before already spiking, batch-norms take over the batch's statistics and a threshold becomes
        the ``1 - firing_rate`` quantile of its potentials: those of the layer, or of a channel
        where the neuron has thresholds a channel.  Where fewer are positive, all of these fire.
    firing_rate: the share of a layer that shall fire, between 0 and 1.

    Raises
    ------
    UnsupportedError: torch.fx cannot trace the model, or it has several inputs.
    UsageError: there is no ReLU, or the firing rate is no share.

    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))
    >>> x = torch.linspace(-1, 1, 512).view(8, 1, 8, 8)
    >>> spiking = spikify(net, calibrate=x, firing_rate=0.2)
    >>> print(spiking(x).shape, spiking.report)
    torch.Size([8, 10]) 1 ReLUs are neurons now
    """
    if not 0 < firing_rate < 1:
        raise UsageError(f"firing_rate is a share between 0 and 1, got {firing_rate}")
    if calibrate is not None:
        _check_batch(calibrate, model)
    network = trace(copy.deepcopy(model))
    if calibrate is not None:
        note_shapes(network, calibrate)
        _check_norms(network)
    if any(is_lazy(parameter) for parameter in network.parameters()):
        raise UsageError(
            f"{type(model).__name__} has layers that learn their sizes from the first batch: run "
            "one through it first, or give spikify calibrate=x"
        )
    conversion = _Conversion(network, neuron)
    if not conversion.neurons:
        raise UsageError(f"{type(model).__name__} has no ReLU that could become neurons")
    findings = [*conversion.findings, *conversion.analog_reads(), *conversion.spiking_answer()]
    if str(synapse) != "real":
        findings += conversion.see_weights_through(synapse)
    network.delete_all_unused_submodules()
    network.graph.lint()
    network.recompile()
    if calibrate is not None:
        findings += conversion.thresholds_out_of_reach()
        with torch.no_grad(), _batch_statistics(network):
            _Calibration(network, firing_rate).run(calibrate)
    return Spikified(network, SpikifyReport(tuple(conversion.neurons), tuple(findings)))


def _check_norms(network: fx.GraphModule) -> None:
    """A batch-norm can take over the statistics of one place only."""
    calls = Counter(n.target for n in network.graph.nodes if n.op == "call_module")
    for name, times in calls.items():
        if times > 1 and isinstance(network.get_submodule(str(name)), _BatchNorm):
            raise UnsupportedError(
                f"calibrating the batch-norm {name}, which is called in {times} places",
                "spikify",
                "give each place one of its own, or leave calibrate out",
            )


def _check_batch(x: Tensor, model: nn.Module) -> None:
    """Raise a ``UsageError`` for what thresholds cannot be set by."""
    if not isinstance(x, Tensor) or not x.is_floating_point():
        got = str(x.dtype) if isinstance(x, Tensor) else type(x).__name__
        raise UsageError(f"calibrate is a tensor of floating-point inputs (N, ...), got {got}")
    least = 2 if any(isinstance(m, _BatchNorm) for m in model.modules()) else 1
    if x.ndim < 1 or len(x) < least:
        needs = "two inputs or more, for the variances of batch-norms" if least == 2 else "an input"
        raise UsageError(f"calibrate needs {needs}, got the shape {tuple(x.shape)}")
    if not bool(x.isfinite().all()):
        raise UsageError("calibrate has values that are not finite")


class _Conversion:
    """A walk through the graph that puts neurons in and notes what every edge carries."""

    def __init__(self, network: fx.GraphModule, neuron: Spec | str) -> None:
        self.network, self.neuron = network, neuron
        self.neurons: list[str] = []
        self.findings: list[Finding] = []
        self.edges: dict[fx.Node, Edge] = {}
        self.sizes: set[fx.Node] = set()
        self.behind_neurons: set[fx.Node] = set()
        self.home = "neurons"
        while hasattr(network, self.home):
            self.home += "_"
        network.add_submodule(self.home, nn.Module())
        for node in list(network.graph.nodes):
            name = operation(network, node)
            if name in RELUS:
                self._fire(node)
            elif name and is_size(node, self.sizes):
                self.sizes.add(node)
                self.edges[node] = Edge.ANALOG
            else:
                self._note(node, name)
        self.before_neurons: set[fx.Node] = set()
        for node in reversed(network.graph.nodes):
            if any(u in self.before_neurons or u.target in self.neurons for u in node.users):
                self.before_neurons.add(node)

    def _fire(self, node: fx.Node) -> None:
        (u,), graph = node.all_input_nodes, self.network.graph
        if self.edges[u] == Edge.SPIKE:  # max(0, s) = s
            spikes = u
        else:
            layer = self._neuron(u)
            for parameter in itertools.islice(self.network.parameters(), 1):
                layer.to(parameter)  # its device and dtype
            name = f"{self.home}.{node.name}"
            self.network.add_submodule(name, layer.train(self.network.training))
            with graph.inserting_after(node):
                spikes = graph.call_module(name, (u,))
            if in_place(node, self.network):  # whoever reads u from here on reads the spikes
                u.replace_all_uses_with(spikes, delete_user_cb=lambda user: user > spikes)
            self.neurons.append(name)
            self.edges[spikes] = layer.emits
            self.behind_neurons.add(spikes)
        node.replace_all_uses_with(spikes)
        graph.erase_node(node)

    def _neuron(self, u: fx.Node) -> Neuron:
        """Neurons for the potentials of a node; how many channels they have matters to some."""
        try:
            return make_neuron(self.neuron, channels(self.network, u))
        except UsageError:
            try:
                return make_neuron(self.neuron, None)
            except UsageError:
                pass
            raise

    def _note(self, node: fx.Node, name: str) -> None:
        if node.op == "call_function" and name in DROPOUTS and node.meta.get("by_mode"):
            self._make_module(node, DROPOUTS[name])
        inputs = tuple(self.edges[n] for n in node.all_input_nodes if n not in self.sizes)
        does = operation_of(node, self.network) if name else ""
        self.edges[node] = output_edge(does, inputs) if inputs else Edge.ANALOG
        if any(n in self.behind_neurons for n in node.all_input_nodes):
            self.behind_neurons.add(node)
        if name in NOT_CONVERTED:
            what = f"{name} is not converted"
            self.findings.append(Finding(where(node), what, NOT_CONVERTED[name]))

    def _make_module(self, node: fx.Node, kind: type[nn.Module]) -> None:
        """A dropout function would keep the training flag that it was traced with."""
        share = node.kwargs.get("p", node.args[1] if len(node.args) > 1 else 0.5)
        target = f"{self.home}.{node.name}"
        self.network.add_submodule(target, kind(share).train(self.network.training))
        x = node.all_input_nodes[0]
        node.op, node.target, node.args, node.kwargs = "call_module", target, (x,), {}

    def _layers(self) -> Iterator[tuple[fx.Node, nn.Module]]:
        """The convolutions and linear layers, in the order of their first call."""
        seen: set[Any] = set()
        for node in self.network.graph.nodes:
            layer = module_of(self.network, node)
            if isinstance(layer, (_ConvNd, nn.Linear)) and node.target not in seen:
                seen.add(node.target)
                yield node, layer

    def spiking_answer(self) -> Iterator[Finding]:
        """A ReLU at the very end, whose answer is spikes now."""
        for node in self.network.graph.find_nodes(op="output"):
            for source in node.all_input_nodes:
                if self.edges[source].binary:
                    what = "the answer is spikes, 0 or 1, and was real numbers"
                    yield Finding(where(source), what, "leave the last ReLU out, and train again")

    def analog_reads(self) -> Iterator[Finding]:
        """The layers behind binary neurons that multiply; a read-out may count spikes."""
        for node, _ in self._layers():
            source = node.all_input_nodes[0]
            edge, reads_out = self.edges[source], node not in self.before_neurons
            analog = not edge.binary and not (reads_out and edge == Edge.COUNT)
            emits = [e for n, e in self.edges.items() if n.target in self.neurons]
            if analog and source in self.behind_neurons and emits[0].binary:
                yield Finding(
                    where(node),
                    f"reads {edge} values of {where(source)} and so multiplies",
                    "let a ReLU stand in front of it, and pool by maximum",
                )

    def thresholds_out_of_reach(self) -> Iterator[Finding]:
        """Spiking neurons that have no threshold which a batch could set."""
        for name in self.neurons:
            neuron = self.network.get_submodule(name)
            known = any(isinstance(each, Threshold) for each in neuron.children())
            if getattr(neuron, "emits", None) == Edge.SPIKE and not known:
                kind = name_of(neuron)
                yield Finding(
                    name,
                    f"calibrate sets no threshold of {kind} neurons",
                    "how often they fire is up to the weights: scale these, or take fire or lif",
                )

    def see_weights_through(self, synapse: Spec | str) -> Iterator[Finding]:
        """Replace layers by those that see the same weights through ``synapse``."""
        for node, layer in list(self._layers()):
            part: Synapse = SYNAPSES.build(synapse)
            inside = node in self.behind_neurons and node in self.before_neurons
            seen = _with_synapse(layer, part if inside else part.at_the_ends())
            if seen is None:
                what, instead = "keeps plain weights", "use nn.Linear or an undilated nn.Conv2d"
                yield Finding(where(node), what, instead)
            else:
                self.network.set_submodule(str(node.target), seen.train(layer.training))
        for node in self.network.graph.nodes:
            name = operation(self.network, node)
            if node.op == "call_function" and name in ("linear", "conv1d", "conv2d", "conv3d"):
                yield Finding(where(node), f"{name} keeps plain weights", "use the module instead")


def _with_synapse(layer: nn.Module, synapse: Synapse) -> SynapticConv2d | SynapticLinear | None:
    """The layer that holds the very parameters of ``layer``, or nothing where there is none."""
    seen: SynapticConv2d | SynapticLinear
    if type(layer) is nn.Linear:
        bias = layer.bias is not None
        seen = SynapticLinear(synapse, layer.in_features, layer.out_features, bias)
    elif type(layer) is nn.Conv2d and layer.dilation == (1, 1) and layer.padding_mode == "zeros":
        options = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "groups")
        sizes: dict[str, Any] = {name: getattr(layer, name) for name in options}
        seen = SynapticConv2d(synapse, **sizes, bias=layer.bias is not None)
    else:
        return None
    seen.weight, seen.bias = layer.weight, layer.bias
    synapse.attach(seen.weight)
    return seen


@contextmanager
def _batch_statistics(network: nn.Module) -> Iterator[None]:
    """Inside, batch-norms use and take over the statistics of the batch; the rest is in eval."""
    modes = {module: module.training for module in network.modules()}
    norms = {m: m.momentum for m in network.modules() if isinstance(m, _BatchNorm)}
    network.eval()
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    try:
        yield
    finally:
        for norm, momentum in norms.items():
            norm.momentum = momentum
        for module, training in modes.items():
            module.training = training


class _Calibration(fx.Interpreter):
    """Runs a batch through; each layer of neurons gets its thresholds just before it fires."""

    def __init__(self, network: fx.GraphModule, firing_rate: float) -> None:
        super().__init__(network)
        self.firing_rate = firing_rate

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        module = self.fetch_attr(target)
        if isinstance(module, Neuron):
            charged = getattr(module, "precharge", None)  # a share of the threshold
            u = args[0] if charged is None else args[0] / (1 - charged)
            for threshold in module.children():
                if isinstance(threshold, Threshold):
                    threshold.set_(self._theta(u, threshold.value()))
        found = super().call_module(target, args, kwargs)
        if isinstance(module, _BatchNorm):  # now as it will evaluate: its variances are unbiased
            found = module.eval()(*args, **kwargs)
            module.train()
        return found

    def _theta(self, u: Tensor, before: Tensor) -> Tensor:
        """What ``firing_rate`` of the potentials exceed, and the largest in any case.

        It lies in the middle between two potentials, since many may be equal (of the background, of
        sums of few spikes) and one that equals its threshold fires by the rounding of whoever adds
        it up.  Without a positive potential there is no such threshold: it stays what it was
        ``before``.
        """
        rows = u.transpose(0, 1).flatten(1) if before.ndim else u.flatten()[None]
        allowed = rows.shape[1] - int(self.firing_rate * rows.shape[1])
        below = rows.kthvalue(max(1, allowed), dim=1).values.clamp(min=0)
        most, noise = rows.amax(1), ROUNDING * rows.abs().amax(1)
        above = rows.where(rows > (below + noise)[:, None], torch.inf).amin(1)
        second = rows.where(rows < (most - noise)[:, None], 0).amax(1).clamp(min=0)
        theta = torch.where(above < torch.inf, (below + above) / 2, (second + most) / 2)
        return theta.where(most > noise, before).view(before.shape)
