"""The whole front with a collector behind it: one of each kind of call has been made."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.grpc as grpcclient

from conch.contracts.specs import SPEECH_RATE
from conch.stack.fronted import Front, fronted
from tests.seeing.collector import Collector, Span, collecting
from tests.settling import becomes

TENANTS = "[tenants.narrow]\ncalls_per_second = 50\n"
MODELS = ("intent", "whisper", "voice_command")
SECRET = f"canary{uuid.uuid4().hex}"

SPANS_IN_TIME_S = 15.0


@dataclass(frozen=True, slots=True)
class Watched:
    front: Front
    collector: Collector

    @property
    def metrics(self) -> str:
        return httpx.get(f"http://{self.front.metrics}/metrics", timeout=20).text

    def understand(self, text: str = "call mai", **headers: str) -> httpx.Response:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"http://{self.front.http}/understand?{SECRET}={SECRET}"
        return httpx.post(url, json={"text": text}, headers=headers, timeout=60)

    def voice_command(self, **options: Any) -> str:
        """Of silence, straight to Triton: the call's id."""
        inputs = {
            "pcm16": np.zeros((1, SPEECH_RATE // 2), np.int16),
            "sample_rate": np.array([[SPEECH_RATE]], np.int32),
        }
        request_id = uuid.uuid4().hex
        with grpcclient.InferenceServerClient(self.front.grpc) as client:
            tensors = [
                grpcclient.InferInput(name, list(array.shape), "INT16" if name == "pcm16" else "INT32")
                for name, array in inputs.items()
            ]
            for tensor, array in zip(tensors, inputs.values(), strict=True):
                tensor.set_data_from_numpy(array)
            client.infer("voice_command", tensors, request_id=request_id, client_timeout=60, **options)
        return request_id

    def trace(self, ask: Callable[[], str], names: set[str]) -> dict[str, Span]:
        """Of one call, which `ask` makes and names: its spans by name, once all of these have come.

        Spans are sent once, and on a busy machine may be lost: then it is asked again.
        """
        for _ in range(3):
            request_id = ask()
            becomes(lambda: self._spans(request_id).keys() >= names, True, SPANS_IN_TIME_S)  # noqa: B023 - used at once
            if (found := self._spans(request_id)).keys() >= names:
                break
        assert found.keys() == names
        return found

    def _spans(self, request_id: str) -> dict[str, Span]:
        ids = {span.trace_id for span in list(self.collector.spans) if request_id in span.attributes.values()}
        return {span.name: span for trace_id in ids for span in self.collector.trace(trace_id)}


@pytest.fixture(scope="package")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("w")
    with (
        collecting() as collector,
        fronted(folder, MODELS, tenants=TENANTS, otlp=collector.grpc, otlp_http=collector.http) as front,
    ):
        yield Watched(front, collector)
