import pytest

from tests.seeing.promql import metrics_of


@pytest.mark.parametrize(
    ("expression", "metrics"),
    [
        ("up", {"up"}),
        ('sum by (model, le) (rate(a_bucket{model=~"x|y"}[5m])) / 1e6', {"a_bucket"}),
        ("a:b:rate5m > 14.4 * 0.001 and c unless sum without (x) (d) or e", {"a:b:rate5m", "c", "d", "e"}),
        ("a / on (model) group_left (tenant) b", {"a", "b"}),
        ("histogram_quantile(0.99, sum(rate(a[5m])))", {"a"}),
    ],
)
def test_the_metrics_of_an_expression_are_found(expression, metrics):
    assert metrics_of(expression) == metrics
