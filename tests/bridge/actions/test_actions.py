"""Each decision is acted on at most once, and how it ended is told, said and counted."""

import asyncio
import time

import pytest

from bridge.actions.actions import Room
from bridge.actions.order import Kind, NotDone, Unsure
from bridge.events import Span
from conch.replies import INTERRUPTED, SAY_AGAIN, TOO_BUSY, TOO_LATE
from tests.bridge.actions.conftest import WATCH, Deeds, decided, eventually


async def test_what_is_decided_is_done_and_told(crewed):
    dial = Deeds()
    async with crewed({Kind.DIAL: dial}) as crew:
        await crew.actions.decided(decided(0, 100), WATCH)
        await eventually(lambda: crew.told)
        await eventually(lambda: crew.gateway.spoken)
    assert dial.acted == ["command-0"]
    assert crew.told == [
        {
            "event": "action",
            "command_id": "command-0",
            "action": "dial",
            "state": "done",
            "reason": "",
            "reply": "",
            "session": "one",
        }
    ]
    assert crew.gateway.spoken == ["Calling Mai."]
    assert crew.counted("dial", "done") == 1
    assert crew.published[0][0] == "wearable/watch-1/events"


async def test_the_same_decision_again_does_nothing_and_says_nothing(crewed):
    dial = Deeds()
    async with crewed({Kind.DIAL: dial}) as crew:
        for first in (0, 0, 32):  # a detector that began anew may begin a window later
            await crew.actions.decided(decided(first, 1000 + first), WATCH)
        await eventually(lambda: len(crew.told) == 3)
        await eventually(lambda: crew.gateway.spoken)
    assert dial.acted == ["command-0"]
    assert sorted(crew.states) == [("command-0", "done"), ("command-0", "repeated"), ("command-32", "repeated")]
    repeated = next(event for event in crew.told if event["command_id"] == "command-32")
    assert repeated["reason"].startswith("samples 32 to 1032 overlap those of command command-0, which is ")
    assert crew.gateway.spoken == ["Calling Mai."]
    assert crew.counted("dial", "repeated") == 2


async def test_a_repeat_that_may_have_a_command_of_its_own_in_it_is_asked_for_again(crewed):
    dial = Deeds()
    async with crewed({Kind.DIAL: dial}) as crew:
        await crew.actions.decided(decided(0, 1000), WATCH)
        await crew.actions.decided(decided(900, 3000, reply="Calling John."), WATCH)
        await eventually(lambda: len(crew.gateway.spoken) == 2)
    assert dial.acted == ["command-0"]
    assert sorted(crew.gateway.spoken) == sorted(["Calling Mai.", SAY_AGAIN])


async def test_an_answer_that_is_heard_again_after_it_decided_acts_on_nothing(crewed):
    dial, forward = Deeds(), Deeds()
    async with crewed({Kind.DIAL: dial, Kind.FORWARD: forward}) as crew:
        await crew.actions.decided(decided(0, 100, "confirm", reply="Did you mean Mai?"), WATCH)
        await crew.actions.decided(decided(0, 100, answer=Span(500, 600)), WATCH)
        await crew.actions.decided(decided(490, 600, "forward", "GENERAL_QUERY", text="yes"), WATCH)
        await eventually(lambda: len(crew.told) == 2)
    assert (dial.acted, forward.acted) == (["command-0"], [])


@pytest.mark.parametrize(
    ("fails", "state", "spoken"),
    [
        (NotDone("no such telephone"), "failed", "I could not call Mai."),
        (NotDone("no such telephone", "Her telephone is off."), "failed", "Her telephone is off."),
        (Unsure("no answer"), "unknown", "I do not know whether Mai was called. Please check."),
        (RuntimeError("a bug"), "unknown", "I do not know whether Mai was called. Please check."),
    ],
    ids=["failed", "in its own words", "unsure", "broken"],
)
async def test_an_action_that_fails_is_told_by_voice_and_as_an_event(crewed, fails, state, spoken):
    async with crewed({Kind.DIAL: Deeds(fails=fails)}) as crew:
        await crew.actions.decided(decided(0, 100), WATCH)
        await eventually(lambda: len(crew.gateway.spoken) == 2)
        (event,) = crew.told
        assert (event["state"], event["reply"]) == (state, spoken)
        assert event["reason"] == ("internal error" if isinstance(fails, RuntimeError) else str(fails))
        assert crew.gateway.spoken == ["Calling Mai.", spoken]
        assert crew.counted("dial", state) == 1
        # And the next one is acted on.
        await crew.actions.decided(decided(200, 300), WATCH)
        await eventually(lambda: len(crew.told) == 2)


async def test_what_cannot_be_done_here_is_not_promised(crewed):
    dial = Deeds(refuses=NotDone("no endpoint", "I have no number for Mai."))
    async with crewed({Kind.DIAL: dial}) as crew:
        await crew.actions.decided(decided(0, 100), WATCH)
        await eventually(lambda: crew.gateway.spoken)
    assert (dial.acted, crew.states) == ([], [("command-0", "failed")])
    assert crew.gateway.spoken == ["I have no number for Mai."]


async def test_a_command_that_nobody_knows_is_told_as_failed(crewed):
    async with crewed({}) as crew:
        await crew.actions.decided(decided(0, 100, intent="OPEN_DOOR"), WATCH)
        await eventually(lambda: crew.gateway.spoken)
    assert [(event["action"], event["state"]) for event in crew.told] == [("other", "failed")]


async def test_a_queue_that_is_full_refuses_tells_and_counts(crewed):
    dial = Deeds()
    dial.free.clear()
    async with crewed({Kind.DIAL: dial}, Room(waiting=1, at_once=1)) as crew:
        await crew.actions.decided(decided(0, 10), WATCH)
        await eventually(lambda: dial.acted)
        await crew.actions.decided(decided(100, 110), WATCH)
        assert crew.actions.waiting == 1
        await crew.actions.decided(decided(200, 210), WATCH)
        assert crew.states == [("command-200", "refused")]
        assert crew.told[0]["reason"] == "1 commands wait already, which is the most"
        assert crew.counted("dial", "refused") == 1
        await eventually(lambda: TOO_BUSY in crew.gateway.spoken)
        dial.free.set()
        await eventually(lambda: len(crew.told) == 3)
        # What was refused was told so: its audio, sent again, is a repeat.
        await crew.actions.decided(decided(200, 210), WATCH)
    assert dial.acted == ["command-0", "command-100"]
    assert crew.states[-1] == ("command-200", "repeated")


async def test_a_slow_assistant_delays_no_summons(crewed):
    forward, summon = Deeds(), Deeds()
    forward.free.clear()
    async with crewed({Kind.FORWARD: forward, Kind.SUMMON: summon}, Room(waiting=4, at_once=1)) as crew:
        for at in (0, 100):
            await crew.actions.decided(decided(at, at + 10, "forward", "GENERAL_QUERY"), WATCH)
        await crew.actions.decided(decided(200, 210, intent="SUMMON_TEAM"), WATCH)
        await eventually(lambda: crew.states == [("command-200", "done")])


async def test_a_command_that_waited_beyond_its_deadline_is_not_acted_on(crewed):
    dial = Deeds(deadline_s=0.0)
    async with crewed({Kind.DIAL: dial}) as crew:
        await crew.actions.decided(decided(0, 10), WATCH)
        await eventually(lambda: crew.told)
    assert (dial.acted, crew.states) == ([], [("command-0", "failed")])
    assert crew.told[0]["reason"] == "it waited longer than the 0 s it may take"


async def test_an_answer_is_spoken_and_what_is_ignored_acts_on_nothing(crewed):
    forward = Deeds(says="Seven metres.")
    async with crewed({Kind.FORWARD: forward}) as crew:
        await crew.actions.decided(decided(0, 10, "forward", "GENERAL_QUERY", reply=""), WATCH)
        await crew.actions.decided(decided(20, 30, "ignore", reply="All right."), WATCH)
        await eventually(lambda: len(crew.gateway.spoken) == 2)
    assert sorted(crew.gateway.spoken) == ["All right.", "Seven metres."]
    assert [(event["state"], event["reply"]) for event in crew.told] == [("done", "Seven metres.")]


async def test_what_a_bridge_left_claimed_or_begun_is_told_and_never_done_again(crewed):
    dial = Deeds()
    dial.free.clear()
    async with crewed({Kind.DIAL: dial}, Room(waiting=4, at_once=1)) as before:
        await before.actions.decided(decided(0, 10), WATCH)
        await eventually(lambda: dial.acted)
        await before.actions.decided(decided(100, 110), WATCH)
    assert before.told == []

    again = Deeds()
    async with crewed({Kind.DIAL: again}) as after:
        for at in (0, 100):
            await after.actions.decided(decided(at, at + 10), WATCH)
        await eventually(lambda: len(after.gateway.spoken) == 2)
    assert again.acted == []
    assert after.states == [
        ("command-0", "unknown"),
        ("command-100", "failed"),
        ("command-0", "repeated"),
        ("command-100", "repeated"),
    ]
    assert "unknown whether it was" in after.told[0]["reason"]
    assert after.gateway.spoken == ["I do not know whether Mai was called. Please check.", "I could not call Mai."]
    async with crewed({Kind.DIAL: again}) as last:
        assert last.told == []


async def test_a_question_ends_with_its_stream_and_is_said_to_end(crewed):
    async with crewed({}) as crew:
        await crew.actions.decided(decided(0, 10, "confirm", reply="Did you mean Mai?"), WATCH)
        await crew.actions.interrupted(WATCH)
        await crew.actions.interrupted(WATCH)
        await eventually(lambda: len(crew.gateway.spoken) == 2)
    assert crew.states == [("command-0", "cancelled")]
    assert crew.told[0]["action"] == "dial"
    assert crew.gateway.spoken == ["Did you mean Mai?", INTERRUPTED]
    assert crew.counted("dial", "cancelled") == 1


@pytest.mark.parametrize("answer", ["execute", "ignore"])
async def test_a_question_that_was_answered_does_not_end_with_its_stream(crewed, answer):
    async with crewed({Kind.DIAL: Deeds()}) as crew:
        await crew.actions.decided(decided(0, 10, "confirm", reply=""), WATCH)
        await crew.actions.decided(decided(0, 10, answer), WATCH)
        await crew.actions.interrupted(WATCH)
        await eventually(lambda: crew.gateway.spoken)
    assert ("command-0", "cancelled") not in crew.states
    async with crewed({}) as after:
        assert after.told == []


async def test_a_question_that_a_bridge_left_open_is_told_as_cancelled_at_its_next_start(crewed):
    async with crewed({}) as before:
        await before.actions.decided(decided(0, 10, "confirm"), WATCH)
    assert before.told == []
    async with crewed({}) as after:
        await eventually(lambda: after.gateway.spoken)
    assert (after.states, after.gateway.spoken) == ([("command-0", "cancelled")], [INTERRUPTED])


async def test_what_cannot_be_recorded_is_not_acted_on_and_is_told(crewed):
    dial = Deeds()
    async with crewed({Kind.DIAL: dial}) as crew:
        crew.outbox.close()  # as good as a disk that fails
        await crew.actions.decided(decided(0, 10), WATCH)
        await eventually(lambda: crew.gateway.spoken)
    assert (dial.acted, crew.states) == ([], [("command-0", "failed")])
    assert "cannot be used" in crew.told[0]["reason"]
    assert crew.gateway.spoken == ["I could not call Mai."]


async def test_what_was_said_too_long_ago_is_not_acted_on_and_is_asked_for_again(crewed):
    dial = Deeds()
    async with crewed({Kind.DIAL: dial}, Room(waiting=8, at_once=2, fresh_s=60)) as crew:
        now = time.time()
        await crew.actions.decided(decided(0, 10), WATCH, now - 3600)
        await crew.actions.decided(decided(100, 110), WATCH, now - 1)
        await eventually(lambda: len(crew.told) == 2)
        await eventually(lambda: len(crew.gateway.spoken) == 2)
    assert dial.acted == ["command-100"]
    assert crew.told[0]["reason"] == "it was said 3600 s ago, and after 60 s nothing is acted on"
    assert crew.gateway.spoken[0] == TOO_LATE


async def test_many_decisions_at_once_are_each_acted_on_once(crewed):
    dial = Deeds()
    async with crewed({Kind.DIAL: dial}, Room(waiting=64, at_once=8)) as crew:
        spans = [(at, at + 10) for at in range(0, 200, 10)] * 3
        await asyncio.gather(*(crew.actions.decided(decided(*span), WATCH) for span in spans))
        await eventually(lambda: len(crew.told) == len(spans))
    assert sorted(dial.acted) == sorted({f"command-{first}" for first, _ in spans})
