"""The key store, without an edge."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from conch.contracts.errors import InvalidRequest, NotFound
from conch.edge.edge import key_store
from conch.edge.files import EdgeFiles
from conch.edge.keys import DAY_S, Key, KeyStore, decode


class Clock:
    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> KeyStore:
    return KeyStore(tmp_path / "keys", clock=clock)


def body_of(token: str) -> dict[str, object]:
    body: dict[str, object] = json.loads(decode(token.split(".")[1]))
    return body


def test_a_token_says_what_its_key_says(store: KeyStore) -> None:
    key, token = store.create("acme", operator=True, days=2, note="the line's tablet")
    assert store.keys == [key]
    assert key == Key(key.id, "acme", True, 1_000_000, 1_000_000 + 2 * DAY_S, "the line's tablet")
    assert body_of(token) == {
        "iss": "conch",
        "aud": "conch-edge",
        "jti": key.id,
        "tenant": "acme",
        "iat": 1_000_000,
        "exp": 1_000_000 + 2 * DAY_S,
        "operator": True,
    }


def test_an_ordinary_key_says_nothing_of_operators(store: KeyStore) -> None:
    assert "operator" not in body_of(store.create("acme")[1])


def test_nothing_that_is_kept_holds_the_token(store: KeyStore, tmp_path: Path) -> None:
    _, token = store.create("acme")
    signature = token.rpartition(".")[2]
    for path in (tmp_path / "keys").iterdir():
        assert signature not in path.read_text()


def test_what_is_kept_is_for_this_user_alone(store: KeyStore, tmp_path: Path) -> None:
    store.create("acme")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").iterdir()}
    assert set(modes.values()) == {0o600}
    assert {"keys.json", "signing.json"} <= modes.keys()


def test_two_keys_are_never_one(store: KeyStore) -> None:
    made = [store.create("acme") for _ in range(20)]
    assert len({key.id for key, _ in made}) == len({token for _, token in made}) == 20


def test_a_revoked_key_stays_in_the_list_with_its_time(store: KeyStore, clock: Clock) -> None:
    key, _ = store.create("acme")
    clock.now += 5
    assert store.revoke(key.id).revoked_at == 1_000_005
    clock.now += 5
    assert store.revoke(key.id).revoked_at == 1_000_005
    assert [kept.state(clock.now) for kept in store.keys] == ["revoked"]


def test_revoked_keys_that_have_expired_need_no_denying(store: KeyStore, clock: Clock) -> None:
    short, long = store.create("acme", days=1)[0], store.create("acme", days=30)[0]
    for key in (short, long):
        store.revoke(key.id)
    assert store.revoked == [short.id, long.id]
    clock.now += 2 * DAY_S
    assert store.revoked == [long.id]


def test_a_key_that_was_never_made_cannot_be_revoked(store: KeyStore) -> None:
    with pytest.raises(NotFound, match="no key 77"):
        store.revoke("77")


def test_a_key_holds_for_a_day_at_least(store: KeyStore) -> None:
    with pytest.raises(InvalidRequest, match="0 days; 1 is the least"):
        store.create("acme", days=0)


def test_after_a_rotation_new_keys_have_another_signature_and_old_ones_are_believed(store: KeyStore) -> None:
    store.create("acme")
    first = store.signing_keys
    new = store.rotate()
    assert store.signing_keys == [*first, new]
    header = json.loads(decode(store.create("acme")[1].split(".")[0]))
    assert header["kid"] == new.id
    assert store.forget_old() == 1
    assert store.signing_keys == [new]


def test_changes_reach_the_edges_files_and_others_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = EdgeFiles(tmp_path / "edge")
    store = key_store(files)
    key, token = store.create("acme")
    filters = json.loads(files.keys.read_text())["resources"][0]["typed_config"]
    assert set(filters["providers"]) == {"api_key", "bearer"}
    before = files.keys.stat().st_ino
    store.revoke(key.id)
    assert key.id in files.revoked.read_text()
    assert token not in files.keys.read_text()
    assert files.keys.stat().st_ino == before
    assert stat.S_IMODE(files.keys.stat().st_mode) == 0o600


def test_two_processes_do_not_lose_each_others_keys(tmp_path: Path) -> None:
    children = [_in_child(lambda: [KeyStore(tmp_path / "keys").create("acme") for _ in range(20)]) for _ in range(3)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    store = KeyStore(tmp_path / "keys")
    assert len(store.keys) == 60
    assert len(store.signing_keys) == 1


def _in_child(work: Callable[[], object]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid
