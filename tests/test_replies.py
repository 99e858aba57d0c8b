import pytest

from conch.decision import Action
from conch.replies import NO_ASSISTANT, NOT_HEARD, reply_to


@pytest.mark.parametrize(
    ("action", "intent", "reply"),
    [
        pytest.param(Action.IGNORE, "", NOT_HEARD, id="nothing said"),
        pytest.param(Action.FORWARD, "GENERAL_QUERY", NO_ASSISTANT, id="a question without an assistant"),
        pytest.param(Action.CONFIRM, "DIAL_PERSON", "Did you say: call John?", id="a doubt asks back"),
        pytest.param(Action.EXECUTE, "SUMMON_TEAM", "Summoning the team.", id="a summons"),
        pytest.param(Action.EXECUTE, "DIAL_PERSON", "Dialling now.", id="a call"),
    ],
)
def test_the_reply_says_what_is_done(action, intent, reply):
    assert reply_to(action, intent, "call John.") == reply
