"""What the gateway knows of catalogues whose files are damaged."""

import shutil
import uuid
from contextlib import closing

import pytest

from conch.clients.memory_events import MemoryEventLog
from conch.contracts.errors import Unavailable
from conch.contracts.experiments import Arm, Experiment
from conch.contracts.segments import NEW
from conch.stores import generations
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.memory_features import MemoryFeatures
from gateway.recommending import shelf
from gateway.recommending.exposing import Exposing
from gateway.recommending.shelf import Shelves
from gateway.recommending.tracking import Tracking
from tests.batch.shop import made
from tests.gateway.recommending.conftest import call_of


@pytest.fixture
def acme(tmp_path, monkeypatch) -> CatalogueFolder:
    """Beside the default one; it is looked every time."""
    monkeypatch.setattr(shelf, "LOOK_S", 0.0)
    made(tmp_path)
    acme = CatalogueFolder.of(tmp_path, "acme")
    shutil.copytree(tmp_path / "default", acme.path)
    return acme


async def test_a_damaged_catalogue_is_refused_by_name_and_served_when_it_is_mended(acme):
    acme.families.write_text("[promo]\npacked = 3\n")
    with closing(Shelves(acme.path.parent, MemoryFeatures())) as shelves:
        with pytest.raises(Unavailable, match=r"catalogue acme cannot be read: acme/features.toml: promo.packed is 3"):
            await shelves.of("acme")
        assert (await shelves.of("default")).ids.generation == 1
        acme.families.unlink()
        assert (await shelves.of("acme")).ids.generation == 1


async def test_what_shoppers_of_a_damaged_catalogue_did_is_logged(acme):
    (acme.ids / "current").write_text("?")
    log, call = MemoryEventLog(), call_of("acme")
    experiment = Experiment("spring", arms=(Arm("control", 0.0), Arm("treatment", 1.0)), segments=frozenset({NEW}))
    impression = {"kind": "impression", "user": "u", "pid": "p", "recommendation_id": str(uuid.UUID(int=7))}
    with closing(Shelves(acme.path.parent, MemoryFeatures())) as shelves:
        tracked = await Tracking(log, exposing=Exposing(shelves, experiment)).track([impression], call)
    assert (tracked.accepted, len(log.records)) == (1, 1)


async def test_a_generation_that_turns_bad_leaves_the_one_before(acme):
    with closing(Shelves(acme.path.parent, MemoryFeatures())) as shelves:
        before = await shelves.of("acme")
        following = generations.folder_of(acme.snapshot, before.snapshot.generation + 1)
        shutil.copytree(generations.folder_of(acme.snapshot, before.snapshot.generation), following)
        (following / "pid_price.npy").unlink()
        (acme.snapshot / "current").write_text(f"{before.snapshot.generation + 1}\n")
        assert await shelves.of("acme") is before
        shutil.copy(
            generations.folder_of(acme.snapshot, before.snapshot.generation) / "pid_price.npy",
            following / "pid_price.npy",
        )
        assert (await shelves.of("acme")).snapshot.generation == before.snapshot.generation + 1
