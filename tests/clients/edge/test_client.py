"""Both clients against a real gRPC server: what is sent, what comes back, and what is raised."""

import asyncio
import inspect
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from typing import Any

import grpc
import numpy as np
import pytest

import conch
from conch import (
    AsyncClient,
    Client,
    ConchError,
    Contact,
    DeadlineExceeded,
    InvalidRequest,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from conch.clients.edge.results import Speech, Transcript
from conch.clients.inference import IndexedModel, ModelNotFound, text_column
from conch.contracts.voice import (
    AudioInfo,
    Progress,
    Scores,
    Segment,
    SpokenSentence,
    Stage,
    TranscriptSummary,
    Understood,
    Word,
)
from tests.clients.edge.conftest import KEY, Failure, Scripted

SEGMENT = Segment(0.5, 1.5, "5 bytes", "en", Scores(avg_logprob=-0.5, speech_s=1.0), (Word("bytes", 0.5, 1.5, 0.25),))


def test_a_transcript_comes_whole(client: Any) -> None:
    assert client.transcribe(b"12345", language="en", request_id="me-1") == Transcript(
        "all", "en", 2.0, (SEGMENT,), AudioInfo(2.0, 8000, 2), request_id="me-1"
    )


def test_a_transcript_comes_in_pieces(client: Any, scripted: Scripted) -> None:
    events = client.transcribe_stream(b"12345", language="en", request_id="me-1")
    assert list(events) == [
        AudioInfo(2.0, 8000, 2),
        SEGMENT,
        Progress(2.0, 2.0),
        TranscriptSummary("all", "en", 2.0),
    ]
    assert events.request_id == scripted.metadata["x-conch-request-id"] == "me-1"


def test_closing_a_stream_withdraws_its_call_and_ends_it(client: Any, scripted: Scripted) -> None:
    events = client.transcribe_stream(b"", prompt="hang")
    assert next(events) == AudioInfo(2.0, 8000, 2)
    events.close()
    assert scripted.cancelled.result(timeout=30)
    assert list(events) == []


def test_a_text_is_understood(client: Any) -> None:
    assert client.understand("call Mai", request_id="me-2") == Understood(
        text="call Mai",
        language="",
        intent="DIAL_PERSON",
        confidence=0.75,
        scores={"DIAL_PERSON": 0.75},
        decision="forward",
        reason="confidence 0.750 is below 0.8",
        recognition=None,
        stages=(Stage("intent", 1.5),),
        request_id="me-2",
    )


def test_understood_audio_has_the_recognisers_scores(client: Any) -> None:
    assert client.understand_audio(b"RIFF").recognition == Scores(speech_s=0.5)


@pytest.mark.parametrize("method", ["understand", "understand_audio"])
def test_contacts_are_sent_and_those_meant_come_back(client: Any, method: str) -> None:
    contacts = [Contact("Wojciech", sounds_like=("Voychek", "Wojtek")), Contact("Mai")]
    command = "call Mai" if method == "understand" else b"RIFF"
    understood = getattr(client, method)(command, contacts=contacts)
    assert understood.contacts == ("Wojciech/Voychek/Wojtek", "Mai/")


def test_a_summons_names_team_and_place(client: Any) -> None:
    understood = client.understand("send the cleaners to dock 3")
    assert (understood.team, understood.place) == ("cleaners", "dock 3")


def test_speech_comes_whole(client: Any) -> None:
    speech = client.speak("One. Four", request_id="me-3")
    assert speech == Speech(b"OneFour", 22050, "me-3")


def test_speech_comes_sentence_by_sentence(client: Any) -> None:
    assert list(client.speak_stream("One. Two")) == [SpokenSentence(b"One", 22050), SpokenSentence(b"Two", 22050)]


def test_embeddings_are_rows_in_the_order_of_the_texts(client: Any) -> None:
    embeddings = client.embed(["a", "abc"], request_id="me-4")
    np.testing.assert_array_equal(embeddings.vectors, np.array([[1.0, 0.5], [3.0, 0.5]], np.float32))
    assert embeddings.vectors.dtype == np.float32
    assert embeddings.request_id == "me-4"


def test_any_model_takes_and_gives_arrays_by_name(client: Any, scripted: Scripted) -> None:
    inputs = {"text": text_column("xin chào", ""), "values": np.array([[1.5, -2.0]], np.float32)}
    answer = client.infer("echo", inputs, version="3", outputs=["text_twice"], parameters={"deep": True, "top": 5})
    assert dict(answer) == {"text_twice": answer["text_twice"], "values_twice": answer["values_twice"]}
    assert answer["text_twice"].tolist() == [["xin chào"], [""], ["xin chào"], [""]]
    np.testing.assert_array_equal(answer["values_twice"], np.array([[1.5, -2.0]] * 2, np.float32))
    assert (answer.model, answer.version, answer.request_id) == ("echo", "3", "made-1")
    sent = scripted.inferred
    assert sent is not None
    assert [output.name for output in sent.outputs] == ["text_twice"]
    assert (sent.parameters["deep"].bool_param, sent.parameters["top"].int64_param) == (True, 5)


def test_a_decoupled_model_answers_as_often_as_it_likes(client: Any) -> None:
    answers = list(client.stream("counter", {"n": np.ones((1, 1), np.int32)}, parameters={"times": 3}))
    assert [answer["n_twice"].tolist() for answer in answers] == [[[1], [1]]] * 3


def test_an_error_in_a_models_stream_is_typed(client: Any) -> None:
    answers = client.stream("breaks", {"n": np.ones((1, 1), np.int32)}, parameters={"times": 1})
    assert next(answers).model == "breaks"
    with pytest.raises(NotFound, match="no such voice"):
        next(answers)


def test_a_model_that_triton_does_not_have_is_told_by_its_words(client: Any, scripted: Scripted) -> None:
    words = "Request for unknown model: 'nobody' has no available versions"
    scripted.failures = [Failure(grpc.StatusCode.UNAVAILABLE, words)]
    with pytest.raises(ModelNotFound):
        client.infer("nobody", {}, idempotent=True)
    assert scripted.calls == 1


def test_the_repository_is_listed(client: Any) -> None:
    assert client.models() == (
        IndexedModel("intent", "2", ready=True),
        IndexedModel("piper", "1", ready=False, reason="unloaded"),
    )


def test_a_model_is_ready_in_the_version_that_is_asked_for(client: Any) -> None:
    assert client.ready("intent", version="2")
    assert not client.ready("intent", version="1")


def test_a_key_is_sent_and_a_wrong_one_is_told_with_its_calls_id(connect: Callable[..., Any]) -> None:
    connect(api_key=KEY).understand("hello")
    with pytest.raises(Unauthenticated, match="Jwt verification fails") as caught:
        connect(api_key="another").understand("hello", request_id="me-5")
    assert caught.value.request_id == "me-5"
    assert caught.value.__notes__ == ["request id: me-5"]


@pytest.mark.parametrize("key", ["line\nbreak", "ключ"], ids=["line break", "not ASCII"])
def test_a_key_that_no_header_takes_is_refused_and_not_repeated(connect: Callable[..., Any], key: str) -> None:
    with pytest.raises(InvalidRequest, match="authorization holds characters") as caught:
        connect(api_key=key).understand("hello")
    assert key not in str(caught.value)


def test_a_text_that_utf_8_cannot_hold_is_refused_before_it_is_sent(client: Any, scripted: Scripted) -> None:
    for call in (client.understand, client.speak, lambda text: client.embed([text])):
        with pytest.raises(InvalidRequest, match="UTF-8"):
            call("lone \ud800 surrogate")
    assert scripted.calls == 0


def test_a_single_text_to_embed_is_no_list_of_letters(client: Any) -> None:
    with pytest.raises(InvalidRequest, match="give a list"):
        client.embed("abc")


def test_a_call_ends_at_its_deadline(client: Any) -> None:
    with pytest.raises(DeadlineExceeded):
        client.understand("hang", timeout_s=0.2)


def test_a_clients_own_deadline_holds_for_calls_without_one(connect: Callable[..., Any]) -> None:
    with pytest.raises(DeadlineExceeded):
        connect(timeout_s=0.2).understand("hang")


def test_a_deadline_ends_a_stream_too(client: Any) -> None:
    events = client.transcribe_stream(b"", prompt="hang", timeout_s=2.0)
    assert next(events) == AudioInfo(2.0, 8000, 2)
    with pytest.raises(DeadlineExceeded):
        next(events)


def test_no_call_may_last_for_ever(client: Any) -> None:
    with pytest.raises(InvalidRequest, match="finite"):
        client.understand("hello", timeout_s=float("inf"))


def test_nobody_listening_is_unavailable(connect: Callable[..., Any]) -> None:
    with pytest.raises(Unavailable):
        connect("127.0.0.1:1").understand("hello", timeout_s=5)


async def test_cancelling_a_task_withdraws_its_call(address: str, scripted: Scripted) -> None:
    async with AsyncClient(address) as client:
        task = asyncio.create_task(client.understand("hang"))
        assert await asyncio.to_thread(scripted.hanging.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(scripted.cancelled.result, 30)


async def test_leaving_an_async_stream_withdraws_its_call(address: str, scripted: Scripted) -> None:
    async with AsyncClient(address) as client:
        async with client.transcribe_stream(b"", prompt="hang") as events:
            async for event in events:
                assert event == AudioInfo(2.0, 8000, 2)
                break
        assert await asyncio.to_thread(scripted.cancelled.result, 30)


def test_threads_share_a_client(address: str, scripted: Scripted) -> None:
    texts = [f"call {number}" for number in range(40)]
    with Client(address) as client, ThreadPoolExecutor(8) as threads:
        assert [one.text for one in threads.map(client.understand, texts)] == texts
    assert scripted.calls == 40


def test_both_clients_have_the_same_methods_with_the_same_arguments() -> None:
    def methods(client: type) -> dict[str, list[str]]:
        public = inspect.getmembers(client, inspect.isfunction)
        return {name: list(inspect.signature(method).parameters) for name, method in public if name[0] != "_"}

    assert methods(Client) == methods(AsyncClient)


def test_importing_conch_imports_no_grpc() -> None:
    code = "import sys, conch; assert 'grpc' not in sys.modules and 'numpy' not in sys.modules; conch.Client"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_client_needs_no_tritonclient() -> None:
    code = "import sys; sys.modules['tritonclient'] = None; import conch; conch.Client().close()"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_conch_names_what_it_exports_and_nothing_else() -> None:
    assert all(hasattr(conch, name) for name in conch.__all__)
    assert issubclass(conch.TooMuch, ConchError)
    with pytest.raises(AttributeError, match="no attribute 'Klient'"):
        _ = conch.Klient


def test_its_callers_types_are_checked() -> None:
    assert resources.files(conch).joinpath("py.typed").is_file()
