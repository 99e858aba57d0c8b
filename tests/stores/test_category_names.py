from pathlib import Path

import pytest

from conch.catalogue.columns import Columns
from conch.catalogue.importing import bring_in
from conch.contracts.errors import InvalidRequest
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.category_names import CategoryNames
from conch.stores.ids import NONE, IdIndex, Kind
from conch.stores.memory_features import MemoryFeatures

CATEGORIES = "key,id,name,parent\nhg,17,Home & Garden,\nhot dispensed,18,Hot drinks,hg\nother,,home & garden,\n"
PRODUCTS = "pid,price,category\na,1,Home & Garden\nb,2,hot dispensed\nc,3,Food & Wine\nd,4,other\n"


@pytest.fixture
def folder(tmp_path: Path) -> CatalogueFolder:
    folder = CatalogueFolder.of(tmp_path, "default")
    for name, text in (("categories.csv", CATEGORIES), ("products.csv", PRODUCTS)):
        (tmp_path / name).write_text(text)
    files = [tmp_path / "categories.csv", tmp_path / "products.csv"]
    assert bring_in(folder, MemoryFeatures(), files, Columns.read()).bad_rows == 0
    return folder


CALLED = {
    "hg": "hg",
    "Home & Garden": "hg",
    "  home &  garden ": "hg",
    "17": "hg",
    "hot-dispensed": "hot-dispensed",
    "hot dispensed": "hot-dispensed",
    "Hot Dispensed": "hot-dispensed",
    "HOT DRINKS": "hot-dispensed",
    "Food & Wine": "Food-&-Wine",
    "food & wine": "Food-&-Wine",
    "other": "other",
}


@pytest.mark.parametrize(("called", "key"), CALLED.items(), ids=CALLED)
def test_a_category_is_meant_by_its_key_alias_or_name_as_it_is_typed(folder, called, key):
    ids = IdIndex.open(folder.ids)
    number = CategoryNames("default", folder.relations).number_of(called, ids)
    assert ids.text(Kind.CATEGORIES, number) == key


@pytest.mark.parametrize("called", ["nothing", " ", "{hg}", "Home", "19"])
def test_what_is_called_otherwise_is_none(folder, called):
    assert CategoryNames("default", folder.relations).number_of(called, IdIndex.open(folder.ids)) == NONE


def test_a_new_name_is_known_with_the_next_generation(folder, tmp_path):
    names, ids = CategoryNames("default", folder.relations), IdIndex.open(folder.ids)
    assert names.number_of("Toys", ids) == NONE
    (tmp_path / "categories.csv").write_text("key,name\nt,Toys\n")
    bring_in(folder, MemoryFeatures(), [tmp_path / "categories.csv"], Columns.read())
    ids = IdIndex.open(folder.ids)
    assert ids.text(Kind.CATEGORIES, names.number_of("toys", ids)) == "t"


def test_without_records_keys_alone_are_known(folder, tmp_path):
    ids = IdIndex.open(folder.ids)
    for names in (CategoryNames("default", None), CategoryNames("default", tmp_path / "gone.sqlite")):
        assert names.number_of("hot dispensed", ids) != NONE
        assert names.number_of("Hot drinks", ids) == NONE


def test_what_is_too_long_is_refused(folder):
    with pytest.raises(InvalidRequest, match="201"):
        CategoryNames("default", folder.relations).number_of("a" * 201, IdIndex.open(folder.ids))
