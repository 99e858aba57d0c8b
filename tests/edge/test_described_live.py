"""What is described is what the edge, the gateway and Triton do together: KServe's document, and any model's."""

from collections.abc import Iterator

import httpx
import pytest

from conch.stack.fronted import Front, fronted
from tests.schemathesis_runs import findings

TENANTS = """
[tenants.acme]

[tenants.beta]
models = ["piper"]
"""


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with fronted(tmp_path_factory.mktemp("d"), ["intent"], tenants=TENANTS) as running:
        yield running


def caller(front: Front, tenant: str) -> httpx.Client:
    headers = {"x-api-key": front.key(tenant)}
    return httpx.Client(base_url=f"http://{front.http}", headers=headers, timeout=60, trust_env=False)


def test_no_kserve_call_is_answered_otherwise_than_described(front: Front) -> None:
    with caller(front, "acme") as acme:
        document = acme.get("/openapi/kserve.json").json()
        document["components"]["parameters"]["model"]["schema"] = {"enum": ["intent", "nobody"]}
        document["components"]["parameters"]["version"]["schema"] = {"enum": ["1", "7"]}
        headers = {"x-api-key": acme.headers["x-api-key"]}
        assert findings(document, f"http://{front.http}", examples=5, headers=headers) == []
        assert acme.post("/v1/infer/intent", json={"text": "call John"}).json()["intent"] == "DIAL_PERSON"


def test_a_tenant_sees_and_calls_its_own_models_alone(front: Front) -> None:
    with caller(front, "beta") as beta:
        assert "/v1/infer/intent" not in beta.get("/openapi.json").json()["paths"]
        refused = beta.post("/v1/infer/intent", json={"text": "call John"})
        assert (refused.status_code, refused.json()["error"]["type"]) == (403, "permission_error")
        for path in ("/v1/infer/%69ntent", "/v1//infer/intent", "/v1/infer/x/../intent", "/v1/infer/intent/versions/1"):
            assert beta.post(path, json={"text": "call John"}).status_code in (400, 403, 404), path
