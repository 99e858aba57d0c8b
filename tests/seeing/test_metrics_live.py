"""The one page of a real front, and what dashboards and rules ask of it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from conch.contracts import metrics
from conch.contracts.labels import OTHER
from conch.contracts.metrics import Kind
from tests.seeing.conftest import Watched
from tests.seeing.promql import metrics_of
from tests.settling import becomes

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
RULES = sorted((DEPLOY / "prometheus" / "rules").glob("*.yaml"))

OF_A_CACHED_MODEL = {"nv_cache_num_hits_per_model", "nv_cache_num_misses_per_model"}
"""tests/seeing/test_cache_live.py has a model whose config asks for the cache."""


def test_the_page_is_prometheus_and_has_every_part(watched: Watched) -> None:
    watched.understand()
    page = watched.metrics
    families = [family.name for family in text_string_to_metric_families(page)]
    types = [line for line in page.splitlines() if line.startswith("# TYPE")]
    assert sorted(types) == sorted(set(types))
    assert {"conch_requests", "conch_model_executions", "nv_inference_request_success"} < set(families)
    assert "envoy_http_downstream_rq" in families
    up = [line.rpartition(" ")[2] for line in page.splitlines() if line.startswith(f"{metrics.SCRAPE_UP.name}{{")]
    assert up == ["1", "1"]


def test_the_public_port_shows_no_metrics(watched: Watched) -> None:
    for path in ("/metrics", "/metrics/all", "/metrics/edge"):
        assert httpx.get(f"http://{watched.front.http}{path}", timeout=20).status_code == 404


def test_a_model_s_seconds_are_a_histogram_by_model_version_and_tenant(watched: Watched) -> None:
    def observed() -> dict[tuple[str, ...], float]:
        page = {family.name: family for family in text_string_to_metric_families(watched.metrics)}
        family = page.get(metrics.MODEL_REQUEST_SECONDS.name)
        assert family is None or family.type == "histogram"
        return {
            tuple(sample.labels[name] for name in ("model", "version", "tenant")): sample.value
            for sample in (family.samples if family else ())
            if sample.name.endswith("_count")
        }

    watched.voice_command()
    wanted = {("whisper", "1", "default"), ("intent", "1", "default")}
    assert becomes(lambda: wanted <= observed().keys(), True)


def test_a_tenant_that_nobody_has_heard_of_is_no_label_of_its_own(watched: Watched) -> None:
    server = watched.front.edge.edge.settings.upstreams.tritons[0]
    body = {"inputs": [{"name": "text", "shape": [1, 1], "datatype": "BYTES", "data": ["call mai"]}]}
    for tenant in ('x"} 1', "Not A Tenant", "ÿ"):
        httpx.post(
            f"http://{server.http}/v2/models/intent/infer",
            json=body,
            headers={"x-conch-tenant": tenant.encode()},  # type: ignore[dict-item]
            timeout=30,
        )

    def tenants() -> set[str]:
        return {
            sample.labels["tenant"]
            for family in text_string_to_metric_families(watched.metrics)
            for sample in family.samples
            if sample.name == "conch_model_request_seconds_count"
        }

    assert becomes(lambda: OTHER in tenants(), True)
    assert tenants() == {"default", OTHER}


@pytest.fixture(scope="module")
def exported(watched: Watched) -> set[str]:
    """Names of every sample: those that are there, those the edge tells once they have moved, and those of our list."""
    watched.understand()
    watched.voice_command()
    pages = [watched.metrics, watched.front.edge.admin("/stats/prometheus")]
    told = {name for page in pages for name in names_of(page)}
    parts = {Kind.HISTOGRAM: ("_bucket", "_sum", "_count")}
    ours = {metric.name + part for metric in metrics.ALL for part in parts.get(metric.kind, ("",))}
    unknown = {name for name in told if name.startswith("conch_")} - ours
    assert unknown == set()
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    return told | ours | recorded | OF_A_CACHED_MODEL | {"up"}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_metric_of_a_dashboard_is_exported(path: Path, exported: set[str]) -> None:
    dashboard = json.loads(path.read_text())
    named = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in metrics_of(target["expr"].replace("$", ""))
    }
    assert named - exported == set()
    assert named


def test_every_metric_of_a_rule_is_exported(exported: set[str]) -> None:
    named = {name for rule in rules() for name in metrics_of(rule["expr"])}
    assert named - exported == set()


def test_every_metric_of_ours_is_looked_at_by_somebody() -> None:
    expressions = [rule["expr"] for rule in rules()]
    expressions += [
        target["expr"]
        for path in DASHBOARDS
        for panel in json.loads(path.read_text())["panels"]
        for target in panel["targets"]
    ]
    read = {name for expression in expressions for name in metrics_of(expression.replace("$", ""))}
    assert [metric.name for metric in metrics.ALL if not any(name.startswith(metric.name) for name in read)] == []


def names_of(page: str) -> set[str]:
    """Of samples, as they stand there: the parser renames counters."""
    return set(re.findall(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)", page, re.MULTILINE))


def rules() -> Iterator[dict[str, str]]:
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]
