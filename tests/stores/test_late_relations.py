import threading
from collections.abc import Callable

import pytest

from conch.contracts.errors import Unavailable
from conch.stores.late_relations import LateRelations
from conch.stores.memory_relations import MemoryRelations
from conch.stores.relations import PackedRow, Relations

PATIENT_S = 30.0


@pytest.fixture
def relations() -> MemoryRelations:
    relations = MemoryRelations()
    relations.write([PackedRow("a", b"x" * 32)])
    return relations


def test_a_first_read_waits_for_what_is_being_opened(relations):
    go = threading.Event()

    def opens() -> Relations:
        go.wait(PATIENT_S)
        return relations

    late = LateRelations(opens)
    late.begin()
    threading.Timer(0.05, go.set).start()
    assert late.read(["a", "b"], PATIENT_S) == [b"x" * 32, None]
    late.close()


def test_it_waits_no_longer_than_its_caller_has_time_and_the_next_one_finds_it_open(relations):
    go = threading.Event()

    def opens() -> Relations:
        go.wait(PATIENT_S)
        return relations

    late = LateRelations(opens)
    late.begin()
    with pytest.raises(Unavailable, match=r"not open within 0\.010 s"):
        late.read(["a"], 0.01)
    go.set()
    assert late.read(["a"], PATIENT_S) == [b"x" * 32]
    late.close()


@pytest.mark.parametrize(
    "error", [Unavailable("the nodes are away"), ValueError("of a driver")], ids=["away", "broken"]
)
def test_what_does_not_open_is_tried_until_it_does(relations, error, caplog):
    tries: list[Callable[[], Relations]] = []

    def opens() -> Relations:
        tries.append(opens)
        if len(tries) < 4:
            raise error
        return relations

    late = LateRelations(opens, again_s=0.01)
    late.begin()
    assert late.read(["a"], PATIENT_S) == [b"x" * 32]
    assert len(tries) == 4
    assert str(error.args[0]) in caplog.text
    late.close()


def test_what_was_closed_is_not_opened_any_more():
    tried = threading.Event()

    def opens() -> Relations:
        tried.set()
        raise Unavailable("away")

    late = LateRelations(opens, again_s=PATIENT_S)
    late.begin()
    assert tried.wait(PATIENT_S)
    late.close()
    with pytest.raises(Unavailable):
        late.read(["a"], 0.0)
    assert "opens relations" not in {thread.name for thread in threading.enumerate()}
