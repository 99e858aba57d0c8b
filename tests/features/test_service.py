"""Which catalogues of a host are taken up."""

import logging
from contextlib import closing
from pathlib import Path

import pytest

from conch.features.service import Service
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.ids import IdWriter, Kind
from conch.stores.snapshot import About, empty, publish

NOBODY = "127.0.0.1:1"


def taken_up(catalogues: Path, caplog: pytest.LogCaptureFixture) -> list[str]:
    """In one turn."""
    caplog.clear()
    turns = iter([False])
    with (
        caplog.at_level(logging.INFO),
        closing(Service(catalogues, NOBODY, heartbeat=lambda: None, pause=lambda _: None)) as service,
    ):
        service.run(lambda: next(turns, True))
    return [record.getMessage() for record in caplog.records if "kept" in record.getMessage()]


def test_a_catalogue_that_is_being_made_is_taken_up_with_its_first_snapshot(tmp_path, caplog):
    # Without one nobody knows whose offer a pid is: lists of views, packed then, would name no master.
    folder = CatalogueFolder.of(tmp_path, "acme")
    ids = IdWriter(folder.ids, folder.name)
    ids.allot_texts(Kind.CATEGORIES, ["lamps"])
    ids.publish()
    assert taken_up(tmp_path, caplog) == []
    publish(folder.snapshot, empty(), About(ids_generation=1, written_ms=0, positions={}))
    assert taken_up(tmp_path, caplog) == ["catalogue acme is kept"]
