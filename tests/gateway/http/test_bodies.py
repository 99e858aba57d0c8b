"""Bodies as careless and hostile clients send them."""

import asyncio
import json

import httpx
import numpy as np
import pytest

from conch.clients.inprocess import InProcessInference
from conch.contracts.errors import ConchError, DeadlineExceeded, InvalidRequest, TooMuch
from gateway.addresses import Addresses
from tests.gateway.conftest import Hold, quick_settings, raised, running, said, silence, tone, wav

JSON = {"content-type": "application/json"}


async def test_a_file_may_be_the_body_itself(http: httpx.AsyncClient) -> None:
    answer = await http.post("/transcribe?language=vi&words=true", content=wav(said("call")))
    assert (answer.json()["text"], answer.json()["language"]) == ("call", "vi")
    assert [word["text"] for word in answer.json()["segments"][0]["words"]] == ["call"]


async def test_fields_of_the_form_go_before_the_query(http: httpx.AsyncClient) -> None:
    answer = await http.post(
        "/transcribe?language=de&prompt=Mai", files={"file": wav(said("call"))}, data={"language": "vi"}
    )
    assert answer.json()["language"] == "vi"


async def test_raw_samples_say_their_shape_in_the_content_type(http: httpx.AsyncClient) -> None:
    pcm = (np.repeat(said("call", rate=8000), 2) * 32767).astype(">i2").tobytes()
    answer = await http.post("/transcribe", content=pcm, headers={"content-type": "audio/L16;rate=8000;channels=2"})
    assert answer.json()["text"] == "call"


@pytest.mark.parametrize("content_type", ["audio/L16", "audio/L16;rate=fast", "audio/l16; rate=16000; channels=x"])
async def test_raw_samples_of_no_known_shape_are_refused(http: httpx.AsyncClient, content_type: str) -> None:
    answer = await http.post("/transcribe", content=b"\0\0" * 100, headers={"content-type": content_type})
    assert type(raised(answer)) is InvalidRequest


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"text": "\xff\xfe"}', "not UTF-8"),
        (b'{"text": "\\ud800"}', "the body"),
        (b"call mai", "the body"),
        (b"", "the body"),
        (b"[]", "the body"),
        (b"{}", "text: Field required"),
        (b'{"text": 7}', "text: Input should be a valid string"),
        (b'{"text": "call", "colour": "red"}', "colour: Extra inputs"),
        (b'{"text": "call"' + b" " * 200 + b"[" * 50_000, "the body"),
    ],
    ids=["not utf-8", "surrogate", "not json", "empty", "a list", "no text", "a number", "a typo", "deep"],
)
async def test_json_that_is_not_what_it_should_be_is_refused_by_name(
    http: httpx.AsyncClient, body: bytes, message: str
) -> None:
    error = raised(await http.post("/understand", content=body, headers=JSON))
    assert type(error) is InvalidRequest
    assert message in error.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"data": {"language": "en"}, "files": {"sound": b"RIFF"}}, "a file named `file` is needed"),
        ({"content": b"no form", "headers": {"content-type": "multipart/form-data"}}, "the form cannot be read"),
        ({"content": b"no form", "headers": {"content-type": "multipart/form-data; boundary=x"}}, "form"),
        ({"files": [("file", b"RIFF"), ("file", b"RIFF")]}, "the form cannot be read"),
        ({"data": {str(number): "x" for number in range(20)}, "files": {"file": b"RIFF"}}, "the form cannot be read"),
        ({"data": {"words": "perhaps"}, "files": {"file": wav(said("call"))}}, "words is 'perhaps'"),
    ],
    ids=["another name", "no boundary", "no parts", "two files", "many fields", "odd flag"],
)
async def test_a_form_that_is_not_what_it_should_be_is_refused(
    http: httpx.AsyncClient, content: dict[str, object], message: str
) -> None:
    error = raised(await http.post("/transcribe", **content))  # type: ignore[arg-type]
    assert type(error) is InvalidRequest
    assert message in error.message


@pytest.mark.parametrize("streamed", [False, True], ids=["length told", "length not told"])
async def test_a_body_is_refused_while_it_arrives(models: InProcessInference, streamed: bool) -> None:
    sent = 0

    async def endless():
        nonlocal sent
        for _ in range(200):
            sent += 2**16
            yield b"R" * 2**16

    content = endless() if streamed else b"R" * (200 * 2**16)
    async with (
        running(quick_settings(max_audio_bytes=2**20), models) as addresses,
        httpx.AsyncClient(base_url=f"http://{addresses.http}", timeout=60, trust_env=False) as client,
    ):
        error = raised(await client.post("/transcribe", content=content))
    assert type(error) is TooMuch
    assert f"at most {2**20 + 2**16} are taken" in error.message


async def test_a_body_that_does_not_arrive_is_given_up(models: InProcessInference) -> None:
    async with running(quick_settings(body_deadline_s=0.2), models) as addresses:
        answer = await _raw(addresses, b"POST /understand HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                            b'content-length: 100\r\n\r\n{"text"')  # fmt: skip
    assert answer.startswith(b"HTTP/1.1 504 ")
    assert b"7 bytes of the body came within 0.2 s" in answer
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["type"] == f"urn:conch:problem:{DeadlineExceeded.__name__}"


@pytest.mark.parametrize("kind", ["application/json", "audio/wav", "multipart/form-data; boundary=x"])
async def test_a_body_that_is_on_its_way_keeps_nobody_out(models: InProcessInference, kind: str) -> None:
    path = "understand" if kind == "application/json" else "transcribe"
    head = f"POST /{path} HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\ncontent-length: 100\r\n"
    async with running(quick_settings(max_calls=1, max_transcriptions=1), models) as addresses:
        reader, writer = await asyncio.open_connection(*addresses.http.split(":"))
        writer.write(f"{head}expect: 100-continue\r\n\r\n".encode())
        # The server asks for the body.
        assert b" 100 " in await asyncio.wait_for(reader.readline(), 10)
        async with httpx.AsyncClient(base_url=f"http://{addresses.http}", trust_env=False) as client:
            assert (await client.post("/understand", json={"text": "call mai"})).status_code == 200
            assert (await client.post("/transcribe", content=wav(said("call")))).status_code == 200
        writer.close()


async def test_a_body_that_has_arrived_waits_for_no_place(models: InProcessInference) -> None:
    hold = Hold()
    models.functions["intent"] = hold.before(models.functions["intent"])
    head = b"POST /understand HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n"
    async with running(quick_settings(max_calls=1), models) as addresses:
        reader, late = await asyncio.open_connection(*addresses.http.split(":"))
        late.write(head + b"content-length: 20\r\nexpect: 100-continue\r\n\r\n")
        assert b" 100 " in await asyncio.wait_for(reader.readline(), 10)
        _, first = await asyncio.open_connection(*addresses.http.split(":"))
        first.write(head + b'content-length: 20\r\n\r\n{"text": "call mai"}')
        await hold.entered.wait()
        late.write(b'{"text": "call mai"}')
        assert b"HTTP/1.1 429 " in await asyncio.wait_for(reader.read(), 10)
        first.close()
        await asyncio.wait_for(hold.left.wait(), 10)
        late.close()


async def test_a_caller_who_leaves_cancels_the_models_call(gateway: Addresses, models: InProcessInference) -> None:
    hold = Hold()
    models.functions["intent"] = hold.before(models.functions["intent"])
    _, writer = await asyncio.open_connection(*gateway.http.split(":"))
    writer.write(
        b"POST /understand HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        b'content-length: 20\r\n\r\n{"text": "call mai"}'
    )
    await hold.entered.wait()
    writer.close()
    await asyncio.wait_for(hold.left.wait(), 10)


@pytest.mark.parametrize("wanted", ["soon", "-1", "0", "nan", "inf"])
async def test_a_time_to_wait_that_is_none_is_refused(http: httpx.AsyncClient, wanted: str) -> None:
    answer = await http.post("/understand", json={"text": "call"}, headers={"x-request-timeout-s": wanted})
    assert type(raised(answer)) is InvalidRequest


@pytest.mark.parametrize("tenant", ["a b", "x" * 200])
async def test_a_tenant_with_odd_characters_is_refused(http: httpx.AsyncClient, tenant: str) -> None:
    error: ConchError = raised(
        await http.post("/understand", json={"text": "call"}, headers={"x-conch-tenant": tenant})
    )
    assert type(error) is InvalidRequest


async def test_a_large_upload_is_heard_like_a_small_one(http: httpx.AsyncClient) -> None:
    audio = np.concatenate([silence(300, 48000), tone(300, 1.0, 48000), silence(1, 48000)])
    content = wav(audio, 48000)
    assert len(content) > 28_000_000
    for answer in (
        await http.post("/transcribe", content=content),
        await http.post("/transcribe", files={"file": content}),
    ):
        (segment,) = answer.json()["segments"]
        assert segment["text"] == "call"
        assert segment["start_s"] == pytest.approx(299.7, abs=0.05)


async def _raw(addresses: Addresses, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*addresses.http.split(":"))
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    return answer
