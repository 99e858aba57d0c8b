"""Bytes that are no message, as a careless client sends them."""

import grpc
import pytest

METHODS = ["/conch.voice.v1.Voice/Understand", "/conch.voice.v1.Voice/Speak", "/conch.text.v1.Text/Embed"]

NOT_UTF_8 = {
    "/conch.voice.v1.Voice/Understand": b"\x12\x02\xff\xfe",
    "/conch.voice.v1.Voice/Speak": b"\x0a\x02\xff\xfe",
    "/conch.text.v1.Text/Embed": b"\x0a\x02\xff\xfe",
}


async def sent(channel: grpc.aio.Channel, method: str, data: bytes) -> grpc.aio.AioRpcError:
    """The refusal of these bytes."""
    if method.endswith("Speak"):
        call = channel.unary_stream(method)(data)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await anext(aiter(call))
        return caught.value
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary(method)(data)
    return caught.value


@pytest.mark.parametrize("method", METHODS)
async def test_text_that_is_not_utf_8_is_the_callers_mistake(channel: grpc.aio.Channel, method: str) -> None:
    error = await sent(channel, method, NOT_UTF_8[method])
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "UTF-8" in (error.details() or "")
    assert dict(error.trailing_metadata() or ())["x-conch-request-id"]


@pytest.mark.parametrize("method", METHODS)
async def test_noise_is_the_callers_mistake(channel: grpc.aio.Channel, method: str) -> None:
    error = await sent(channel, method, b"\xff" * 100)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_method_nobody_has_is_unimplemented(channel: grpc.aio.Channel) -> None:
    error = await sent(channel, "/conch.voice.v1.Voice/Sing", b"")
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
