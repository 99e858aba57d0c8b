"""Loading, reloading and unloading of a model whose entry point is the adapter."""

from pathlib import Path

import numpy as np
import psutil
import pytest
import tritonclient.grpc as grpcclient
from google.protobuf import text_format
from tritonclient.utils import InferenceServerException

from conch.rollout.model_configs import parse
from conch.stack.serving import serving_repositories
from tests.settling import becomes


def load_failure(small, name: str) -> str:
    with pytest.raises(InferenceServerException) as failed:
        small.client.load_model(name)
    return failed.value.message()


def test_a_parameter_that_is_no_number_fails_the_load_and_is_named(small):
    small.repository.write("miscounted", small.repository.models.Double, parameters={"threads": "two"})
    assert "model miscounted: parameter threads of config.pbtxt is 'two', not a whole number" in (
        load_failure(small, "miscounted")
    )


def test_missing_weights_fail_the_load_and_are_named(small):
    small.repository.write("unweighted", small.repository.models.Weighted)
    folder = small.repository.folder / "unweighted" / "1"
    assert f"model unweighted: weights are incomplete: weights.bin is not in {folder}" in (
        load_failure(small, "unweighted")
    )


@pytest.mark.parametrize(("model_class", "decoupled"), [("Double", True), ("Countdown", False)])
def test_a_config_of_another_transaction_policy_fails_the_load(small, model_class, decoupled):
    name = f"mixed-up-{model_class}"
    small.repository.write(name, getattr(small.repository.models, model_class))
    path = small.repository.folder / name / "config.pbtxt"
    config = parse(path)
    config.model_transaction_policy.decoupled = decoupled
    path.write_text(text_format.MessageToString(config))
    assert f"model {name}: decoupled of config.pbtxt is {decoupled}, {model_class} wants {not decoupled}" in (
        load_failure(small, name)
    )


def test_a_model_loads_once_its_weights_are_there(small):
    small.repository.write("late", small.repository.models.Weighted)
    load_failure(small, "late")
    (small.repository.folder / "late" / "1" / "weights.bin").write_bytes(b"here")
    small.client.load_model("late")
    assert small.infer("late", small.row([1.0, 2.0]))["doubled"] == [2.0, 4.0]


def test_a_failed_load_leaves_the_other_models_serving(small):
    small.repository.write("broken", small.repository.models.Weighted)
    load_failure(small, "broken")
    assert small.infer("double", small.row([1.0, 2.0]))["doubled"] == [2.0, 4.0]


def test_both_instances_of_a_model_count_together_and_are_closed_when_it_is_unloaded(small):
    small.repository.write("twins", small.repository.models.Ledger, instances=2, max_batch_size=1)
    small.client.load_model("twins")
    with small.holding("twins"):
        # The second instance takes what the first, which is held, cannot.
        other = small.start("twins", small.row([2.0], "other"))
        small.until(lambda: "other" in small.repository.noted("twins"))
    assert other.result()["total"] == 2.0
    assert becomes(lambda: small.metric("conch_model_executions", model="twins", version="1"), 2) == 2
    small.client.unload_model("twins")
    small.until(lambda: small.repository.noted("twins").count("closed") == 2)


def test_counts_survive_reloads_of_their_model_and_of_others(small):
    small.repository.write("reloaded", small.repository.models.Double)
    small.client.load_model("reloaded")

    def served(numbers: list[float], rows: float) -> float:
        small.infer("reloaded", small.row(numbers))
        return becomes(lambda: small.metric("conch_model_rows", model="reloaded", version="1"), rows)

    assert served([1.0], 1) == 1
    small.client.unload_model("reloaded")
    small.until(lambda: not small.client.is_model_ready("reloaded"))
    small.client.load_model("reloaded")
    assert served([2.0], 2) == 2
    config = small.repository.folder / "reloaded" / "config.pbtxt"
    config.write_text(config.read_text() + 'parameters { key: "threads" value { string_value: "2" } }')
    small.client.load_model("reloaded")
    # The old instance leaves after the new one has come, and must not take the new one's counts with it.
    small.until(lambda: small.server.log.read_text().count("successfully unloaded 'reloaded'") == 2)
    assert served([3.0], 3) == 3


def test_a_stopped_server_leaves_no_shared_memory_and_no_process(small, tmp_path):
    repository = type(small.repository)(tmp_path / "models", small.repository.models)
    repository.write("double", small.repository.models.Double, instances=2)
    with serving_repositories(tmp_path, [repository.folder]) as server:
        with grpcclient.InferenceServerClient(server.grpc) as client:
            tensor = grpcclient.InferInput("numbers", [1, 2], "FP32")
            client.infer("double", [tensor.set_data_from_numpy(np.ones((1, 2), np.float32))])
        regions = {Path(mapped.path) for mapped in psutil.Process(server.process.pid).memory_maps()}
        regions = {path for path in regions if path.is_relative_to("/dev/shm")}
        stubs = psutil.Process(server.process.pid).children(recursive=True)
        assert (len(regions), len(stubs)) == (2, 2)
        server.process.terminate()
        server.process.wait(30)
        assert [path for path in regions if path.exists()] == []
        assert [stub for stub in stubs if stub.is_running()] == []
