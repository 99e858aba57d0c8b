"""Recommend, Related, BestSellers, Rerank and Track on both faces of a gateway, over a real Redis and a real event log:
the same answers and the same refusals."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict

from conch.clients.edge import Client, Retries
from conch.clients.kafka import KafkaEventLog
from conch.clients.status import error_of
from conch.contracts.errors import ConchError, InvalidRequest, NotFound, TooMuch
from conch.contracts.events import EVENTS, Order, decode
from conch.contracts.pb.recommend.v1 import recommend_pb2 as pb
from conch.contracts.pb.recommend.v1.recommend_pb2_grpc import RecommendStub
from conch.contracts.recommendation import Wish
from gateway.addresses import Addresses
from gateway.recommending.recommending import CANDIDATES_STATES as STATES
from tests.gateway.conftest import CALLERS, quick_settings, running
from tests.kafka_broker import running_kafka
from tests.made_up_shop import ShopStack
from tests.recommend_twin import RecommendTwin

JSON = {"Content-Type": "application/json"}

PATHS = {
    "Recommend": "/v1/recommend",
    "Related": "/v1/recommend/related",
    "BestSellers": "/v1/recommend/best-sellers",
    "Rerank": "/v1/recommend/rerank",
    "Track": "/v1/recommend/track",
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_kafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker.address


@pytest.fixture(scope="module")
def twin(shop_stack: ShopStack) -> Iterator[RecommendTwin]:
    twin = RecommendTwin(shop_stack.environment)
    yield twin
    twin.close()


@pytest.fixture
async def shop(shop_stack: ShopStack, twin: RecommendTwin, broker: str) -> AsyncIterator[Addresses]:
    settings = quick_settings(
        catalogues=str(shop_stack.catalogues), redis_address=shop_stack.redis.address, events_address=broker
    )
    async with running(settings, twin.inference) as addresses:
        yield addresses


class Grpc:
    def __init__(self, addresses: Addresses) -> None:
        self._address = addresses.grpc

    async def ask(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        # protobuf's JSON has NaN and Infinity as text.
        body = json.loads(json.dumps(_as_message(method, body)), parse_constant=str)
        request = ParseDict(body, getattr(pb, f"{method}Request")())
        async with grpc.aio.insecure_channel(self._address) as channel:
            try:
                reply = await getattr(RecommendStub(channel), method)(request, timeout=30)
            except grpc.aio.AioRpcError as error:
                raise error_of(error.code(), error.details() or "", None) from None
        return MessageToDict(reply, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


class Http:
    def __init__(self, addresses: Addresses) -> None:
        self._url = f"http://{addresses.http}"

    async def ask(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        async with httpx.AsyncClient(base_url=self._url, timeout=30, trust_env=False) as client:
            # NaN and Infinity are written as they are: no JSON, but what careless programs send.
            answer = await client.post(PATHS[method], content=json.dumps(body), headers=JSON)
        if answer.status_code != 200:
            error = answer.json()["error"]
            raise {404: NotFound, 400: InvalidRequest, 413: TooMuch}[answer.status_code](error["message"])
        return dict(answer.json())


def _as_message(method: str, body: dict[str, Any]) -> dict[str, Any]:
    if method != "Track":
        return body
    return {"events": [{**event, "kind": event["kind"].upper()} for event in body["events"]]}


Shop = Grpc | Http


@pytest.fixture(params=[Grpc, Http], ids=["grpc", "http"])
def face(request: pytest.FixtureRequest, shop: Addresses) -> Shop:
    made: Shop = request.param(shop)
    return made


async def some_item(face: Shop) -> dict[str, Any]:
    return dict((await face.ask("Recommend", {"k": 1}))["items"][0])


async def test_a_list_has_its_reasons_and_its_next_page(face: Shop) -> None:
    first = await face.ask("Recommend", {"user": "u1", "k": 3, "widget": "category"})
    assert len(first["items"]) == 3
    assert first["more"]
    assert first["items"][0].keys() == {"pid", "master", "score", "price", "provenance"}
    assert first["items"][0]["provenance"]["sources"]
    asked = {"user": "u1", "k": 3, "recommendation_id": first["recommendation_id"], "offset": 3}
    second = await face.ask("Recommend", asked)
    assert second["items"]
    assert not {one["pid"] for one in first["items"]} & {one["pid"] for one in second["items"]}
    with pytest.raises(NotFound, match="was served to this user"):
        await face.ask("Recommend", {**asked, "user": "u2"})


async def test_an_absent_item_is_explained(face: Shop) -> None:
    item = await some_item(face)
    answer = await face.ask("Recommend", {"exclude": [item["pid"]], "explain": item["master"]})
    assert answer["explanation"]["state"] == "excluded"
    assert item["master"] not in {one["master"] for one in answer["items"]}


async def test_related_best_sellers_and_rerank_answer(face: Shop) -> None:
    item = await some_item(face)
    related = await face.ask("Related", {"item": item["pid"], "k": 3})
    assert related["source"] in ("relations", "category_best_sellers")
    assert len(related["related"]) == 3
    best = await face.ask("BestSellers", {"k": 4})
    assert len(best["items"]) == 4
    candidates = [{"master": one["master"], "score": 1.0} for one in best["items"]]
    candidates = list({one["master"]: one for one in candidates}.values())
    reranked = await face.ask("Rerank", {"candidates": [*candidates, {"master": "stranger", "score": 1.0}]})
    assert reranked["unknown"] == ["stranger"]
    assert len(reranked["items"]) + sum(reranked["dropped"].values()) == len(candidates)


async def test_tracked_events_are_in_the_log_and_bad_ones_are_named(face: Shop, broker: str) -> None:
    user = f"tracked-by-{type(face).__name__}"
    order = {"kind": "order", "user": user, "pid": "p", "quantity": 2, "price": 9.5}
    answer = await face.ask("Track", {"events": [order, {"kind": "click", "user": user}, order]})
    assert answer["accepted"] == 2
    assert [one["index"] for one in answer["refused"]] == [1]
    log = KafkaEventLog(broker)
    records = await asyncio.to_thread(lambda: list(log.read(EVENTS, 30)))
    mine = [decode(record.value) for record in records if record.key == f"default:{user}"]
    assert len(mine) == len({event.id for event in mine}) == 2
    assert all(isinstance(event, Order) and (event.quantity, event.price) == (2, 9.5) for event in mine)


async def test_what_is_no_event_at_all_is_named_by_its_place_in_json_too(shop: Addresses) -> None:
    good = {"kind": "click", "user": "u", "pid": "p"}
    bad = [
        {},
        {"kind": 7},
        {"kind": "jump"},
        {**good, "colour": "red"},
        {**good, "position": "first"},
        {**good, "id": ["x"]},
    ]
    answer = await Http(shop).ask("Track", {"events": [good, *bad, good]})
    assert (answer["accepted"], [one["index"] for one in answer["refused"]]) == (2, [1, 2, 3, 4, 5, 6])
    with pytest.raises(InvalidRequest, match="events"):
        await Http(shop).ask("Track", {"events": ["click"]})


REFUSED: list[tuple[str, dict[str, Any], type[Exception], str]] = [
    ("Recommend", {"widget": "attic"}, NotFound, "home"),
    ("Recommend", {"variant": "blue"}, NotFound, "control"),
    ("Recommend", {"k": -1}, InvalidRequest, "k is -1"),
    ("Recommend", {"k": 1_000_000}, InvalidRequest, "k is 1000000"),
    ("Related", {"item": "no-such"}, NotFound, "no-such"),
    ("BestSellers", {"category": "no-such"}, NotFound, "no-such"),
    ("Rerank", {"candidates": []}, InvalidRequest, "0 candidates"),
    ("Recommend", {"user": "u" * 201}, InvalidRequest, "user"),
    ("Recommend", {"user": "a{b}"}, InvalidRequest, "braces"),
    ("Recommend", {"item": "i" * 1_001}, InvalidRequest, "characters"),
    ("Recommend", {"category": "c" * 1_001}, InvalidRequest, "characters"),
    ("Recommend", {"explain": "e" * 1_001}, InvalidRequest, "characters"),
    ("Recommend", {"exclude": ["x"] * 100_001}, InvalidRequest, "100001 ids, at most 100000"),
    ("Recommend", {"exclude": [""]}, InvalidRequest, "0 characters"),
    ("Recommend", {"exclude": ["x" * 300]}, InvalidRequest, "300 characters"),
    ("Recommend", {"offset": -1}, InvalidRequest, "offset is -1"),
    ("Recommend", {"recommendation_id": "seven"}, NotFound, "seven"),
    ("Related", {"item": "no-such", "k": -1}, InvalidRequest, "k is -1"),
    ("Related", {"item": "no-such", "k": 1_000_000}, InvalidRequest, "k is 1000000"),
    ("Related", {"item": "i" * 1_001}, InvalidRequest, "characters"),
    ("BestSellers", {"k": -1}, InvalidRequest, "k is -1"),
    ("BestSellers", {"k": 1_000_000}, InvalidRequest, "k is 1000000"),
    ("BestSellers", {"category": "c" * 1_001}, InvalidRequest, "characters"),
    ("Rerank", {"candidates": [{"master": "m", "score": math.nan}]}, InvalidRequest, "score"),
    ("Rerank", {"candidates": [{"master": "m", "score": math.inf}]}, InvalidRequest, "score"),
    ("Rerank", {"candidates": [{"master": "m", "score": 1}] * 2}, InvalidRequest, "same master"),
    ("Rerank", {"candidates": [{"master": "m" * 1_001, "score": 1}]}, InvalidRequest, "characters"),
    ("Rerank", {"candidates": [{"master": "m", "score": 1}], "widget": "attic"}, NotFound, "home"),
    ("Rerank", {"candidates": [{"master": "m", "score": 1}], "variant": "blue"}, NotFound, "control"),
    ("Rerank", {"candidates": [{"master": "m", "score": 1}], "k": -1}, InvalidRequest, "k is -1"),
    ("Rerank", {"candidates": [{"master": "m", "score": 1}], "k": 1_000_000}, InvalidRequest, "k is 1000000"),
    ("Track", {"events": [{"kind": "view", "user": "u", "pid": "p"}] * 1_001}, TooMuch, "1001 events"),
]


async def refusal(face: Shop, method: str, body: dict[str, Any]) -> ConchError | None:
    try:
        await face.ask(method, body)
    except ConchError as error:
        return error
    return None


async def test_refusals_are_the_same(face: Shop) -> None:
    for method, body, error, words in REFUSED:
        said = await refusal(face, method, body)
        assert isinstance(said, error), f"{method} of {str(body)[:100]}: {said!r}"
        assert words in said.message


NOBODY_KNOWS: list[dict[str, Any]] = [
    {},
    {"k": 0},
    {"user": "nobody-we-know"},
    {"item": "no-uuid"},
    {"category": "no-category"},
    {"exclude": ["no-uuid", "no-uuid"]},
    {"exclude": [f"{number:08x}-8f0e-4f57-9d0a-63f1f6d2c9aa" for number in range(100_000)]},
    {"item": "\u0000", "category": "\U0001f600"},
]


async def test_what_nobody_knows_is_answered_with_what_sells_and_says_so(face: Shop) -> None:
    for wish in NOBODY_KNOWS:
        answer = await face.ask("Recommend", wish)
        assert (answer["fallback"], len(answer["items"])) == ("best_sellers", 50), str(wish)[:100]


async def test_a_price_that_is_none_is_refused_by_its_index(face: Shop) -> None:
    orders = [{"kind": "order", "user": "u", "pid": "p", "price": price} for price in (math.nan, math.inf, -1.0, 1.0)]
    answer = await face.ask("Track", {"events": orders})
    assert (answer["accepted"], [one["index"] for one in answer["refused"]]) == (1, [0, 1, 2])


NO_WISHES = [
    (b"{", 400),
    (b"[]", 400),
    (b'{"user": "\xff"}', 400),
    (b'{"user": "\\ud800"}', 400),
    (b'{"k": "many"}', 400),
    (b'{"k": 1.5}', 400),
    (b'{"k": 1' + b"0" * 40 + b"}", 400),
    (b'{"colour": "red"}', 400),
    (b'{"exclude": [1]}', 400),
    (b" " * 50 * 2**20, 413),
]


async def test_what_is_no_wish_is_refused_in_the_shape_of_all_of_v1(shop: Addresses) -> None:
    async with httpx.AsyncClient(base_url=f"http://{shop.http}", timeout=30, trust_env=False) as client:
        for content, status in NO_WISHES:
            answer = await client.post("/v1/recommend", content=content, headers=JSON)
            assert answer.status_code == status, content[:100]
            assert answer.json()["error"].keys() >= {"message", "type", "code"}, content[:100]


async def test_the_description_tells_of_every_refusal_and_of_every_reason(shop: Addresses) -> None:
    async with httpx.AsyncClient(base_url=f"http://{shop.http}", timeout=30, trust_env=False) as client:
        described = (await client.get("/openapi.json")).json()
    for path in PATHS.values():
        told = described["paths"][path]["post"]["responses"]
        assert told.keys() >= {"200", "400", "403", "404", "413", "429", "503", "504"}, path
    states = described["components"]["schemas"]["ExplanationShape"]["properties"]["state"]["enum"]
    assert set(states) >= {*STATES, "served", "cut", "capped", "out_of_stock", "no_offer"} - {"looked_at"}


async def test_the_library_reads_what_the_gateway_says(shop: Addresses) -> None:
    def ask() -> None:
        with Client(shop.grpc, retries=Retries(attempts=1)) as client:
            answer = client.recommend(Wish(user="u1", k=2, explain="no-such"))
            assert len(answer.items) == 2
            assert answer.items[0].provenance.sources
            assert answer.explanation is not None
            assert (answer.explanation.state, answer.explanation.provenance) == ("unknown", None)
            event = {"kind": "view", "user": "by-library", "pid": "p"}
            tracked = client.track([event, {**event, "pid": ""}])
            assert (tracked.accepted, [one.index for one in tracked.refused]) == (1, [1])
            with pytest.raises(InvalidRequest, match=r"events\[0\].kind is 'dream', none of view, click"):
                client.track([{"kind": "dream"}])
            with pytest.raises(InvalidRequest, match="'colour'"):
                client.track([{"kind": "view", "colour": "red"}])

    await asyncio.get_running_loop().run_in_executor(CALLERS, ask)


async def test_the_description_tells_of_every_path(shop: Addresses) -> None:
    async with httpx.AsyncClient(base_url=f"http://{shop.http}", trust_env=False) as client:
        document = json.loads((await client.get("/openapi.json")).content)
    for path in PATHS.values():
        operation = document["paths"][path]["post"]
        assert operation["requestBody"]["content"]["application/json"]["schema"]["properties"]
        assert "$ref" in operation["responses"]["200"]["content"]["application/json"]["schema"]
