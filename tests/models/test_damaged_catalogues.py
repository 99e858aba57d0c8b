"""Models of two catalogues, of which one's files are damaged: the other is served, and a mended one again."""

import logging
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conch.contracts.errors import ConchError, Unavailable
from conch.contracts.identity import ANONYMOUS
from conch.contracts.summary import Summary
from conch.models import meanings, shop
from conch.models.base import Arrays, Model, ModelContext, Row
from conch.models.candidates import Candidates
from conch.models.nearest import Nearest
from conch.models.promo_ranker import PromoRanker
from conch.models.shop import NOT_READ, Shops
from conch.recommendation.scenarios import Scenarios
from conch.stores import generations
from conch.stores.catalogue_folder import CatalogueFolder
from tests.batch.shop import made
from tests.models import test_candidates, test_promo_ranker
from tests.models.test_shop_changes import Counted
from tests.recommendation.whole_oracle import Wish

NOWHERE = "127.0.0.1:1"
SCENARIOS = Scenarios.read()


@pytest.fixture
def acme(tmp_path) -> CatalogueFolder:
    """Beside the default one."""
    # SQLite takes its own files away when it is closed, and not while they are copied.
    made(tmp_path).durable.close()
    acme = CatalogueFolder.of(tmp_path, "acme")
    shutil.copytree(tmp_path / "default", acme.path)
    return acme


@pytest.fixture(autouse=True)
def _looking_every_time(monkeypatch):
    for module in (meanings, shop):
        monkeypatch.setattr(module, "LOOK_S", 0.0)


def candidates(catalogues: Path, redis: str = "") -> Candidates:
    shops = Shops(catalogues, redis)
    shops.open()
    return Candidates(shops, SCENARIOS)


def ranker(catalogues: Path) -> PromoRanker:
    shops = Shops(catalogues, "")
    shops.open()
    return PromoRanker(shops, SCENARIOS)


def nearest(catalogues: Path) -> Nearest:
    return Nearest.load(ModelContext(Path(), {"built_with": "embedding 1"}), {"CONCH_CATALOGUES": str(catalogues)})


def wish(tenant: str) -> Row:
    return test_candidates.row(Wish(user="user-1"), tenant=tenant)


def masters(tenant: str) -> Row:
    return replace(test_promo_ranker.row([1, 2], [1, 0.5]), identity=replace(ANONYMOUS, tenant=tenant))


def vector(tenant: str) -> Row:
    return Row({"embedding": np.ones(384, np.float32)}, replace(ANONYMOUS, tenant=tenant))


def newest(folder: Path) -> Path:
    return generations.folder_of(folder, generations.current(folder))


def halved(path: Path) -> bytes:
    """Returns what it was."""
    whole = path.read_bytes()
    # Another file: columns that did not change are links to those of other generations.
    path.unlink()
    path.write_bytes(whole[: len(whole) // 2])
    return whole


@pytest.mark.parametrize(
    ("load", "ask", "damaged"),
    [
        pytest.param(candidates, wish, "ids/pids-0.high.npy", id="candidates-ids"),
        pytest.param(candidates, wish, "ids/brands-0.texts.json", id="candidates-texts"),
        pytest.param(candidates, wish, "snapshot/offer_starts.npy", id="candidates-snapshot"),
        pytest.param(candidates, wish, "snapshot/about.json", id="candidates-about"),
        pytest.param(ranker, masters, "snapshot/pid_price.npy", id="ranker-snapshot"),
        pytest.param(ranker, masters, "ids/masters-0.uuids.npy", id="ranker-ids"),
        pytest.param(nearest, vector, "ids/pids-0.order.npy", id="nearest-ids"),
        pytest.param(nearest, vector, "snapshot/offer_pids.npy", id="nearest-snapshot"),
    ],
)
def test_a_damaged_catalogue_is_passed_over_by_name_and_served_when_it_is_mended(acme, caplog, load, ask, damaged):
    folder, _, name = damaged.partition("/")
    file = newest(acme.path / folder) / name
    whole = halved(file)
    model: Model
    with closing(load(acme.path.parent)) as model:
        refused, served = model.predict([ask("acme"), ask("default")])
        assert isinstance(refused, Unavailable)
        assert "catalogue acme cannot be read" in refused.message
        assert {"about.json": "snapshot 1"}.get(name, name) in refused.message
        assert str(acme.path.parent) not in refused.message
        assert not isinstance(served, ConchError)
        model.predict([ask("acme")])
        told = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert [record.getMessage() for record in told] == [refused.message]
        file.write_bytes(whole)
        (mended,) = model.predict([ask("acme")])
        assert not isinstance(mended, ConchError)


def test_a_mistake_in_features_toml_is_named_and_mended_without_a_restart(acme):
    acme.families.write_text("[promo]\npacked = 3\n")
    with closing(candidates(acme.path.parent, NOWHERE)) as model:
        refused, served = model.predict([wish("acme"), wish("default")])
        assert isinstance(refused, Unavailable)
        assert refused.message.startswith("catalogue acme cannot be read: acme/features.toml: promo.packed is 3")
        assert not isinstance(served, ConchError)
        acme.families.unlink()
        (mended,) = model.predict([wish("acme")])
        assert not isinstance(mended, ConchError)


def test_what_is_damaged_is_counted_and_not_tried_again_with_every_batch(acme, monkeypatch):
    monkeypatch.setattr(shop, "LOOK_S", 3_600.0)
    file = newest(acme.snapshot) / "pid_price.npy"
    whole = halved(file)
    counted = Counted()
    with closing(Candidates(Shops(acme.path.parent, ""), SCENARIOS, counted)) as model:
        model.predict([wish("acme"), wish("acme")])
        file.write_bytes(whole)
        (still,) = model.predict([wish("acme")])
    assert isinstance(still, Unavailable)
    assert counted.counts["conch_model_degraded_total", "catalogue"] == 3


def test_a_pointer_that_is_none_and_a_folder_of_no_tenant_stop_nobody(acme):
    (acme.ids / "current").write_bytes(b"\xff\n")
    shutil.copytree(acme.path.parent / "default", acme.path.parent / "default.bak")
    for load, ask in ((candidates, wish), (ranker, masters), (nearest, vector)):
        with closing(load(acme.path.parent)) as model:
            refused, served = model.predict([ask("acme"), ask("default")])
        assert isinstance(refused, Unavailable)
        assert "not the number of a generation" in refused.message
        assert not isinstance(served, ConchError)


@pytest.mark.parametrize(("load", "ask"), [(candidates, wish), (ranker, masters)], ids=["candidates", "ranker"])
def test_a_generation_that_turns_bad_leaves_the_one_before_and_says_so(acme, load, ask):
    with closing(load(acme.path.parent)) as model:
        (before,) = model.predict([ask("acme")])
        number = generations.current(acme.snapshot)
        following = generations.folder_of(acme.snapshot, number + 1)
        shutil.copytree(newest(acme.snapshot), following)
        whole = halved(following / "pid_price.npy")
        (acme.snapshot / "current").write_text(f"{number + 1}\n")
        (after,) = model.predict([ask("acme")])
        assert items(after) == items(before)
        assert NOT_READ in degraded(after)
        (following / "pid_price.npy").write_bytes(whole)
        (mended,) = model.predict([ask("acme")])
        assert items(mended) == items(before)
        assert degraded(mended) == degraded(before)


def items(answer: Arrays | ConchError) -> list[int]:
    assert not isinstance(answer, ConchError)
    return list(answer["masters" if "masters" in answer else "item_masters"].tolist())


def degraded(answer: Arrays | ConchError) -> list[str]:
    """Without how old it is by now."""
    assert not isinstance(answer, ConchError)
    return [word for word in Summary.decode(answer["summary"].item()).degraded if not word.startswith("snapshot: ")]
