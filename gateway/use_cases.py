"""What the gateway can do, whichever face asks."""

from dataclasses import dataclass

from gateway.any_model import AnyModel
from gateway.catalogue import Catalogue
from gateway.embedding import TextEmbedding
from gateway.listening.listening import Listening
from gateway.recommending.recommendations import Recommendations
from gateway.speaking import Speaking
from gateway.transcription import Transcription
from gateway.understanding import CommandUnderstanding


@dataclass(frozen=True, slots=True)
class UseCases:
    transcription: Transcription
    understanding: CommandUnderstanding
    speaking: Speaking
    embedding: TextEmbedding
    catalogue: Catalogue
    any_model: AnyModel
    listening: Listening
    recommendations: Recommendations
