"""A real llama.cpp server with SmolLM2, in a stack of its own, asked as the bridge asks it."""

import asyncio
import os
import signal

import httpx

from conch.clients.allowed import Allowed
from conch.clients.llm import ChatAssistant, ChatModel, Question, Turn
from conch.clients.outbound import Outbound
from conch.stack.services.llm import MODEL, Llm

PATIENT_S = 120.0


async def test_questions_are_answered_in_words_to_be_spoken_and_a_killed_server_comes_back(start):
    stack = await start(Llm()).ready()
    address = stack.status.services["llm"].addresses["http"]
    url = f"http://{address}/v1"
    async with Outbound(Allowed([url])) as outbound:
        assistant = ChatAssistant(ChatModel(url, model=MODEL, max_tokens=40, temperature=0.0), outbound)
        turns = (Turn("My name is Mai.", "Hello Mai."),)
        questions = [
            Question("How many days are in a week?", "acme", "one", "en"),
            Question("What is my name?", "acme", "two", "en", turns),
            Question("Where is the loading dock?", "globex", language="vi"),
        ]
        answers = await asyncio.gather(*(assistant.answer(one, PATIENT_S) for one in questions))
        assert _seven(answers[0])
        assert all(0 < len(answer) <= 400 for answer in answers)

        first = stack.pid("llm")
        os.kill(first, signal.SIGKILL)
        await stack.until(lambda: stack.pid("llm") not in (None, first))
        await stack.ready()
        again = await assistant.answer(questions[0], PATIENT_S)
    assert _seven(again)


async def test_the_server_tells_nobody_what_others_asked(start):
    stack = await start(Llm()).ready()
    async with httpx.AsyncClient(base_url=f"http://{stack.status.services['llm'].addresses['http']}") as client:
        answers = [await client.get(path) for path in ("/slots", "/metrics", "/")]
        models = (await client.get("/v1/models")).json()["data"]

    assert all(answer.status_code >= 400 for answer in answers), [answer.status_code for answer in answers]
    assert [model["id"] for model in models] == [MODEL]


def _seven(answer: str) -> bool:
    return "7" in answer or "seven" in answer.lower()
