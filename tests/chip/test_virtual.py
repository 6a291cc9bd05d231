"""The emulated chip against loops over scalars, the model, and the authors' own emulation."""

from __future__ import annotations

from math import ceil, exp
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.testing import assert_close

from s3nn.chip import Events, Layer, VirtualChip
from s3nn.chip.host import volley
from s3nn.chip.membranes import Circuit
from s3nn.errors import UsageError
from s3nn.neurons import Cuba

STEPS, TRIALS = 15, 3


def layers(spikes: bool = True) -> list[Layer]:
    """20 neurons behind 12 inputs, and 3 that integrate what they fire."""
    rng = np.random.default_rng(2)
    first = Layer(rng.integers(-40, 64, (20, 12)), 0, 0, spikes, 3.5, 5.0)
    return [first, Layer(rng.integers(-63, 64, (3, 20)), 1, 20, False, 2.0, 3.5)]


def input_spikes(rate: float = 0.25) -> NDArray[np.float64]:
    return (np.random.default_rng(3).random((STEPS, TRIALS, 12)) < rate).astype(float)


def run(chip: VirtualChip, given: list[Layer] | None = None, seed: int | None = 0):  # type: ignore[no-untyped-def]
    chip.configure(layers() if given is None else given)
    return chip.run(Events.of_steps(input_spikes()), steps=STEPS, trials=TRIALS, seed=seed)


def by_hand(chip: VirtualChip, circuit: Circuit, place: int, i: int, x: NDArray[np.float64]):  # type: ignore[no-untyped-def]
    """Neuron i of a layer, one trial: its spikes a fine step and its codes, in plain numbers."""
    p, k, limits = chip.pattern, chip.settings.substeps, chip.limits
    tau_s, tau_m = (3.5, 5.0) if place == 0 else (2.0, 3.5)
    a = exp(-1 / (k * tau_s * p.tau_s[place + i].item()))
    b = exp(-1 / (k * tau_m * p.tau_m[place + i].item()))
    g = k * (1 - exp(-1 / (k * tau_s))) / (1 - exp(-1 / tau_s))
    g *= (1 - exp(-1 / (k * tau_m))) / (1 - exp(-1 / tau_m))
    theta, leak, reset, offset, gain = (
        v[place + i].item() for v in (p.theta, p.leak, p.reset, p.offset, p.channel_gain)
    )
    current, v, wait, fired, seen = 0.0, leak, 0, [], [leak]
    for tick in range(k * STEPS):
        current = min(max(a * current + x[tick], -chip.settings.current), chip.settings.current)
        v = min(max(leak + b * (v - leak) + g * current, limits.volts[0]), limits.volts[1])
        s = circuit.spikes and wait == 0 and v > theta
        if circuit.spikes and (s or wait > 0):
            v = reset
        wait = ceil(chip.settings.refractory * k) if s else max(0, wait - 1)
        fired.append(s)
        if tick % k == k - 1:
            seen.append(v)
    top = 2**limits.sample_bits - 1
    codes = [
        min(max(round((u * gain + offset - limits.volts[0]) / limits.sample_step), 0), top)
        for u in seen
    ]
    return fired, codes


@pytest.mark.parametrize("refractory", [0.0, 1.2])
def test_it_is_a_loop_over_scalars(refractory: float) -> None:
    chip = VirtualChip(
        5,
        mismatch=0.2,
        noise=0,
        jitter=0,
        refractory=refractory,
        current=0.5,
        dtype=torch.float64,
    )
    recording = run(chip)
    unit = chip.limits.full_scale / 63
    hidden = np.zeros((4 * STEPS, TRIALS, 20))
    events = recording.spikes[0]
    hidden[(4 * events.time).astype(int), events.trial, events.line] = 1
    assert 0.02 < hidden.mean() < 0.2
    sent = np.zeros((4 * STEPS, TRIALS, 12))
    sent[::4] = input_spikes()
    gains = chip.pattern.gain.numpy()
    for number, (layer, given) in enumerate(zip(layers(), (sent, hidden), strict=True)):
        n, m = layer.weights.shape
        weights = layer.weights * unit * gains[layer.first : layer.first + n, :m]
        x = given @ weights.T
        for trial in range(TRIALS):
            for i in range(n):
                circuit = chip._circuits[number]
                fired, codes = by_hand(chip, circuit, layer.first, i, x[:, trial, i])
                assert codes == recording.samples[number][:, trial, i].tolist()
                assert number or fired == hidden[:, trial, i].astype(bool).tolist()
    top = 2**chip.limits.sample_bits - 1
    assert {0, top} & set(recording.samples[1].flatten().tolist())  # something saturated


def test_without_faults_it_is_the_model(faultless: dict[str, Any]) -> None:
    chip = VirtualChip(1, **faultless)
    given, x = layers(), torch.from_numpy(input_spikes())
    recording = run(chip, given)
    weights = torch.from_numpy(given[0].weights) * (chip.limits.full_scale / 63)
    tau_s, tau_m = (1 / (1 - exp(-1 / t)) for t in (3.5, 5.0))
    expected = Cuba(tau_s, tau_m).double().run(x @ weights.double().T)
    assert 0.02 < expected.mean() < 0.5
    found = recording.spikes[0].in_steps(STEPS, TRIALS, 20)
    assert found.tolist() == expected.tolist()


def test_finer_steps_carry_the_same_charge(faultless: dict[str, Any]) -> None:
    """The integral of a lone spike's potential, whatever the fine step: 1 / ((1 - a)(1 - b))."""
    expected = 63 / 240 / ((1 - exp(-1 / 2.0)) * (1 - exp(-1 / 3.0)))
    one = Layer(np.array([[63]]), 0, 0, False, 2.0, 3.0)
    event = Events(np.array([0]), np.array([0]), np.array([0.0]))
    for substeps in (1, 4, 32):
        chip = VirtualChip(0, **{**faultless, "substeps": substeps})
        chip.configure([one])
        codes = chip.run(event, steps=60, trials=1, seed=0).samples[0][:, 0, 0]
        volts = (codes - codes[0]) * chip.limits.sample_step
        assert_close(volts.sum().item(), expected, rtol=0.03, atol=0)


def test_the_seed_is_the_chip() -> None:
    one, same, other = (VirtualChip(seed, noise=0, jitter=0) for seed in (3, 3, 4))
    assert np.array_equal(run(one).samples[1], run(same).samples[1])
    assert not np.array_equal(run(one).samples[1], run(other).samples[1])
    for name in ("theta", "leak", "reset", "tau_s", "tau_m", "gain", "offset", "channel_gain"):
        values = [getattr(chip.pattern, name) for chip in (one, same, other)]
        assert torch.equal(values[0], values[1])
        assert not (values[0] == values[2]).any(), name


def test_more_mismatch_is_more_of_the_same() -> None:
    little, much = (VirtualChip(3, mismatch=m).pattern for m in (0.1, 0.3))
    assert_close(much.theta.log(), 3 * little.theta.log())
    assert_close(much.leak, 3 * little.leak)
    assert_close(little.gain.log().std().item(), 0.1, rtol=0.02, atol=0)


def test_noise_is_fresh_in_every_trial_and_repeats_with_its_seed() -> None:
    chip = VirtualChip(0, jitter=0.2)
    one, same, other, drawn = (run(chip, seed=seed).samples[1] for seed in (7, 7, 8, None))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert not np.array_equal(one, drawn)


def test_jitter_moves_spikes() -> None:
    still, shaken = (
        VirtualChip(0, mismatch=0, noise=0, jitter=jitter, dtype=torch.float64)
        for jitter in (0.0, 0.5)
    )
    assert not np.array_equal(run(still).samples[0], run(shaken).samples[0])


def test_dead_neurons_are_silent_and_stay_dead() -> None:
    few, many = (VirtualChip(2, dead=dead) for dead in (0.3, 0.6))
    dead = [chip.pattern.theta[:20].isinf() for chip in (few, many)]
    assert 0 < dead[0].sum() < dead[1].sum() < 20
    assert bool(dead[1][dead[0]].all())
    for chip, gone in zip((few, many), dead, strict=True):
        fired = np.unique(run(chip).spikes[0].line)
        assert len(fired) > 0
        assert not set(fired) & set(gone.nonzero().flatten().tolist())
    assert len(run(VirtualChip(2, dead=1.0)).spikes[0].line) == 0


@pytest.mark.parametrize("refractory", [0.5, 1.2, 3.0])
def test_refractory_times_are_kept(refractory: float) -> None:
    chip = VirtualChip(0, mismatch=0, noise=0, refractory=refractory)
    rush = np.ones((STEPS, TRIALS, 12))
    chip.configure([Layer(np.full((20, 12), 63), 0, 0, True, 3.5, 5.0)])
    events = chip.run(Events.of_steps(rush), steps=STEPS, trials=TRIALS, seed=0).spikes[0]
    gaps = [
        np.diff(np.sort(events.time[(events.trial == trial) & (events.line == line)]))
        for trial in range(TRIALS)
        for line in range(20)
    ]
    shortest = np.concatenate(gaps).min()
    assert shortest == (ceil(refractory * 4) + 2) / 4  # two fine steps to charge again


def test_the_authors_emulation_of_a_matrix_product() -> None:
    """hxtorch's clamp(floor(x w gain + N(0, 2)), -128, 127), in the mean and in the noise."""
    rng = np.random.default_rng(4)
    weights, x = rng.integers(-20, 21, (30, 12)), rng.integers(0, 6, 12)
    weights[0], weights[1] = 63, -63  # these saturate
    at, peak = volley(3.5)
    chip = VirtualChip(0, mismatch=0, jitter=0, volts=(-1.5, 1.5), current=100.0)
    chip.configure([Layer(weights, 0, 0, False, 3.5, 3.5)])
    trials = 400
    line = np.repeat(np.arange(12), x)
    trial = np.repeat(np.arange(trials), len(line))
    sent = Events(trial, np.tile(line, trials), np.zeros(len(trial)))
    codes = chip.run(sent, steps=at + 1, trials=trials, seed=1).samples[0]
    found = codes[at + 1].astype(float) - 128
    gain = peak * chip.limits.full_scale / 63 / chip.limits.sample_step
    noise = rng.normal(0, 2, (trials, 30))
    mock = np.clip(np.floor(weights @ x * gain + noise), -128, 127)
    assert mock[:, 0].min() == found[:, 0].min() == 127
    assert mock[:, 1].max() == found[:, 1].max() == -128
    inside = np.abs(mock.mean(0)) < 110
    assert inside.sum() > 3
    scale = np.abs(mock.mean(0)[inside])
    assert (np.abs(found.mean(0) - mock.mean(0))[inside] < 1.0 + 0.02 * scale).all()
    assert_close(found[:, inside].std(0).mean(), mock[:, inside].std(0).mean(), rtol=0.1, atol=0)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (Layer(np.zeros((257, 4), int), 0, 0, True, 2, 2), "neurons 0 to 256 of a chip .* has 256"),
        (Layer(np.zeros((10, 4), int), 0, 250, True, 2, 2), "needs the neurons 250 to 259"),
        (Layer(np.zeros((4, 257), int), 0, 0, True, 2, 2), "has 257 inputs and a neuron .* 256"),
        (Layer(np.full((2, 2), 64), 0, 0, True, 2, 2), "the weight 64 and 6 bits hold 63"),
        (Layer(np.zeros((2, 2)), 0, 0, True, 2, 2), r"as integers .* got float64 \(2, 2\)"),
        (Layer(np.zeros(2, int), 0, 0, True, 2, 2), r"as integers .* got int64 \(2,\)"),
        (Layer(np.zeros((2, 2), int), 1, 0, True, 2, 2), "layer 1 reads layer 1: spikes come"),
    ],
)
def test_layers_that_do_not_fit(given: Layer, says: str) -> None:
    with pytest.raises(UsageError, match=says) as error:
        VirtualChip().configure([given])
    assert str(error.value).count(". ") == 0


def test_routes_and_runs_that_cannot_be() -> None:
    chip, nothing = VirtualChip(), Events(*(np.zeros(0, int) for _ in range(3)))
    with pytest.raises(UsageError, match="configure it with layers first"):
        chip.run(nothing, steps=1, trials=1)
    with pytest.raises(UsageError, match="at least one layer"):
        chip.configure([])
    wide = Layer(np.zeros((3, 21), int), 1, 20, False, 2, 2)
    with pytest.raises(UsageError, match="21 inputs and layer 1, which it reads, 20 neurons"):
        chip.configure([layers()[0], wide])
    chip.configure(layers())
    with pytest.raises(UsageError, match="lasts 1 to 512 sampling intervals, got 513"):
        chip.run(nothing, steps=513, trials=1)
    for trial, line, says in ((0, 12, "the line 12, the last one is 11"), (2, 0, "the trial 2")):
        event = Events(np.array([trial]), np.array([line]), np.array([0.0]))
        with pytest.raises(UsageError, match=says):
            chip.run(event, steps=1, trials=2)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"mismatch": -0.1}, "mismatch >= 0, got -0.1"),
        ({"dead": 1.5}, "dead neurons is 0 to 1, got 1.5"),
        ({"bits": 0}, "weights of 1 to 15 bits and samples of 1 to 24, got 0 and 8"),
        ({"substeps": 0}, "substeps >= 1, got 0"),
        ({"volts": (0.5, 1.0)}, "volts of a chip lie around 0"),
    ],
)
def test_chips_that_cannot_be(options: dict[str, float], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        VirtualChip(**options)  # type: ignore[arg-type]
