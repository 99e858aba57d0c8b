"""Each family packs what is documented, leaves out what the catalogue does not know, and refuses what is of no use."""

import math

import numpy as np
import pytest

from conch.contracts.errors import InvalidRequest
from conch.contracts.features import LAYOUTS, Family, Stamp, unpack
from conch.contracts.identifiers import texts_of, uuids_of
from conch.contracts.keys import FAMILIES, CatalogueKeys
from conch.contracts.provenance import NO_REASON
from conch.features.families import RELATIONS_PACKED
from conch.features.packing import FAMILY_OF, FLASH_SALE, OUT_OF_STOCK, Packer, mended
from conch.features.reconciling import rebuilt
from conch.recommendation import choosing
from conch.stores.features import Hash, List, SortedSet, Value
from conch.stores.ids import IdWriter, Kind

STAMP = Stamp(1, 5_000, 2)


@pytest.fixture
def packer(tmp_path) -> Packer:
    ids = IdWriter(tmp_path, "default")
    ids.allot(Kind.MASTERS, uuids_of("default", ["m0", "m1", "m2"]))
    ids.allot(Kind.PIDS, uuids_of("default", ["p0", "p1", "p2"]))
    ids.allot_texts(Kind.CATEGORIES, ["lamps", "rugs"])
    ids.allot_texts(Kind.SELLERS, ["s:1"])
    return Packer(CatalogueKeys(), ids.publish(), np.array([2, 0], np.uint32))


def packed(packer: Packer, key: str, value: Value) -> dict[str, list[float]]:
    feature = unpack(packer.packed(key, value, STAMP), FAMILY_OF[key.rsplit(":", 1)[0]])
    assert (feature.stamp, feature.generation) == (STAMP, 1)
    return {name: column.tolist() for name, column in feature.columns.items()}


@pytest.mark.parametrize(
    ("key", "value", "columns"),
    [
        ("master:sem:m0", SortedSet({"m1": 0.5, "m2": 0.75, "?": 1}), {"ids": [2, 1], "scores": [0.75, 0.5]}),
        ("master:co_view:m0", SortedSet({"m2": 3, "m1": 3}), {"ids": [1, 2], "scores": [3, 3]}),
        ("cat:co_view:lamps", SortedSet({"rugs": 2, "?": 9}), {"ids": [1], "scores": [2]}),
        ("cat:rels:lamps", SortedSet({"rugs": 2}), {"ids": [1], "scores": [2]}),
        ("cat:bestsellers:lamps", SortedSet({"p0": 1, "p2": 4}), {"ids": [2, 0], "scores": [4, 1]}),
        ("user:recent_cats:u", SortedSet({"rugs": 2}), {"ids": [1], "weights": [2], "times": [5_000]}),
        # p2 came after the snapshot: its master is not known yet.
        ("user:views:u", List(["p1", "?", "p2", "p1"]), {"pids": [1, 2, 1], "masters": [0, NO_REASON, 0]}),
        ("user:bought:u", SortedSet({"p0": 7, "p1": 9, "p2": 8}), {"masters": [0, 2], "times": [9, 7]}),
        (
            "master:pids:m0",
            Hash({"p0": "9.5:s:1:4.5", "p1": "8::", "?": "1:s:1"}),
            {"pids": [0, 1], "prices": [9.5, 8], "sellers": [0, NO_REASON], "ratings": [4.5, 0]},
        ),
        ("master:sem:m0", SortedSet({}), {"ids": [], "scores": []}),
        (
            "user:segment:u",
            Hash({"segment": "vip", "experiment": "spring", "time": "9"}),
            {"segments": [b"vip"], "experiments": [b"spring"], "times": [9]},
        ),
    ],
)
def test_a_documented_value_is_packed(packer, key, value, columns):
    assert packed(packer, key, value) == columns


def test_what_is_not_known_is_counted(packer):
    packed(packer, "master:sem:m0", SortedSet({"m1": 1, "?": 1, "!": 1}))
    assert packer.unknown == 2


def test_of_many_relations_the_best_are_packed(tmp_path):
    ids = IdWriter(tmp_path, "default")
    names = [f"m{number}" for number in range(300)]
    ids.allot(Kind.MASTERS, uuids_of("default", names))
    packer = Packer(CatalogueKeys(), ids.publish(), np.zeros(0, np.uint32))
    columns = packed(packer, "master:sem:x", SortedSet({name: place for place, name in enumerate(names)}))
    assert columns["ids"] == list(range(299, 299 - RELATIONS_PACKED, -1))


def test_uuids_are_known_by_any_spelling(packer):
    (name,) = texts_of(uuids_of("default", ["m1"]))
    assert packed(packer, "master:sem:m0", SortedSet({name.upper(): 1.0}))["ids"] == [1]


@pytest.mark.parametrize(
    ("fields", "columns"),
    [
        ({"boost": "1.5", "expiry": "1900000000000"}, (1.5, math.nan, 1_900_000_000_000, 0)),
        ({"ad_bid": "2", "flash_sale": "true"}, (math.nan, 2.0, 0, FLASH_SALE)),
        ({"out_of_stock": "1", "flash_sale": "0", "other": "x"}, (math.nan, math.nan, 0, OUT_OF_STOCK)),
        # The ranker ignores and counts what is negative; what is no number is told to it as that.
        ({"boost": "-2", "ad_bid": "much"}, (-2.0, -1.0, 0, 0)),
        ({"boost": "nan", "ad_bid": "inf"}, (-1.0, -1.0, 0, 0)),
        ({"expiry": "soon"}, (math.nan, math.nan, 0, 0)),
        ({}, (math.nan, math.nan, 0, 0)),
    ],
)
def test_a_promo_is_one_row(packer, fields, columns):
    found = packed(packer, "promo:p0", Hash(fields))
    np.testing.assert_equal([found[name][0] for name in ("boost", "ad_bid", "expiry", "flags")], columns)


def test_the_ranker_knows_the_same_flags():
    assert (OUT_OF_STOCK, FLASH_SALE) == (choosing.OUT_OF_STOCK, choosing.FLASH_SALE)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("master:sem:m0", List(["m1"]), "master:sem:m0: it is a list, not a sorted set"),
        ("user:views:u", Hash({}), "user:views:u: it is a hash, not a list"),
        ("promo:p0", SortedSet({}), "promo:p0: it is a sorted set, not a hash"),
        (
            "promo:p0",
            Hash({"expiry": "1700000"}),
            "expiry is 1700000, it is epoch milliseconds and at least 1000000000",
        ),
        ("promo:p0", Hash({"flash_sale": "maybe"}), "flash_sale is 'maybe', it is 1 or 0"),
        ("master:sem:m0", SortedSet({"m1": math.nan}), "the score of 'm1' is nan"),
        ("master:sem:m0", SortedSet({"x" * 201: 1}), "a member is no id: an id has 201 characters"),
        ("master:pids:m0", Hash({"p0": "cheap:s:1"}), "an offer is 'cheap:s:1', not price:seller:rating"),
        ("master:pids:m0", Hash({"p0": "-1:s:1"}), "an offer is '-1:s:1', not price:seller:rating"),
        ("master:pids:m0", Hash({"p0": "1"}), "an offer is '1', not price:seller:rating"),
        ("user:segment:u", Hash({"segment": "vip", "time": "9"}), "experiment is '', it has 1 to 64 bytes"),
        (
            "user:segment:u",
            Hash({"segment": "vip", "experiment": "spring", "time": "today"}),
            "time is 'today', it is epoch milliseconds",
        ),
        ("rec:1", List([]), "'rec:1' is no documented key of catalogue default"),
        ("other:master:sem:m0", SortedSet({}), "is no documented key"),
        ("master:sem:a b", SortedSet({}), "is no documented key"),
    ],
)
def test_what_cannot_be_packed_is_refused_with_its_reason(packer, key, value, reason):
    with pytest.raises(InvalidRequest) as refused:
        packer.packed(key, value, STAMP)
    assert reason in refused.value.message


def test_every_documented_family_is_packed():
    assert set(FAMILY_OF) == set(FAMILIES)
    assert set(FAMILY_OF.values()) == set(LAYOUTS) - {Family.SERVED}


def test_the_keys_of_a_named_catalogue_are_its_own():
    keys = CatalogueKeys("acme")
    assert keys.parsed(keys.promo("p")) == ("promo", "p")
    assert keys.parsed("promo:p") is None
    assert CatalogueKeys().parsed(keys.promo("p")) is None
    assert keys.full("promo:p") == keys.promo("p")


def test_what_is_written_over_is_newer_by_its_time_or_by_a_mending(packer):
    standing = packer.packed("master:sem:m0", SortedSet({}), Stamp(3, 1_000, 4))
    assert mended(standing, 2_000) == Stamp(3, 2_000, 0)
    assert mended(standing, 900) == Stamp(3, 1_000, 5)
    assert mended(None, 900) == Stamp(0, 900, 0)
    assert mended(b"unreadable", 900) == Stamp(0, 900, 0)
    # What nobody wrote stays as old as it was.
    assert rebuilt(standing, 2_000) == Stamp(3, 1_000, 5)
    assert rebuilt(None, 2_000) == Stamp(0, 2_000, 0)
