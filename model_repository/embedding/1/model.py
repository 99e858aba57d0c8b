"""Triton entry point; the logic is conch/models/embedding.py."""

from conch.models.embedding import Embedding
from conch.triton.adapter import TritonModel


class TritonPythonModel(TritonModel):
    model_class = Embedding
