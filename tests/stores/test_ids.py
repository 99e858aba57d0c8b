import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conch.contracts.errors import Internal, InvalidRequest
from conch.contracts.identifiers import texts_of, uuid_of, uuids_of
from conch.stores import generations
from conch.stores.ids import NONE, SEGMENTS, IdIndex, IdWriter, Kind

KEYS = st.lists(st.text("abc", min_size=1, max_size=3), max_size=30)


def uuids(*keys: str):
    return uuids_of("shop", keys)


def test_nothing_published_is_an_empty_index(tmp_path):
    index = IdIndex.open(tmp_path)
    assert (index.generation, index.size(Kind.PIDS)) == (0, 0)
    assert index.look_up(Kind.PIDS, uuids("a")).tolist() == [NONE]
    assert index.uuids(Kind.PIDS, np.array([0, NONE], np.uint32)).tolist() == [[0] * 16] * 2


@settings(deadline=None, max_examples=25)
@given(st.lists(KEYS, max_size=12))
def test_ids_are_dense_in_the_order_of_their_coming_and_stay(tmp_path_factory, batches):
    folder = tmp_path_factory.mktemp("ids")
    expected: dict[str, int] = {}
    for batch in batches:
        writer = IdWriter(folder, "shop")
        found = writer.allot(Kind.MASTERS, uuids(*batch))
        for key in batch:
            expected.setdefault(key, len(expected))
        assert found.tolist() == [expected[key] for key in batch]
        writer.publish()
    index = IdIndex.open(folder)
    assert index.size(Kind.MASTERS) == len(expected)
    assert index.look_up(Kind.MASTERS, uuids(*expected)).tolist() == list(expected.values())
    ids = np.array(list(expected.values()), np.uint32)
    np.testing.assert_array_equal(index.uuids(Kind.MASTERS, ids), uuids(*expected))


def test_ids_whose_first_halves_are_equal_are_told_apart(tmp_path):
    twins = np.zeros((5, 16), np.uint8)
    twins[:, 15] = range(5)
    writer = IdWriter(tmp_path, "shop")
    writer.allot(Kind.PIDS, twins[[3, 1, 0, 4]])
    index = writer.publish()
    assert index.look_up(Kind.PIDS, twins).tolist() == [2, 1, NONE, 0, 3]


def test_many_small_publications_are_written_as_one(tmp_path):
    for number in range(3 * SEGMENTS):
        writer = IdWriter(tmp_path, "shop")
        writer.allot(Kind.PIDS, uuids(str(number)))
        writer.allot_texts(Kind.BRANDS, [f"brand {number}", "brand 0"])
        writer.publish()
    index = IdIndex.open(tmp_path)
    folder = generations.folder_of(tmp_path, index.generation)
    assert len(list(folder.glob("pids-*.uuids.npy"))) <= SEGMENTS
    assert index.look_up(Kind.PIDS, uuids("0", "9", "23", "24")).tolist() == [0, 9, 23, NONE]
    assert [index.text(Kind.BRANDS, dense) for dense in (0, 1, 23, 24)] == ["brand 0", "brand 1", "brand 23", ""]


def test_a_reader_keeps_its_generation_while_another_is_published(tmp_path):
    writer = IdWriter(tmp_path, "shop")
    writer.allot(Kind.PIDS, uuids("a"))
    old = writer.publish()
    writer.allot(Kind.PIDS, uuids("b"))
    new = writer.publish()
    assert (old.generation, new.generation) == (1, 2)
    assert old.look_up(Kind.PIDS, uuids("a", "b")).tolist() == [0, NONE]
    assert new.look_up(Kind.PIDS, uuids("a", "b")).tolist() == [0, 1]


def test_nothing_new_publishes_no_generation(tmp_path):
    writer = IdWriter(tmp_path, "shop")
    writer.allot(Kind.PIDS, uuids("a"))
    writer.publish()
    writer.allot(Kind.PIDS, uuids("a"))
    assert writer.publish().generation == 1


def test_what_a_crash_left_half_written_is_not_seen_and_goes(tmp_path):
    half = generations.folder_of(tmp_path, 1)
    half.mkdir(parents=True)
    (half / "pids-0.uuids.npy").write_bytes(b"half")
    assert IdIndex.open(tmp_path).generation == 0
    writer = IdWriter(tmp_path, "shop")
    writer.allot(Kind.PIDS, uuids("a"))
    assert writer.publish().look_up(Kind.PIDS, uuids("a")).tolist() == [0]


def test_an_older_generation_is_never_published_over_a_newer_one(tmp_path):
    generations.publish(tmp_path, 2, lambda folder: None)
    with pytest.raises(Internal, match="generation 2 is not newer than 2"):
        generations.publish(tmp_path, 2, lambda folder: None)


def test_a_pointer_that_is_no_number_is_named(tmp_path):
    (tmp_path / "current").write_text("seven")
    with pytest.raises(Internal, match="'seven'"):
        IdIndex.open(tmp_path)


def test_a_uuid_stays_itself_and_any_other_key_becomes_one():
    text = "6579c22f-be2b-444c-a52b-0116dd82df6c"
    assert texts_of(uuids(text, text.upper())) == [text, text]
    assert uuid_of("shop", "SKU-1") == uuid_of("shop", "SKU-1") != uuid_of("other", "SKU-1")
    assert uuid_of("shop", "SKU-1").version == 5
    with pytest.raises(InvalidRequest, match="0 characters"):
        uuid_of("shop", "")


def test_hundreds_of_thousands_are_allotted_at_once_and_their_likes_are_one(tmp_path):
    many = np.random.default_rng(7).integers(0, 256, (200_000, 16), np.uint8)
    writer = IdWriter(tmp_path, "shop")
    twice = np.concatenate([many, many[::-1]])
    numbers = np.arange(len(many))
    np.testing.assert_array_equal(writer.allot(Kind.PIDS, twice), np.concatenate([numbers, numbers[::-1]]))
    np.testing.assert_array_equal(writer.allot(Kind.PIDS, many[5:9]), [5, 6, 7, 8])
    np.testing.assert_array_equal(writer.publish().look_up(Kind.PIDS, many), numbers)


def test_many_small_allotments_before_one_publication_are_one_segment(tmp_path):
    writer = IdWriter(tmp_path, "shop")
    for number in range(3 * SEGMENTS):
        assert writer.allot_texts(Kind.SELLERS, [f"seller {number}", "seller 0"]).tolist() == [number, 0]
    index = writer.publish()
    assert [index.text(Kind.SELLERS, dense) for dense in (0, 23, 24)] == ["seller 0", "seller 23", ""]
    assert [path.name for path in sorted(tmp_path.glob("generation-1/*.json"))] == ["sellers-0.texts.json"]
