"""What the bridge counts, under the names of contracts/metrics.py."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from bridge.backlog import Backlog
from bridge.chunk import Reason
from conch.contracts import metrics
from conch.contracts.errors import ConchError
from conch.contracts.metrics import Metric
from conch.contracts.topics import DeviceId


class Counting:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._samples = self._gauge(metrics.BRIDGE_SAMPLES)
        self._duplicates = self._gauge(metrics.BRIDGE_DUPLICATES)
        self._refused = self._counter(metrics.BRIDGE_REFUSED)
        self._events = self._counter(metrics.BRIDGE_EVENTS)
        self._breaks = self._counter(metrics.BRIDGE_BREAKS)
        self._actions = self._counter(metrics.BRIDGE_ACTIONS)
        self._spool_full = self._gauge(metrics.BRIDGE_SPOOL_FULL)

    def watch(self, metric: Metric, read: Callable[[], float]) -> None:
        """A gauge without labels that is read at each scrape."""
        self._gauge(metric).set_function(read)

    def balance(self, backlog: Backlog) -> None:
        balance, device = backlog.balance, backlog.device
        kinds = {"received": balance.received, "gap": balance.gap, "dropped": balance.dropped, "sent": balance.sent}
        for kind, samples in kinds.items():
            if samples is not None:
                self._samples.labels(device.tenant, device.device, kind).set(samples)
        self._duplicates.labels(device.tenant, device.device).set(balance.duplicates)

    def forget(self, device: DeviceId) -> None:
        """A device that was revoked has no numbers."""
        self._samples.remove_by_labels({"tenant": device.tenant, "device": device.device})
        self._duplicates.remove_by_labels({"tenant": device.tenant, "device": device.device})

    def refused(self, tenant: str, reason: Reason) -> None:
        self._refused.labels(tenant, reason.value).inc()

    def told(self, tenant: str, event: str) -> None:
        self._events.labels(tenant, event).inc()

    def broke(self, tenant: str, error: ConchError) -> None:
        self._breaks.labels(tenant, type(error).__name__).inc()

    def acted(self, tenant: str, action: str, outcome: str) -> None:
        self._actions.labels(tenant, action, outcome).inc()

    def spool_full(self, is_full: bool) -> None:
        self._spool_full.set(is_full)

    def _gauge(self, metric: Metric) -> Gauge:
        return Gauge(metric.name, metric.help, metric.labels, registry=self.registry)

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.help, metric.labels, registry=self.registry)
