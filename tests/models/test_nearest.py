"""The nearest masters of a vector, in a made-up catalogue whose index was built by batch/."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from batch.relations import Order
from conch.contracts.errors import ConchError, Internal, InvalidRequest, Unavailable
from conch.contracts.identity import ANONYMOUS
from conch.contracts.keys import CATALOGUES_VARIABLE
from conch.contracts.specs import EMBEDDING_WIDTH, RANKED_MOST
from conch.models import meanings as shelves
from conch.models.base import Arrays, ModelContext, Row, strings
from conch.models.nearest import Nearest, OtherEmbedding
from conch.stores.ids import IdIndex, Kind
from conch.stores.meanings import MeaningsWriter
from tests.batch.shop import MASTERS, Shop, made, words


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Shop:
    """Read, and not changed."""
    shop = made(tmp_path_factory.mktemp("catalogues"))
    shop.run(Order(everything=True))
    return shop


@pytest.fixture(autouse=True)
def _looking_every_time(monkeypatch):
    monkeypatch.setattr(shelves, "LOOK_S", 0.0)


def loaded(catalogues: Path | None, built_with: str = "embedding 1") -> Nearest:
    environment = {CATALOGUES_VARIABLE: str(catalogues)} if catalogues else {}
    return Nearest.load(ModelContext(Path(), {"built_with": built_with}), environment)


def row(vector: np.ndarray, k: int | None = None, version: str | None = None, tenant: str = ANONYMOUS.tenant) -> Row:
    tensors = {"embedding": vector.astype(np.float32)}
    if k is not None:
        tensors["k"] = np.array([k], np.int32)
    if version is not None:
        tensors["vector_version"] = strings([version])
    return Row(tensors, replace(ANONYMOUS, tenant=tenant))


def answer(model: Nearest, asked: Row) -> Arrays:
    [found] = model.predict([asked])
    assert not isinstance(found, ConchError), found
    return found


def refusal(model: Nearest, asked: Row) -> ConchError:
    [found] = model.predict([asked])
    assert isinstance(found, ConchError)
    return found


def beside(folder: Path, version: str) -> None:
    """An index of another version of the embedding, with one master."""
    writer = MeaningsWriter(folder, version, EMBEDDING_WIDTH)
    writer.put(np.array([3], np.uint32), words("red shoes")[np.newaxis])
    writer.publish(1, 1)


def test_a_title_s_own_master_is_the_nearest_to_it(shop):
    titles = shop.titles()
    model = loaded(shop.folder.path.parent)
    for master in (0, 40, MASTERS - 1):
        found = answer(model, row(words(titles[master])))
        assert found["masters"][0] == master
        assert found["similarities"][0] == pytest.approx(1, abs=0.01)
        assert len(found["masters"]) == len(found["similarities"]) == 10


def test_masters_come_with_their_uuids_and_the_index_with_its_embedding(shop):
    found = answer(loaded(shop.folder.path.parent), row(words("anything"), k=5, version="1"))
    uuids = IdIndex.open(shop.folder.ids).uuids(Kind.MASTERS, found["masters"])
    assert found["master_uuids"].tolist() == uuids.tolist()
    assert found["embedding_version"].tolist() == ["1"]


def test_rows_that_were_batched_get_what_each_gets_alone(shop):
    model = loaded(shop.folder.path.parent)
    rows = [row(words("red"), k=3), row(words("blue"), k=50), row(np.zeros(EMBEDDING_WIDTH)), row(words("green"))]
    together = model.predict(rows)
    assert [len(one["masters"]) for one in together if not isinstance(one, ConchError)] == [3, 50, 10]
    assert isinstance(together[2], InvalidRequest)
    for asked, found in zip([rows[0], rows[1], rows[3]], [together[0], together[1], together[3]], strict=True):
        assert found["masters"].tolist() == answer(model, asked)["masters"].tolist()


@pytest.mark.parametrize("k", [-1, 0, RANKED_MOST + 1])
def test_a_k_beyond_sense_is_refused(shop, k):
    assert f"k is {k}, it must be from 1 to 1000" in refusal(loaded(None), row(words("red"), k=k)).message


def test_without_a_catalogue_nothing_is_near(shop):
    for model, tenant in ((loaded(None), "default"), (loaded(shop.folder.path.parent), "another")):
        found = answer(model, row(words("red"), tenant=tenant))
        assert (found["masters"].shape, found["master_uuids"].shape) == ((0,), (0, 16))
        assert found["embedding_version"].tolist() == [""]


def test_without_an_index_nothing_is_near(tmp_path):
    shop = made(tmp_path)
    found = answer(loaded(shop.folder.path.parent), row(words("red"), version="1"))
    assert len(found["masters"]) == 0


def test_what_nobody_offers_any_more_is_not_named_before_the_next_index(tmp_path):
    shop = made(tmp_path)
    shop.run(Order(everything=True))
    model = loaded(tmp_path)
    before = answer(model, row(words("red"), k=20))["masters"].tolist()
    shop.withdraw(set(before[:5]))
    after = answer(model, row(words("red"), k=15))["masters"].tolist()
    assert after == before[5:]


def test_a_new_generation_is_taken_up(tmp_path):
    shop = made(tmp_path)
    shop.run(Order(everything=True))
    model = loaded(tmp_path)
    answer(model, row(words("red")))
    shop.retitle({7: "a violin of old spruce"})
    shop.run(Order(everything=True, incremental=True))
    assert answer(model, row(words("a violin of old spruce")))["masters"][0] == 7


def test_a_damaged_generation_leaves_the_one_before(tmp_path):
    shop = made(tmp_path)
    shop.run(Order(everything=True))
    model = loaded(tmp_path)
    before = answer(model, row(words("red")))
    folder = shop.folder.nearest / "1"
    shutil.copytree(folder / "generation-1", folder / "generation-2")
    (folder / "generation-2/about.json").write_text("{}")
    (folder / "current").write_text("2\n")
    assert answer(model, row(words("red")))["masters"].tolist() == before["masters"].tolist()


def test_a_vector_of_another_embedding_is_refused_and_told_both(shop):
    error = refusal(loaded(shop.folder.path.parent), row(words("red"), version="2"))
    assert isinstance(error, OtherEmbedding)
    assert isinstance(error, Unavailable)
    assert error.message == "the vector is of embedding 2, this model fits 1"


def test_an_index_of_another_embedding_is_refused_and_told_both(shop):
    model = loaded(shop.folder.path.parent, "embedding 2")
    for version in (None, "2"):
        error = refusal(model, row(words("red"), version=version))
        assert isinstance(error, OtherEmbedding)
        assert error.message == "the index is of embedding 1, needed is 2"


def test_a_new_embedding_finds_its_index_beside_the_old_one(tmp_path):
    shop = made(tmp_path)
    shop.run(Order(everything=True))
    beside(shop.folder.nearest, "2")
    model = loaded(tmp_path, "embedding 1 2")
    old, new = (answer(model, row(words("red"), version=version)) for version in ("1", "2"))
    assert (old["embedding_version"].tolist(), new["embedding_version"].tolist()) == (["1"], ["2"])
    assert (len(old["masters"]), new["masters"].tolist()) == (10, [3])
    # Before and after, one alone fits, and nobody need say which.
    assert answer(loaded(tmp_path, "embedding 1"), row(words("red")))["embedding_version"].tolist() == ["1"]
    assert answer(loaded(tmp_path, "embedding 2"), row(words("red")))["embedding_version"].tolist() == ["2"]


def test_between_two_indexes_a_vector_must_say_which_is_its_own(tmp_path):
    shop = made(tmp_path)
    shop.run(Order(everything=True))
    beside(shop.folder.nearest, "2")
    error = refusal(loaded(tmp_path, "embedding 1 2"), row(words("red")))
    assert isinstance(error, InvalidRequest)
    assert error.message.startswith("there are indexes of embedding 1 and 2: vector_version must say")


@pytest.mark.parametrize("built_with", ["", "embedding", "intent 1"])
def test_a_config_that_does_not_say_what_it_fits_does_not_load(built_with):
    with pytest.raises(Internal, match="built_with"):
        loaded(None, built_with)
