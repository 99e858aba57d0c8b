"""The page says of every event what it holds."""

import json
import re
from pathlib import Path

import pytest

from bridge import events
from bridge.accounts import Balance, Missing
from bridge.actions.order import State
from bridge.backlog import Dropped
from bridge.chunk import Reason, Refused
from bridge.events import Decided, Span, Told
from bridge.gateway import read_event
from bridge.speech import Speech
from conch.contracts.errors import Unavailable
from conch.contracts.pb.voice.v1 import voice_pb2 as pb

PAGE = (Path(__file__).parents[2] / "docs/bridge.md").read_text()
ROWS = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE.split("## Events")[1].split("\n## ")[0], re.MULTILINE))

OF_THE_GATEWAY = [name for name in pb.ListenEvent.DESCRIPTOR.fields_by_name if name != "audio_ack"]
OF_THE_BRIDGE = [
    events.lost(Missing(0, 1)),
    events.lost(Dropped(0, 1)),
    events.refused(Refused(Reason.EMPTY, "no audio")),
    events.failed(Unavailable("away")),
    events.account(Balance()),
    events.action("id", "dial", "failed", "no endpoint", "I have no number for Mai."),
    events.speech(Speech(b"", 22_050, 0, 0, "id", True)),
]


def full(name: str) -> Told:
    event = pb.ListenEvent()
    getattr(event, name).SetInParent()
    if name == "final":
        event.final.scores.SetInParent()
    told = read_event(event)[0]
    assert isinstance(told, Told)
    return told


@pytest.mark.parametrize("told", [*map(full, OF_THE_GATEWAY), *OF_THE_BRIDGE], ids=lambda told: told.name)
def test_the_page_names_every_field_of_an_event(told):
    assert told.name in ROWS
    assert {name for name in told.fields if f"`{name}`" not in ROWS[told.name]} <= {"session"}


def test_the_page_names_every_reason():
    assert [reason for reason in Reason if f"`{reason}`" not in PAGE] == []


def test_the_page_names_every_state_of_an_action():
    told = set(State) - {State.CLAIMED, State.BEGUN}
    assert [state for state in told if f"`{state}`" not in PAGE] == []


def test_a_decision_tells_who_acts_what_it_tells_the_device():
    decision = pb.UtteranceDecision(
        utterance=2,
        decision=pb.DECISION_EXECUTE,
        command_id="id",
        intent="DIAL_PERSON",
        text="call Mai",
        contacts=["Mai"],
        reply="Calling Mai.",
        start_offset=100,
        end_offset=900,
    )
    told, decided = read_event(pb.ListenEvent(decision=decision))
    assert isinstance(told, Told)
    assert decided == Decided(
        "execute", "id", 2, Span(100, 900), "DIAL_PERSON", "call Mai", ("Mai",), reply="Calling Mai."
    )
    assert told.fields["reply"] == "Calling Mai."


def test_what_is_said_of_a_question_is_for_whoever_forwards_it():
    decision = pb.UtteranceDecision(decision=pb.DECISION_FORWARD, text="why", reply="No assistant is configured.")
    told, decided = read_event(pb.ListenEvent(decision=decision))
    assert isinstance(told, Told)
    assert isinstance(decided, Decided)
    assert (told.fields["reply"], decided.reply) == ("", "")


def test_an_event_is_one_object_whose_session_is_ours():
    told = Told("partial", {"utterance": 0, "text": "gọi Mai"})
    assert json.loads(told.encode("one")) == {"event": "partial", "utterance": 0, "text": "gọi Mai", "session": "one"}


def test_words_of_the_contract_lose_their_prefix_and_what_is_empty_stands_there():
    final = pb.FinalText(utterance=1, text="stop", end_reason=pb.END_REASON_TOO_LONG)
    final.words.add(text="stop", end_s=0.5)
    assert read_event(pb.ListenEvent(final=final)) == [
        Told(
            "final",
            {
                "utterance": 1,
                "start_offset": 0,
                "end_offset": 0,
                "text": "stop",
                "no_speech": "",
                "language": "",
                "words": [{"text": "stop", "start_s": 0.0, "end_s": 0.5, "probability": 0.0}],
                "end_reason": "too_long",
            },
        )
    ]
