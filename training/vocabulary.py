"""Word pieces and what they mean, taken over from a sentence embedding model, so that words of no template are known.

The pieces are those of BERT's uncased vocabulary that are plain letters and digits; their vectors are the embedding
model's own, turned to their 128 principal axes and rounded to 8 bits.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from conch.contracts.errors import InvalidRequest

PAD, UNKNOWN, BEGIN, END = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
SPECIAL = (PAD, UNKNOWN, BEGIN, END)
"""In the order of their ids, 0 to 3."""

_PLAIN = re.compile(r"(##)?[a-z0-9]+")
_EMBEDDINGS = re.compile(r"word_embeddings\.weight(_q|_quantized)?$")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    pieces: tuple[str, ...]
    """By id."""
    quantized: npt.NDArray[np.int8]
    """(pieces, width)"""
    scales: npt.NDArray[np.float32]
    """(pieces, 1): a vector is its quantized row times its scale."""

    @property
    def vectors(self) -> npt.NDArray[np.float32]:
        return self.quantized.astype(np.float32) * self.scales

    @property
    def words(self) -> list[str]:
        """Pieces that stand alone."""
        return [piece for piece in self.pieces if piece.isalpha() and len(piece) > 2]

    def tokenizer(self) -> dict[str, Any]:
        """As tokenizer.json: what is neither letter nor digit separates words, and accents are not read."""
        ids = {piece: index for index, piece in enumerate(self.pieces)}
        frame = {name: {"id": name, "ids": [ids[name]], "tokens": [name]} for name in (BEGIN, END)}
        begin, end = ({"SpecialToken": {"id": name, "type_id": 0}} for name in (BEGIN, END))
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [
                {
                    "id": ids[piece],
                    "content": piece,
                    "single_word": False,
                    "lstrip": False,
                    "rstrip": False,
                    "normalized": False,
                    "special": True,
                }
                for piece in SPECIAL
            ],
            "normalizer": {
                "type": "Sequence",
                "normalizers": [
                    {"type": "Replace", "pattern": {"Regex": r"[^\p{L}\p{M}\p{N}']+"}, "content": " "},
                    {
                        "type": "BertNormalizer",
                        "clean_text": True,
                        "handle_chinese_chars": True,
                        "strip_accents": True,
                        "lowercase": True,
                    },
                    {"type": "Replace", "pattern": {"String": "'"}, "content": ""},
                ],
            },
            "pre_tokenizer": {"type": "WhitespaceSplit"},
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [begin, {"Sequence": {"id": "A", "type_id": 0}}, end],
                "pair": [begin, {"Sequence": {"id": "A", "type_id": 0}}, end, {"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": frame,
            },
            "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
            "model": {
                "type": "WordPiece",
                "unk_token": UNKNOWN,
                "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 40,
                "vocab": ids,
            },
        }


def from_embedding(model: Path, tokenizer: Path, width: int) -> Vocabulary:
    """From model.onnx and tokenizer.json of a BERT-like embedding model."""
    known: Mapping[str, int] = json.loads(tokenizer.read_text(encoding="utf-8"))["model"]["vocab"]
    plain = sorted((piece for piece in known if _PLAIN.fullmatch(piece)), key=known.__getitem__)
    table = _word_embeddings(model)
    if len(known) != len(table):
        raise InvalidRequest(f"tokenizer.json has {len(known)} pieces, model.onnx vectors for {len(table)}")
    vectors = _principal(table[[known[piece] for piece in (*SPECIAL, *plain)]], width)
    scales = np.maximum(np.abs(vectors).max(axis=1, keepdims=True), 1e-8) / 127
    quantized = np.round(vectors / scales).astype(np.int8)
    return Vocabulary((*SPECIAL, *plain), quantized, scales.astype(np.float32))


def _word_embeddings(path: Path) -> npt.NDArray[np.float32]:
    import onnx
    from onnx.numpy_helper import to_array

    tensors = {tensor.name: tensor for tensor in onnx.load(str(path)).graph.initializer}
    name = next((name for name in tensors if _EMBEDDINGS.search(name)), None)
    if name is None:
        raise InvalidRequest(f"{path.name} has no tensor named word_embeddings.weight")
    table: npt.NDArray[np.float32] = np.asarray(to_array(tensors[name]), np.float32)
    scale = tensors.get(re.sub(r"_q(uantized)?$", "_scale", name))
    # A table without rounding has no scale, and its name is found again as it is.
    if scale is None or name.endswith("weight"):
        return table
    scaled: npt.NDArray[np.float32] = table * np.asarray(to_array(scale), np.float32)
    return scaled


def _principal(vectors: npt.NDArray[np.float32], width: int) -> npt.NDArray[np.float32]:
    """Centred, turned to the axes along which they differ most, and of unit length on average."""
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    turned = centred @ axes[:, ::-1][:, :width]
    # An axis and its opposite are as good; this makes the choice the same everywhere.
    turned *= np.sign(turned[np.abs(turned).argmax(axis=0), np.arange(width)])
    scaled: npt.NDArray[np.float32] = (turned / np.linalg.norm(turned, axis=1).mean()).astype(np.float32)
    return scaled
