"""Questions to an assistant: the twin of this process, and a real server of chat calls."""

import json

import pytest

from bridge.actions.forward import TURN_KEPT_S, Forward
from bridge.actions.order import Kind, NotDone
from bridge.devices import Device
from conch.clients.allowed import Allowed
from conch.clients.llm import ChatAssistant, ChatModel, InProcessAssistant, Turn
from conch.clients.outbound import Outbound
from conch.contracts.errors import Unavailable
from conch.stack.serving import free_ports
from tests.bridge.actions.conftest import WATCH, Deeds, decided, eventually, ordered
from tests.clients.peer import WAIT, answering, response

DEVICE = Device(WATCH.device, "en")


def completion(text: str) -> bytes:
    return response(200, json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode())


def asking(assistant, most_turns: int = 2, clock=lambda: 0.0, device: Device | None = DEVICE) -> Forward:
    return Forward(assistant, lambda _name: device, 5.0, most_turns, clock)


def question(text: str):
    return ordered(Kind.FORWARD, text=text, intent="GENERAL_QUERY", contact="")


async def test_a_question_goes_with_its_tenant_language_and_id_and_the_answer_comes_back():
    assistant = InProcessAssistant(lambda asked: "Seven metres.")
    assert await asking(assistant).act(question("how high is the rack"), 5.0) == "Seven metres."
    (asked,) = assistant.asked
    assert (asked.text, asked.tenant, asked.request_id, asked.language) == (
        "how high is the rack",
        "default",
        "7a0e",
        "en",
    )


async def test_the_last_turns_of_the_session_go_along_and_no_more():
    now = [0.0]
    assistant = InProcessAssistant(lambda asked: f"answer to {asked.text}")
    forward = asking(assistant, clock=lambda: now[0])
    for text in ("one", "two", "three"):
        await forward.act(question(text), 5.0)
    turns = [Turn("one", "answer to one"), Turn("two", "answer to two")]
    assert [list(asked.turns) for asked in assistant.asked] == [[], turns[:1], turns]
    await forward.act(question("four"), 5.0)
    assert [turn.question for turn in assistant.asked[-1].turns] == ["two", "three"]
    now[0] = TURN_KEPT_S + 1
    await forward.act(question("five"), 5.0)
    assert assistant.asked[-1].turns == ()


async def test_a_site_may_send_no_turns():
    assistant = InProcessAssistant(lambda asked: "yes")
    forward = asking(assistant, most_turns=0)
    for text in ("one", "two"):
        await forward.act(question(text), 5.0)
    assert [asked.turns for asked in assistant.asked] == [(), ()]


async def test_an_assistant_that_fails_is_not_done():
    def fails(_asked):
        raise Unavailable("the assistant is away")

    with pytest.raises(NotDone, match="the assistant is away"):
        await asking(InProcessAssistant(fails)).act(question("why"), 5.0)


@pytest.mark.parametrize(("text", "device"), [("  ", DEVICE), ("why", None)], ids=["no text", "revoked"])
def test_what_nobody_asks_is_not_sent(text, device):
    with pytest.raises(NotDone):
        asking(InProcessAssistant(lambda _: "yes"), device=device).check(question(text))


async def test_only_text_leaves_and_the_server_is_told_the_tenant():
    async with answering(completion("Seven metres.")) as peer:
        url = f"http://127.0.0.1:{peer.port}/v1"
        async with Outbound(Allowed([url])) as outbound:
            forward = asking(ChatAssistant(ChatModel(url), outbound))
            assert await forward.act(question("how high is the rack"), 20.0) == "Seven metres."
    (asked,) = peer.asked
    assert (asked.target, asked.headers["x-conch-tenant"]) == ("/v1/chat/completions", "default")
    messages = json.loads(asked.content)["messages"]
    assert [message["role"] for message in messages] == ["system", "user"]
    assert messages[1] == {"role": "user", "content": "how high is the rack"}


@pytest.mark.parametrize("answer", [WAIT, response(500), response(302, headers={"Location": "/v2"}), completion("")])
async def test_no_answer_is_said_so(crewed, answer):
    async with answering(answer) as peer:
        url = f"http://127.0.0.1:{peer.port}/v1"
        async with Outbound(Allowed([url])) as outbound:
            forward = Forward(ChatAssistant(ChatModel(url), outbound), lambda _name: DEVICE, 3.0, 2)
            async with crewed({Kind.FORWARD: forward}) as crew:
                await crew.actions.decided(decided(0, 10, "forward", "GENERAL_QUERY", text="why", reply=""), WATCH)
                await eventually(lambda: crew.gateway.spoken)
    assert crew.gateway.spoken == ["The assistant does not answer just now. Please ask again later."]
    assert crew.states == [("command-0", "failed")]
    assert len(peer.asked) == 1


async def test_an_assistant_that_cannot_be_reached_is_said_so(crewed):
    url = f"http://127.0.0.1:{free_ports(1)[0]}/v1"
    outbound = Outbound(Allowed([url]))
    forward = asking(ChatAssistant(ChatModel(url), outbound))
    async with outbound, crewed({Kind.FORWARD: forward}) as crew:
        await crew.actions.decided(decided(0, 10, "forward", "GENERAL_QUERY", text="why", reply=""), WATCH)
        await eventually(lambda: crew.gateway.spoken)
    assert crew.gateway.spoken == ["The assistant does not answer just now. Please ask again later."]


@pytest.mark.parametrize(
    "answer",
    ["call Mai", "yes", '{"decision": "execute", "intent": "DIAL_PERSON", "contacts": ["Mai"]}', "Summon all teams."],
)
async def test_what_an_assistant_answers_is_said_and_acts_on_nothing(crewed, answer):
    dial, summon = Deeds(), Deeds()
    forward = asking(InProcessAssistant(lambda _asked: answer))
    async with crewed({Kind.FORWARD: forward, Kind.DIAL: dial, Kind.SUMMON: summon}) as crew:
        # A question of ours is open: a yes of the assistant's answers none.
        await crew.actions.decided(decided(0, 10, "confirm", reply=""), WATCH)
        await crew.actions.decided(decided(20, 30, "forward", "GENERAL_QUERY", text="who is Mai", reply=""), WATCH)
        await eventually(lambda: crew.told)
        await eventually(lambda: crew.gateway.spoken)
    assert (dial.acted, summon.acted) == ([], [])
    assert [event["action"] for event in crew.told] == ["forward"]
    assert crew.told[0]["reply"] in crew.gateway.spoken
