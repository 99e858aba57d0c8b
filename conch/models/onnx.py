"""Open ONNX files on the execution provider that the model's config.pbtxt asks for.

Parameters read:
    execution_providers    in order of preference, of tensorrt, cuda and cpu; "tensorrt,cuda,cpu" on a GPU, "cpu" else
    intra_op_threads       threads of one call on the CPU; 1
    tensorrt_cache         folder where TensorRT keeps the engines it has built; without it each start builds them anew
    tensorrt_min_shapes    with the next two: the shapes that one engine serves, such as input:1x576; without them a
    tensorrt_opt_shapes    shape that was not seen before has TensorRT build another engine, which takes seconds
    tensorrt_max_shapes

A provider that is not to be had is left out with a warning that names it; the CPU is always the last resort.
"""

import importlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnxruntime as ort

from conch.contracts.errors import Internal
from conch.models.base import ModelContext

logger = logging.getLogger(__name__)

PROVIDERS = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "cpu": "CPUExecutionProvider",
}

_BRINGS = {
    "tensorrt": "onnxruntime-gpu with the tensorrt package",
    "cuda": "onnxruntime-gpu with CUDA and cuDNN",
    "cpu": "onnxruntime",
}


_TENSORRT = {
    "tensorrt_cache": "trt_engine_cache_path",
    "tensorrt_min_shapes": "trt_profile_min_shapes",
    "tensorrt_opt_shapes": "trt_profile_opt_shapes",
    "tensorrt_max_shapes": "trt_profile_max_shapes",
}


def open_session(path: Path, context: ModelContext) -> ort.InferenceSession:
    """Raises Internal where the file is damaged or a parameter makes no sense; called in Model.load."""
    wanted = providers(context)
    if context.device == "gpu":
        _preload(wanted)
    offered = set(ort.get_available_providers())
    for name in wanted:
        if PROVIDERS[name] not in offered:
            _warn(path, name, f"onnxruntime {ort.__version__} here has no {PROVIDERS[name]}")
    left = [name for name in wanted if PROVIDERS[name] in offered]
    while True:
        try:
            session = _open(path, left, context)
        except Exception as error:  # onnxruntime's errors have no base class of their own
            if left == ["cpu"]:
                raise Internal(f"{path.name} cannot be opened by ONNX Runtime: {_first_line(error)}") from error
            _warn(path, left[0], _first_line(error))
            left = left[1:] or ["cpu"]
            continue
        for name in left:
            if PROVIDERS[name] not in session.get_providers():
                _warn(path, name, "its libraries did not load")
        return session


def providers(context: ModelContext) -> list[str]:
    """Our names, best first, the CPU last."""
    text = context.parameters.get("execution_providers") or ("tensorrt,cuda,cpu" if context.device == "gpu" else "cpu")
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in PROVIDERS:
            raise Internal(f"execution_providers of config.pbtxt names {name!r}, known are {', '.join(PROVIDERS)}")
    return names if "cpu" in names else [*names, "cpu"]


def _open(path: Path, names: Sequence[str], context: ModelContext) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = context.integer("intra_op_threads", 1)
    options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    # Threads that spin between calls take the cores from whoever computes next.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # As fast without the arena, which keeps the largest batch ever seen: 32 texts of 128 tokens, 381 MB against 69.
    options.enable_cpu_mem_arena = False
    return ort.InferenceSession(
        str(path),
        options,
        providers=[(PROVIDERS[name], provider_options(name, context)) for name in names],
        # Its own retry prints to stdout and does not say what it left out.
        enable_fallback=0,
    )


def provider_options(name: str, context: ModelContext) -> dict[str, Any]:
    if name == "cpu":
        return {}
    options: dict[str, Any] = {"device_id": context.device_id}
    if name == "tensorrt":
        options |= {
            theirs: context.parameters[ours] for ours, theirs in _TENSORRT.items() if context.parameters.get(ours)
        }
        options |= {"trt_engine_cache_enable": True} if "trt_engine_cache_path" in options else {}
    return options


def _preload(wanted: Sequence[str]) -> None:
    """Wheels put the GPU's libraries where the loader does not look."""
    if "tensorrt" in wanted:
        try:
            importlib.import_module("tensorrt_libs")
        except (ImportError, OSError) as error:
            logger.info("tensorrt_libs was not loaded: %s", error)
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()


def _warn(path: Path, name: str, reason: str) -> None:
    logger.warning("%s runs without %s, which needs %s: %s", path.name, name, _BRINGS[name], reason)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
