"""The three stages of a model that can be taken through time."""

from __future__ import annotations

from torch import fx, nn

from s3nn.errors import UnsupportedError

STAGES = ("encode", "features", "readout")


def check_stages(model: nn.Module, doing: str) -> None:
    """An ``UnsupportedError`` unless ``model(x)`` is ``readout(features(encode(x)))``.

    What runs at every step is put together from the three; another ``forward`` would be left out.
    """
    missing = set(STAGES) - {name for name, _ in model.named_children()}
    if missing:
        raise UnsupportedError(
            f"{doing} a model without {', '.join(sorted(missing))}",
            type(model).__name__,
            "derive it from s3nn.models.SpikingModel",
        )
    try:
        called = [(node.op, node.target) for node in _Calls().trace(model).nodes]
    except Exception:  # whatever a forward of one's own does with what is no tensor
        called = []
    if called[1:-1] != [("call_module", name) for name in STAGES]:
        raise UnsupportedError(
            f"{doing} a model whose forward is not readout(features(encode(x)))",
            type(model).__name__,
            "move what else it computes into these three",
        )


class _Calls(fx.Tracer):
    """Sees the modules that are called and nothing in them."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return True
