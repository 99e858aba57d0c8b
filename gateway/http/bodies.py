"""Read what a request brings, within limits that hold while it arrives: of bytes, and of time."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message as Header
from typing import IO, BinaryIO, TypeVar, cast

from pydantic import BaseModel, JsonValue, ValidationError
from pydantic_core import from_json
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from conch.contracts.errors import Cancelled, DeadlineExceeded, InvalidRequest, TooMuch
from gateway.admission import Place
from gateway.audio import RawPcm
from gateway.limits import Limits

ENVELOPE_BYTES = 2**16
"""What a form may add to its file, and a JSON document to its text."""

MEMORY_BYTES = 2**20
"""An upload above this size is held on disk."""

JSON_GROWTH = 6
"""Bytes that JSON may make of one: \\u0041."""

QUICK_BYTES = 2**16
"""Of JSON: read and converted within a few milliseconds."""

MOST_FIELDS = 8

LINGER_S = 1.0
"""How long a refused upload is still read: a caller who is writing does not see an answer to a closed connection."""

Body = TypeVar("Body", bound=BaseModel)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Upload:
    source: BinaryIO
    raw: RawPcm | None = None
    """None: the file says itself what it is."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Of the form, and of the query where the form has none of that name."""
    lists: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Of the form alone: every value of each field, for those that may come more than once."""


@dataclass(frozen=True, slots=True)
class Document:
    value: JsonValue
    size_bytes: int
    """As it was sent."""


@contextlib.asynccontextmanager
async def audio_upload(request: Request, limits: Limits, within_s: float) -> AsyncIterator[Upload]:
    """A form with the field `file`, or the file itself as the body."""
    bounded = _bounded(request, limits.audio_bytes + ENVELOPE_BYTES, within_s)
    if _media_type(request.headers.get("content-type", ""))[0] == "multipart/form-data":
        async with _form(bounded, limits, MOST_FIELDS) as upload:
            yield upload
        return
    with tempfile.SpooledTemporaryFile(MEMORY_BYTES) as spool:
        size = await _spool(bounded, spool)
        limits.check_audio_bytes(size)
        spool.seek(0)
        raw = _raw_pcm(request.headers.get("content-type", ""))
        yield Upload(cast(BinaryIO, spool), raw, dict(request.query_params))


@contextlib.asynccontextmanager
async def form_upload(request: Request, limits: Limits, within_s: float, most_fields: int) -> AsyncIterator[Upload]:
    """A form with the field `file`, and nothing else."""
    media_type = _media_type(request.headers.get("content-type", ""))[0]
    bounded = _bounded(request, limits.audio_bytes + ENVELOPE_BYTES, within_s)
    if media_type != "multipart/form-data":
        await _linger(request)
        raise InvalidRequest(f"the content-type is {media_type}, multipart/form-data is needed")
    async with _form(bounded, limits, most_fields) as upload:
        yield upload


async def json_body(request: Request, shape: type[Body], most_text_bytes: int, within_s: float) -> Body:
    document = await _whole(request, most_text_bytes * JSON_GROWTH + ENVELOPE_BYTES, within_s)
    try:
        text = document.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"the body is not UTF-8: {error.reason} at byte {error.start}") from None
    try:
        return shape.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        refusal = InvalidRequest(f"{where or 'the body'}: {first['msg']}")
        raise (refusal.about(str(first["loc"][0])) if where else refusal) from None


async def json_document(request: Request, most_bytes: int, within_s: float) -> Document:
    """Of any shape. NaN and infinity, which JSON has not, are refused."""
    body = await _whole(request, most_bytes, within_s)
    try:
        return Document(await aside(len(body), lambda: from_json(body, allow_inf_nan=False)), len(body))
    except ValueError as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from None


async def aside(size_bytes: int, work: Callable[[], T]) -> T:
    """Done here and now where it is quick; in a thread where it would hold all other calls up."""
    return work() if size_bytes <= QUICK_BYTES else await asyncio.to_thread(work)


def is_json(request: Request) -> bool:
    return _media_type(request.headers.get("content-type", ""))[0] == "application/json"


@contextlib.asynccontextmanager
async def _form(request: Request, limits: Limits, most_fields: int) -> AsyncIterator[Upload]:
    try:
        form = await request.form(max_files=1, max_fields=most_fields, max_part_size=ENVELOPE_BYTES)
    except HTTPException as error:
        raise InvalidRequest(f"the form cannot be read: {error.detail}") from None
    except ClientDisconnect:
        raise Cancelled("the caller went away") from None
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise InvalidRequest(f"the form's fields are {sorted(form)}, a file named `file` is needed").about("file")
        limits.check_audio_bytes(file.size or 0)
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        lists = {name: [value for value in form.getlist(name) if isinstance(value, str)] for name in fields}
        yield Upload(file.file, _raw_pcm(file.content_type or ""), {**request.query_params, **fields}, lists)
    finally:
        await form.close()


async def _whole(request: Request, most: int, within_s: float) -> bytes:
    try:
        return await _bounded(request, most, within_s).body()
    except ClientDisconnect:
        raise Cancelled("the caller went away") from None


async def _spool(request: Request, spool: IO[bytes]) -> int:
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > MEMORY_BYTES:
                await asyncio.to_thread(spool.write, chunk)
            else:
                spool.write(chunk)
    except ClientDisconnect:
        raise Cancelled("the caller went away") from None
    return size


def _bounded(request: Request, most: int, within_s: float) -> Request:
    """The same request, whose body ends with an error when it is too large or too slow."""
    ends_at = asyncio.get_running_loop().time() + within_s
    place: Place | None = getattr(request.state, "place", None)
    came = 0
    if place is not None:
        place.arrive()

    async def receive() -> Message:
        nonlocal came
        promised = request.headers.get("content-length", "")
        if came == 0 and promised.isdecimal() and int(promised) > most:
            await _linger(request)
            raise TooMuch(f"the body has {promised} bytes, at most {most} are taken")
        try:
            async with asyncio.timeout_at(ends_at):
                message = await request.receive()
        except TimeoutError:
            raise DeadlineExceeded(f"{came} bytes of the body came within {within_s:g} s, and not its end") from None
        came += len(message.get("body", b""))
        if came > most:
            await _linger(request)
            raise TooMuch(f"the body has {came} bytes and more, at most {most} are taken")
        if place is not None and message["type"] == "http.request" and not message.get("more_body", False):
            place.run()
        return message

    return Request(request.scope, receive)


async def _linger(request: Request) -> None:
    if request.headers.get("expect", "").lower() == "100-continue":
        return  # the caller waits for our word before it writes
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            while True:
                message = await request.receive()
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return


def _media_type(content_type: str) -> tuple[str, dict[str, str]]:
    header = Header()
    header["content-type"] = content_type or "application/octet-stream"
    return header.get_content_type(), {name.lower(): value for name, value in header.get_params(failobj=[])[1:]}


def _raw_pcm(content_type: str) -> RawPcm | None:
    kind, parameters = _media_type(content_type)
    if kind != "audio/l16":
        return None
    try:
        return RawPcm(int(parameters["rate"]), int(parameters.get("channels", "1")))
    except (KeyError, ValueError):
        raise InvalidRequest(f"content-type {content_type!r} needs a rate: audio/L16;rate=16000;channels=1") from None
