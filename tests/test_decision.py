import math
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from conch.commands.contacts import NOBODY, Callee, Certainty
from conch.contracts.specs import INTENTS
from conch.contracts.thresholds import Thresholds
from conch.contracts.voice import Scores
from conch.decision import ASSISTANT_INTENTS, Action, Decision, Understanding, decide

COMMANDS = sorted(set(INTENTS) - ASSISTANT_INTENTS)
COURAGE = [Action.FORWARD, Action.CONFIRM, Action.EXECUTE]
"""From the least to the most that may come of a command."""

confidences = st.floats(allow_nan=True, allow_infinity=True)
intents = st.sampled_from([*INTENTS, "", "SOMETHING_NEW"])
thresholds = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(lambda pair: Thresholds(max(pair), min(pair)))


def action(intent: str, confidence: float, text: str = "call John") -> Action:
    return decide(Understanding(text, intent, confidence)).action


@pytest.mark.parametrize("intent", COMMANDS)
@pytest.mark.parametrize(
    ("confidence", "expected"),
    [
        (1.0, Action.EXECUTE),
        (0.85, Action.EXECUTE),
        (math.nextafter(0.85, 0), Action.CONFIRM),
        (0.80, Action.CONFIRM),
        (math.nextafter(0.80, 0), Action.FORWARD),
        (0.0, Action.FORWARD),
    ],
)
def test_a_command_is_executed_from_0_85_and_confirmed_from_0_80(intent, confidence, expected):
    assert action(intent, confidence) is expected


@pytest.mark.parametrize("intent", sorted(ASSISTANT_INTENTS))
@given(confidence=confidences)
def test_a_question_goes_to_the_assistant_however_sure_we_are(intent, confidence):
    assert action(intent, confidence) is Action.FORWARD


@given(text=st.text(alphabet=" \t\r\n\u00a0\u2003\u3000"), intent=intents, confidence=confidences)
def test_no_speech_is_ignored_whatever_the_models_make_of_it(text, intent, confidence):
    assert decide(Understanding(text, intent, confidence)) == Decision(Action.IGNORE, "no speech")


@given(text=st.text(min_size=1), intent=intents, confidence=confidences)
def test_speech_is_never_ignored(text, intent, confidence):
    assume(text.strip())
    assert action(intent, confidence, text) is not Action.IGNORE


@given(intent=intents, confidence=confidences, limits=thresholds)
def test_a_confidence_that_is_no_probability_never_acts(intent, confidence, limits):
    assume(not 0 <= confidence <= 1)
    assert decide(Understanding("call John", intent, confidence), limits).action is Action.FORWARD


@given(confidence=confidences, intent=st.text())
def test_an_intent_that_is_no_command_of_ours_never_acts(intent, confidence):
    assume(intent not in COMMANDS)
    assert action(intent, confidence) is Action.FORWARD


@given(intent=intents, pair=st.tuples(st.floats(0, 1), st.floats(0, 1)), limits=thresholds)
def test_more_confidence_never_does_less(intent, pair, limits):
    less, more = (
        COURAGE.index(decide(Understanding("call John", intent, confidence), limits).action)
        for confidence in sorted(pair)
    )
    assert less <= more


@given(intent=intents, confidence=confidences, limits=thresholds)
def test_nothing_is_executed_below_the_bound_that_was_given(intent, confidence, limits):
    chosen = decide(Understanding("call John", intent, confidence), limits).action
    if chosen is Action.EXECUTE:
        assert confidence >= limits.execute
    if chosen is Action.CONFIRM:
        assert limits.confirm <= confidence < limits.execute


def test_the_reason_says_both_numbers():
    assert decide(Understanding("call John", "DIAL_PERSON", 0.9)).reason == "confidence 0.900 reaches 0.85"
    assert decide(Understanding("call John", "DIAL_PERSON", 0.82)).reason == (
        "confidence 0.820 is between 0.8 and 0.85"
    )
    assert decide(Understanding("call John", "DIAL_PERSON", 0.5)).reason == "confidence 0.500 is below 0.8"


@pytest.mark.parametrize(
    ("intent", "confidence", "reason"),
    [
        ("DIAL_PERSON", math.nan, "confidence nan is no probability"),
        ("DIAL_PERSON", 1.5, "confidence 1.5 is no probability"),
        ("SELF_DESTRUCT", 0.99, "SELF_DESTRUCT is no command of ours"),
        ("", 0.99, "no intent is no command of ours"),
        ("GENERAL_QUERY", 0.99, "GENERAL_QUERY is for the assistant"),
    ],
)
def test_the_reason_to_forward_is_told(intent, confidence, reason):
    assert decide(Understanding("call John", intent, confidence)) == Decision(Action.FORWARD, reason)


callees = st.sampled_from(
    [
        None,
        NOBODY,
        Callee(Certainty.SURE, ("John",), "John", 1.0),
        Callee(Certainty.CLOSE, ("John",), "Jane", 0.7),
        Callee(Certainty.AMBIGUOUS, ("John Baker", "John Smith"), "John", 0.88),
    ]
)


@given(confidence=confidences, callee=callees, limits=thresholds)
def test_nobody_is_dialled_who_is_not_surely_meant(confidence, callee, limits):
    decision = decide(Understanding("call John", "DIAL_PERSON", confidence, callee), limits)
    if callee is not None and callee.certainty is not Certainty.SURE:
        assert decision.action is not Action.EXECUTE


@given(confidence=confidences, callee=callees, limits=thresholds)
def test_whom_a_call_means_changes_no_other_command(confidence, callee, limits):
    text, intent = "send the cleaners", "SUMMON_TEAM"
    assert decide(Understanding(text, intent, confidence, callee), limits) == decide(
        Understanding(text, intent, confidence), limits
    )


@pytest.mark.parametrize(
    ("callee", "action", "reason"),
    [
        (Callee(Certainty.SURE, ("John",), "John", 1.0), Action.EXECUTE, "confidence 0.900 reaches 0.85"),
        (Callee(Certainty.CLOSE, ("John",), "Jane", 0.7), Action.CONFIRM, "'Jane' sounds like John"),
        (
            Callee(Certainty.AMBIGUOUS, ("John Baker", "John Smith"), "John", 0.88),
            Action.CONFIRM,
            "'John' sounds like John Baker or John Smith",
        ),
        (NOBODY, Action.CONFIRM, "no contact sounds like the name"),
    ],
    ids=["sure", "close", "ambiguous", "nobody"],
)
def test_a_doubtful_name_is_asked_back(callee, action, reason):
    assert decide(Understanding("call John", "DIAL_PERSON", 0.9, callee)) == Decision(action, reason)


CLEARLY = Scores(avg_logprob=-0.2, no_speech_prob=0.05, compression_ratio=0.9, speech_s=1.5)
DIAL, SUMMON = "DIAL_PERSON", "SUMMON_TEAM"

numbers = st.floats(allow_nan=True, allow_infinity=True)
heard = st.builds(
    Scores, avg_logprob=st.one_of(st.floats(-3, 0), numbers), no_speech_prob=numbers, compression_ratio=numbers,
    speech_s=numbers,
)  # fmt: skip


def of_speech(intent: str, scores: Scores, confidence: float = 0.99, text: str = "call John") -> Decision:
    return decide(Understanding(text, intent, confidence, None, scores))


@given(intent=intents, confidence=confidences, scores=heard, limits=thresholds)
def test_however_sure_the_intent_is_nothing_is_acted_on_that_was_not_heard_well(intent, confidence, scores, limits):
    decision = decide(Understanding("call John", intent, confidence, None, scores), limits)
    if decision.action is Action.EXECUTE:
        assert scores.avg_logprob >= (limits.dial_logprob if intent == DIAL else limits.summon_logprob)
        assert scores.no_speech_prob <= limits.most_no_speech
        assert scores.compression_ratio <= 2.4
        assert scores.speech_s > 0


@given(intent=intents, confidence=confidences, pair=st.tuples(st.floats(-3, 0), st.floats(-3, 0)))
def test_hearing_better_never_does_less(intent, confidence, pair):
    courage = [Action.IGNORE, *COURAGE]
    less, more = (
        decide(Understanding("call John", intent, confidence, None, replace(CLEARLY, avg_logprob=logprob))).action
        for logprob in sorted(pair)
    )
    # What was not heard is not even forwarded; of what was, a doubt asks back.
    assert courage.index(less) <= courage.index(more)


@given(intent=intents, confidence=confidences, scores=heard)
def test_what_was_spoken_never_does_more_than_the_same_words_written(intent, confidence, scores):
    courage = [Action.IGNORE, *COURAGE]
    written = decide(Understanding("call John", intent, confidence)).action
    assert courage.index(of_speech(intent, scores, confidence).action) <= courage.index(written)


@given(logprob=st.floats(-3, 0), no_speech=st.floats(0, 1))
def test_a_call_needs_at_least_what_a_summons_needs(logprob, no_speech):
    scores = replace(CLEARLY, avg_logprob=logprob, no_speech_prob=no_speech)
    if of_speech(DIAL, scores).action is Action.EXECUTE:
        assert of_speech(SUMMON, scores).action is Action.EXECUTE


@pytest.mark.parametrize(
    ("intent", "scores", "expected"),
    [
        (DIAL, {"avg_logprob": -0.5}, Decision(Action.EXECUTE, "confidence 0.990 reaches 0.85")),
        (DIAL, {"avg_logprob": -0.55}, Decision(Action.CONFIRM, "log-probability -0.55 is below -0.5")),
        (SUMMON, {"avg_logprob": -0.55}, Decision(Action.EXECUTE, "confidence 0.990 reaches 0.85")),
        (SUMMON, {"avg_logprob": -0.75}, Decision(Action.CONFIRM, "log-probability -0.75 is below -0.6")),
        (SUMMON, {"avg_logprob": -1.25}, Decision(Action.IGNORE, "log-probability -1.25 is below -1")),
        ("GENERAL_QUERY", {"avg_logprob": -1.25}, Decision(Action.IGNORE, "log-probability -1.25 is below -1")),
        (
            SUMMON,
            {"no_speech_prob": 0.4},
            Decision(Action.CONFIRM, "probability 0.40 that nobody spoke is above 0.3"),
        ),
        (
            SUMMON,
            {"no_speech_prob": 0.7},
            Decision(Action.IGNORE, "probability 0.70 that nobody spoke is above 0.6"),
        ),
        (SUMMON, {"compression_ratio": 3.0}, Decision(Action.IGNORE, "compression ratio 3.00 is above 2.4: a loop")),
        (SUMMON, {"speech_s": 0.1}, Decision(Action.IGNORE, "8 letters are too many for 0.10 s of speech")),
        (SUMMON, {"avg_logprob": math.nan}, Decision(Action.IGNORE, "log-probability nan is below -1")),
    ],
)
def test_what_was_heard_badly_is_asked_back_or_ignored(intent, scores, expected):
    assert of_speech(intent, replace(CLEARLY, **scores)) == expected


def test_a_tenant_may_ask_for_more():
    strict = Thresholds(execute=0.995, dial_logprob=-0.1)
    understood = Understanding("call John", DIAL, 0.999, None, CLEARLY)
    assert decide(understood).action is Action.EXECUTE
    assert decide(understood, strict) == Decision(Action.CONFIRM, "log-probability -0.20 is below -0.1")


@pytest.mark.parametrize("intent", COMMANDS)
@pytest.mark.parametrize("text", ["do not call John", "make sure not to call John", "đừng gọi Mai", "call nobody"])
@given(confidence=confidences)
def test_a_command_that_is_denied_never_acts_and_is_never_asked_back(intent, text, confidence):
    assert action(intent, confidence, text) in (Action.IGNORE, Action.FORWARD)


@pytest.mark.parametrize("intent", COMMANDS)
@pytest.mark.parametrize("text", ["cancel the call to John", "call Mai, no wait", "khoan gọi Mai"])
@given(confidence=confidences)
def test_a_command_beside_a_denial_never_acts_without_a_yes(intent, text, confidence):
    assert action(intent, confidence, text) is not Action.EXECUTE


def test_what_is_denied_before_a_command_holds_up_a_call_and_no_help():
    text = "the belt does not move, send the mechanics"
    assert action(SUMMON, 0.99, text) is Action.EXECUTE
    assert action(DIAL, 0.99, "don't stop, call Mai") is Action.CONFIRM
