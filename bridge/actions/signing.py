"""Standard Webhooks: three headers by which a receiver knows who sent a body, when, and whether it came before."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from conch.contracts.errors import InvalidRequest

PREFIX = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64


@dataclass(frozen=True, slots=True)
class Secret:
    key: bytes = field(repr=False)

    @classmethod
    def decode(cls, text: str) -> Self:
        """Raises InvalidRequest, without what is secret."""
        try:
            key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidRequest(
                f"the webhook's secret of {len(text)} characters is no base64 behind {PREFIX}"
            ) from error
        if not LEAST_BYTES <= len(key) <= MOST_BYTES:
            raise InvalidRequest(f"the webhook's secret has {len(key)} bytes; {LEAST_BYTES} to {MOST_BYTES} are due")
        return cls(key)

    def headers(self, message_id: str, at_s: int, body: bytes) -> Mapping[str, str]:
        """`at_s`: of this attempt, Unix time; the id stays the same when it is sent again."""
        signed = b".".join((message_id.encode(), str(at_s).encode(), body))
        signature = base64.b64encode(hmac.digest(self.key, signed, hashlib.sha256)).decode()
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(at_s),
            "webhook-signature": f"v1,{signature}",
        }
