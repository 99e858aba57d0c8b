"""Related: relations, what the title is nearest to, what sells beside it."""

from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from conch.clients.inference import Arrays, CallOptions
from conch.clients.inprocess import InProcessInference
from conch.contracts.errors import InvalidRequest, NotFound, PermissionDenied
from conch.contracts.specs import EMBEDDING_WIDTH
from conch.stores.ids import Kind
from conch.stores.sqlite_relations import SqliteRelations
from gateway.recommending.relating import Relating
from gateway.recommending.shelf import number
from tests.gateway.recommending.conftest import CALL, Make, Shopping, call_of
from tests.recommend_twin import SPECS

NEIGHBOURS = [5, 6, 7]


def nearest_models(shopping: Shopping) -> InProcessInference:
    """They find the master itself, and three others."""

    def embedding(inputs: Arrays, call: CallOptions) -> Arrays:
        return {
            "embedding": np.ones((1, EMBEDDING_WIDTH), np.float32),
            "tokens": np.ones((1, 1), np.int32),
            "version": np.array([["1"]], object),
        }

    def nearest(inputs: Arrays, call: CallOptions) -> Arrays:
        assert inputs["vector_version"].tolist() == [["1"]]
        found = number([cold(shopping), *NEIGHBOURS])
        return {
            "masters": found[np.newaxis],
            "master_uuids": shopping.ids.uuids(Kind.MASTERS, found)[np.newaxis],
            "similarities": np.array([[1.0, 0.75, 0.5, 0.25]], np.float32),
            "embedding_version": np.array([["1"]], object),
        }

    return InProcessInference({"embedding": embedding, "nearest": nearest}, SPECS)


def warm(shopping: Shopping) -> int:
    return int(shopping.snapshot.columns.relation_masters[0])


def cold(shopping: Shopping) -> int:
    """One without relations, of a category that sells."""
    durable = SqliteRelations(shopping.stack.catalogue.relations)
    known = set(durable.masters())
    durable.close()
    names = ((dense, shopping.uuid(Kind.MASTERS, dense)) for dense in range(shopping.snapshot.masters))
    return next(dense for dense, name in names if UUID(name) not in known)


async def test_a_master_has_its_relations_whether_it_or_a_pid_of_it_is_named(shopping: Shopping) -> None:
    master = warm(shopping)
    name = shopping.uuid(Kind.MASTERS, master)
    pid = int(np.flatnonzero(shopping.snapshot.columns.pid_master == master)[0])
    by_master = await shopping.use_cases.relating.related(name, 5, CALL)
    by_pid = await shopping.use_cases.relating.related(shopping.uuid(Kind.PIDS, pid), 5, CALL)
    assert by_master == by_pid
    assert (by_master.source, by_master.degraded, len(by_master.masters)) == ("relations", (), 5)
    scores = [one.score for one in by_master.masters]
    assert scores == sorted(scores, reverse=True)


async def test_all_of_its_relations_come_from_the_durable_store(shopping: Shopping) -> None:
    name = shopping.uuid(Kind.MASTERS, warm(shopping))
    durable = SqliteRelations(shopping.stack.catalogue.relations)
    whole = durable.semantic(UUID(name))
    durable.close()
    assert whole is not None
    answer = await shopping.use_cases.relating.related(name, 1_000, CALL)
    assert {one.master: one.score for one in answer.masters} == {str(uuid): s for uuid, s in whole.related.items()}


async def test_while_redis_is_away_relations_are_the_durable_stores_and_it_is_told(shopping_at: Make) -> None:
    shopping = shopping_at(redis="127.0.0.1:1")
    answer = await shopping.use_cases.relating.related(shopping.uuid(Kind.MASTERS, warm(shopping)), 5, CALL)
    assert (len(answer.masters), answer.source) == (5, "relations")
    assert answer.degraded == ("redis: relations from the durable store",)


async def test_a_master_without_relations_has_what_its_title_is_nearest_to(shopping: Shopping) -> None:
    relating = Relating(nearest_models(shopping), shopping.shelves)
    answer = await relating.related(shopping.uuid(Kind.MASTERS, cold(shopping)), 2, CALL)
    assert answer.source == "nearest"
    assert [(one.master, one.score) for one in answer.masters] == [
        (shopping.uuid(Kind.MASTERS, 5), 0.75),
        (shopping.uuid(Kind.MASTERS, 6), 0.5),
    ]


async def test_without_an_index_it_has_what_sells_best_beside_it(shopping: Shopping) -> None:
    master = cold(shopping)
    answer = await shopping.use_cases.relating.related(shopping.uuid(Kind.MASTERS, master), 5, CALL)
    assert answer.source == "category_best_sellers"
    assert answer.masters
    assert shopping.uuid(Kind.MASTERS, master) not in {one.master for one in answer.masters}


@pytest.mark.parametrize("item", ["no-such", "0b6f6f0e-8f0e-4f57-9d0a-63f1f6d2c9aa"])
async def test_what_is_in_no_catalogue_is_not_found(shopping: Shopping, item: str) -> None:
    with pytest.raises(NotFound, match="no pid and no master"):
        await shopping.use_cases.relating.related(item, 5, CALL)


async def test_bad_questions_are_refused(shopping: Shopping) -> None:
    with pytest.raises(InvalidRequest, match="0 characters"):
        await shopping.use_cases.relating.related("", 5, CALL)
    with pytest.raises(InvalidRequest, match="k is 1001"):
        await shopping.use_cases.relating.related("x", 1_001, CALL)
    with pytest.raises(PermissionDenied):
        await shopping.use_cases.relating.related("x", 1, call_of(models=frozenset({"whisper"})))


async def test_another_tenants_catalogue_is_not_asked(shopping: Shopping) -> None:
    with pytest.raises(NotFound):
        await shopping.use_cases.relating.related(shopping.uuid(Kind.MASTERS, 0), 5, call_of("another"))


async def test_no_tenants_name_leads_out_of_the_folder(shopping: Shopping, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        await shopping.use_cases.relating.related(shopping.uuid(Kind.MASTERS, 0), 5, call_of("../catalogues/default"))
