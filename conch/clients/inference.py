"""Ask a model: what every client of an inference server offers, whether the server is Triton or this process.

    TritonInference      over gRPC to a real server             (triton.py)
    InProcessInference   functions of this process, for tests   (inprocess.py)

Both pass tests/clients/test_inference_live.py. Arrays have Triton's shapes, batch dimension first; BYTES are object
arrays of `str`; of `bytes` where they are not UTF-8.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from conch.clients.metadata import ModelMetadata
from conch.contracts.errors import NotFound
from conch.contracts.identity import ANONYMOUS
from conch.contracts.specs import PRIORITY_INTERACTIVE

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class CallOptions:
    """Whose call it is, how long it may take, and which version it means."""

    request_id: str = ""
    """Also Triton's own request id."""
    tenant: str = ANONYMOUS.tenant
    priority: int = PRIORITY_INTERACTIVE
    """PRIORITY_INTERACTIVE or PRIORITY_BULK of contracts/specs.py."""
    deadline_s: float | None = None
    """Seconds from now; a call still queued by then does not run. None waits as long as the server's queue does."""
    traceparent: str = ""
    audio_seconds_per_day: int | None = None
    """The tenant's limit, which the models that transcribe hold; None is none."""
    models: frozenset[str] | None = None
    """Those that the tenant may call, which the gateway holds; None: every one."""
    version: str = ""
    """Of the model, as "2"; empty: the one that the server gives to callers who name none."""


@dataclass(frozen=True, slots=True)
class IndexedModel:
    """A version of a model in the server's repository."""

    name: str
    version: str
    """Empty of a model of which no version was ever loaded."""
    ready: bool
    """The server's own word, as that of `Inference.ready`."""
    reason: str = ""
    """Why not; empty also of a model that was never loaded."""

    @property
    def wanted(self) -> bool:
        """It is served, or was to be: nobody has unloaded it."""
        return self.ready or self.reason not in ("", "unloaded")


DEFAULT_CALL = CallOptions()


class ModelNotFound(NotFound):
    """The server has no such model, or no version of it that is ready."""

    code = "model_not_found"


class Inference(Protocol):
    """Raises ConchError and nothing else. Cancelling the awaiting task withdraws the call, queued or running."""

    async def infer(
        self, model: str, inputs: Arrays, *, outputs: Sequence[str] | None = None, call: CallOptions = DEFAULT_CALL
    ) -> Arrays:
        """`outputs` None is all of them."""
        ...

    def stream(
        self, model: str, inputs: Arrays, *, outputs: Sequence[str] | None = None, call: CallOptions = DEFAULT_CALL
    ) -> AsyncIterator[Arrays]:
        """Of a decoupled model: answers as they come. Closing the iterator withdraws the call."""
        ...

    async def ready(self, model: str, version: str = "") -> bool:
        """The server's own word, which may be wrong (a dead python stub is "ready"): only an inference proves it."""
        ...

    async def index(self) -> Sequence[IndexedModel]:
        """All that is in the server's repository, loaded or not."""
        ...

    async def metadata(self, model: str, version: str = "") -> ModelMetadata:
        """Of one version, or of the one that callers get who name none. Its python stub may be dead all the same."""
        ...


def text_column(*texts: str) -> Array:
    """A BYTES[1] tensor of one row a text: shape (len(texts), 1)."""
    array = np.empty((len(texts), 1), dtype=object)
    array[:, 0] = texts
    return array
