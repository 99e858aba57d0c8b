from prometheus_client.parser import text_string_to_metric_families

from gateway.exposition import joined, labelled

ONE = """\
# HELP jobs_total Jobs.
# TYPE jobs_total counter
jobs_total{model="a"} 1
jobs_total{model="b} 2,\\"c\\""} 2
# HELP waiting Jobs that wait.
# TYPE waiting gauge
waiting 3
"""

OTHER = """\
# HELP waiting Something else.
# TYPE waiting gauge
waiting{} 4 1700000000

# TYPE jobs_total counter
jobs_total{model="a"} 5
unheard_of 1
"""


def test_a_family_stands_once_whoever_tells_of_it():
    assert joined([ONE, OTHER]) == (
        "# HELP jobs_total Jobs.\n"
        "# TYPE jobs_total counter\n"
        'jobs_total{model="a"} 1\n'
        'jobs_total{model="b} 2,\\"c\\""} 2\n'
        'jobs_total{model="a"} 5\n'
        "# HELP waiting Jobs that wait.\n"
        "# TYPE waiting gauge\n"
        "waiting 3\n"
        "waiting{} 4 1700000000\n"
        "# TYPE unheard_of untyped\n"
        "unheard_of 1\n"
    )


def test_a_label_is_put_on_every_sample_of_a_page():
    pages = [labelled(page, server=f'10.0.0.{index}:8002"') for index, page in enumerate((ONE, OTHER))]
    families = {family.name: family for family in text_string_to_metric_families(joined(pages))}
    assert [(sample.labels, sample.value) for sample in families["jobs"].samples] == [
        ({"server": '10.0.0.0:8002"', "model": "a"}, 1),
        ({"server": '10.0.0.0:8002"', "model": 'b} 2,"c"'}, 2),
        ({"server": '10.0.0.1:8002"', "model": "a"}, 5),
    ]
    assert [sample.labels for sample in families["waiting"].samples] == [
        {"server": '10.0.0.0:8002"'},
        {"server": '10.0.0.1:8002"'},
    ]


def test_the_parts_of_a_model_s_histogram_are_one_family():
    name = "conch_model_request_seconds"
    page = "".join(
        f"# HELP {name}{part} Seconds.\n# TYPE {name}{part} counter\n{sample}\n"
        for part, sample in {
            "_bucket": f'{name}_bucket{{le="0.5"}} 1\n{name}_bucket{{le="+Inf"}} 2',
            "_sum": f"{name}_sum 1.5",
            "_count": f"{name}_count 2",
        }.items()
    )
    families = list(text_string_to_metric_families(joined([page])))
    assert [(family.name, family.type, family.documentation) for family in families] == [
        (name, "histogram", "Seconds.")
    ]
    assert [(sample.name, sample.value) for sample in families[0].samples] == [
        (f"{name}_bucket", 1),
        (f"{name}_bucket", 2),
        (f"{name}_sum", 1.5),
        (f"{name}_count", 2),
    ]


def test_a_family_without_samples_is_left_out():
    assert joined(["# HELP jobs_total Jobs.\n# TYPE jobs_total counter\n"]) == ""
