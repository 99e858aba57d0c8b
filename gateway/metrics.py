"""Count and time what the gateway does, under the names of contracts/metrics.py.

With several processes their numbers meet in the folder that PROMETHEUS_MULTIPROC_DIR names (prometheus_client's own
way; processes.py sets it), and any one of them answers a scrape for all.
"""

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from conch.contracts import metrics
from conch.contracts.labels import TenantLabels
from conch.contracts.metrics import BUCKETS_S, Kind, Metric

disable_created_metrics()  # type: ignore[no-untyped-call] # a gauge beside every counter, which nobody reads

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
        self._refused = self._made(metrics.ADMISSION_REFUSED)
        self._running = self._made(metrics.CALLS_RUNNING)
        self._sessions = self._made(metrics.LISTEN_SESSIONS)
        self._buffered_seconds = self._made(metrics.LISTEN_BUFFERED_SECONDS)
        self._utterances = self._made(metrics.LISTEN_UTTERANCES)
        self._final_seconds = self._made(metrics.LISTEN_FINAL_SECONDS)
        self._partials = self._made(metrics.LISTEN_PARTIALS)
        self._audio_refused = self._made(metrics.LISTEN_REFUSED)
        self._gap_seconds = self._made(metrics.LISTEN_GAP_SECONDS)
        self._tenants = TenantLabels()

    def started(self) -> None:
        self._running.inc()

    def finished(self, face: str, method: str, tenant: str, outcome: str, seconds: float) -> None:
        tenant = self._tenants.of(tenant)
        self._running.dec()
        self._requests.labels(face, method, tenant, outcome).inc()
        self._request_seconds.labels(face, method, tenant).observe(seconds)

    def refused(self, limit: str, tenant: str) -> None:
        """`limit`: what there were too many of."""
        self._refused.labels(limit, self._tenants.of(tenant)).inc()

    def asked(self, model: str, tenant: str, seconds: float) -> None:
        """A model has answered."""
        self._stage_seconds.labels("infer", model, self._tenants.of(tenant)).observe(seconds)

    def stage(self, name: str, tenant: str, seconds: float) -> None:
        """What no model does."""
        self._stage_seconds.labels(name, "", self._tenants.of(tenant)).observe(seconds)

    def transcribed(self, tenant: str, audio_s: float) -> None:
        self._audio_seconds.labels(self._tenants.of(tenant)).inc(audio_s)

    def session_opened(self) -> None:
        self._sessions.inc()

    def session_closed(self) -> None:
        self._sessions.dec()

    def utterance_ended(self, tenant: str, ending: str) -> None:
        self._utterances.labels(self._tenants.of(tenant), ending).inc()

    def utterance_decided(self, tenant: str, seconds: float) -> None:
        self._final_seconds.labels(self._tenants.of(tenant)).observe(seconds)

    def partial(self, tenant: str, outcome: str) -> None:
        self._partials.labels(self._tenants.of(tenant), outcome).inc()

    def audio_refused(self, tenant: str, reason: str) -> None:
        self._audio_refused.labels(self._tenants.of(tenant), reason).inc()

    def gap(self, tenant: str, seconds: float) -> None:
        self._gap_seconds.labels(self._tenants.of(tenant)).inc(seconds)

    def buffered(self, more_s: float) -> None:
        self._buffered_seconds.inc(more_s)

    def exposition(self) -> bytes:
        registry = self._registry
        if self._shared:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def _made(self, metric: Metric) -> Any:
        if metric.kind is Kind.HISTOGRAM:
            return Histogram(metric.name, metric.help, metric.labels, registry=self._registry, buckets=BUCKETS_S)
        if metric.kind is Kind.GAUGE:
            # Of several processes, the sum over those that run.
            return Gauge(metric.name, metric.help, metric.labels, registry=self._registry, multiprocess_mode="livesum")
        return Counter(metric.name, metric.help, metric.labels, registry=self._registry)
