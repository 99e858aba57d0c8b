import pytest

from conch.commands.contacts import Contact
from gateway.listening import answers
from gateway.listening.answers import Answer, Kind, answered


@pytest.mark.parametrize(
    ("text", "language", "kind"),
    [
        ("Yes.", "en", Kind.YES),
        ("Yes, please.", "en", Kind.YES),
        ("Yeah, yeah, that's right!", "en", Kind.YES),
        ("No.", "en", Kind.NO),
        ("No, no, don't.", "en", Kind.NO),
        ("Cancel that", "en", Kind.NO),
        ("Đúng rồi ạ", "vi", Kind.YES),
        ("Không", "vi", Kind.NO),
        ("Ja, genau.", "de", Kind.YES),
        ("Nein danke", "de", Kind.NO),
        ("Oui, d'accord.", "fr", Kind.YES),
        ("Non merci.", "fr", Kind.NO),
        ("Sí, claro", "es", Kind.YES),
        ("はい。", "ja", Kind.YES),
        ("Không.", "", Kind.NO),
        ("Oui.", "", Kind.YES),
        ("Yes.", "th", Kind.YES),
    ],
)
def test_yes_and_no_are_known_in_the_sessions_language(text: str, language: str, kind: Kind) -> None:
    assert answered(text, language, ()) == Answer(kind)


@pytest.mark.parametrize(
    "text",
    ["", "Please.", "Yes, but not now.", "Yes no.", "I do not know.", "Call John.", "yesterday", "Oui."],
)
def test_who_says_anything_else_has_not_said_yes(text: str) -> None:
    assert answered(text, "en", ()) == Answer(Kind.OTHER)


PEOPLE = (Contact("Mai Lan"), Contact("Mai Anh"), Contact("John Smith", ("Jon",)))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Mai Lan.", Answer(Kind.NAME, "Mai Lan")),
        ("I mean Mai Anh, please.", Answer(Kind.NAME, "Mai Anh")),
        ("Mai.", Answer(Kind.OTHER)),
        ("Not Mai Lan, no.", Answer(Kind.OTHER)),
        ("John Smith.", Answer(Kind.OTHER)),
        ("Summon the cleaning team to Mai Lan.", Answer(Kind.OTHER)),
    ],
)
def test_an_answer_may_name_one_of_those_asked_about(text: str, answer: Answer) -> None:
    assert answered(text, "en", ("Mai Lan", "Mai Anh"), PEOPLE) == answer


def test_no_word_for_yes_is_one_for_no_elsewhere() -> None:
    assert answers._ALL.yes & answers._ALL.no == frozenset()
