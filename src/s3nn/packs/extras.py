"""What a pack may hold beside the network itself: other forms of it, by a name each."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from s3nn.errors import unknown_name
from s3nn.experiment.compiled import c_files, prepare_trained
from s3nn.experiment.trained import Trained

# A network and raw test images (N, C, H, W) -> files by their names in the folder of the form.
Writer = Callable[[Trained, Tensor], dict[str, bytes]]


def _c(trained: Trained, images: Tensor) -> dict[str, bytes]:
    texts = c_files(prepare_trained(trained), "network", images.numpy())
    return {name: text.encode() for name, text in texts.items()}


# A new form of a network is one more line here: `s3nn pack --with NAME` finds it.
WRITERS: dict[str, Writer] = {"c": _c}


def extra_files(name: str, trained: Trained, images: Tensor) -> dict[str, bytes]:
    """The files of one form, named as they are in the pack."""
    if name not in WRITERS:
        raise unknown_name("form of a network to pack", name, WRITERS)
    return {f"{name}/{file}": content for file, content in WRITERS[name](trained, images).items()}
