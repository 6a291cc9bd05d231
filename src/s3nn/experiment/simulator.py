"""One step of a NIR file in a simulator, or a batch through an ONNX file: a script on its own.

    PYTHON simulator.py norse network.nir images.npy out.npz [names.json]

It is run by the interpreter of an environment that has the simulator, and needs nothing else there:
no s3nn.  ``images`` are raw pixels, uint8 (N, C, H, W); ``names`` the file's nodes whose spikes are
wanted.  ``out`` holds ``logits`` (N, classes), ``spikes/NAME`` (packed bits of (N, ...)),
``largest`` (the largest value that any of these neurons put out) and ``versions``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

DT = 1e-4  # seconds a step
BATCH = 50
Hooked = dict[str, list[Any]]


def norse(path: str, images: int) -> Any:
    import nir
    import norse.torch

    return norse.torch.from_nir(nir.read(path), dt=DT, ignore_warnings=True)


def snntorch(path: str, images: int) -> Any:
    import nir
    from snntorch.import_nir import import_from_nir

    return import_from_nir(nir.read(path))


def spikingjelly(path: str, images: int) -> Any:
    import nir
    from spikingjelly.activation_based.nir_exchange import import_from_nir

    return import_from_nir(nir.read(path), dt=DT)


def sinabs(path: str, images: int) -> Any:
    """With at most one spike a step: its neurons fire as often as the threshold fits otherwise."""
    import nir
    import sinabs.activation
    import sinabs.layers
    import sinabs.nir

    net = sinabs.nir.from_nir(nir.read(path), batch_size=images)
    for module in net.modules():
        if isinstance(module, sinabs.layers.StatefulLayer):
            module.spike_fn = sinabs.activation.SingleSpike
    return net


SIMULATORS: dict[str, Callable[[str, int], Any]] = {
    "norse": norse,
    "snntorch": snntorch,
    "spikingjelly": spikingjelly,
    "sinabs": sinabs,
}


def simulate(
    simulator: str, path: str, images: np.ndarray[Any, Any], names: list[str]
) -> dict[str, Any]:
    """One step from zero, a batch at a time; the network is read anew for each, so that no state
    of one batch is there in the next.
    """
    import torch

    torch.set_num_threads(1)
    spikes: Hooked = {name: [] for name in names}
    logits, largest = [], 0.0
    for start in range(0, len(images), BATCH):
        batch = torch.from_numpy(images[start : start + BATCH]).float()
        net = SIMULATORS[simulator](path, len(batch))
        kept: dict[str, Any] = {}
        for name, module in net.named_modules():
            if name in spikes:
                module.register_forward_hook(_keeping(kept, name))
        with torch.no_grad():
            out = net(batch)
        logits.append(_first(out).reshape(len(batch), -1).numpy())
        missing = [name for name in names if name not in kept]
        if missing:
            raise KeyError(f"{simulator} has no module {missing[0]}, or did not run it")
        for name in names:
            values = kept[name].reshape(len(batch), -1).numpy()
            largest = max(largest, float(values.max(initial=0)))
            spikes[name].append(np.packbits(values > 0, axis=1))
    return {
        "logits": np.concatenate(logits),
        "largest": np.array(largest),
        **{f"spikes/{name}": np.concatenate(found) for name, found in spikes.items()},
    }


def _first(out: Any) -> Any:
    """The values of a module that gives its state with them."""
    return out[0] if isinstance(out, tuple) else out


def _keeping(kept: dict[str, Any], name: str) -> Callable[..., None]:
    def keep(module: Any, given: Any, out: Any) -> None:
        kept[name] = _first(out).detach()

    return keep


def onnxruntime(path: str, images: np.ndarray[Any, Any]) -> dict[str, Any]:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    parts = [
        session.run(None, {given.name: images[start : start + BATCH]})[0]
        for start in range(0, len(images), BATCH)
    ]
    return {"logits": np.concatenate(parts)}


def openvino(path: str, images: np.ndarray[Any, Any]) -> dict[str, Any]:
    import os

    os.environ["CI"] = "true"  # or it reports its use
    import openvino as ov

    core = ov.Core()
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = core.compile_model(core.read_model(path), "CPU", options)
    parts = [
        np.array(compiled(images[start : start + BATCH])[0])
        for start in range(0, len(images), BATCH)
    ]
    return {"logits": np.concatenate(parts)}


ENGINES = {"onnxruntime": onnxruntime, "openvino": openvino}


def versions(simulator: str) -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in (simulator, "nir", "nirtorch", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def main(words: list[str]) -> int:
    simulator, path, pixels, out = words[:4]
    images = np.load(pixels, allow_pickle=False)
    if simulator in ENGINES:
        found = ENGINES[simulator](path, images)
    else:
        with open(words[4], encoding="utf-8") as file:
            found = simulate(simulator, path, images, json.load(file))
    np.savez(out, versions=np.array(json.dumps(versions(simulator))), **found)
    return 0


if __name__ == "__main__":
    # This script's folder holds modules of s3nn that must not hide others' of the same name.
    sys.path.pop(0)
    sys.exit(main(sys.argv[1:]))
