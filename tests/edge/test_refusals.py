from conch.edge.bootstrap import template
from conch.edge.refusals import ROWS


def test_every_openai_body_has_its_place_in_the_template() -> None:
    assert all(f"${{{name}}}" in template() for name in ROWS)


def test_the_template_has_no_words_of_its_own_for_openais_errors() -> None:
    assert not [row.openai_type for row in ROWS.values() if row.openai_type in template()]
