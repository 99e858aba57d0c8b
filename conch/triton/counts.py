"""What one instance of a model counts: added up here, taken now and then to be sent to Triton.

A step of one of Triton's metrics is a round trip from the stub to the server (20-60 µs in 2.51), so a batch makes none.
Triton's own histograms take one value a round trip; ours are counters, as Prometheus stores any histogram: `…_bucket`
with `le`, `…_sum` and `…_count`, which add up over batches and over instances.
"""

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate

from conch.contracts import metrics
from conch.contracts.labels import TenantLabels
from conch.contracts.metrics import BUCKETS_S, Kind, Metric

BOUNDS = (*map(str, BUCKETS_S), "+Inf")
"""Of the buckets, as `le` says them."""


@dataclass(frozen=True, slots=True)
class Series:
    """One counter, or gauge, of Triton's page."""

    family: str
    help: str
    labels: tuple[tuple[str, str], ...]
    is_gauge: bool = False


class Counts:
    """Used by the thread that serves and by the one that sends."""

    def __init__(self, model: str, version: str) -> None:
        self._labels = {"model": model, "version": version}
        self._tenants = TenantLabels()
        self._lock = threading.Lock()
        self.changed = threading.Event()
        self._clear()

    def executed(self, rows: int) -> None:
        with self._lock:
            self._executions += 1
            self._rows += rows
        self._tell()

    def refused(self, reason: str) -> None:
        """`reason` is the name of one of our error classes."""
        with self._lock:
            self._refused[reason] += 1
        self._tell()

    def uncounted(self, requests: int) -> None:
        with self._lock:
            self._uncounted += requests
        self._tell()

    def answered(self, tenants: Iterable[str], seconds: float) -> None:
        """The requests of one batch, each by its tenant."""
        bucket = bisect_left(BUCKETS_S, seconds)
        with self._lock:
            for label in map(self._tenants.of, tenants):
                self._buckets[label][bucket] += 1
                self._seconds[label] += seconds
        self._tell()

    def heard(self, tenant: str, seconds: float) -> None:
        with self._lock:
            self._audio[self._tenants.of(tenant)] += seconds
        self._tell()

    def add(self, metric: Metric, amount: float, **labels: str) -> None:
        """What a model counts itself: base.Count."""
        series = metric, tuple(labels.items())
        with self._lock:
            self._own[series] = amount if metric.kind is Kind.GAUGE else self._own[series] + amount
        self._tell()

    def take(self) -> Mapping[Series, float]:
        """What has been counted since the last time, in the order to be sent: no bucket ever passes a wider one."""
        with self._lock:
            taken = {series: value for series, value in self._all().items() if value}
            self._clear()
        return taken

    def _tell(self) -> None:
        # Whoever sends clears it before he takes: where it is set, what was just counted will be taken.
        if not self.changed.is_set():
            self.changed.set()

    def _clear(self) -> None:
        self._executions = 0
        self._rows = 0
        self._uncounted = 0
        self._refused: dict[str, int] = defaultdict(int)
        self._buckets: dict[str, list[int]] = defaultdict(lambda: [0] * len(BOUNDS))
        self._seconds: dict[str, float] = defaultdict(float)
        self._audio: dict[str, float] = defaultdict(float)
        self._own: dict[tuple[Metric, tuple[tuple[str, str], ...]], float] = defaultdict(float)

    def _all(self) -> dict[Series, float]:
        counted: dict[Series, float] = {
            self._series(metrics.MODEL_EXECUTIONS): self._executions,
            self._series(metrics.MODEL_ROWS): self._rows,
            self._series(metrics.MODEL_UNCOUNTED): self._uncounted,
        }
        for (metric, labels), amount in self._own.items():
            counted[self._series(metric, **dict(labels))] = amount
        for reason, count in self._refused.items():
            counted[self._series(metrics.MODEL_REFUSED, reason=reason)] = count
        for tenant, seconds in self._audio.items():
            counted[self._series(metrics.MODEL_AUDIO_SECONDS, tenant=tenant)] = seconds
        whole = metrics.MODEL_REQUEST_SECONDS
        for tenant, buckets in self._buckets.items():
            upto = list(accumulate(buckets))
            for bound, count in zip(reversed(BOUNDS), reversed(upto), strict=True):
                counted[self._series(whole, "_bucket", tenant=tenant, le=bound)] = count
            counted[self._series(whole, "_sum", tenant=tenant)] = self._seconds[tenant]
            counted[self._series(whole, "_count", tenant=tenant)] = upto[-1]
        return counted

    def _series(self, metric: Metric, part: str = "", **labels: str) -> Series:
        told = tuple({**self._labels, **labels}.items())
        return Series(metric.name + part, metric.help, told, metric.kind is Kind.GAUGE)
