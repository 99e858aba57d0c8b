"""One question at a time, and what answers it."""

import pytest

from conch.commands.contacts import Contact
from conch.contracts.thresholds import Thresholds
from conch.contracts.voice import Scores, Understood
from conch.decision import Action
from conch.replies import CALLED_OFF, NO_ANSWER, NO_CONTACT
from gateway.listening.dialogue import Dialogue, Heard, Reading
from gateway.listening.events import Command

CONTACTS = (Contact("Mai Lan"), Contact("Mai Anh"), Contact("John Smith"))


def command(
    action: Action = Action.CONFIRM, intent: str = "DIAL_PERSON", contacts: tuple[str, ...] = ("Mai Lan",)
) -> Command:
    understood = Understood("call mai", "en", intent, 0.82, {}, action, "a doubt", contacts)
    return Command("id", 0, 16_000, understood)


def asked(one: Command, contacts: tuple[Contact, ...] = CONTACTS) -> Dialogue:
    """At second 100, when 32,000 samples had been received."""
    dialogue = Dialogue("en", contacts, answer_s=10.0)
    dialogue.decided(0, one, 100.0, 32_000)
    return dialogue


CLEARLY = Scores(avg_logprob=-0.2)


def read(dialogue: Dialogue, text: str, at_offset: int = 40_000, scores: Scores = CLEARLY) -> Reading:
    return dialogue.read(1, Heard(text, scores, at_offset), 103.0, 60_000)


def test_only_a_doubt_is_a_question() -> None:
    assert asked(command()).open
    assert not asked(command(Action.EXECUTE)).open
    assert not asked(command(Action.FORWARD)).open


def test_yes_executes_what_was_asked_about() -> None:
    dialogue = asked(command())
    reading = read(dialogue, "Yes.")
    (decided,) = reading.told
    assert (reading.is_answer, dialogue.open) == (True, False)
    assert (decided.action, decided.command.command_id, decided.utterance) == (Action.EXECUTE, "id", 1)
    assert decided.reply == "Calling Mai Lan."


@pytest.mark.parametrize("contacts", [(), CONTACTS], ids=["no contacts", "none of them"])
def test_yes_never_dials_where_nobody_is_known(contacts: tuple[Contact, ...]) -> None:
    dialogue = asked(command(contacts=()), contacts)
    (decided,) = read(dialogue, "Yes.").told
    assert (decided.action, decided.reply, dialogue.open) == (Action.IGNORE, NO_CONTACT, False)


def test_a_name_that_nobody_had_may_be_told_rightly() -> None:
    (decided,) = read(asked(command(contacts=())), "John Smith.").told
    assert (decided.action, decided.command.understood.contacts) == (Action.EXECUTE, ("John Smith",))


def test_yes_to_several_names_asks_again_and_then_gives_up() -> None:
    dialogue = asked(command(contacts=("Mai Lan", "Mai Anh")))
    first = read(dialogue, "Yes.")
    assert (first.told[0].action, first.told[0].reply) == (Action.CONFIRM, "Did you mean Mai Lan or Mai Anh?")
    second = read(dialogue, "Yes.", at_offset=70_000)
    assert (second.told[0].action, dialogue.open) == (Action.IGNORE, False)


def test_yes_summons_without_any_name() -> None:
    (decided,) = read(asked(command(intent="SUMMON_TEAM", contacts=())), "Yes, do it.").told
    assert decided.action == Action.EXECUTE


@pytest.mark.parametrize(
    "badly",
    [Scores(avg_logprob=-0.85), Scores(avg_logprob=-0.3, no_speech_prob=0.4), Scores(avg_logprob=float("nan"))],
    ids=["unsure", "perhaps nobody", "no number"],
)
@pytest.mark.parametrize("intent", ["DIAL_PERSON", "SUMMON_TEAM"])
def test_a_yes_that_is_heard_badly_asks_again_and_never_acts(badly: Scores, intent: str) -> None:
    dialogue = asked(command(intent=intent))
    first = read(dialogue, "Yes.", scores=badly)
    assert (first.is_answer, first.told[0].action, dialogue.open) == (True, Action.CONFIRM, True)
    second = read(dialogue, "Yes.", at_offset=70_000, scores=badly)
    assert (second.told[0].action, second.told[0].reason) == (Action.IGNORE, "the answer was not heard well")
    assert not dialogue.open


def test_a_name_that_is_heard_badly_dials_nobody() -> None:
    dialogue = asked(command(contacts=()))
    (decided,) = read(dialogue, "John Smith.", scores=Scores(avg_logprob=-0.6)).told
    assert (decided.action, dialogue.open) == (Action.CONFIRM, True)


def test_a_no_that_is_heard_badly_is_a_no() -> None:
    (decided,) = read(asked(command()), "No.", scores=Scores(avg_logprob=-0.95)).told
    assert decided.action == Action.IGNORE


def test_a_tenant_may_ask_for_a_clearer_yes() -> None:
    dialogue = Dialogue("en", CONTACTS, answer_s=10.0, thresholds=Thresholds(yes_logprob=-0.1))
    dialogue.decided(0, command(), 100.0, 32_000)
    assert read(dialogue, "Yes.").told[0].action == Action.CONFIRM


def test_no_is_told() -> None:
    (decided,) = read(asked(command()), "No, cancel that.").told
    assert (decided.action, decided.reply) == (Action.IGNORE, CALLED_OFF)


def test_anything_else_is_a_command_of_its_own() -> None:
    dialogue = asked(command())
    reading = read(dialogue, "Summon the cleaning team.")
    assert (reading.is_answer, dialogue.open) == (False, False)
    assert [decided.action for decided in reading.told] == [Action.IGNORE]


def test_what_was_said_before_the_question_is_no_answer() -> None:
    dialogue = asked(command())
    assert read(dialogue, "Yes.", at_offset=31_999) == Reading([], is_answer=False)
    assert dialogue.open


def test_time_passes() -> None:
    dialogue = asked(command())
    assert dialogue.time_out(109.9) == []
    (decided,) = dialogue.time_out(110.0)
    assert (decided.action, decided.reply, decided.utterance) == (Action.IGNORE, NO_ANSWER, 0)
    assert dialogue.time_out(200.0) == []


def test_another_question_takes_the_place_of_the_first() -> None:
    dialogue = asked(command())
    called_off, question = dialogue.decided(2, command(intent="SUMMON_TEAM"), 101.0, 50_000)
    assert (called_off.action, called_off.utterance) == (Action.IGNORE, 0)
    assert (question.action, question.utterance) == (Action.CONFIRM, 2)
