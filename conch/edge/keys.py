"""API keys: signed tokens, of which only the ids and what is said about them are kept.

A key says its tenant, its id, whether it is an operator's, and until when it holds. The edge checks the signature; a
key can be revoked by its id but never shown again. The folder holds

    signing.json   what signs; the newest does, all of them are believed
    keys.json      one entry for each key ever made

and both are readable by this user alone: who has signing.json can make keys. Nothing in it leaves the folder but the
public halves.
"""

import json
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from conch.contracts.errors import Internal, InvalidRequest, NotFound
from conch.edge import discovery
from conch.edge.signing import SigningKey, decoded
from conch.flocks import awaited

ISSUER = "conch"
AUDIENCE = "conch-edge"
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Key:
    """What is kept of a key."""

    id: str
    tenant: str
    operator: bool
    created_at: int
    """Unix seconds, as the others."""
    expires_at: int
    note: str = ""
    revoked_at: int | None = None
    signed_by: str = ""
    """Id of the signing key; empty of the first ones, which HS256 signed."""

    def state(self, now: float) -> str:
        if self.revoked_at is not None:
            return "revoked"
        return "valid" if now < self.expires_at else "expired"


class KeyStore:
    """`changed` is called, under the store's lock, after each change: the edge's files follow."""

    def __init__(
        self,
        folder: Path,
        changed: Callable[["KeyStore"], None] = lambda store: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._changed = changed
        self._clock = clock

    @property
    def keys(self) -> Sequence[Key]:
        """Oldest first."""
        return [Key(**entry) for entry in self._read("keys.json")]

    @property
    def signing_keys(self) -> Sequence[SigningKey]:
        """Oldest first; none before the first key was made."""
        return [decoded(entry) for entry in self._read("signing.json")]

    @property
    def revoked(self) -> Sequence[str]:
        """Ids of revoked keys that would still hold otherwise."""
        now = self._clock()
        return [key.id for key in self.keys if key.revoked_at is not None and now < key.expires_at]

    def create(self, tenant: str, *, operator: bool = False, days: int = 90, note: str = "") -> tuple[Key, str]:
        """The key as it is kept, and the token, which is kept nowhere."""
        if days < 1:
            raise InvalidRequest(f"a key holds for {days} days; 1 is the least")
        now = int(self._clock())
        with self._lock():
            signing = self.signing_keys or [SigningKey.generate(now)]
            key = Key(secrets.token_hex(8), tenant, operator, now, now + days * DAY_S, note, signed_by=signing[-1].id)
            token = signing[-1].sign(claims(key))
            self._write("signing.json", signing)
            self._write("keys.json", [*self.keys, key])
            self._changed(self)
        return key, token

    def revoke(self, key_id: str) -> Key:
        """Safe to repeat: the first time counts."""
        with self._lock():
            keys = {key.id: key for key in self.keys}
            if key_id not in keys:
                raise NotFound(f"no key {key_id}: conch keys list")
            if keys[key_id].revoked_at is None:
                keys[key_id] = replace(keys[key_id], revoked_at=int(self._clock()))
            self._write("keys.json", list(keys.values()))
            self._changed(self)
            return keys[key_id]

    def rotate(self) -> SigningKey:
        """Sign with a new key from now on; keys of the old ones hold until `forget_old`, those of HS256 end here."""
        now = int(self._clock())
        with self._lock():
            old = [decoded(entry) for entry in self._read("signing.json") if "secret" not in entry]
            signing = SigningKey.generate(now)
            self._believe([*(replace(one, d="") for one in old), signing])
        return signing

    def forget_old(self) -> int:
        """Believe the newest signing key alone: every key of an older one ends. How many signing keys went."""
        with self._lock():
            signing = self.signing_keys
            self._believe(signing[-1:])
        return len(signing[:-1])

    def _believe(self, signing: Sequence[SigningKey]) -> None:
        """These alone: keys of others are revoked, so that the list says what the edge does."""
        believed, now = {one.id for one in signing}, int(self._clock())
        keys = [
            key if key.signed_by in believed or key.revoked_at is not None else replace(key, revoked_at=now)
            for key in self.keys
        ]
        self._write("signing.json", signing)
        self._write("keys.json", keys)
        self._changed(self)

    def _read(self, name: str) -> list[dict[str, Any]]:
        try:
            entries = json.loads((self._folder / name).read_text())
        except FileNotFoundError:
            return []
        except ValueError as error:
            raise Internal(f"{self._folder / name} cannot be read: {error}") from error
        if not isinstance(entries, list):
            raise Internal(f"{self._folder / name} holds a {type(entries).__name__}, not a list")
        return entries

    def _write(self, name: str, entries: Sequence[Key] | Sequence[SigningKey]) -> None:
        discovery.replace(self._folder / name, json.dumps([asdict(entry) for entry in entries], indent=1) + "\n")

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with awaited(self._folder / "lock"):
            yield


def claims(key: Key) -> dict[str, Any]:
    """What the token says."""
    said: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "jti": key.id,
        "tenant": key.tenant,
        "iat": key.created_at,
        "exp": key.expires_at,
    }
    return {**said, "operator": True} if key.operator else said
