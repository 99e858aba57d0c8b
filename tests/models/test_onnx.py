"""Opening ONNX files, with a model of one addition made on the spot."""

import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from conch.contracts.errors import Internal
from conch.models.base import ModelContext
from conch.models.onnx import open_session, provider_options, providers


@pytest.fixture
def doubling(tmp_path: Path) -> Path:
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "doubling",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "doubling.onnx"
    onnx.save(model, path)
    return path


def test_a_file_is_opened_on_the_cpu_with_the_threads_of_its_config(doubling):
    session = open_session(doubling, ModelContext(doubling.parent, {"intra_op_threads": "2"}))
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert session.get_session_options().intra_op_num_threads == 2
    assert session.run(None, {"x": np.array([1.5, 2], np.float32)})[0].tolist() == [3, 4]


def test_a_provider_that_is_missing_is_named_and_the_next_one_serves(doubling, caplog):
    missing = [name for name in ("tensorrt", "cuda") if not _offered(name)]
    if not missing:
        pytest.skip("every provider is here")
    with caplog.at_level(logging.WARNING):
        session = open_session(doubling, ModelContext(doubling.parent, {"execution_providers": ",".join(missing)}))
    assert session.run(None, {"x": np.ones(1, np.float32)})[0].tolist() == [2]
    assert len(caplog.messages) == len(missing)
    for name, message in zip(missing, caplog.messages, strict=True):
        assert message.startswith(f"doubling.onnx runs without {name}, which needs onnxruntime-gpu")


def test_no_warning_where_everything_asked_for_is_there(doubling, caplog):
    open_session(doubling, ModelContext(doubling.parent, {"execution_providers": "cpu"}))
    assert caplog.messages == []


def test_the_gpu_prefers_tensorrt_then_cuda_and_the_cpu_is_always_last(tmp_path):
    assert providers(ModelContext(tmp_path)) == ["cpu"]
    assert providers(ModelContext(tmp_path, device="gpu")) == ["tensorrt", "cuda", "cpu"]
    assert providers(ModelContext(tmp_path, {"execution_providers": "CUDA"}, device="gpu")) == ["cuda", "cpu"]


def test_tensorrt_builds_one_engine_for_the_shapes_that_the_config_names(tmp_path):
    shapes = {f"tensorrt_{end}_shapes": f"input:{rows}x576" for end, rows in (("min", 1), ("opt", 16), ("max", 64))}
    context = ModelContext(tmp_path, {**shapes, "tensorrt_cache": "/engines"}, device="gpu", device_id=1)
    assert provider_options("tensorrt", context) == {
        "device_id": 1,
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": "/engines",
        "trt_profile_min_shapes": "input:1x576",
        "trt_profile_opt_shapes": "input:16x576",
        "trt_profile_max_shapes": "input:64x576",
    }
    assert provider_options("cuda", context) == {"device_id": 1}
    assert provider_options("cpu", context) == {}


def test_an_unknown_provider_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(Internal, match=r"names 'gpu', known are tensorrt, cuda, cpu"):
        providers(ModelContext(tmp_path, {"execution_providers": "gpu"}))


def test_a_damaged_file_is_named(doubling):
    doubling.write_bytes(doubling.read_bytes()[:20])
    with pytest.raises(Internal, match=r"doubling\.onnx cannot be opened by ONNX Runtime"):
        open_session(doubling, ModelContext(doubling.parent))


def _offered(name: str) -> bool:
    import onnxruntime as ort

    return any(name in provider.lower() for provider in ort.get_available_providers())
