"""Triton entry point; the logic is conch/models/promo_ranker.py."""

from conch.models.promo_ranker import PromoRanker
from conch.triton.adapter import TritonModel


class TritonPythonModel(TritonModel):
    model_class = PromoRanker
