"""An answer in parts against an ASGI server that only writes down."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.responses import PlainTextResponse

from conch.contracts.errors import ConchError, DeadlineExceeded, Unavailable
from gateway.http.parts import InParts, Outgoing


async def sent(work: Callable[[Outgoing], Awaitable[None]], send: Any = None) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []

    async def note(message: Any) -> None:
        messages.append(message)
        if send is not None:
            await send(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    await InParts(work)({"type": "http"}, receive, note)
    return messages


def body(messages: list[dict[str, Any]]) -> bytes:
    return b"".join(message.get("body", b"") for message in messages)


def said(error: ConchError) -> bytes:
    return f"error: {error.message}".encode()


async def test_parts_are_sent_as_they_come_and_then_the_end() -> None:
    async def work(outgoing: Outgoing) -> None:
        outgoing.media_type = "audio/pcm"
        await outgoing.part(b"one")
        await outgoing.part(b"two")

    start, *parts, end = await sent(work)
    assert (start["status"], dict(start["headers"])[b"content-type"]) == (200, b"audio/pcm")
    assert [(part["body"], part["more_body"]) for part in parts] == [(b"one", True), (b"two", True), (b"", True)]
    assert end.get("more_body", False) is False


async def test_nothing_to_send_is_an_empty_answer() -> None:
    async def work(outgoing: Outgoing) -> None:
        outgoing.media_type = "audio/pcm"

    messages = await sent(work)
    assert (messages[0]["status"], body(messages)) == (200, b"")


async def test_a_whole_answer_leaves_when_the_work_is_over() -> None:
    over = False

    async def work(outgoing: Outgoing) -> None:
        nonlocal over
        await outgoing.whole(PlainTextResponse("all", 201))
        over = True

    async def send(message: Any) -> None:
        assert over

    messages = await sent(work, send)
    assert (messages[0]["status"], body(messages)) == (201, b"all")


async def test_what_fails_before_the_first_part_is_left_to_others() -> None:
    async def work(outgoing: Outgoing) -> None:
        outgoing.says_errors(said)
        raise Unavailable("away")

    with pytest.raises(Unavailable):
        await sent(work)


@pytest.mark.parametrize("spoken", [True, False], ids=["with a last word", "without"])
async def test_what_fails_later_is_the_last_word_or_has_no_end(spoken: bool) -> None:
    async def work(outgoing: Outgoing) -> None:
        if spoken:
            outgoing.says_errors(said)
        await outgoing.part(b"one ")
        raise Unavailable("away")

    messages = await sent(work)
    assert body(messages) == (b"one error: away" if spoken else b"one ")
    assert messages[-1].get("more_body", False) is not spoken


async def test_a_reader_who_does_not_read_is_not_waited_for_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.http.parts.LAST_WORD_S", 0.01)

    async def send(message: Any) -> None:
        if message.get("body", b"").startswith(b"error"):
            await asyncio.Event().wait()

    async def work(outgoing: Outgoing) -> None:
        outgoing.says_errors(said)
        await outgoing.part(b"one")
        raise DeadlineExceeded("late")

    assert (await sent(work, send))[-1]["body"] == b"error: late"
