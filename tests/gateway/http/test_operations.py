"""What those who run the gateway read: health, metrics, and the description of the API."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from conch.clients.inprocess import InProcessInference
from conch.contracts import metrics
from tests.gateway.conftest import said, wav


async def test_health_tells_each_service_and_its_models(http: httpx.AsyncClient) -> None:
    answer = await http.get("/health")
    assert answer.status_code == 200
    fine = {"ready": True, "reason": ""}
    assert answer.json() == {
        "live": True,
        "ready": True,
        "draining": False,
        "services": {
            "conch.voice.v1.Voice": {
                "ready": True,
                "depends_on": {
                    "whisper": fine,
                    "vad": fine,
                    "intent": fine,
                    "piper": fine,
                    "voice_command": fine,
                },
            },
            "conch.text.v1.Text": {"ready": True, "depends_on": {"embedding": fine}},
            "conch.recommend.v1.Recommend": {"ready": True, "depends_on": {"recommend": fine}},
        },
    }


async def test_health_is_503_and_names_the_model_that_is_not_well(
    http: httpx.AsyncClient, models: InProcessInference
) -> None:
    del models.functions["embedding"]
    answer = await http.get("/health")
    assert answer.status_code == 503
    assert answer.json()["live"]
    assert not answer.json()["ready"]
    assert "embedding" in answer.json()["services"]["conch.text.v1.Text"]["depends_on"]["embedding"]["reason"]


async def test_metrics_are_those_of_the_one_list(http: httpx.AsyncClient) -> None:
    await http.post("/understand", json={"text": "call mai"})
    await http.post("/understand", json={"text": ""})
    await http.post("/transcribe", content=wav(said("call")))
    families = {family.name: family for family in text_string_to_metric_families((await http.get("/metrics")).text)}
    known = {metric.name.removesuffix("_total"): metric for metric in metrics.ALL}
    assert set(families) == {
        "conch_requests",
        "conch_request_seconds",
        "conch_stage_seconds",
        "conch_audio_seconds",
        "conch_admission_refused",
        "conch_calls_running",
        "conch_listen_sessions",
        "conch_listen_buffered_seconds",
        "conch_listen_utterances",
        "conch_listen_final_seconds",
        "conch_listen_partials",
        "conch_listen_refused",
        "conch_listen_gap_seconds",
    }
    assert all(families[name].documentation == known[name].help for name in families)
    counts = {
        tuple(sample.labels[name] for name in metrics.REQUESTS.labels): sample.value
        for sample in families["conch_requests"].samples
        if sample.name == "conch_requests_total"
    }
    assert counts == {
        ("http", "Understand", "default", "ok"): 1.0,
        ("http", "Understand", "default", "InvalidRequest"): 1.0,
        ("http", "Transcribe", "default", "ok"): 1.0,
    }
    stages = {(sample.labels["stage"], sample.labels["model"]) for sample in families["conch_stage_seconds"].samples}
    assert stages == {("infer", "intent"), ("infer", "vad"), ("infer", "whisper")}
    audio = [sample.value for sample in families["conch_audio_seconds"].samples if sample.name.endswith("_total")]
    assert audio == [pytest.approx(3.0)]


@pytest.mark.parametrize(
    ("method", "path", "status", "title", "reason"),
    [
        ("GET", "/nothing", 404, "Not Found", "no such path is here"),
        ("GET", "/transcribe", 405, "Method Not Allowed", "GET is not a method of this path"),
    ],
)
async def test_what_is_not_there_is_a_problem_too(
    http: httpx.AsyncClient, method: str, path: str, status: int, title: str, reason: str
) -> None:
    answer = await http.request(method, path)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": f"{title}: {reason}",
        "instance": answer.headers["x-conch-request-id"],
    }


async def test_the_api_describes_itself(http: httpx.AsyncClient) -> None:
    document = (await http.get("/openapi.json")).json()
    assert document["paths"].keys() >= {"/transcribe", "/understand", "/speak", "/embed", "/health"}
    assert set(document["paths"]["/understand"]["post"]["requestBody"]["content"]) == {
        "application/json",
        "multipart/form-data",
        "audio/*",
    }
