"""The client through a real edge that asks for keys, to a real gateway and a real Triton."""

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest

from conch import AsyncClient, Client, PermissionDenied, Retries, TooMuch, Unauthenticated
from conch.clients.inference import ModelNotFound, text_column
from conch.contracts.specs import INTENTS
from conch.stack.fronted import Front, fronted

TENANTS = """
[tenants.acme]
stream = true

[tenants.beta]
models = ["piper"]

[tenants.slow]
calls_per_second = 1
"""


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with fronted(tmp_path_factory.mktemp("f"), ["intent", "piper"], tenants=TENANTS) as running:
        yield running


@pytest.fixture(scope="module")
def acme(front: Front) -> Iterator[Client]:
    with Client(front.grpc, api_key=front.key("acme")) as client:
        yield client


def test_our_services_answer_with_the_id_that_the_edge_made(acme: Client) -> None:
    first = acme.understand("summon the cleaning crew to aisle five", request_id="mine")
    second = acme.understand("summon the cleaning crew to aisle five")
    assert (first.intent, first.decision) == ("SUMMON_TEAM", "execute")
    assert len({first.request_id, second.request_id, "mine", ""}) == 4


def test_any_model_answers_with_arrays(acme: Client) -> None:
    answer = acme.infer("intent", {"text": text_column("call Mai", "how is the weather")}, outputs=["intent_scores"])
    assert list(answer) == ["intent_scores"]
    assert answer["intent_scores"].shape == (2, len(INTENTS))
    np.testing.assert_allclose(answer["intent_scores"].sum(axis=1), 1.0, atol=1e-3)
    assert (answer.model, answer.version) == ("intent", "1")
    assert answer.request_id


def test_a_model_that_streams_does_so_through_the_edge(acme: Client) -> None:
    with acme.stream("piper", {"text": text_column("One sentence. And another.")}) as answers:
        spoken = list(answers)
    assert [answer["sample_rate"].tolist() for answer in spoken] == [[[22050]], [[22050]]]
    assert answers.request_id


def test_leaving_a_models_stream_leaves_the_model_usable(acme: Client) -> None:
    with acme.stream("piper", {"text": text_column("One sentence. " * 20)}) as answers:
        next(answers)
    assert acme.speak("Fine.").duration_s > 0.2


def test_the_repository_and_its_health_are_told(acme: Client) -> None:
    assert {(model.name, model.ready) for model in acme.models()} == {("intent", True), ("piper", True)}
    assert acme.ready("intent")
    assert acme.ready("intent", version="1")


def test_a_model_that_is_not_there_is_told_as_such(acme: Client) -> None:
    with pytest.raises(ModelNotFound) as caught:
        acme.infer("nobody", {"text": text_column("x")})
    assert caught.value.request_id


def test_a_wrong_key_is_told_with_its_calls_id(front: Front, acme: Client) -> None:
    with Client(front.grpc, api_key="not a key") as client, pytest.raises(Unauthenticated) as caught:
        client.understand("hello")
    assert caught.value.request_id


def test_a_model_of_somebody_elses_is_refused(front: Front) -> None:
    with Client(front.grpc, api_key=front.key("beta")) as client, pytest.raises(PermissionDenied):
        client.infer("intent", {"text": text_column("x")}, idempotent=True)


def test_a_limit_is_waited_for_as_the_edge_says(front: Front) -> None:
    key = front.key("slow")
    with Client(front.grpc, api_key=key) as client:
        assert [client.understand("call Mai").intent for _ in range(3)] == ["DIAL_PERSON"] * 3
    with Client(front.grpc, api_key=key, retries=Retries(attempts=1)) as client, pytest.raises(TooMuch) as caught:
        _ = [client.understand("call Mai") for _ in range(20)]
    assert caught.value.retry_after_s == 1.0


async def test_calls_of_an_async_client_run_at_once(front: Front) -> None:
    async with AsyncClient(front.grpc, api_key=front.key("acme")) as client:
        texts = ["call Mai", "summon the team", "how is the weather"] * 5
        understood = await asyncio.gather(*(client.understand(text) for text in texts))
        assert [one.text for one in understood] == texts
        assert len({one.request_id for one in understood}) == len(texts)
        async with client.speak_stream("One sentence. And another.") as sentences:
            assert len([sentence async for sentence in sentences]) == 2
