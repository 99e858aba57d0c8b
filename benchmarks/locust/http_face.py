"""Users of the HTTP face: plain JSON and OpenAI's calls to the gateway, KServe v2's straight to Triton."""

import itertools
from typing import Any

from locust import FastHttpUser, task

from benchmarks.locust.callers import TEXTS, THINK, next_tenant


class HttpUser(FastHttpUser):
    wait_time = THINK
    network_timeout = 60.0
    connection_timeout = 60.0

    def on_start(self) -> None:
        self.tenant, key = next_tenant()
        self.headers = {"authorization": f"Bearer {key}"} if key else {}
        self.texts = itertools.cycle(TEXTS)

    @task(4)
    def understand(self) -> None:
        self._post("/understand", {"text": next(self.texts)})

    @task(4)
    def infer(self) -> None:
        text = {"name": "text", "shape": [1, 1], "datatype": "BYTES", "data": [next(self.texts)]}
        self._post("/v2/models/intent/infer", {"inputs": [text]})

    @task(2)
    def infer_plainly(self) -> None:
        self._post("/v1/infer/intent", {"text": next(self.texts)})

    @task(2)
    def embed(self) -> None:
        self._post("/embed", {"texts": [next(self.texts), next(self.texts)]})

    @task(2)
    def embed_for_openai(self) -> None:
        asked = {"model": "embedding", "input": [next(self.texts), next(self.texts)], "encoding_format": "base64"}
        self._post("/v1/embeddings", asked)

    @task(1)
    def list_models(self) -> None:
        self.client.get("/v1/models", headers=self.headers, name=f"{self.tenant}: /v1/models")

    def _post(self, path: str, body: dict[str, Any]) -> None:
        self.client.post(path, json=body, headers=self.headers, name=f"{self.tenant}: {path}")
