"""The ensemble in a real Triton, without a catalogue: it answers, and says that there is none."""

import numpy as np
import tritonclient.grpc as grpcclient


def text(value: str) -> np.ndarray:
    return np.array([[value]], object)


def test_without_a_catalogue_the_answer_is_empty_and_says_why(serving):
    served = serving("candidates", "promo_ranker", "recommend")
    with grpcclient.InferenceServerClient(served.grpc) as client:
        user = grpcclient.InferInput("user", [1, 1], "BYTES")
        user.set_data_from_numpy(text("user-1"))
        answer = client.infer("recommend", [user])
    assert answer.as_numpy("pids").shape == (1, 0)
    assert answer.as_numpy("degraded").tolist() == [[b"catalogue: none is imported"]]
    assert answer.as_numpy("fallback").tolist() == [[b"best_sellers"]]
