"""Scores of predictions whose quality is known beforehand."""

import numpy as np
import pytest

from training.scores import fit_temperature, negative_log_likelihood, probabilities, score


def test_perfect_and_sure_predictions_have_perfect_scores() -> None:
    labels = np.array([0, 1, 2, 2])
    scores = score(np.eye(3)[labels] * 50, labels, temperature=1.0)
    assert scores.accuracy == scores.macro_f1 == 1.0
    assert scores.ece == pytest.approx(0.0, abs=1e-9)
    assert scores.false_acts == scores.missed == 0.0


def test_a_question_taken_for_a_command_is_a_false_act_and_an_unsure_command_is_missed() -> None:
    logits = np.array([[9.0, 0, 0], [0.1, 0, 0]])
    scores = score(logits, np.array([2, 0]), temperature=1.0)
    assert scores.false_acts == 0.5
    assert scores.missed == 1.0


def test_macro_f1_weighs_a_rare_intent_as_much_as_a_common_one() -> None:
    labels = np.array([2] * 98 + [1, 1])
    logits = np.eye(3)[np.full(100, 2)] * 9
    scores = score(logits, labels, temperature=1.0)
    assert scores.accuracy == 0.98
    assert scores.macro_f1 == pytest.approx((2 * 98 / 198 + 0) / 2)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_made_labels_is_found_again(temperature: float) -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(20_000, 3)) * 3
    chances = probabilities(logits, temperature)
    labels = (rng.random((20_000, 1)) > np.cumsum(chances, axis=1)).sum(axis=1).clip(0, 2)
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(temperature, rel=0.05)
    assert score(logits, labels, found).ece < 0.02
    assert negative_log_likelihood(logits, labels, found) <= negative_log_likelihood(logits, labels, 1.2 * found)
