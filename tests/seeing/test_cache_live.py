"""Triton's own cache of answers, as a model gets it whose config asks for it: what it spares, and what it gets wrong.

The model adds up, and tells whom it was called for, so that one sees whose answer comes back.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from prometheus_client.parser import text_string_to_metric_families
from tritonclient.utils import InferenceServerException

from conch.stack.serving import Server, serving_repositories
from tests.edge.conftest import write_models
from tests.seeing.test_metrics_live import OF_A_CACHED_MODEL, names_of


@dataclass(frozen=True, slots=True)
class Cached:
    server: Server
    client: Any

    def ask(self, number: float, outputs: tuple[str, ...] | None = None, **options: Any) -> dict[str, Any]:
        tensor = grpcclient.InferInput("numbers", [2], "FP32").set_data_from_numpy(np.array([number, 1], np.float32))
        wanted = None if outputs is None else [grpcclient.InferRequestedOutput(name) for name in outputs]
        answer = self.client.infer("sum", [tensor], outputs=wanted, client_timeout=30, **options)
        return {output.name: answer.as_numpy(output.name).tolist() for output in answer.get_response().outputs}

    def counts(self) -> tuple[float, float]:
        """Hits and misses."""
        samples = {
            sample.name.removesuffix("_total"): sample.value
            for family in text_string_to_metric_families(httpx.get(f"http://{self.server.metrics}/metrics").text)
            for sample in family.samples
            if sample.labels.get("model") == "sum"
        }
        return samples["nv_cache_num_hits_per_model"], samples["nv_cache_num_misses_per_model"]


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cached]:
    folder = tmp_path_factory.mktemp("cached")
    models = write_models(folder / "models", folder)
    config = models / "sum" / "config.pbtxt"
    config.write_text(config.read_text() + "response_cache { enable: true }\n")
    with (
        serving_repositories(folder / "server", [models]) as server,
        grpcclient.InferenceServerClient(server.grpc) as client,
    ):
        yield Cached(server, client)


def test_the_second_of_two_equal_calls_is_a_hit_and_another_is_not(cached: Cached) -> None:
    hits, misses = cached.counts()
    first, second, other = cached.ask(1), cached.ask(1), cached.ask(2)
    assert (first["total"], second, other["total"]) == ([2.0], first, [3.0])
    assert cached.counts() == (hits + 1, misses + 2)


def test_the_hit_rate_is_exported(cached: Cached) -> None:
    cached.ask(1)
    assert names_of(httpx.get(f"http://{cached.server.metrics}/metrics").text) >= OF_A_CACHED_MODEL


def test_the_key_is_the_inputs_alone_so_that_no_model_may_ask_who_calls(cached: Cached) -> None:
    def ask(tenant: str, number: str) -> dict[str, Any]:
        headers = {"x-conch-tenant": tenant, "x-conch-request-id": number, "traceparent": f"trace-{number}"}
        return cached.ask(10, headers=headers, request_id=number, priority=1, parameters={"note": number})

    hits, _ = cached.counts()
    assert ask("acme", "1")["identity"] == [b"acme", b"1", b"trace-1"]
    # A hit for everybody, and for everybody what was acme's.
    assert ask("beta", "2")["identity"] == [b"acme", b"1", b"trace-1"]
    assert cached.counts()[0] == hits + 1


# The next two are why no model of ours asks for it: see docs/observability.md. When they fail, Triton has mended it.


def test_a_refused_call_is_kept_as_a_good_one_without_outputs(cached: Cached) -> None:
    with pytest.raises(InferenceServerException, match="NaN"):
        cached.ask(float("nan"))
    assert cached.ask(float("nan")) == {}


def test_the_outputs_that_the_first_caller_wanted_are_all_that_the_next_one_gets(cached: Cached) -> None:
    assert cached.ask(20, ("total",)) == {"total": [21.0]}
    assert cached.ask(20) == {"total": [21.0]}
    assert cached.ask(20, ("identity",)) == {"total": [21.0]}
