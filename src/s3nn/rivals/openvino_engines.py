"""OpenVINO, in float32, in bfloat16 where the CPU has it, and in int8 by NNCF."""

from __future__ import annotations

import logging
from contextlib import redirect_stdout
from functools import cache
from io import StringIO

import numpy as np
import openvino as ov

from s3nn.rivals.missing import NotRunError
from s3nn.rivals.quiet import no_telemetry
from s3nn.rivals.setting import Images, Logits, Run, Setting


@cache
def _core() -> ov.Core:
    """The only one, for as long as the process lives.

    Its CPU plugin gives the thread another stack for signals and the one before back when it goes.
    Of two that do not go in the reverse order the second gives back one that is no longer mapped,
    and the next signal that Python handles, as of a data loader's worker that ended, is a
    segmentation fault.
    """
    return ov.Core()


def fp32(setting: Setting) -> tuple[Run, str]:
    return _running(_model(setting), setting, "f32"), "LATENCY, f32, not pinned"


def bf16(setting: Setting) -> tuple[Run, str]:
    """What OpenVINO chooses by itself on a CPU with bfloat16 instructions."""
    if "BF16" not in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise NotRunError("this CPU has no bfloat16 instructions", "a CPU with AVX512_BF16 or AMX")
    return _running(_model(setting), setting, "bf16"), "LATENCY, bf16, not pinned"


def int8(setting: Setting) -> tuple[Run, str]:
    """The mixed preset (unsymmetric activations): as fast as the other, or a little faster.

    Scales from the extremes of all images: by default they are means of each batch's, which at
    batch 1 puts the logits three times as far off.
    """
    batches = list(setting.batches())
    with no_telemetry(), redirect_stdout(StringIO()):  # which gets progress bars
        import nncf
        from nncf.quantization import advanced_parameters, range_estimator

        extremes = range_estimator.RangeEstimatorParametersSet.MINMAX
        nncf.set_log_level(logging.ERROR)
        model = nncf.quantize(
            *(_model(setting), nncf.Dataset(batches)),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(batches),
            advanced_parameters=advanced_parameters.AdvancedQuantizationParameters(
                activations_range_estimator_params=extremes
            ),
        )
    return _running(model, setting, "f32"), "NNCF mixed preset, MinMax, LATENCY, not pinned"


def _model(setting: Setting) -> ov.Model:
    # Not openvino.convert_model, which reports its use to Intel.
    return _core().read_model(setting.onnx.SerializeToString())


def _running(model: ov.Model, setting: Setting, precision: str) -> Run:
    """One request with tensors of its own: a copy into them is faster than sharing the caller's."""
    compiled = _core().compile_model(
        model,
        "CPU",
        {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": setting.threads,
            "NUM_STREAMS": "1",
            "INFERENCE_PRECISION_HINT": precision,  # else bf16, where the CPU has it
            "ENABLE_CPU_PINNING": False,  # as fast on one thread, faster on two busy ones
        },
    )
    request = compiled.create_infer_request()
    bound = np.zeros(setting.shape, np.float32)
    logits = np.zeros(tuple(compiled.output(0).shape), np.float32)
    request.set_input_tensor(ov.Tensor(bound, shared_memory=True))
    request.set_output_tensor(ov.Tensor(logits, shared_memory=True))

    def run(images: Images) -> Logits:
        np.copyto(bound, images)
        request.infer()
        return logits

    return run
