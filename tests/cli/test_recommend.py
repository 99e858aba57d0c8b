"""`conch recommend` and `conch track`: what is printed, and what is read."""

from io import StringIO
from uuid import UUID

import pytest
from rich.console import Console

from conch.catalogue.columns import Columns
from conch.catalogue.importing import bring_in
from conch.cli.recommend import event_in, table_of, why
from conch.cli.titles import titles_of
from conch.contracts.errors import InvalidRequest
from conch.contracts.identifiers import uuid_of
from conch.contracts.recommendation import Item, Provenance, Recommendation
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.memory_features import MemoryFeatures


def test_an_items_reasons_are_one_line():
    reason = Provenance(("semantic", "category_liked"), because_master="m1", changes=("boosted", "flash_sale"))
    assert why(Item("p", "m", 1.0, provenance=reason)) == "semantic, category_liked of m1; boosted; flash sale"
    assert why(Item("p", "m", 1.0)) == ""


def test_a_narrow_table_has_whole_pids_and_titles_where_they_are_known():
    pid, master = str(UUID(int=7)), str(UUID(int=8))
    items = (
        Item(pid, master, 0.5, 129.99, Provenance(("semantic", "category_viewed"), because_master=master)),
        Item(pid, pid, 0.25, 1.0, Provenance(("popular",))),
    )
    screen = Console(width=80, file=StringIO())
    screen.print(
        table_of(Recommendation("r", items, "control"), {master: "Mauve [Leather] Daypack of Many Words Indeed"})
    )
    told = screen.file.getvalue()
    assert told.count(pid) == 2
    assert told.count("Mauve [Leather] Daypack of Many") == 1
    assert max(map(len, told.splitlines())) <= 80
    # The reason has as many lines as it needs.
    assert {"category_viewed", "129.99", "popular", "Daypack"} <= set(told.split())


def test_titles_are_those_of_the_catalogue_that_is_here(tmp_path):
    folder = CatalogueFolder.of(tmp_path, "default")
    assert titles_of(folder, ["m"]) == {}
    (tmp_path / "products.csv").write_text("pid,master,name,price\na,m,Lamp,1\nb,n,,2\n")
    bring_in(folder, MemoryFeatures(), [tmp_path / "products.csv"], Columns.read())
    lamp, other, unknown = (str(uuid_of("default", key)) for key in ("m", "n", "x"))
    assert titles_of(folder, [lamp, "", other, unknown]) == {lamp: "Lamp"}


def test_an_events_catalogue_is_the_callers_own():
    assert event_in('{"kind": "view", "catalogue": "other", "pid": "p"}', 1) == {"kind": "view", "pid": "p"}


@pytest.mark.parametrize("line", ["{", "[1]", '"view"'])
def test_a_line_that_is_no_event_is_named(line):
    with pytest.raises(InvalidRequest, match="line 7"):
        event_in(line, 7)
