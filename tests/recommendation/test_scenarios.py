import pytest

from conch.contracts.errors import InvalidRequest, NotFound
from conch.recommendation.scenarios import Scenarios


def read(tmp_path, text: str) -> Scenarios:
    file = tmp_path / "scenarios.toml"
    file.write_text(text)
    return Scenarios.read(file)


def test_the_default_file_has_the_weights_of_the_design():
    scenario = Scenarios.read().scenario("home", "control")
    assert (scenario.mix.semantic, scenario.mix.category, scenario.mix.recency) == (0.6, 0.4, 0.8)
    assert (scenario.ranking.k, scenario.ranking.flash_bonus) == (50, 2.0)
    assert Scenarios.read().scenario("sponsored").ranking.sponsored


def test_no_widget_is_the_first_and_no_variant_the_control(tmp_path):
    scenarios = read(tmp_path, "[widgets.b]\n[widgets.a]\n")
    assert (scenarios.scenario().widget, scenarios.scenario().variant) == ("b", "control")


def test_a_variant_changes_what_it_names_and_nothing_else(tmp_path):
    scenarios = read(
        tmp_path,
        """
        [widgets.home]
        mix = { semantic = 0.9 }
        ranking = { k = 5 }
        [experiment.arms.control]
        share = 0.5
        [experiment.arms.bold]
        share = 0.5
        ranking = { flash_bonus = 3.5 }
        """,
    )
    bold, control = scenarios.scenario("home", "bold"), scenarios.scenario("home", "control")
    assert (bold.ranking.flash_bonus, bold.ranking.k, bold.mix) == (3.5, 5, control.mix)
    assert control.ranking.flash_bonus == 2.0
    assert scenarios.scenario("home", "holdout").ranking == control.ranking


def test_a_variant_knows_the_weekly_batch_alone_and_nobody_is_in_it_by_default():
    scenarios = Scenarios.read()
    for widget in scenarios.widgets:
        mix = scenarios.scenario(widget, "batch_only").mix
        assert (mix.co_view, mix.live_co_view, mix.half_life_h) == (0.0, False, 0.0)
    assert {scenarios.experiment.variant(f"user-{number}") for number in range(200)} == {"control", "treatment"}


def test_unknown_widgets_and_variants_are_not_found():
    scenarios = Scenarios.read()
    with pytest.raises(NotFound, match="'hme' is none of home, product"):
        scenarios.scenario("hme")
    with pytest.raises(NotFound, match="'bold' is none of control, treatment"):
        scenarios.scenario("home", "bold")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "widgets is None"),
        ("[widgets]", "widgets is empty"),
        ("[widgets.home]\nmix = { semantic = nan }", r"widgets.home.mix.semantic is nan"),
        ("[widgets.home]\nmix = { semantic = -1 }", "from 0"),
        ("[widgets.home]\nmix = { semantic = true }", "True, not of type float"),
        ("[widgets.home]\nmix = { semantc = 1 }", "'semantc', which is none of"),
        ("[widgets.home]\nmix = { semantic = 0, category = 0 }", "one must be above 0"),
        ("[widgets.home]\nranking = { k = 0 }", "k is 0, it must be from 1 to 1000"),
        ("[widgets.home]\nranking = { k = 2.5 }", "2.5, not of type int"),
        ("[widgets.home]\nranking = { sponsored_slots = 51 }", "from 0 to 50"),
        ("[widgets.home]\ntimeout_ms = 0", "timeout_ms is 0"),
        ("[widgets.home]\n[experiment.arms.control]\nshare = 1\nmix = { recency = 2 }", "experiment.arms.control"),
        ("[widgets.home", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_with_its_name_and_the_key(tmp_path, text, message):
    with pytest.raises(InvalidRequest, match=message) as refused:
        read(tmp_path, text)
    assert refused.value.message.startswith("scenarios.toml")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InvalidRequest, match=r"none.toml cannot be read"):
        Scenarios.read(tmp_path / "none.toml")
