"""What a service of the stack is: how it starts, how one knows that it works, how it ends.

A new one is a file in `conch/stack/services/` and a line in `conch.stack.services.registry`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from conch.contracts.errors import ConchError, Unavailable
from conch.stack.processes import ProcessMark
from conch.stack.state import StateFolder

HOST = "127.0.0.1"
"""Everything of the embedded stack listens here, but for what a service's `hosts` says."""


class NotYet(Unavailable):
    """A service that starts is not ready; asking again soon is right."""


class Sick(Unavailable):
    """A service does not work though its process runs."""

    def __init__(self, message: str, *, certain: bool = True) -> None:
        super().__init__(message)
        self.certain = certain
        """False for what load alone may cause, as a call that took too long: only several in a row count."""


class Hopeless(ConchError):
    """Starting again will not help: the stack ends and says why."""


@dataclass(frozen=True, slots=True)
class StackSettings:
    gpu: bool = False
    """Triton reads each model's configs/gpu.pbtxt."""
    otlp: str = ""
    """host:port that takes OTLP over gRPC: spans of the edge, the gateway and the models go there; empty: nowhere."""
    otlp_http: str = ""
    """host:port that takes OTLP over HTTP, the only one that Triton speaks: its own spans go there."""
    leak_mib_per_min: float = 7.5
    """A model whose python stub grows faster for ten minutes is loaded anew, which ends no call."""
    traced_percent: float = 100.0
    """Of the calls that come by the edge; Triton's own spans are of all."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a service of one stack stands: its folder and everybody's addresses."""

    folder: StateFolder
    settings: StackSettings = StackSettings()
    addresses: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Of each service by face: {"triton": {"grpc": "127.0.0.1:8011"}}."""


@dataclass(frozen=True, slots=True)
class Launch:
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the supervisor's own."""


class Probe(ABC):
    """Asks one process of a service whether it works, by using it. Each call has its own deadline."""

    @abstractmethod
    async def ready(self) -> None:
        """Raises NotYet, or any error of the connection, until the service does its work; then once more never."""

    @abstractmethod
    async def look(self) -> None:
        """Called every `Service.look_every_s` while it is ready; raises Sick."""

    async def heal(self, sick: Sick) -> None:
        """Mend it without ending the process; raises Sick where that cannot be."""
        raise sick


class Service(ABC):
    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    """Services that are ready before this one is, and end after it."""
    starts_early: ClassVar[bool] = False
    """Its process starts before what it needs is ready, and is asked only then: for one that connects when it must."""
    asked_for: ClassVar[bool] = False
    """It starts only where it is named."""
    ports: ClassVar[Mapping[str, int]] = {}
    """Preferred port of each face; where it is taken, the system chooses another."""
    start_s: ClassVar[float] = 30.0
    """Not ready after that: a failure."""
    look_every_s: ClassVar[float] = 1.0
    drain_s: ClassVar[float] = 10.0
    """Between SIGTERM and SIGKILL."""

    @classmethod
    def installed(cls) -> bool:
        """False where packages are missing that not everybody has: then it starts only where it is named."""
        return True

    def hosts(self, folder: StateFolder) -> Mapping[str, str]:
        """Where a face listens that does not listen on HOST."""
        return {}

    def check(self, site: Site) -> None:  # noqa: B027 - most may always start
        """Refuse what must not start, before anything is prepared; writes nothing."""

    def prepare(self, site: Site) -> None:  # noqa: B027 - most have nothing to prepare
        """Check and write what the process will read. Runs once, in a thread, before any service starts."""

    @abstractmethod
    def launch(self, site: Site) -> Launch: ...

    @abstractmethod
    def probe(self, site: Site, process: ProcessMark) -> Probe:
        """A probe for this one process; a restarted one gets its own."""

    async def drain(self, site: Site) -> None:  # noqa: B027 - most drain when they are told to end
        """Before SIGTERM, and within `drain_s`: take nothing new, and wait until what runs has ended."""

    def drained(self, process: ProcessMark) -> bool:
        """Asked while it ends: True when nothing is left in it to wait for, so that it may be killed."""
        return False

    def sweep(self, site: Site) -> None:  # noqa: B027 - most leave nothing behind
        """Remove what a killed process leaves behind. None of the service's processes runs when this is called."""
