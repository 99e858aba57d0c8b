"""The same story over a gateway's faces, a real event log and a real Redis, to the command that reports it; and after
it the user is forgotten."""

import asyncio
import json
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
from typer.testing import CliRunner

from conch.cli.main import app
from conch.clients.edge import Client, Retries
from conch.contracts.keys import CatalogueKeys
from conch.contracts.recommendation import Wish
from conch.features.reconciling import Reconciler
from conch.stores.features import List
from conch.stores.redis_features import RedisFeatures
from gateway.addresses import Addresses
from tests.gateway.conftest import CALLERS, quick_settings, running
from tests.gateway.recommending.test_segments import FILE
from tests.kafka_broker import running_kafka
from tests.made_up_shop import ShopStack
from tests.recommend_twin import RecommendTwin


def conch(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


class Shopper:
    """Asks by HTTP and tracks by gRPC, as a shop's page and its server may."""

    def __init__(self, addresses: Addresses, stack: ShopStack) -> None:
        self.user = f"shopper-{uuid.uuid4()}"
        self._addresses, self._stack = addresses, stack

    def asks(self) -> dict[str, Any]:
        with httpx.Client(base_url=f"http://{self._addresses.http}", timeout=60, trust_env=False) as client:
            answer = client.post("/v1/recommend", json={"user": self.user})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def told(self) -> tuple[str, str]:
        """By gRPC."""
        with Client(self._addresses.grpc, retries=Retries(attempts=1)) as client:
            answer = client.recommend(Wish(user=self.user))
        return answer.variant, answer.segment

    def views(self, pid: str) -> None:
        with closing(RedisFeatures(self._stack.redis.address, deadline_s=30)) as hot:
            Reconciler(self._stack.catalogue, hot).put(CatalogueKeys().views(self.user), List([pid]))

    def sees(self, answer: dict[str, Any]) -> None:
        event = {"kind": "impression", "user": self.user, "pid": answer["items"][0]["pid"]}
        event |= {name: answer[name] for name in ("recommendation_id", "variant", "segment")}
        with Client(self._addresses.grpc, retries=Retries(attempts=1)) as client:
            assert client.track([event]).accepted == 1


async def test_who_is_new_stays_new_until_forgotten(shop_stack: ShopStack, tmp_path: Path) -> None:
    file = tmp_path / "scenarios.toml"
    file.write_text(FILE)

    def story(addresses: Addresses, broker: str) -> None:
        shopper = Shopper(addresses, shop_stack)
        answer = shopper.asks()
        assert (answer["variant"], answer["segment"]) == ("treatment", "new")
        shopper.views(answer["items"][0]["pid"])
        assert shopper.told() == ("control", "returning")
        shopper.sees(answer)
        assert shopper.told() == ("treatment", "new")
        rows = map(
            json.loads, conch("experiments", "report", "--by-segment", "--json", "--events", broker).splitlines()
        )
        assert [(row["segment"], row["variant"], row["users"]) for row in rows] == [("new", "treatment", 1)]
        where = ["--redis", shop_stack.redis.address, "--events", broker, "--state", str(tmp_path)]
        conch("users", "forget", shopper.user, *where)
        shopper.views(answer["items"][0]["pid"])
        assert shopper.told() == ("control", "returning")

    with running_kafka(tmp_path) as broker, closing(RecommendTwin(shop_stack.environment, file)) as twin:
        settings = quick_settings(
            catalogues=str(shop_stack.catalogues),
            redis_address=shop_stack.redis.address,
            events_address=broker.address,
            scenarios=str(file),
        )
        async with running(settings, twin.inference) as addresses:
            await asyncio.get_running_loop().run_in_executor(CALLERS, story, addresses, broker.address)
    with shop_stack.redis.client() as redis:
        redis.delete(*redis.scan_iter("*shopper-*"), "none")
