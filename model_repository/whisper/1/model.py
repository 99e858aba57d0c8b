"""Triton entry point; the logic is conch/models/whisper.py."""

from conch.models.whisper import Whisper
from conch.triton.adapter import TritonModel


class TritonPythonModel(TritonModel):
    model_class = Whisper
