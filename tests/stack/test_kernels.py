import json
import os
import subprocess
import sys

from conch.recommendation import warm
from conch.stack.kernels import kernels

LOAD = """
import json, sys
import numpy as np
from conch.models.base import ModelContext, Row, strings
from conch.models.candidates import Candidates
from conch.models.promo_ranker import PromoRanker
from conch.recommendation.warm import compiled
from pathlib import Path

context = ModelContext(Path())
models = Candidates.load(context), PromoRanker.load(context)
answers = [
    *models[0].predict([Row({"user": strings(["user-1"])}), Row({"user": strings([""]), "exclude": strings(["a"])})]),
    *models[1].predict([Row({"masters": np.zeros(2, np.uint32), "scores": np.ones(2, np.float32)})]),
]
assert all(isinstance(answer, dict) for answer in answers), answers
print(json.dumps({"compiled": compiled(), "masters": len(answers[0]["masters"])}))
"""


def loaded(**environment):
    """What a process tells that loads both models as Triton's stub does."""
    command = [sys.executable, "-c", LOAD]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_models_compile_nothing_that_stands_in_the_state_folder_of_an_install_that_cannot_be_written(
    tmp_path, shop_stack, monkeypatch
):
    monkeypatch.delenv(warm.CACHE_VARIABLE, raising=False)
    told = kernels(tmp_path / "numba", home=tmp_path / "gone")
    assert told == {warm.CACHE_VARIABLE: str(tmp_path / "numba")}
    assert warm.is_filled(told)
    answer = loaded(**told, **shop_stack.environment)
    assert answer["compiled"] == 0
    assert answer["masters"] > 0


def test_what_no_cache_holds_is_counted(tmp_path):
    environment = {**os.environ, warm.CACHE_VARIABLE: str(tmp_path)}
    once = "from conch.recommendation import merging, warm; merging.workspace(1); print(warm.compiled())"
    counts = [
        subprocess.run([sys.executable, "-c", once], env=environment, capture_output=True, check=True).stdout.strip()
        for _ in range(2)
    ]
    assert counts == [b"1", b"0"]


def test_a_cache_of_another_state_of_the_sources_is_not_taken_for_filled(tmp_path):
    environment = {warm.CACHE_VARIABLE: str(tmp_path)}
    (tmp_path / "kernels.json").write_text('{"numba": "0.1"}')
    assert not warm.is_filled(environment)
    (tmp_path / "kernels.json").write_text("{")
    assert not warm.is_filled(environment)
