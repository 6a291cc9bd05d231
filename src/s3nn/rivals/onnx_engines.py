"""ONNX Runtime, in float32 and in int8 calibrated after training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from s3nn.rivals.fastest import fastest
from s3nn.rivals.setting import Images, Logits, Run, Setting

EVERYTHING, ALL_BUT_FIRST = "every layer", "every layer but the first convolution"


def fp32(setting: Setting) -> tuple[Run, str]:
    return _running(setting.onnx.SerializeToString(), setting), "ORT_ENABLE_ALL, io-binding"


def int8(setting: Setting) -> tuple[Run, str]:
    """U8S8: on a CPU with VNNI S8S8 takes as long and U8U8 twice as long.

    Scales from the extremes: entropy finds the same accuracy.  A first convolution of one channel
    is not faster in int8, and whether converting its output is depends on size and threads.
    """
    ways = {way: _running(_quantised(setting, way), setting) for way in (EVERYTHING, ALL_BUT_FIRST)}
    run, way = fastest(ways, next(setting.batches()))
    return run, f"QDQ U8S8 a channel, MinMax, {way}, io-binding"


def _quantised(setting: Setting, way: str) -> bytes:
    """The network as quantised ONNX; the quantiser can only write files."""
    with TemporaryDirectory() as folder:
        prepared, quantised = Path(folder) / "prepared.onnx", Path(folder) / "quantised.onnx"
        quant_pre_process(setting.onnx, str(prepared))
        graph = onnx.load(str(prepared)).graph
        convolutions = [node.name for node in graph.node if node.op_type == "Conv"]
        quantize_static(
            *(str(prepared), str(quantised), _Calibration(graph.input[0].name, setting)),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=False,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            # Logits as floats: on eight bits they end where those of the calibration do.
            extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"]},
            nodes_to_exclude=convolutions[:1] if way == ALL_BUT_FIRST else [],
        )
        return quantised.read_bytes()


def _running(model: bytes, setting: Setting) -> Run:
    """A session with its input and output bound: two microseconds a call faster than run()."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = setting.threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    # Threads that sleep between layers, or as soon as a call ends, gain little or nothing over one.
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    options.log_severity_level = 3
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (given,), (found,) = session.get_inputs(), session.get_outputs()
    bound = ort.OrtValue.ortvalue_from_numpy(np.zeros(setting.shape, np.float32))
    logits = ort.OrtValue.ortvalue_from_numpy(np.zeros(found.shape, np.float32))
    binding = session.io_binding()
    binding.bind_ortvalue_input(given.name, bound)
    binding.bind_ortvalue_output(found.name, logits)

    def run(images: Images) -> Logits:
        bound.update_inplace(images)
        session.run_with_iobinding(binding)
        return logits.numpy()

    return run


class _Calibration(CalibrationDataReader):
    def __init__(self, name: str, setting: Setting) -> None:
        self.feeds: Iterator[dict[str, Images]] = ({name: x} for x in setting.batches())

    def get_next(self) -> dict[str, Images] | None:
        return next(self.feeds, None)
