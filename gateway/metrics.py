"""Count and time what the gateway does, under the names of contracts/metrics.py.

With several processes their numbers meet in the folder that PROMETHEUS_MULTIPROC_DIR names (prometheus_client's own
way; processes.py sets it), and any one of them answers a scrape for all.
"""

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from conch.contracts import metrics
from conch.contracts.metrics import Kind, Metric

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    def __init__(self, *, shared: bool = False) -> None:
        """`shared`: between the processes of one gateway."""
        self._shared = shared
        self._registry = CollectorRegistry()
        self._requests = self._made(metrics.REQUESTS)
        self._request_seconds = self._made(metrics.REQUEST_SECONDS)
        self._stage_seconds = self._made(metrics.STAGE_SECONDS)
        self._audio_seconds = self._made(metrics.AUDIO_SECONDS)

    def finished(self, face: str, method: str, outcome: str, seconds: float) -> None:
        self._requests.labels(face, method, outcome).inc()
        self._request_seconds.labels(face, method).observe(seconds)

    def stage(self, name: str, seconds: float) -> None:
        self._stage_seconds.labels(name).observe(seconds)

    def transcribed(self, audio_s: float) -> None:
        self._audio_seconds.inc(audio_s)

    def exposition(self) -> bytes:
        registry = self._registry
        if self._shared:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def _made(self, metric: Metric) -> Any:
        if metric.kind is Kind.HISTOGRAM:
            return Histogram(metric.name, metric.help, metric.labels, registry=self._registry, buckets=BUCKETS_S)
        return Counter(metric.name, metric.help, metric.labels, registry=self._registry)
