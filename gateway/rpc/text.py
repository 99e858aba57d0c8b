"""conch.text.v1.Text: convert, call, convert."""

from functools import partial

from conch.contracts.pb.text.v1 import text_pb2 as pb
from conch.contracts.pb.text.v1.text_pb2_grpc import TextServicer
from gateway.calls import Call
from gateway.embedding import TextEmbedding
from gateway.reception import Reception
from gateway.rpc.answering import Context, answered


class Text(TextServicer):
    def __init__(self, reception: Reception, embedding: TextEmbedding) -> None:
        self._reception = reception
        self._embedding = embedding

    async def Embed(self, request: pb.EmbedRequest, context: Context) -> pb.EmbedReply | None:
        return await answered(self._reception, "Embed", context, partial(self._embed, request))

    async def _embed(self, request: pb.EmbedRequest, call: Call) -> pb.EmbedReply:
        embedded = await self._embedding.embed(list(request.texts), call)
        return pb.EmbedReply(embeddings=[pb.Embedding(values=vector) for vector in embedded.vectors])
