"""OpenVINO and NNCF without their reports to Intel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch


@contextmanager
def no_telemetry() -> Iterator[None]:
    """Hold this while either is imported and while NNCF works, which imports parts when needed.

    NNCF_CI stops NNCF's reports.  CI stops OpenVINO's, the first sent by ``import openvino``, and
    the client id that both leave in ~/intel.
    """
    with patch.dict(os.environ, {"CI": "true", "NNCF_CI": "1"}):
        yield
