"""The key store, without an edge."""

import json
import os
import stat
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jwt
import pytest

from conch.contracts.errors import InvalidRequest, NotFound, Unavailable
from conch.edge.edge import key_store
from conch.edge.files import EdgeFiles
from conch.edge.keys import AUDIENCE, DAY_S, Key, KeyStore


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
    body: dict[str, object] = jwt.decode(token, options={"verify_signature": False})
    return body


def test_a_token_says_what_its_key_says(store: KeyStore) -> None:
    key, token = store.create("acme", operator=True, days=2, note="the line's tablet")
    assert store.keys == [key]
    assert key == Key(
        key.id,
        "acme",
        operator=True,
        created_at=1_000_000,
        expires_at=1_000_000 + 2 * DAY_S,
        note="the line's tablet",
        signed_by=store.signing_keys[-1].id,
    )
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
    (first,) = store.signing_keys
    new = store.rotate()
    assert store.signing_keys == [replace(first, d=""), new]
    assert jwt.get_unverified_header(store.create("acme")[1]) == {"alg": "EdDSA", "kid": new.id, "typ": "JWT"}
    assert store.forget_old() == 1
    assert store.signing_keys == [new]


def test_keys_of_a_forgotten_signing_key_are_revoked_and_no_others(store: KeyStore, clock: Clock) -> None:
    old, ended = store.create("acme")[0], store.create("acme")[0]
    store.revoke(ended.id)
    store.rotate()
    new = store.create("acme")[0]
    clock.now += 5
    store.forget_old()
    assert [(key.id, key.revoked_at) for key in store.keys] == [
        (old.id, 1_000_005),
        (ended.id, 1_000_000),
        (new.id, None),
    ]


def test_anybody_with_the_public_half_can_check_a_key(store: KeyStore) -> None:
    key, token = store.create("acme")
    public = jwt.PyJWK(dict(store.signing_keys[0].public()))
    options = {"verify_exp": False, "verify_iat": False}
    assert jwt.decode(token, public, audience=AUDIENCE, options=options)["jti"] == key.id
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token[:-8] + "AAAAAAAA", public, audience=AUDIENCE, options=options)


def test_without_pyjwt_the_way_on_is_told(store: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jwt", None)
    with pytest.raises(Unavailable, match=r"pip install 'conch\[stack\]'"):
        store.create("acme")
    assert store.keys == []


SECRETS = [{"id": "51f0a7c3", "secret": "c2VjcmV0", "created_at": 1}]
KEY_OF_A_SECRET = {
    "id": "4f0c2a9be0d31c55",
    "tenant": "acme",
    "operator": False,
    "created_at": 1,
    "expires_at": 10_000_000,
    "note": "",
    "revoked_at": None,
}


@pytest.fixture
def older(tmp_path: Path, clock: Clock) -> KeyStore:
    """As it was kept when HS256 signed keys."""
    folder = tmp_path / "older"
    folder.mkdir()
    (folder / "signing.json").write_text(json.dumps(SECRETS))
    (folder / "keys.json").write_text(json.dumps([KEY_OF_A_SECRET]))
    return KeyStore(folder, clock=clock)


def test_a_secret_of_hs256_is_refused_and_the_way_on_is_told(older: KeyStore) -> None:
    for use in (lambda: older.signing_keys, lambda: older.create("acme"), older.forget_old):
        with pytest.raises(InvalidRequest, match=r"signing key 51f0a7c3 is a secret of HS256.*conch keys rotate"):
            use()


def test_a_rotation_takes_secrets_of_hs256_out_and_ends_their_keys(older: KeyStore) -> None:
    new = older.rotate()
    assert older.signing_keys == [new]
    assert [(key.id, key.revoked_at) for key in older.keys] == [("4f0c2a9be0d31c55", 1_000_000)]


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
    assert store.signing_keys[0].x in files.keys.read_text()
    assert store.signing_keys[0].d not in files.keys.read_text()
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
