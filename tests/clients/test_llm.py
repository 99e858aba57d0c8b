"""Both assistants, one suite: the real one asks a real HTTP server, the twin a function."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable

import pytest

from conch.clients.allowed import Allowed
from conch.clients.llm import Assistant, ChatAssistant, ChatModel, InProcessAssistant, Question, Turn
from conch.clients.outbound import Outbound, Unreached
from conch.contracts.errors import DeadlineExceeded, InvalidRequest, PermissionDenied, Unavailable
from conch.stack.serving import free_ports
from tests.clients.peer import WAIT, Asked, Peer, answering, response

PATIENT_S = 30.0
QUESTION = Question(
    "How wide is it?",
    "acme",
    request_id="command-7",
    language="vi",
    turns=(Turn("Where is gate 3?", "Behind aisle 9."),),
)

Write = Callable[[str], str]
"""The model: what it answers to the last thing that was said."""


@contextlib.asynccontextmanager
async def chatting(write: Write) -> AsyncIterator[Assistant]:
    def answer(asked: Asked) -> bytes:
        return completion(write(json.loads(asked.content)["messages"][-1]["content"]))

    async with served(answer) as (assistant, _):
        yield assistant


@contextlib.asynccontextmanager
async def in_process(write: Write) -> AsyncIterator[Assistant]:
    yield InProcessAssistant(lambda question: write(question.text))


@contextlib.asynccontextmanager
async def served(answer: Callable[[Asked], bytes] | bytes, **settings) -> AsyncIterator[tuple[ChatAssistant, Peer]]:
    async with answering(answer) as peer:
        url = f"http://127.0.0.1:{peer.port}/v1"
        async with Outbound(Allowed([url])) as outbound:
            yield ChatAssistant(ChatModel(url, **settings), outbound), peer


def completion(text: str | None) -> bytes:
    message = {"role": "assistant", "content": text}
    document = {"object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    return response(200, json.dumps(document).encode(), {"Content-Type": "application/json"})


KINDS = pytest.mark.parametrize("kind", [chatting, in_process], ids=["chat", "in process"])


@KINDS
async def test_a_question_is_answered(kind):
    async with kind(lambda text: f"You asked: {text}") as assistant:
        assert await assistant.answer(QUESTION, PATIENT_S) == "You asked: How wide is it?"


@KINDS
async def test_questions_at_once_get_their_own_answers(kind):
    async with kind(str.upper) as assistant:
        asked = [assistant.answer(Question(f"is it {at}?", "acme"), PATIENT_S) for at in range(8)]
        assert await asyncio.gather(*asked) == [f"IS IT {at}?" for at in range(8)]


@KINDS
async def test_an_answer_is_made_fit_to_be_spoken(kind):
    async with kind(lambda _: "<think>Hm.</think>**Three** metres. " + "And more of it. " * 99) as assistant:
        answer = await assistant.answer(QUESTION, PATIENT_S)

    assert answer.startswith("Three metres. And more of it.")
    assert answer.endswith("And more of it.")
    assert len(answer) <= 400


@KINDS
@pytest.mark.parametrize("said", ["", " \n", "…", "<think>It never ends", "**"])
async def test_an_answer_of_no_words_is_none(kind, said):
    async with kind(lambda _: said) as assistant:
        with pytest.raises(Unavailable, match="says nothing"):
            await assistant.answer(QUESTION, PATIENT_S)


async def test_the_server_is_told_the_tenant_the_turns_and_the_wearers_language():
    async with served(completion("Three metres."), model="small", key="sesame", max_tokens=50) as (assistant, peer):
        await assistant.answer(QUESTION, PATIENT_S)

    (asked,) = peer.asked
    document = json.loads(asked.content)
    system, *others = document.pop("messages")
    assert (asked.method, asked.target) == ("POST", "/v1/chat/completions")
    assert asked.headers.items() >= {
        ("x-conch-tenant", "acme"),
        ("x-conch-request-id", "command-7"),
        ("authorization", "Bearer sesame"),
        ("content-type", "application/json"),
    }
    assert document == {"model": "small", "max_tokens": 50, "temperature": 0.2, "stream": False}
    assert system["role"] == "system"
    assert "Answer in Vietnamese" in system["content"]
    assert others == [
        {"role": "user", "content": "Where is gate 3?"},
        {"role": "assistant", "content": "Behind aisle 9."},
        {"role": "user", "content": "How wide is it?"},
    ]


async def test_no_key_is_sent_where_there_is_none():
    async with served(completion("Yes.")) as (assistant, peer):
        await assistant.answer(Question("Is it?", "acme"), PATIENT_S)

    assert not {"authorization", "x-conch-request-id"} & set(peer.asked[0].headers)
    assert "the language of the question" in json.loads(peer.asked[0].content)["messages"][0]["content"]


@pytest.mark.parametrize(
    "content",
    [b"", b"not json", b"[]", b"{}", b'{"choices":[]}', b'{"choices":[{"message":{"content":5}}]}', b"[" * 100_000],
    ids=["nothing", "text", "a list", "no choices", "an empty choice", "a number", "no end of brackets"],
)
async def test_what_is_no_chat_completion_is_unavailable(content):
    async with served(response(200, content)) as (assistant, _):
        with pytest.raises(Unavailable, match="assistant answers"):
            await assistant.answer(QUESTION, PATIENT_S)


async def test_a_completion_without_text_says_nothing():
    async with served(completion(None)) as (assistant, _):
        with pytest.raises(Unavailable, match="says nothing"):
            await assistant.answer(QUESTION, PATIENT_S)


@pytest.mark.parametrize(
    ("answer", "kind", "deadline_s"),
    [
        (response(400), InvalidRequest, PATIENT_S),
        (response(503), Unavailable, PATIENT_S),
        (WAIT, DeadlineExceeded, 0.3),
        (response(307, headers={"Location": "http://127.0.0.1:1/"}), PermissionDenied, PATIENT_S),
    ],
    ids=["refused", "away", "silent", "elsewhere"],
)
async def test_a_server_that_does_not_answer_is_a_typed_error(answer, kind, deadline_s):
    async with served(answer) as (assistant, _):
        with pytest.raises(kind):
            await assistant.answer(QUESTION, deadline_s)


async def test_a_server_that_is_not_there_is_unreached():
    url = f"http://127.0.0.1:{free_ports(1)[0]}/v1"
    async with Outbound(Allowed([url])) as outbound:
        with pytest.raises(Unreached):
            await ChatAssistant(ChatModel(url), outbound).answer(QUESTION, PATIENT_S)
