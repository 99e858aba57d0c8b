"""Triton entry point; the logic is conch/models/vad.py."""

from conch.models.vad import Vad
from conch.triton.adapter import TritonModel


class TritonPythonModel(TritonModel):
    model_class = Vad
