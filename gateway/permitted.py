"""Hold a tenant to the models that it may call, whatever face of ours it calls them by."""

from collections.abc import AsyncIterator, Mapping, Sequence

from conch.clients.inference import DEFAULT_CALL, Arrays, CallOptions, IndexedModel, Inference
from conch.clients.metadata import ModelMetadata
from conch.contracts.errors import PermissionDenied

HELPERS: Mapping[str, str] = {"vad": "whisper", "promo_ranker": "recommend", "nearest": "recommend"}
"""What we call on our own account, for whoever may call the other."""


class PermittedInference(Inference):
    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    async def infer(
        self, model: str, inputs: Arrays, *, outputs: Sequence[str] | None = None, call: CallOptions = DEFAULT_CALL
    ) -> Arrays:
        check_permitted(model, call)
        return await self._inference.infer(model, inputs, outputs=outputs, call=call)

    def stream(
        self, model: str, inputs: Arrays, *, outputs: Sequence[str] | None = None, call: CallOptions = DEFAULT_CALL
    ) -> AsyncIterator[Arrays]:
        check_permitted(model, call)
        return self._inference.stream(model, inputs, outputs=outputs, call=call)

    async def ready(self, model: str, version: str = "") -> bool:
        return await self._inference.ready(model, version)

    async def index(self) -> Sequence[IndexedModel]:
        return await self._inference.index()

    async def metadata(self, model: str, version: str = "") -> ModelMetadata:
        return await self._inference.metadata(model, version)


def check_permitted(model: str, call: CallOptions) -> None:
    if call.models is not None and not {model, HELPERS.get(model, model)} & call.models:
        raise PermissionDenied(f"tenant {call.tenant} may not call model {model}")
