import re
from fnmatch import fnmatchcase

import pytest

from conch.contracts.errors import InvalidRequest
from conch.contracts.keys import CatalogueKeys, packed


def test_the_default_catalogue_has_the_documented_names_bare():
    keys = CatalogueKeys()
    assert keys.semantic("M") == "master:sem:M"
    assert keys.co_view("C") == "cat:co_view:C"
    assert keys.best_sellers("C") == "cat:bestsellers:C"
    assert keys.recent_categories("U") == "user:recent_cats:U"
    assert keys.views("U") == "user:views:U"
    assert keys.bought("U") == "user:bought:U"
    assert keys.segment("U") == "user:segment:U"
    assert keys.offers("M") == "master:pids:M"
    assert keys.promo("P") == "promo:P"
    assert keys.active_masters == "masters:active"


def test_a_list_that_was_served_is_found_by_its_user_and_tells_nobody_who_it_is():
    keys = CatalogueKeys("shop")
    served = keys.served("R", "ana", "control")
    assert re.fullmatch("shop:rec:R:[0-9a-f]{32}", served)
    assert fnmatchcase(served, keys.served_to("ana"))
    assert not fnmatchcase(served, keys.served_to("bo"))
    assert not fnmatchcase(served, CatalogueKeys().served_to("ana"))
    others = [keys.served("R", "ana", "treatment"), keys.served("R", "ana", "control", "new")]
    assert len({served, *others}) == 3
    assert fnmatchcase(others[1], keys.served_to("ana"))


def test_another_catalogue_stands_under_its_name():
    keys = CatalogueKeys("shop")
    assert keys.views("U") == "shop:user:views:U"
    assert keys.active_masters == "shop:masters:active"
    assert keys.promos_changed == "shop:promos:changed"


def test_a_key_and_its_packed_form_live_in_one_slot_of_a_cluster():
    assert packed("shop:user:views:U") == "pk:{shop:user:views:U}"


@pytest.mark.parametrize("identifier", ["", "{U}", "U}", "a b", "a\n", "x" * 201])
def test_an_id_that_would_move_the_hash_tag_is_refused(identifier):
    with pytest.raises(InvalidRequest, match="braces, blanks"):
        CatalogueKeys().views(identifier)


def test_erasure_knows_every_key_of_a_user():
    names = set(CatalogueKeys("shop").of_user("U"))
    assert names == {f"shop:user:{family}:U" for family in ("views", "recent_cats", "bought", "segment")}


def test_each_catalogue_has_a_keyspace_of_its_own_whose_name_cql_takes():
    names = ["default", "shop", "a-b", "a_b", "a-_b", "x" * 42, "x" * 63, "x" * 62 + "y", "shop-1"]
    keyspaces = [CatalogueKeys(name).keyspace for name in names]
    assert keyspaces[:2] == ["conch", "conch_shop"]
    assert len(set(keyspaces)) == len(names)
    assert all(re.fullmatch("[a-z][a-z0-9_]{0,47}", keyspace) for keyspace in keyspaces)
