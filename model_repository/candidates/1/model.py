"""Triton entry point; the logic is conch/models/candidates.py."""

from conch.models.candidates import Candidates
from conch.triton.adapter import TritonModel


class TritonPythonModel(TritonModel):
    model_class = Candidates
