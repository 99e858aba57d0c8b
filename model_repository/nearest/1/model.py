"""Triton entry point; the logic is conch/models/nearest.py."""

from conch.models.nearest import Nearest
from conch.triton.adapter import TritonModel


class TritonPythonModel(TritonModel):
    model_class = Nearest
