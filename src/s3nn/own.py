"""Models in a file of the user's own, beside those of the registry.

The file is Python and is executed.  So it is only ever one that the user names, in a call or on the
command line (``--models FILE``): never one that a run.json, a pack or anything else names.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from s3nn.errors import S3nnError, UsageError
from s3nn.models import Parts
from s3nn.neurons import Neuron
from s3nn.registry import MODELS, Entry, snake_case
from s3nn.spikifying import spikify

_files: list[str] = []


def added_files() -> tuple[str, ...]:
    """The files whose models were added, for processes that shall know them too."""
    return tuple(_files)


def add_models(path: Path | str) -> list[str]:
    """Add the networks of a Python file to the models, and return the names they are found by.

    A network is a class of the file that derives from ``nn.Module`` and whose name does not begin
    with ``_``; where the file has an ``__all__``, those in it.  ``MyNet`` is the model ``my_net``.

    One that takes ``parts`` is built as the models of s3nn are.  Any other is a plain network and
    given ``input_shape`` (C, H, W) and ``classes`` if it takes them: each of its ReLUs becomes the
    neuron of the row, ReLUs again in the row ``relu``, and its weights are seen through the row's
    synapse (``s3nn.spikify``).  So all rows have the same layers, and one can start at another's
    weights.  A network whose answer is an image says ``answers_images = True``.

    Raises ``UsageError`` for a file that is not there, cannot be imported or has no network, and
    for a name that is taken.
    """
    file = Path(path).resolve()
    module = _import(file, str(path))
    names = getattr(module, "__all__", [n for n in vars(module) if not n.startswith("_")])
    kinds = [getattr(module, name, None) for name in names]
    own = [k for k in kinds if inspect.isclass(k) and issubclass(k, nn.Module)]
    own = [kind for kind in own if kind.__module__ == module.__name__]
    if not own:
        raise UsageError(f"{path} has no network: write a class that derives from nn.Module")
    found: dict[str, Entry] = {}
    for kind in own:
        name = snake_case(kind.__name__)
        known = MODELS.entries.get(name)
        if name in found or (known is not None and known.module != module.__name__):
            raise UsageError(f"{path}: the model {name} is there already; rename {kind.__name__}")
        attribute = f"_built_{kind.__name__}"
        plain = "parts" not in inspect.signature(kind).parameters
        built: Any = _rebuilt(kind, name) if plain else kind
        built.answers_images = bool(getattr(kind, "answers_images", False))
        setattr(module, attribute, built)
        summary = (inspect.getdoc(kind) or "").partition("\n")[0]
        found[name] = Entry(name, module.__name__, attribute, summary)
    MODELS.entries.update(found)
    if str(file) not in _files:
        _files.append(str(file))
    return list(found)


def _import(file: Path, called: str) -> ModuleType:
    # Two files of one name are two modules; the same file again is the same.
    name = f"_s3nn_own_{file.stem}_{sha256(str(file).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, file) if file.suffix == ".py" else None
    if spec is None or spec.loader is None or not file.is_file():
        raise UsageError(f"{called} is no Python file with networks of your own")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        reason = " ".join(str(error).split())[:200]
        raise UsageError(
            f"{called} cannot be imported ({type(error).__name__}: {reason})"
        ) from error
    return module


def _rebuilt(kind: type[nn.Module], name: str) -> Callable[..., nn.Module]:
    """What the registry calls to build a plain network with the row's neurons and synapses."""
    given = ("input_shape", "classes")
    takes = inspect.signature(kind).parameters
    several = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    options = [p for key, p in takes.items() if key not in given and p.kind not in several]

    @wraps(kind, updated=())
    def build(
        input_shape: tuple[int, int, int], classes: int, parts: Parts, width: float, **own: Any
    ) -> nn.Module:
        if width != 1:
            raise UsageError(f"the model {name} has one width: leave model.width at 1, got {width}")
        context = {"input_shape": input_shape, "classes": classes}
        missing = [p.name for p in options if p.default is p.empty and p.name not in own]
        if missing:
            raise UsageError(
                f"the model {name} needs {', '.join(missing)}: write --model.name "
                f'"{name}({", ".join(f"{key}=..." for key in missing)})", or give defaults'
            )
        try:
            network = kind(**{key: value for key, value in context.items() if key in takes}, **own)
            with torch.no_grad():  # layers that learn their sizes do so here
                mode = network.training
                answer = network.eval()(torch.zeros(2, *input_shape))
                network.train(mode)
        except S3nnError:
            raise
        except Exception as error:
            raise UsageError(
                f"the model {name} cannot be built for images {tuple(input_shape)} and {classes} "
                f"classes ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
            ) from error
        shape = tuple(getattr(answer, "shape", ()))
        wanted = (2, *input_shape) if getattr(kind, "answers_images", False) else (2, classes)
        if shape != wanted:
            raise UsageError(
                f"the model {name} makes {shape or type(answer).__name__} of images "
                f"{(2, *input_shape)}: it should make logits {(2, classes)}, one a class, or "
                "images where it says answers_images = True"
            )
        if any(isinstance(module, Neuron) for module in network.modules()):
            raise UsageError(
                f"the model {name} has neurons of s3nn already, which no row replaces: let the "
                "class take `parts` and call parts.neurons(channels), or put ReLUs in their place"
            )
        spiking = spikify(network, neuron=parts.neuron, synapse=parts.synapse)
        spiking.input_shape = input_shape  # type: ignore[assignment]
        return spiking

    named = [*given, "parts", "width"]
    parameters = [inspect.Parameter(key, inspect.Parameter.POSITIONAL_OR_KEYWORD) for key in named]
    keywords = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in options]
    build.__signature__ = inspect.Signature([*parameters, *keywords])  # type: ignore[attr-defined]
    return build
