"""All of OpenAI's calls that are answered here."""

from fastapi import APIRouter

from gateway.http.openai.embeddings import embedding_routes
from gateway.http.openai.models import model_routes
from gateway.http.openai.rerank import rerank_routes
from gateway.http.openai.speech import speech_routes
from gateway.http.openai.transcriptions import transcription_routes
from gateway.limits import Limits
from gateway.reception import Reception
from gateway.use_cases import UseCases


def openai_routes(reception: Reception, limits: Limits, use_cases: UseCases, body_within_s: float) -> APIRouter:
    router = APIRouter()
    router.include_router(transcription_routes(reception, limits, use_cases, body_within_s))
    router.include_router(speech_routes(reception, limits, use_cases, body_within_s))
    router.include_router(embedding_routes(reception, limits, use_cases, body_within_s))
    router.include_router(rerank_routes(reception, limits, body_within_s))
    router.include_router(model_routes(reception, use_cases.catalogue))
    return router
