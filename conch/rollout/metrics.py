"""Publishing in numbers, from what it writes: the records, the quarantine, and each line of the journal.

So they tell of every process that publishes, and outlive this one.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from conch.contracts import metrics
from conch.contracts.metrics import Kind, Metric
from conch.rollout.folders import Folders
from conch.rollout.journal import Line
from conch.rollout.shown import ShownModel, shown
from conch.rollout.tail import JournalTail

Samples = Mapping[tuple[str, ...], float]
"""By the values of the labels."""


class RolloutMetrics(Collector):
    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._tail = JournalTail(folders.journal.path)
        self._actions: dict[tuple[str, ...], float] = {}
        self._load_s: dict[tuple[str, ...], float] = {}
        self._probe_s: dict[tuple[str, ...], float] = {}
        self._heals: dict[tuple[str, ...], float] = {}
        self._heal_s: dict[tuple[str, ...], float] = {}

    def collect(self) -> Iterator[Any]:
        while lines := self._tail.read():
            for line in lines:
                self._count(line)
        models = shown(self._folders)
        yield _family(metrics.ROLLOUT_CHAMPION, {(one.name,): one.record.champion for one in models if one.record})
        yield _family(metrics.ROLLOUT_VERSIONS, dict(_states(models)))
        yield _family(metrics.ROLLOUT_ACTIONS, self._actions)
        yield _family(metrics.ROLLOUT_LOAD_SECONDS, self._load_s)
        yield _family(metrics.ROLLOUT_PROBE_SECONDS, self._probe_s)
        yield _family(metrics.ROLLOUT_HEALS, self._heals)
        yield _family(metrics.ROLLOUT_HEAL_SECONDS, self._heal_s)

    def _count(self, line: Line) -> None:
        what = (line.model, line.action)
        self._actions[what] = self._actions.get(what, 0) + 1
        if line.action == "promoted" and "load_s" in line.evidence:
            self._load_s[(line.model,)] = float(line.evidence["load_s"])
            self._probe_s[(line.model,)] = float(line.evidence["probe_s"])
        if line.action == "healed":
            where = (line.model, str(line.evidence["server"]))
            self._heals[where] = self._heals.get(where, 0) + 1
            self._heal_s[where] = float(line.evidence["took_s"])


def serve_metrics(folders: Folders, host: str, port: int) -> int:
    """On GET /metrics, from a thread that ends with the process; the port."""
    registry = CollectorRegistry()
    registry.register(RolloutMetrics(folders))
    server, _ = start_http_server(port, host, registry)
    return int(server.server_address[1])


def _states(models: list[ShownModel]) -> Iterator[tuple[tuple[str, ...], float]]:
    for one in models:
        known = one.record.known if one.record else ()
        serving = one.record.serving if one.record else ()
        yield (one.name, "loaded"), len(serving)
        yield (one.name, "unloaded"), len(set(known) - set(serving))
        yield (one.name, "quarantined"), len(one.refused)


def _family(metric: Metric, samples: Samples) -> Any:
    if metric.kind is Kind.COUNTER:
        family: Any = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    else:
        family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, value in sorted(samples.items()):
        family.add_metric(labels, value)
    return family
