"""Who vouches for a version that brings Python of its own: an Ed25519 signature of its checksums.json.

checksums.sig holds the signature, base64url, of the bytes of checksums.json, which names every file. rollout.toml
names the keys that are believed; without one there no foreign Python goes live. cryptography comes with conch[stack]
and is imported when something is signed or looked at.
"""

import base64
import binascii
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from conch.contracts.errors import InvalidRequest, Unavailable
from conch.durable import write_text
from conch.rollout.manifest import CHECKSUMS, SIGNATURE, FileManifest
from conch.rollout.refusals import RefusedVersion


def sign(folder: Path, private_key: Path) -> str:
    """Write checksums.json of the files as they are, and its signature. The public half, as rollout.toml names it."""
    key = _private(private_key)
    FileManifest.of(folder).write(folder)
    write_text(folder / SIGNATURE, _text(key.sign((folder / CHECKSUMS).read_bytes())) + "\n")
    return _text(key.public_key().public_bytes_raw())


def signer_of(folder: Path, trusted: Sequence[str]) -> str:
    """The trusted key that signed it; empty where it brings no signature.

    Raises RefusedVersion for a signature that none of them made. That the files are those of checksums.json is for
    others to check.
    """
    path = folder / SIGNATURE
    if path.is_symlink() or not path.is_file():
        return ""
    if not trusted:
        raise RefusedVersion(f"it brings {SIGNATURE}, and rollout.toml names no trusted_keys")
    if not (folder / CHECKSUMS).is_file():
        raise RefusedVersion(f"it brings {SIGNATURE} and no {CHECKSUMS}")
    signature, signed = _bytes(path.read_text(encoding="ascii", errors="replace").strip()), folder / CHECKSUMS
    for key in trusted:
        if _fits(key, signature, signed.read_bytes()):
            return key
    raise RefusedVersion(f"{SIGNATURE} is of none of the {len(trusted)} keys that rollout.toml trusts")


def _fits(key: str, signature: bytes, signed: bytes) -> bool:
    ed25519 = _ed25519()
    from cryptography.exceptions import InvalidSignature

    try:
        ed25519.Ed25519PublicKey.from_public_bytes(_bytes(key)).verify(signature, signed)
    except ValueError as error:
        raise InvalidRequest(f"rollout.toml: {key!r} is no public key of Ed25519: {error}") from error
    except InvalidSignature:
        return False
    return True


def _private(path: Path) -> Any:
    """Of a PEM file, as `openssl genpkey -algorithm ed25519` makes it."""
    ed25519 = _ed25519()
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise InvalidRequest(f"{path} holds no private key that can be read: {error}") from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise InvalidRequest(f"{path} holds a {type(key).__name__}, not a key of Ed25519")
    return key


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise Unavailable("cryptography is not installed in this environment: pip install 'conch[stack]'") from None
    return ed25519


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""
