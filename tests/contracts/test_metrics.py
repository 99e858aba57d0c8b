import re

import pytest

from conch.contracts import metrics
from conch.contracts.metrics import ALL, Kind, Metric


@pytest.fixture(params=ALL, ids=lambda metric: metric.name)
def metric(request: pytest.FixtureRequest) -> Metric:
    return request.param


def test_the_list_holds_every_metric_once():
    declared = [value for value in vars(metrics).values() if isinstance(value, Metric)]
    assert sorted(ALL, key=lambda one: one.name) == sorted(declared, key=lambda one: one.name)
    assert len({one.name for one in ALL}) == len(ALL)


def test_a_name_is_ours_and_one_that_prometheus_takes(metric):
    assert re.fullmatch(r"conch_[a-z][a-z0-9_]*", metric.name)


def test_a_counter_s_name_says_that_it_counts(metric):
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)


def test_labels_are_such_that_prometheus_takes_them_and_keeps_them(metric):
    assert len(set(metric.labels)) == len(metric.labels)
    for label in metric.labels:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", label)
        # Prometheus writes these itself: le into buckets, job and instance at the scrape.
        assert label not in {"le", "quantile", "job", "instance"}


def test_a_metric_is_explained_in_one_sentence(metric):
    assert re.fullmatch(r"[A-Z].*\.", metric.help)
