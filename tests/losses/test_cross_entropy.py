"""The cross-entropy of scaled answers."""

from __future__ import annotations

import pytest
import torch

from s3nn.errors import UsageError
from s3nn.losses import CrossEntropy


def test_a_scale_sharpens() -> None:
    answer, labels = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    expected = -(10 * answer).log_softmax(1)[range(6), labels].mean()
    torch.testing.assert_close(CrossEntropy(scale=10)(answer[None], answer, labels), expected)
    with pytest.raises(UsageError, match="scale > 0, got 0"):
        CrossEntropy(scale=0)
