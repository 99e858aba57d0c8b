"""Triton entry point; the logic is conch/models/intent.py."""

from conch.models.intent import Intent
from conch.triton.adapter import TritonModel


class TritonPythonModel(TritonModel):
    model_class = Intent
