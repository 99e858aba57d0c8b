"""LitServe serving our text models' files: run by benchmarks/text_models.py in LitServe's own environment.

    python litserve_text.py PORT FOLDER WORKERS

What its documentation advises: batches of up to 32, gathered for 5 ms, padded to the longest of the batch;
each worker has one thread.
"""

import json
import sys
from pathlib import Path
from typing import Any

import litserve
import numpy as np
import onnxruntime
from tokenizers import Tokenizer

INTENTS = ("SUMMON_TEAM", "DIAL_PERSON", "GENERAL_QUERY")


class TextApi(litserve.LitAPI):  # type: ignore[misc]
    def __init__(self, folder: Path) -> None:
        super().__init__(max_batch_size=32, batch_timeout=0.005)
        self._folder = folder

    def setup(self, device: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            str(self._folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self.tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        self.tokenizer.enable_padding()
        manifest = self._folder / "manifest.json"
        self.temperature = json.loads(manifest.read_text())["temperature"] if manifest.is_file() else None
        self.tokenizer.enable_truncation(64 if self.temperature else 256)

    def decode_request(self, request: dict[str, Any]) -> str:
        return str(request["text"])

    def batch(self, inputs: list[str]) -> list[str]:
        return inputs

    def unbatch(self, output: Any) -> list[Any]:
        return list(output)

    def encode_response(self, output: Any) -> Any:
        return output

    def predict(self, texts: list[str]) -> list[Any]:
        encoded = self.tokenizer.encode_batch(texts)
        ids = np.array([one.ids for one in encoded], np.int64)
        if self.temperature:
            [logits] = self.session.run(["logits"], {"input_ids": ids})
            return [self._intent(one) for one in logits]
        mask = np.array([one.attention_mask for one in encoded], np.int64)
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        [tokens] = self.session.run(["last_hidden_state"], inputs)
        sums = (tokens * mask[:, :, np.newaxis]).sum(axis=1)
        return [{"embedding": one.tolist()} for one in sums / np.linalg.norm(sums, axis=1, keepdims=True)]

    def _intent(self, logits: Any) -> dict[str, Any]:
        raised = np.exp((logits - logits.max()) / self.temperature)
        scores = raised / raised.sum()
        return {"intent": INTENTS[int(scores.argmax())], "confidence": float(scores.max()), "scores": scores.tolist()}


if __name__ == "__main__":
    _, port, folder, workers = sys.argv
    server = litserve.LitServer(TextApi(Path(folder)), accelerator="cpu", workers_per_device=int(workers))
    server.run(host="127.0.0.1", port=int(port), generate_client_file=False, log_level="warning")
