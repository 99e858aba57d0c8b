"""What signs keys: Ed25519 key pairs. The edge is told the public halves; the private one makes keys and stays here.

cryptography and PyJWT come with conch[stack] and are imported when something is signed: a command that signs nothing
starts without them.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Self

from conch.contracts.errors import InvalidRequest, Unavailable

ALGORITHM = "EdDSA"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """As an "OKP" JSON Web Key (RFC 8037) says it: `x` and `d` are base64url."""

    id: str
    x: str
    """The public half."""
    d: str
    """The private half; empty once a newer key signs: what it has signed is still believed."""
    created_at: int
    """Unix seconds."""

    @classmethod
    def generate(cls, now: int) -> Self:
        _jwt()
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from jwt.algorithms import OKPAlgorithm

        web_key = OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate(), as_dict=True)
        return cls(secrets.token_hex(4), web_key["x"], web_key["d"], now)

    def public(self) -> Mapping[str, str]:
        """The entry in a key set (RFC 7517)."""
        return {"kty": "OKP", "crv": "Ed25519", "alg": ALGORITHM, "use": "sig", "kid": self.id, "x": self.x}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A JSON Web Token in its compact form (RFC 7519)."""
        jwt = _jwt()
        private = jwt.PyJWK({**self.public(), "d": self.d})
        return str(jwt.encode(dict(claims), private.key, ALGORITHM, headers={"kid": self.id}))


def decoded(entry: Mapping[str, Any]) -> SigningKey:
    """Of signing.json; raises InvalidRequest for the secrets that it held when keys were signed with HS256."""
    if "secret" in entry:
        raise InvalidRequest(
            f"signing key {entry.get('id')} is a secret of HS256, and keys are signed with {ALGORITHM}: conch keys "
            "rotate takes it out and ends the keys that it has signed; make new ones after that"
        )
    return SigningKey(**entry)


def _jwt() -> ModuleType:
    try:
        import jwt
    except ImportError:
        raise Unavailable("pyjwt[crypto] is not installed in this environment: pip install 'conch[stack]'") from None
    return jwt
