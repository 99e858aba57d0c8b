"""Who is forgotten is found in no store afterwards, and the log has a tombstone."""

from pathlib import Path

import pytest

from conch.cli.erasure import Erasure
from conch.clients.analytics import FileAnalytics
from conch.clients.memory_events import MemoryEventLog
from conch.clients.privacy import Deletion, MemoryPrivacy
from conch.contracts.errors import InvalidRequest, NotFound, Unavailable
from conch.contracts.events import FORGOTTEN, decode_forgotten
from conch.contracts.keys import CatalogueKeys
from conch.contracts.recommendation import Wish
from conch.contracts.segments import NEW, Exposure
from conch.features.reconciling import Reconciler
from conch.stores.features import Hash, List, SortedSet
from conch.stores.ids import Kind
from conch.stores.memory_features import MemoryFeatures
from conch.stores.redis_features import RedisFeatures
from gateway.recommending.tracking import Tracking
from tests.gateway.recommending.conftest import CALL, Shopping

USER, OTHER = "who-is-forgotten", "who-is-forgotten-not"
KEYS = CatalogueKeys()


def shopped(shopping: Shopping, hot: RedisFeatures, user: str) -> None:
    """Views, interests and purchases, as another program writes them."""
    reconciler = Reconciler(shopping.stack.catalogue, hot)
    reconciler.put(KEYS.views(user), List([shopping.uuid(Kind.PIDS, pid) for pid in range(5)]))
    reconciler.put(KEYS.recent_categories(user), SortedSet({shopping.category(0): 1.0}))
    reconciler.put(KEYS.bought(user), SortedSet({shopping.uuid(Kind.PIDS, 9): 1.0}))
    reconciler.put(KEYS.segment(user), Hash(Exposure(NEW, "spring", 1).fields))


def keys_of(hot: RedisFeatures, user: str) -> set[str]:
    """All that Redis has of a user, by its own words."""
    mine = {key for key in (*hot.scan("*"), *hot.scan_packed("*")) if key.endswith(f":{user}")}
    return mine | set(hot.scan_packed(KEYS.served_to(user)))


def files_that_tell(folder: Path, user: str) -> list[str]:
    return [file.name for file in folder.rglob("*") if file.is_file() and user.encode() in file.read_bytes()]


async def test_nothing_of_the_user_is_found_in_any_store(shopping: Shopping, tmp_path: Path) -> None:
    hot = RedisFeatures(shopping.stack.redis.address, deadline_s=30)
    log, analytics = MemoryEventLog(), FileAnalytics(tmp_path / "told.jsonl")
    privacy = MemoryPrivacy([USER, OTHER, f"shop:{USER}"], "2026-12-01")
    lists = {}
    for user in (USER, OTHER):
        shopped(shopping, hot, user)
        await Tracking(log, analytics=analytics).track([{"kind": "click", "user": user, "pid": "p"}], CALL)
        served = await shopping.use_cases.recommending.recommend(Wish(user=user, k=2), CALL)
        assert served.more
        lists[user] = served.recommendation_id
        assert len(keys_of(hot, user)) == 5
    others = keys_of(hot, OTHER)

    done = await Erasure(log, hot, analytics, privacy).of(KEYS, USER)

    assert (done.redis_keys, done.analytics_events, done.left) == (5, 1, ())
    assert done.amplitude == Deletion("2026-12-01", "staging")
    assert privacy.known == {OTHER, f"shop:{USER}"}
    assert keys_of(hot, USER) == set()
    assert keys_of(hot, OTHER) == others
    assert files_that_tell(tmp_path, f'"{USER}"') == []
    assert files_that_tell(tmp_path, OTHER) == ["told.jsonl"]
    assert files_that_tell(shopping.stack.catalogues, USER) == []
    (tombstone,) = [record for record in log.records if record.topic == FORGOTTEN]
    assert decode_forgotten(tombstone.value).key == f"default:{USER}"
    answer = await shopping.use_cases.recommending.recommend(Wish(user=USER, k=2), CALL)
    assert answer.fallback
    page = Wish(user=USER, k=2, recommendation_id=lists[USER], offset=2)
    with pytest.raises(NotFound, match="was served to this user"):
        await shopping.use_cases.recommending.recommend(page, CALL)
    hot.delete(sorted(others))
    hot.close()


async def test_who_was_tracked_is_forgotten_whatever_his_id_is(tmp_path: Path) -> None:
    user, log, analytics = "Jane {Doe}", MemoryEventLog(), FileAnalytics(tmp_path / "told.jsonl")
    await Tracking(log, analytics=analytics).track([{"kind": "click", "user": user, "pid": "p"}], CALL)
    done = await Erasure(log, MemoryFeatures(), analytics).of(KEYS, user)
    assert (done.redis_keys, done.analytics_events, done.left) == (0, 1, ())
    (tombstone,) = [record for record in log.records if record.topic == FORGOTTEN]
    assert decode_forgotten(tombstone.value).user == user


@pytest.mark.parametrize("user", ["", "x" * 201], ids=["no id", "too long"])
async def test_what_is_nobodys_id_is_refused(user: str) -> None:
    log = MemoryEventLog()
    with pytest.raises(InvalidRequest, match="it must have 1 to 200"):
        await Erasure(log, MemoryFeatures()).of(KEYS, user)
    assert log.records == []


async def test_what_cannot_be_deleted_is_told_and_the_rest_is_gone(shopping: Shopping, tmp_path: Path) -> None:
    class Away(MemoryPrivacy):
        async def forget(self, catalogue: str, user: str) -> Deletion:
            raise Unavailable("amplitude.com answers 503")

    hot = RedisFeatures(shopping.stack.redis.address, deadline_s=30)
    shopped(shopping, hot, USER)
    analytics = FileAnalytics(tmp_path / "missing" / "told.jsonl")
    done = await Erasure(MemoryEventLog(), hot, analytics, Away([], "")).of(KEYS, USER)
    assert keys_of(hot, USER) == set()
    assert done.left == (
        "analytics file: told.jsonl cannot be written anew: No such file or directory",
        "Amplitude: amplitude.com answers 503",
    )
    hot.close()
