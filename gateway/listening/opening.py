"""How a session is opened: whose microphone it is, what it sends, and what is known of the speech beforehand."""

import json
import uuid
from dataclasses import dataclass, replace
from typing import Self

from conch.commands.contacts import Contact
from conch.contracts.errors import InvalidRequest, PermissionDenied
from conch.contracts.identity import Identity
from gateway.calls import is_plain
from gateway.limits import Limits
from gateway.listening.formats import Format
from gateway.recognition import Expectation

COMMANDS = uuid.UUID("6a2c7a0e-92c5-5f0b-8a5e-2f6f0f0b6f11")
"""The namespace of commands' ids."""


@dataclass(frozen=True, slots=True)
class Opening:
    device: str
    tenant: str
    session: str
    """Empty: a new one."""
    format: Format
    language: str
    prompt: str
    contacts: tuple[Contact, ...]
    resume_offset: int

    def checked(self, identity: Identity, limits: Limits) -> Self:
        """With the caller's tenant and a session's name."""
        if self.tenant not in ("", identity.tenant):
            raise PermissionDenied(f"tenant is {self.tenant!r}, the caller's is {identity.tenant!r}").about("tenant")
        for name, word in (("device", self.device), ("session", self.session or "new")):
            if not is_plain(word):
                raise InvalidRequest(f"{name} has {len(word)} characters or odd ones; 1 to 128 plain ones do").about(
                    name
                )
        self.format.check()
        limits.check_prompt(self.prompt)
        limits.check_contacts(self.contacts)
        return replace(self, tenant=identity.tenant, session=self.session or str(uuid.uuid4()))

    @property
    def key(self) -> tuple[str, str, str]:
        """What there is one stream of at a time."""
        return self.tenant, self.device, self.session

    @property
    def expectation(self) -> Expectation:
        return Expectation(self.language, self.prompt)

    def command_id(self, start_offset: int) -> str:
        """The same for audio that is sent again."""
        return str(uuid.uuid5(COMMANDS, json.dumps([*self.key, start_offset])))
