import pytest

from conch.contracts.voice import Understood
from conch.decision import Action
from conch.replies import NO_ASSISTANT, NO_CONTACT, NOT_HEARD, no_number, not_done, not_known_done, reply_to


def understood(action: Action, intent: str = "DIAL_PERSON", **told: object) -> Understood:
    return Understood("call John.", "en", intent, 0.9, {}, action, "because", **told)


@pytest.mark.parametrize(
    ("told", "reply"),
    [
        pytest.param(understood(Action.IGNORE, ""), NOT_HEARD, id="nothing said"),
        pytest.param(understood(Action.FORWARD, "GENERAL_QUERY"), NO_ASSISTANT, id="a question without an assistant"),
        pytest.param(understood(Action.CONFIRM), "Did you say: call John?", id="a doubt asks back"),
        pytest.param(understood(Action.EXECUTE, "SUMMON_TEAM"), "Summoning the team.", id="a summons"),
        pytest.param(
            understood(Action.EXECUTE, "SUMMON_TEAM", team="cleaning crew", place="loading dock"),
            "Summoning the cleaning crew to the loading dock.",
            id="a summons to a place",
        ),
        pytest.param(
            understood(Action.EXECUTE, "SUMMON_TEAM", team="security", place="aisle 5"),
            "Summoning security to aisle 5.",
            id="a summons to a number",
        ),
        pytest.param(understood(Action.EXECUTE), "Dialling now.", id="a call"),
        pytest.param(understood(Action.EXECUTE, contacts=("John",)), "Calling John.", id="a call to a contact"),
    ],
)
def test_the_reply_says_what_is_done(told, reply):
    assert reply_to(told) == reply


@pytest.mark.parametrize(
    ("contacts", "reply"),
    [
        ((), NO_CONTACT),
        (("Mai",), "Did you mean Mai?"),
        (("John Baker", "John Smith"), "Did you mean John Baker or John Smith?"),
        (("Ann", "Anna", "Anne"), "Did you mean Ann, Anna or Anne?"),
    ],
    ids=["nobody", "one", "two", "three"],
)
def test_a_doubtful_name_is_asked_about(contacts, reply):
    assert reply_to(understood(Action.CONFIRM, contacts=contacts), contacts_known=True) == reply


@pytest.mark.parametrize(
    ("intent", "subject", "failed", "unknown"),
    [
        (
            "SUMMON_TEAM",
            "cleaning crew",
            "I could not summon the cleaning crew.",
            "I do not know whether the cleaning crew was summoned. Please check.",
        ),
        (
            "SUMMON_TEAM",
            "",
            "I could not summon the team.",
            "I do not know whether the team was summoned. Please check.",
        ),
        ("DIAL_PERSON", "Mai", "I could not call Mai.", "I do not know whether Mai was called. Please check."),
        ("DIAL_PERSON", "", "I could not make the call.", "I do not know whether anybody was called. Please check."),
        (
            "",
            "",
            "The assistant does not answer just now. Please ask again later.",
            "I was interrupted and have no answer. Please ask again.",
        ),
    ],
)
def test_what_was_not_done_is_told_with_whom_it_was_about(intent, subject, failed, unknown):
    assert (not_done(intent, subject), not_known_done(intent, subject)) == (failed, unknown)


def test_who_has_no_number_is_named():
    assert [no_number("Mai"), no_number("")] == ["I have no number for Mai.", "I do not know whom to call."]
