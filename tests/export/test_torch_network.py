"""The network of torch that ONNX files are exported from, against the graph it stands for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from s3nn.export.onnx import torch_network
from s3nn.graph.ir import Graph
from s3nn.graph.rewrite import fire_before_pools, fold_affines

FORMS = {
    "as lowered": lambda graph: graph,
    "neurons before pools": fire_before_pools,
    "folded": lambda graph: fold_affines(fire_before_pools(graph)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["cnn7", "mlp", "grouped"])
def test_it_computes_what_the_graph_does(
    name: str, form: str, graphs: dict[str, Graph], pixels: np.ndarray[Any, Any]
) -> None:
    graph = FORMS[form](graphs[name])
    with torch.inference_mode():
        logits = torch_network(graph)(torch.from_numpy(pixels)).numpy()
    expected = graph.run(pixels)
    close = np.abs(logits - expected).max(1) < 1e-4 * np.abs(expected).max()
    assert close.mean() > 0.9  # in 32 bits one near its threshold may fall on its other side
