"""Operations of conch.text.v1.Text: requests built, replies read."""

from collections.abc import Sequence

import numpy as np

from conch.clients.edge.operations import Operation, built
from conch.clients.edge.results import Embeddings
from conch.contracts.errors import InvalidRequest
from conch.contracts.pb.text.v1 import text_pb2 as pb

_SERVICE = pb.DESCRIPTOR.services_by_name["Text"].full_name


def embed(texts: Sequence[str]) -> Operation[Embeddings]:
    if isinstance(texts, str):
        raise InvalidRequest("texts is one str, which is a sequence of its letters: give a list")
    request = built(lambda: pb.EmbedRequest(texts=texts))
    return Operation(f"/{_SERVICE}/Embed", request, pb.EmbedReply, _embeddings, timeout_s=60.0)


def _embeddings(reply: pb.EmbedReply, request_id: str) -> Embeddings:
    rows = [np.array(embedding.values, dtype=np.float32) for embedding in reply.embeddings]
    return Embeddings(np.stack(rows) if rows else np.zeros((0, 0), np.float32), request_id)
