"""One gRPC server with our services, health and reflection."""

from dataclasses import dataclass

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from conch.contracts.pb.recommend.v1 import recommend_pb2, recommend_pb2_grpc
from conch.contracts.pb.text.v1 import text_pb2, text_pb2_grpc
from conch.contracts.pb.voice.v1 import voice_pb2, voice_pb2_grpc
from gateway.reception import Reception
from gateway.rpc.health import HealthServicer
from gateway.rpc.kserve import KServeHealth
from gateway.rpc.malformed import MalformedRequests
from gateway.rpc.recommend import Recommend
from gateway.rpc.text import Text
from gateway.rpc.voice import Voice

VOICE = voice_pb2.DESCRIPTOR.services_by_name["Voice"].full_name
TEXT = text_pb2.DESCRIPTOR.services_by_name["Text"].full_name
RECOMMEND = recommend_pb2.DESCRIPTOR.services_by_name["Recommend"].full_name
HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

ENVELOPE_BYTES = 2**20
"""A message may be that much larger than the audio in it, so that the limit on audio is refused by our words."""

MOST_SENT_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Servicers:
    voice: Voice
    text: Text
    recommend: Recommend
    health: HealthServicer
    kserve: KServeHealth


def grpc_server(
    servicers: Servicers, reception: Reception, *, most_audio_bytes: int, share_port: bool
) -> grpc.aio.Server:
    """`share_port`: several processes listen at one port, and the kernel spreads connections over them."""
    server = grpc.aio.server(
        interceptors=[MalformedRequests(reception, frozenset({VOICE, TEXT, RECOMMEND}))],
        options=[
            ("grpc.max_receive_message_length", most_audio_bytes + ENVELOPE_BYTES),
            ("grpc.max_send_message_length", MOST_SENT_BYTES),
            ("grpc.so_reuseport", int(share_port)),
            # A caller may ask for life signs as often as every 10 s, with or without a call.
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ("grpc.keepalive_permit_without_calls", 1),
        ],
    )
    voice_pb2_grpc.add_VoiceServicer_to_server(servicers.voice, server)  # type: ignore[no-untyped-call]
    text_pb2_grpc.add_TextServicer_to_server(servicers.text, server)  # type: ignore[no-untyped-call]
    recommend_pb2_grpc.add_RecommendServicer_to_server(servicers.recommend, server)  # type: ignore[no-untyped-call]
    health_pb2_grpc.add_HealthServicer_to_server(servicers.health, server)
    server.add_generic_rpc_handlers((servicers.kserve,))
    reflection.enable_server_reflection((VOICE, TEXT, RECOMMEND, HEALTH, reflection.SERVICE_NAME), server)
    return server
