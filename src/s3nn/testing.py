"""What a new part must hold: one call a kind of part, the same that our own tests make.

Every ``check_*`` raises an AssertionError that names the property and the values.  They draw their
inputs from generators of their own, so that the caller's random state is left alone.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.testing import assert_close

from s3nn._checks import (
    check_derivative,
    check_edge,
    check_factor,
    check_numbers,
    check_sharper,
    check_spike,
    check_transforms,
    hold,
    named,
    normal,
    seeded,
)
from s3nn.clock import Encoder, Readout, Scan, Unroll, unroll
from s3nn.graph.ir import Edge
from s3nn.models import Cnn7, Parts
from s3nn.neurons import Neuron, SteppedNeuron, TemporalNeuron
from s3nn.rules import Rule
from s3nn.surrogates import Surrogate
from s3nn.synapses import Synapse, SynapticConv2d, SynapticLinear

__all__ = [
    "check_encoder",
    "check_model",
    "check_neuron",
    "check_readout",
    "check_rule",
    "check_surrogate",
    "check_synapse",
]

DTYPES = (torch.float32, torch.float64, torch.bfloat16)


def check_surrogate(surrogate: Surrogate, thresholds: Sequence[float] = (0.5, 1.0, 2.0)) -> None:
    """Hold a surrogate to its contract, at each threshold and at all of them as channels.

    In float64 ``derivative`` is the gradient of ``primitive`` (by autograd and by finite
    differences); both are finite at 0, negative and huge potentials and keep the dtype.  ``spike``
    with it is exactly ``1[u > threshold]`` forward and ``backward_factor`` backward, minus its sum
    for the threshold; that factor is ``derivative`` or, where it is drawn at random, has it as its
    mean, and follows torch's generator.  ``sharper`` makes it no wider.  It goes through ``vmap``,
    ``torch.compile`` (full graph) and ``torch.export``.

    >>> from s3nn.surrogates import S3
    >>> check_surrogate(S3(alpha=5.0, beta=0.3), thresholds=(0.7,))
    """
    channels = torch.tensor(thresholds, dtype=torch.float64)
    with seeded():
        for threshold in (*channels.unbind(), channels):
            check_derivative(surrogate, threshold)
            check_factor(surrogate, threshold)
            check_sharper(surrogate, threshold)
            check_spike(surrogate, threshold)
            for dtype in DTYPES:
                check_numbers(surrogate, threshold, dtype)
        check_transforms(surrogate, channels)


def check_neuron(make: Callable[[int], Neuron], channels: int = 3) -> None:
    """Hold the neurons ``make(channels)`` to their contract.

    They keep shape and dtype, one of fewer bits than their parameters' too, emit what they declare,
    pass a gradient to their input and to every element of every parameter, keep no state between
    calls, treat samples apart, and do in eval mode what they do in training.  With a memory: no
    output depends on a later step, one step of ``run`` is ``forward``, and ``run`` is the sequence
    of ``step``s.

    >>> from s3nn.neurons import Fire
    >>> check_neuron(lambda channels: Fire(learn=True, per_channel=True, channels=channels))
    """
    for shape in ((16, channels), (8, channels, 4, 4)):
        for dtype in (torch.float32, torch.float64):
            neuron = make(channels).to(dtype)
            current, other = normal(shape, 0, dtype) * 2, normal(shape, 1, dtype) * 2
            _check_layer_of_neurons(neuron, current, other)
            few = neuron(current.to(torch.bfloat16)).dtype
            hold(few is torch.bfloat16, f"{neuron} keeps bfloat16 where it has {dtype}, got {few}")
            if isinstance(neuron, TemporalNeuron):
                _check_memory(neuron, torch.stack([current, other, current + other]))


def check_synapse(make: Callable[[], Synapse]) -> None:
    """Hold the synapse ``make()`` to its contract, on kernels and matrices, and on zero weights.

    It keeps shape and dtype, leaves the weight it is attached to as it was, sees it as at most
    ``2**bits`` values a channel, passes finite gradients to the weight and to its own parameters,
    is finer or equal at the ends, and survives a safetensors round trip.

    >>> from s3nn.synapses import Integer
    >>> check_synapse(lambda: Integer(bits=3))
    """
    for shape in ((4, 3, 3, 3), (4, 50)):
        for dtype in (torch.float32, torch.float64):
            _check_seen(make(), normal(shape, 0, dtype).requires_grad_(), reach=True)
            _check_seen(make(), torch.zeros(shape, dtype=dtype, requires_grad=True), reach=False)
    synapse, ends = make(), make().at_the_ends()
    hold(isinstance(ends, Synapse), f"at_the_ends gives a Synapse, got {ends!r}")
    hold(ends.bits >= synapse.bits, f"the ends are finer: {ends.bits} < {synapse.bits} bits")
    image, vector = normal((2, 3, 5, 5), 2), normal((2, 7), 3)
    conv, linear = SynapticConv2d(make(), 3, 4, 3), SynapticLinear(make(), 7, 4, bias=True)
    expected = nn.functional.conv2d(image, conv.synapse(conv.weight))
    assert_close(conv(image), expected, msg=named("the convolution uses the seen weight"))
    expected = nn.functional.linear(vector, linear.synapse(linear.weight), linear.bias)
    assert_close(linear(vector), expected, msg=named("the matrix product uses the seen weight"))
    _check_round_trip(linear, SynapticLinear(make(), 7, 4, bias=True), vector)


def check_encoder(make: Callable[[int], Encoder], steps: int = 4) -> None:
    """Hold the encoders ``make(steps)`` to their contract, on images of 4 channels, 8 x 6.

    Steps have the shape that is declared, step t of image n is number t N + n, spikes are where
    spikes are declared, a constant encoder shows the same at every step, the dtype is kept, and in
    eval mode an image is shown the same way twice, whatever the batch it comes in.

    >>> from s3nn.clock.encoders import Latency
    >>> check_encoder(lambda steps: Latency(steps, least=0.1))
    """
    for dtype in (torch.float32, torch.float64):
        x = normal((5, 4, 8, 6), 6, dtype).abs().clamp(max=1)
        for given in (steps, 1):
            encoder = make(given).eval()
            kind, shape = type(encoder).__name__, encoder.shape((4, 8, 6))
            shown = encoder(x)
            expected = (given * len(x), *shape)
            hold(shown.shape == expected, f"{kind} gives {expected}, got {tuple(shown.shape)}")
            hold(shown.dtype == dtype, f"{kind} keeps the dtype {dtype}, got {shown.dtype}")
            check_edge(encoder.emits, shown, kind)
            sequence = shown.unflatten(0, (given, len(x)))
            alone = torch.stack([encoder(image[None]) for image in x], 1)
            hold(torch.equal(alone, sequence), f"{kind}: step t of image n is number t N + n")
            same = torch.equal(sequence, sequence[:1].expand_as(sequence))
            hold(same or not encoder.constant, f"{kind} shows the same at every step")
            check_edge(encoder.emits, encoder.train()(x), kind)


def check_readout(make: Callable[[int], Readout], steps: int = 4) -> None:
    """Hold the read-outs ``make(steps)`` to their contract.

    (T, N, K) becomes (N, K) of the same dtype; samples and classes are treated apart; the gradient
    of every output is finite, and every class of every sample has one at some step; at one step
    the answer is the output, where the read-out says that it is trivial there.

    >>> from s3nn.clock.readouts import Max
    >>> check_readout(Max)
    """
    for dtype in (torch.float32, torch.float64):
        outputs = normal((steps, 5, 3), 7, dtype).requires_grad_()
        readout = make(steps)
        kind, answer = type(readout).__name__, readout(outputs)
        hold(answer.shape == (5, 3), f"{kind} gives (N, K) = (5, 3), got {tuple(answer.shape)}")
        hold(answer.dtype == dtype, f"{kind} keeps the dtype {dtype}, got {answer.dtype}")
        apart = torch.cat([readout(sample) for sample in outputs.split(1, 1)])
        assert_close(apart, answer, msg=named(f"{kind} treats samples apart"))
        apart = torch.cat([readout(one) for one in outputs.split(1, 2)], 1)
        assert_close(apart, answer, msg=named(f"{kind} treats classes apart"))
        (grad,) = torch.autograd.grad(answer.sum(), outputs)
        reached = bool(grad.isfinite().all()) and bool((grad != 0).any(0).all())
        hold(reached, f"{kind}: a gradient reaches every class of every sample, got {grad}")
        one = make(1)
        if one.trivial_at_one_step:
            assert_close(one(outputs[:1]), outputs[0], msg=named(f"{kind} is trivial at one step"))


def check_rule(make: Callable[[], Rule]) -> None:
    """Hold the rule ``make()`` to its contract, with one step of fire and three of lif, in float64.

    What it holds follows from the seed and from nothing else; attached to a network, it changes
    neither outputs nor the value of the loss; every parameter that it trains gets a finite
    gradient, the read-out among them, and weights that it does not train stay as they are;
    evaluation is left alone; and it leaves no trace on the network once it is taken off.

    >>> from s3nn.rules import Brp
    >>> check_rule(Brp)
    """
    for neuron, steps in (("fire", 1), ("lif", 3)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = unroll(Cnn7((1, 8, 8), 10, Parts(neuron), width=0.0625), steps).double()
        _check_seeded(make, network)
        rule = make()
        rule.prepare(network, (1, 8, 8), 10, 0)
        _check_credit(rule.double(), network)


def check_model(
    make: Callable[[float], nn.Module], *, classes: int = 10, width: float = 0.125
) -> None:
    """Hold the models ``make(width)`` with an ``input_shape`` to their contract, in float64.

    Logits are (N, classes), of models that ``answers_images`` as large as the images; every
    parameter gets a gradient; edges declared binary are; a batch leaves nothing behind for the
    next; in eval mode a sample's logits do not depend on the other samples, a batch of one
    included; twice the width has more parameters; and the state dict survives a safetensors round
    trip.

    >>> from s3nn.models import Mlp
    >>> check_model(lambda width: Mlp((1, 6, 6), classes=10, width=width))
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, wider, fresh = (make(w).double() for w in (width, 2 * width, width))
    sizes = [sum(p.numel() for p in m.parameters()) for m in (model, wider)]
    hold(sizes[0] < sizes[1], f"twice the width has more parameters, got {sizes}")
    shape = getattr(model, "input_shape", None)
    hold(isinstance(shape, tuple), f"a model says its input_shape (C, H, W), got {shape!r}")
    batch, other = (normal((6, *shape), seed, torch.float64) for seed in (4, 5))  # type: ignore[misc]
    _check_training(model, batch, other, classes)
    model.eval()
    with torch.no_grad():
        before = copy.deepcopy(model.state_dict())
        logits = model(batch)
        hold(bool(logits.std(0).any()), f"logits differ between images in eval mode: {logits}")
        model(other)
        assert_close(model(batch), logits, msg=named("no state is left from the last batch"))
        assert_close(model.state_dict(), before, msg=named("eval mode changes no buffer"))
        alone = torch.cat([model(sample[None]) for sample in batch])
        assert_close(alone, logits, msg=named("a sample's logits do not depend on the others"))
        _check_round_trip(model, fresh.eval(), batch)


def _check_seeded(make: Callable[[], Rule], network: nn.Module) -> None:
    rules = [make(), make(), make()]
    for rule, seed, noise in zip(rules, (0, 0, 1), (1, 2, 3), strict=True):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(noise)
            rule.prepare(network, (1, 8, 8), 10, seed)
    held, same, other = (rule.state_dict() for rule in rules)
    kind = type(rules[0]).__name__
    assert_close(same, held, rtol=0, atol=0, msg=named(f"the seed decides what {kind} holds"))
    for name, value in held.items():
        hold(not torch.equal(value, other[name]), f"{kind}: another seed draws another {name}")


def _check_credit(rule: Rule, network: nn.Module) -> None:
    kind, x, y = type(rule).__name__, normal((6, 1, 8, 8), 13, torch.float64), torch.arange(6)

    def answered() -> tuple[Tensor, Tensor]:
        if isinstance(network, Unroll):
            outputs = network.each_step(x)
            return network.over_time(outputs), outputs
        outputs = network(x).unsqueeze(0)
        return outputs[0], outputs

    parameters = dict(network.named_parameters())
    before, trained = copy.deepcopy(network.state_dict()), [*parameters]
    hooks = [(len(m._forward_hooks), len(vars(m))) for m in network.modules()]
    plain = answered()[0]
    evaluated = network.eval()(x)
    with rule.attached(network):
        told = network(x)
        hold(torch.equal(told, evaluated), f"{kind} leaves evaluation alone")
        network.train()
        answer, outputs = answered()
        hold(torch.equal(answer, plain), f"{kind} changes no output")
        loss = nn.functional.cross_entropy(answer, y)
        credit = rule.credit(loss, outputs, answer, nn.functional.one_hot(y, 10))
        hold(torch.equal(credit, loss), f"{kind} keeps the value of the loss: {credit}, {loss}")
        credit.backward()
        trained = [name for name, p in parameters.items() if p.requires_grad]
    for name, parameter in parameters.items():
        grad, parameter.grad = parameter.grad, None
        reached = grad is not None and bool(grad.isfinite().all()) and bool(grad.any())
        hold(reached == (name in trained), f"{kind}: the gradient of {name} is {grad}")
        hold(parameter.requires_grad, f"{kind} lets go of {name}")
    hold("readout.weight" in trained, f"{kind} trains the read-out, got {trained}")
    left = [(len(m._forward_hooks), len(vars(m))) for m in network.modules()]
    hold(left == hooks, f"{kind} leaves no trace on the network")
    after = network.state_dict()
    hold(after.keys() == before.keys(), f"{kind} adds nothing to the network")
    for name in parameters:
        hold(torch.equal(after[name], before[name]), f"{kind} alone moves no weight, {name}")


def _check_layer_of_neurons(neuron: Neuron, current: Tensor, other: Tensor) -> None:
    kind, before = type(neuron).__name__, copy.deepcopy(neuron.state_dict())
    current = current.requires_grad_()
    out = neuron(current)
    hold(
        out.shape == current.shape and out.dtype == current.dtype,
        f"{kind} keeps shape and dtype: {out.shape} {out.dtype} from {current.shape}",
    )
    check_edge(neuron.emits, out, kind)
    tensors = {"its input": current, **dict(neuron.named_parameters())}
    every = out
    if isinstance(neuron, TemporalNeuron):  # a parameter may be about what one step leaves another
        every = neuron.run(torch.stack([current, other, current + other]))
    loss = (every * normal(every.shape, 10, every.dtype)).sum()
    grads = torch.autograd.grad(loss, list(tensors.values()), allow_unused=True)
    for (name, tensor), grad in zip(tensors.items(), grads, strict=True):
        reached = grad is not None and bool(grad.isfinite().all())
        everywhere = reached and bool(grad.any() if tensor is current else grad.all())
        hold(everywhere, f"{kind}: the gradient of {name} is finite and reaches it, got {grad}")
    neuron(other)
    again = neuron(current)
    hold(torch.equal(again, out), f"{kind} keeps no state between calls: {again} after {out}")
    assert_close(neuron.state_dict(), before, msg=named(f"{kind} changes no buffer"))
    hold(torch.equal(neuron(current[:1]), out[:1]), f"{kind} treats samples apart")
    hold(torch.equal(neuron.eval()(current), out), f"{kind} does the same in eval mode")


def _check_memory(neuron: TemporalNeuron, sequence: Tensor) -> None:
    kind, out = type(neuron).__name__, neuron.run(sequence)
    hold(out.shape == sequence.shape, f"{kind}.run keeps shape: {out.shape}, {sequence.shape}")
    prefix = neuron.run(sequence[:2])
    assert_close(prefix, out[:2], msg=named(f"no output of {kind} depends on a later step"))
    one = neuron.run(sequence[:1])[0]
    assert_close(one, neuron(sequence[0]), msg=named(f"one step of {kind}.run is forward"))
    if isinstance(neuron, SteppedNeuron):
        state = None
        for current, expected in zip(sequence, out, strict=True):
            stepped, state = neuron.step(current, state)
            assert_close(stepped, expected, msg=named(f"{kind}.run is the sequence of its steps"))


def _check_seen(synapse: Synapse, weight: Tensor, reach: bool) -> None:
    kind, given = type(synapse).__name__, weight.detach().clone()
    synapse.attach(weight)
    synapse = synapse.to(weight.dtype)
    seen = synapse(weight)
    hold(torch.equal(weight, given), f"{kind}.attach leaves the weight as it was")
    hold(
        seen.shape == weight.shape and seen.dtype == weight.dtype and bool(seen.isfinite().all()),
        f"{kind} keeps shape, dtype and finiteness: {seen} of {weight}",
    )
    hold(torch.equal(synapse.eval()(weight), synapse(weight)), f"{kind} sees the same twice")
    values = max(len(channel.unique()) for channel in seen)
    hold(synapse.bits > 16 or values <= 2**synapse.bits, f"{values} values in {synapse.bits} bits")
    loss = (seen * normal(seen.shape, 11, seen.dtype)).sum()
    for name, value in {"weight": weight, **dict(synapse.named_parameters())}.items():
        (grad,) = torch.autograd.grad(loss, value, retain_graph=True, allow_unused=not reach)
        finite = grad is None or bool(grad.isfinite().all())
        hold(finite and (not reach or bool(grad.any())), f"{kind}: gradient of {name} is {grad}")


def _check_training(model: nn.Module, batch: Tensor, other: Tensor, classes: int) -> None:
    model.train()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = 1.0  # so that eval mode sees spikes, not the statistics at birth
    seen: list[tuple[str, Edge, Tensor]] = []
    neurons = [(n, m) for n, m in model.named_modules() if isinstance(m, (Neuron, Scan))]
    hooks = [
        module.register_forward_hook(
            lambda m, _, out, name=name: seen.append((name, m.emits, out.detach()))
        )
        for name, module in neurons
    ]
    logits = model(batch)
    for hook in hooks:
        hook.remove()
    wanted = batch.shape if getattr(model, "answers_images", False) else (len(batch), classes)
    hold(logits.shape == wanted, f"answers are {tuple(wanted)}, got {tuple(logits.shape)}")
    hold(bool(seen), "a spiking model has neurons, and its forward pass runs them")
    for name, emits, out in seen:
        check_edge(emits, out, name)
    (logits * normal(logits.shape, 12, logits.dtype)).sum().backward()
    for name, parameter in model.named_parameters():
        grad = parameter.grad
        reached = grad is not None and bool(grad.isfinite().all()) and bool(grad.any())
        hold(reached, f"every parameter gets a gradient, {name} {tuple(parameter.shape)}: {grad}")
    model(other)
    assert_close(model(batch), logits, msg=named("a training batch leaves no state behind"))


def _check_round_trip(model: nn.Module, fresh: nn.Module, x: Tensor) -> None:
    fresh.load_state_dict(load(save(model.state_dict())))
    assert_close(fresh(x), model(x), rtol=0, atol=0, msg=named("safetensors keep the state dict"))
