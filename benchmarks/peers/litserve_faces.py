"""LitServe answering as OpenAI does, with our files: run by benchmarks/faces.py in LitServe's own environment.

    python litserve_faces.py PORT FOLDER WORKERS embeddings BATCH
    python litserve_faces.py PORT FOLDER WORKERS transcriptions

Embeddings by its own OpenAIEmbeddingSpec, which takes a list of texts or gathers calls of one text, never both.
Transcriptions by faster-whisper, greedy as ours; it has no spec for them, so the endpoint has OpenAI's path, form and
answer. Each worker has one thread.
"""

import sys
from pathlib import Path
from typing import Any

import litserve
import numpy as np
import onnxruntime
from fastapi import Request
from faster_whisper import WhisperModel
from litserve.specs import OpenAIEmbeddingSpec
from tokenizers import Tokenizer

BATCH_TIMEOUT_S = 0.005


class Embeddings(litserve.LitAPI):  # type: ignore[misc]
    def __init__(self, folder: Path, batch: int) -> None:
        super().__init__(max_batch_size=batch, batch_timeout=BATCH_TIMEOUT_S, spec=OpenAIEmbeddingSpec())
        self._folder = folder

    def setup(self, device: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        model = str(self._folder / "model.onnx")
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        self.tokenizer.enable_padding()
        self.tokenizer.enable_truncation(256)

    def predict(self, texts: str | list[str]) -> Any:
        encoded = self.tokenizer.encode_batch([texts] if isinstance(texts, str) else texts)
        ids = np.array([one.ids for one in encoded], np.int64)
        mask = np.array([one.attention_mask for one in encoded], np.int64)
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        [tokens] = self.session.run(["last_hidden_state"], inputs)
        sums = (tokens * mask[:, :, np.newaxis]).sum(axis=1)
        return sums / np.linalg.norm(sums, axis=1, keepdims=True)


class Transcriptions(litserve.LitAPI):  # type: ignore[misc]
    def __init__(self, folder: Path) -> None:
        super().__init__(api_path="/v1/audio/transcriptions")
        self._folder = folder

    def setup(self, device: str) -> None:
        self.whisper = WhisperModel(str(self._folder), "cpu", compute_type="int8", cpu_threads=1)

    def decode_request(self, request: Request) -> tuple[Any, str | None]:
        # LitServe gives the form, where a Request is asked for.
        form: Any = request
        return form["file"].file, form.get("language")

    def predict(self, asked: tuple[Any, str | None]) -> str:
        file, language = asked
        segments, _ = self.whisper.transcribe(file, beam_size=1, language=language)
        return "".join(segment.text for segment in segments).strip()

    def encode_response(self, text: str) -> dict[str, str]:
        return {"text": text}


if __name__ == "__main__":
    _, port, folder, workers, face, *batch = sys.argv
    if face == "embeddings":
        api: litserve.LitAPI = Embeddings(Path(folder), int(batch[0]))
    else:
        api = Transcriptions(Path(folder))
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=int(workers))
    server.run(host="127.0.0.1", port=int(port), generate_client_file=False, log_level="warning")
