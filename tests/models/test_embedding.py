"""Embeddings of the real weights: unit length, near in meaning, the same in any company."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from conch.contracts.errors import ConchError, Internal, InvalidRequest
from conch.contracts.specs import EMBEDDING_WIDTH
from conch.models.base import Array, Arrays, ModelContext, Row, strings
from conch.models.embedding import MAX_TOKENS, Embedding
from conch.models.wordpiece import FRAME


@pytest.fixture(scope="module")
def model(weights: Callable[[str], Path]) -> Embedding:
    return Embedding.load(ModelContext(weights("embedding"), {"intra_op_threads": "2"}))


def answers(model: Embedding, texts: Sequence[str]) -> Sequence[Arrays | ConchError]:
    return model.predict([Row({"text": strings([text])}) for text in texts])


def embed(model: Embedding, *texts: str) -> Array:
    found = []
    for answer in answers(model, texts):
        assert not isinstance(answer, ConchError), answer
        found.append(answer["embedding"])
    return np.stack(found)


def refusal(model: Embedding, text: str) -> str:
    [answer] = answers(model, [text])
    assert isinstance(answer, InvalidRequest)
    return answer.message


def test_vectors_have_unit_length_whatever_the_text(model: Embedding) -> None:
    vectors = embed(model, "shoes", "a red summer dress, size 38 " * 30, "👟", "Giày chạy bộ", "?")
    assert vectors.shape == (5, EMBEDDING_WIDTH)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "near", "far"),
    [
        ("running shoes for women", "ladies' trainers", "a cast iron frying pan"),
        ("How do I reset my password?", "I forgot my login credentials", "The forklift needs a new battery"),
        ("cordless drill", "battery powered screwdriver", "strawberry jam"),
    ],
    ids=["shoes", "password", "drill"],
)
def test_like_meanings_are_nearer_than_unlike_ones(model: Embedding, text: str, near: str, far: str) -> None:
    anchor, same, other = embed(model, text, near, far)
    assert anchor @ same > anchor @ other + 0.2


def test_a_text_has_the_same_vector_in_any_company(model: Embedding) -> None:
    texts = ["shoes", "a red summer dress " * 20, "cordless drill with two batteries", "jam"]
    together = embed(model, *texts)
    alone = np.concatenate([embed(model, text) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_case_is_not_read(model: Embedding) -> None:
    upper, lower = embed(model, "CORDLESS Drill", "cordless drill")
    np.testing.assert_allclose(upper, lower, atol=1e-6)


def test_what_is_beyond_256_word_pieces_is_not_read(model: Embedding) -> None:
    # "shoe" is one word piece, and two frame the text.
    full, longer, shorter = embed(model, "shoe " * 254, "shoe " * 254 + "jam", "shoe " * 253 + "jam")
    np.testing.assert_allclose(full, longer, atol=1e-6)
    assert not np.allclose(full, shorter, atol=1e-3)


@pytest.mark.parametrize("text", ["", "  \n", "\x00\x01"], ids=["empty", "blank", "control characters"])
def test_a_text_without_a_word_is_refused(model: Embedding, text: str) -> None:
    assert refusal(model, text) == f"text has {len(text)} characters and not one word"


def test_a_megabyte_is_refused_with_both_numbers(model: Embedding) -> None:
    assert refusal(model, "a" * 1_000_000) == "text has 1000000 characters, the model takes at most 20000"


def test_a_refused_text_costs_its_neighbours_nothing(model: Embedding) -> None:
    first, refused, last = answers(model, ["shoes", "", "jam"])
    assert isinstance(refused, InvalidRequest)
    assert not isinstance(first, ConchError)
    assert not isinstance(last, ConchError)
    np.testing.assert_allclose(
        np.stack([first["embedding"], last["embedding"]]), embed(model, "shoes", "jam"), atol=1e-5
    )


@pytest.mark.parametrize("damaged", ["model.onnx", "tokenizer.json"])
def test_damaged_weights_are_named(weights: Callable[[str], Path], tmp_path: Path, damaged: str) -> None:
    for name in ("model.onnx", "tokenizer.json"):
        shutil.copy(weights("embedding") / name, tmp_path / name)
    (tmp_path / damaged).write_bytes(b"not this")
    with pytest.raises(Internal, match=damaged):
        Embedding.load(ModelContext(tmp_path))


def test_the_word_pieces_that_were_read_are_counted(model: Embedding) -> None:
    tokens = []
    for answer in answers(model, ["a red shoe", "shoe " * 400]):
        assert not isinstance(answer, ConchError), answer
        tokens.append(answer["tokens"].tolist())
    assert tokens == [[3], [MAX_TOKENS - FRAME]]
