"""Triton entry point; the logic is conch/models/piper.py."""

from conch.models.piper import Piper
from conch.triton.adapter import TritonModel


class TritonPythonModel(TritonModel):
    model_class = Piper
