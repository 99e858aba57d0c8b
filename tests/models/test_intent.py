"""The committed intent model: commands, questions and negations written by hand, and texts that are no texts."""

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from conch.contracts.errors import ConchError, Internal, InvalidRequest
from conch.contracts.specs import INTENTS
from conch.decision import Action, Understanding, decide
from conch.models.base import Arrays, ModelContext, Row, strings
from conch.models.intent import Intent

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "model_repository" / "intent" / "1"
WRITTEN = ROOT / "tests" / "training"

SUMMON, DIAL, GENERAL = INTENTS


@pytest.fixture(scope="module")
def model() -> Intent:
    return Intent.load(ModelContext(COMMITTED))


def answers(model: Intent, texts: Sequence[str]) -> list[Arrays]:
    found = []
    for answer in model.predict([Row({"text": strings([text])}) for text in texts]):
        assert not isinstance(answer, ConchError), answer
        found.append(answer)
    return found


def action(text: str, answer: Arrays) -> Action:
    return decide(Understanding(text, answer["intent"].item(), answer["confidence"].item())).action


def written() -> list[dict[str, str]]:
    with (WRITTEN / "commands.tsv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def test_sentences_written_by_hand_are_understood(model: Intent) -> None:
    rows = written()
    found = answers(model, [row["text"] for row in rows])
    wrong = [
        (row["text"], answer["intent"].item())
        for row, answer in zip(rows, found, strict=True)
        if answer["intent"].item() != row["intent"]
    ]
    assert len(rows) >= 60
    assert len(wrong) <= 0.05 * len(rows), wrong


def test_no_question_and_no_statement_acts(model: Intent) -> None:
    texts = [row["text"] for row in written() if row["intent"] == GENERAL]
    acted = [
        text for text, answer in zip(texts, answers(model, texts), strict=True) if action(text, answer) != "forward"
    ]
    assert acted == []


def test_most_commands_act(model: Intent) -> None:
    rows = [row for row in written() if row["intent"] != GENERAL]
    found = answers(model, [row["text"] for row in rows])
    acted = [
        row["text"]
        for row, answer in zip(rows, found, strict=True)
        if answer["intent"].item() == row["intent"] and action(row["text"], answer) is Action.EXECUTE
    ]
    assert len(acted) >= 0.85 * len(rows)


def test_a_command_that_is_denied_or_taken_back_does_not_act(model: Intent) -> None:
    texts = (WRITTEN / "not_commands.txt").read_text(encoding="utf-8").splitlines()
    acted = [
        text
        for text, answer in zip(texts, answers(model, texts), strict=True)
        if action(text, answer) is Action.EXECUTE
    ]
    assert len(texts) >= 20
    assert acted == []


@pytest.mark.parametrize("text", ["", " \n", "... ?!", "\x00"], ids=["empty", "blank", "punctuation", "control"])
def test_a_text_without_a_word_has_no_intent(model: Intent, text: str) -> None:
    [answer] = answers(model, [text])
    assert answer["intent"].tolist() == [""]
    assert answer["confidence"].tolist() == [0.0]
    assert answer["intent_scores"].tolist() == [0.0, 0.0, 0.0]


def test_scores_are_probabilities_in_the_order_of_the_intents(model: Intent) -> None:
    [answer] = answers(model, ["Please call my mother"])
    assert answer["intent"].item() == DIAL
    assert answer["intent_scores"].dtype == np.float32
    assert answer["intent_scores"].sum() == pytest.approx(1.0, abs=1e-5)
    assert answer["confidence"].item() == answer["intent_scores"][INTENTS.index(DIAL)]
    temperature = json.loads((COMMITTED / "manifest.json").read_text())["temperature"]
    raised = np.exp(answer["logits"] / temperature)
    np.testing.assert_allclose(answer["intent_scores"], raised / raised.sum(), rtol=1e-4)


def test_a_text_means_the_same_in_any_company(model: Intent) -> None:
    texts = ["call john", "", "summon the cleaning crew to hall four please " * 3, "what time is it", "thanks"]
    together = answers(model, texts)
    for text, answer in zip(texts, together, strict=True):
        [alone] = answers(model, [text])
        np.testing.assert_allclose(answer["logits"], alone["logits"], atol=1e-4)


def test_case_punctuation_and_accents_change_nothing(model: Intent) -> None:
    shouted, plain = answers(model, ["CALL NGUYỄN, NOW!", "call nguyen now"])
    np.testing.assert_allclose(shouted["logits"], plain["logits"], atol=1e-5)


def test_a_megabyte_is_refused_with_both_numbers_and_its_neighbours_are_answered(model: Intent) -> None:
    before, refused, after = model.predict(
        [Row({"text": strings([text])}) for text in ("call john", "a" * 1_000_000, "call john")]
    )
    assert isinstance(refused, InvalidRequest)
    assert refused.message == "text has 1000000 characters, the model takes at most 4000"
    assert not isinstance(before, ConchError)
    assert not isinstance(after, ConchError)
    assert before["intent"].item() == after["intent"].item() == DIAL


def test_what_is_beyond_64_word_pieces_is_not_read(model: Intent) -> None:
    # "time" is one word piece, and two frame the text.
    full, longer = answers(model, ["time " * 62, "time " * 62 + "call john"])
    np.testing.assert_allclose(full["logits"], longer["logits"], atol=1e-5)


def test_a_script_nobody_taught_it_does_not_act(model: Intent) -> None:
    texts = ["你能帮我吗", "привет, позвони мне завтра", "🎉🎉🎉", "สวัสดีครับ"]
    assert {action(text, answer) for text, answer in zip(texts, answers(model, texts), strict=True)} <= {
        Action.FORWARD,
        Action.IGNORE,
    }


def copy(folder: Path) -> Path:
    shutil.copytree(COMMITTED, folder)
    return folder


@pytest.mark.parametrize("damaged", ["model.onnx", "tokenizer.json", "manifest.json"])
def test_damaged_files_are_named(tmp_path: Path, damaged: str) -> None:
    folder = copy(tmp_path / "1")
    (folder / damaged).write_bytes(b"not this")
    with pytest.raises(Internal, match=damaged):
        Intent.load(ModelContext(folder))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["DIAL_PERSON", "SUMMON_TEAM", "GENERAL_QUERY"]}, "has the labels"),
        ({"temperature": 0}, "it must be above 0"),
        ({"temperature": None}, "is not the manifest"),
    ],
    ids=["other labels", "no temperature", "temperature is nothing"],
)
def test_a_manifest_that_contradicts_the_contract_is_refused(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    folder = copy(tmp_path / "1")
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **change}))
    with pytest.raises(Internal, match=message):
        Intent.load(ModelContext(folder))


def test_the_manifest_names_the_files_it_stands_beside_and_where_their_words_come_from() -> None:
    import hashlib

    manifest = json.loads((COMMITTED / "manifest.json").read_text())
    for name, wanted in manifest["files"].items():
        assert hashlib.sha256((COMMITTED / name).read_bytes()).hexdigest() == wanted
    assert manifest["vocabulary"]["licence"] == "Apache-2.0"
    assert manifest["held_back"]["ece"] < 0.05
    assert sum(path.stat().st_size for path in COMMITTED.iterdir()) < 6_000_000
