"""What every store of durable relations does; test_relations.py runs it here, tests/services against a real node."""

import json
import time
from datetime import UTC, datetime
from uuid import UUID, uuid4

import numpy as np
import pytest

from conch.contracts.features import Family, Packed, Stamp, pack
from conch.stores.relations import Offers, PackedRow, Relations, SemanticRelations, Table

MADE = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
OLD, NEW = Stamp(1, 100, 0), Stamp(1, 200, 0)


def blob(*ids: int, stamp: Stamp = OLD) -> bytes:
    columns = {"ids": np.array(ids, np.uint32), "scores": np.ones(len(ids), np.float32)}
    return pack(Packed(Family.SEMANTIC, columns, 1, stamp))


def semantic(*related: UUID, source: str = "embedding:1") -> SemanticRelations:
    return SemanticRelations(dict.fromkeys(related, 0.5), MADE, source)


class RelationsSuite:
    def test_semantic_relations_come_back_with_their_packed_row(self, relations: Relations):
        master, others = uuid4(), [uuid4() for _ in range(1_000)]
        relations.put_semantic(master, semantic(*others), PackedRow("k", blob(1, 2)))
        assert relations.semantic(master) == semantic(*others)
        assert relations.semantic(uuid4()) is None
        assert list(relations.read(["k", "none"])) == [blob(1, 2), None]

    def test_co_view_and_related_categories_are_two_tables(self, relations: Relations):
        relations.put_co_view("shoes", {"socks": 0.75}, PackedRow("a", blob(1)))
        relations.put_related_categories("shoes", {"laces": 0.25}, PackedRow("b", blob(2)))
        assert dict(relations.co_view("shoes")) == {"socks": 0.75}
        assert dict(relations.related_categories("shoes")) == {"laces": 0.25}
        assert dict(relations.co_view("none")) == dict(relations.related_categories("none")) == {}

    def test_offers_keep_their_order_and_what_is_said_of_each(self, relations: Relations):
        master, pids = uuid4(), [uuid4(), uuid4()]
        offers = Offers(pids, {pids[0]: "9.99:seller-1:4.5", pids[1]: "8.50:seller-2:"})
        relations.put_offers(master, offers, PackedRow("k", blob(1)))
        assert relations.offers(master) == offers
        assert relations.offers(uuid4()) is None
        assert master in set(relations.offered())

    def test_a_newer_stamp_keeps_the_documented_and_the_packed_row(self, relations: Relations):
        master = uuid4()
        new, old = semantic(uuid4(), source="new"), semantic(uuid4(), source="old")
        relations.put_semantic(master, new, PackedRow("k", blob(1, stamp=NEW)))
        relations.put_semantic(master, old, PackedRow("k", blob(2, stamp=OLD)))
        assert relations.semantic(master) == new
        assert list(relations.read(["k"])) == [blob(1, stamp=NEW)]

    @pytest.mark.parametrize(("first", "second"), [(1, 2), (2, 1)], ids=["smaller first", "larger first"])
    def test_an_equal_stamp_overwrites_so_that_a_repeated_write_ends_the_same(
        self, relations: Relations, first: int, second: int
    ):
        relations.write([PackedRow("k", blob(first, stamp=NEW))])
        relations.write([PackedRow("k", blob(second, stamp=NEW)), PackedRow("l", blob(3))])
        assert list(relations.read(["k", "l"])) == [blob(second, stamp=NEW), blob(3)]

    def test_of_two_writes_of_one_stamp_no_part_of_the_first_is_left(self, relations: Relations):
        relations.put_co_view("shoes", {"socks": 0.75}, PackedRow("k", blob(2, stamp=NEW)))
        relations.put_co_view("shoes", {"laces": 0.25}, PackedRow("k", blob(1, stamp=NEW)))
        assert dict(relations.co_view("shoes")) == {"laces": 0.25}
        assert list(relations.read(["k"])) == [blob(1, stamp=NEW)]

    def test_a_later_epoch_outweighs_a_later_window(self, relations: Relations):
        rebuilt = Stamp(NEW.epoch + 1, OLD.window_end_ms)
        relations.put_co_view("shoes", {"socks": 0.75}, PackedRow("k", blob(1, stamp=NEW)))
        relations.put_co_view("shoes", {"laces": 0.25}, PackedRow("k", blob(2, stamp=rebuilt)))
        relations.put_co_view("shoes", {"hats": 0.5}, PackedRow("k", blob(3, stamp=NEW)))
        assert dict(relations.co_view("shoes")) == {"laces": 0.25}
        assert list(relations.read(["k"])) == [blob(2, stamp=rebuilt)]

    def test_of_one_key_that_comes_twice_the_newer_stands(self, relations: Relations):
        relations.write([PackedRow("k", blob(1, stamp=NEW)), PackedRow("k", blob(2, stamp=OLD))])
        assert list(relations.read(["k"])) == [blob(1, stamp=NEW)]

    def test_a_whole_catalogue_is_loaded_whatever_stands_there_and_newer_writes_follow(self, relations: Relations):
        master, pid = uuid4(), uuid4()
        later = Stamp(1, time.time_ns() // 1_000_000 + 60_000)
        relations.put_offers(master, Offers([], {}), PackedRow("k", blob(1, stamp=NEW)))
        row = (str(master), json.dumps([str(pid)]), json.dumps({str(pid): "9.99:s:4.5"}))
        relations.load(Table.OFFERS, [row], [PackedRow("k", blob(2))])
        assert relations.offers(master) == Offers([pid], {pid: "9.99:s:4.5"})
        assert list(relations.read(["k"])) == [blob(2)]
        relations.put_offers(master, Offers([pid], {}), PackedRow("k", blob(3, stamp=later)))
        assert relations.offers(master) == Offers([pid], {})

    def test_rows_of_every_table_are_loaded(self, relations: Relations):
        master, other = uuid4(), uuid4()
        row = (str(master), json.dumps({str(other): 0.5}), MADE.isoformat(), "embedding:1")
        relations.load(Table.SEMANTIC, [row], [])
        relations.load(Table.CO_VIEW, [("shoes", '{"socks": 0.75}')], [])
        relations.load(Table.RELATED_CATEGORIES, [("shoes", '{"laces": 0.25}')], [])
        assert relations.semantic(master) == semantic(other)
        assert dict(relations.co_view("shoes")) == {"socks": 0.75}
        assert dict(relations.related_categories("shoes")) == {"laces": 0.25}

    def test_many_keys_are_read_at_once_and_in_order(self, relations: Relations):
        relations.write([PackedRow(f"k:{number}", blob(number)) for number in range(0, 1_200, 2)])
        found = relations.read([f"k:{number}" for number in range(1_200)])
        assert list(found) == [None if number % 2 else blob(number) for number in range(1_200)]
        assert list(relations.read([])) == []

    def test_every_master_is_listed_once(self, relations: Relations):
        masters = {uuid4() for _ in range(520)}
        for number, master in enumerate(masters):
            relations.put_semantic(master, semantic(), PackedRow(f"m:{number}", blob(number)))
        listed = list(relations.masters())
        assert masters <= set(listed)
        assert len(listed) == len(set(listed))

    def test_deleted_rows_are_gone(self, relations: Relations):
        relations.write([PackedRow(key, blob(1)) for key in ("a", "b")])
        relations.delete(["a", "none"])
        assert list(relations.read(["a", "b"])) == [None, blob(1)]
