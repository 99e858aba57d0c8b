"""What no model of ours may be moved by: tensors that break its contract, sent straight to Triton."""

import contextlib
import queue
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil
import pytest
import tritonclient.grpc as grpcclient
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from conch.contracts.provenance import SOURCES
from conch.contracts.specs import (
    CANDIDATES_MOST,
    EMBEDDING_WIDTH,
    MODELS,
    RANKED_MOST,
    SPEECH_RATE,
    UUID_BYTES,
    VAD_WINDOW,
    DataType,
)
from conch.models.candidates import MOST_CHARACTERS, MOST_EXCLUDED

Arrays = dict[str, np.ndarray]


ROUNDS = 4
"""Of all bad requests together, some 80 MB each."""


def text(value: str | bytes) -> np.ndarray:
    array = np.empty((1, 1), dtype=object)
    array[0, 0] = value
    return array


def number(value: int) -> np.ndarray:
    return np.array([[value]], np.int32)


def ranking(masters: int) -> Arrays:
    """A request of promo_ranker with all that candidates tell of each master."""
    return {
        "masters": np.arange(masters, dtype=np.uint32)[np.newaxis],
        "scores": np.ones((1, masters), np.float32),
        "sources": np.ones((1, masters), np.uint32),
        "parts": np.zeros((1, masters, len(SOURCES)), np.float32),
        "reasons": np.zeros((1, masters), np.uint32),
    }


def excluding(ids: int) -> np.ndarray:
    array = np.empty((1, ids), object)
    array[0] = [f"product-{place}" for place in range(ids)]
    return array


SILENCE = np.zeros((1, SPEECH_RATE), np.float32)
UUIDS = np.zeros((1, 3, UUID_BYTES), np.uint8)

GOOD: dict[str, Arrays] = {
    "whisper": {"pcm": SILENCE, "sample_rate": np.array([[SPEECH_RATE]], np.int32)},
    "vad": {"pcm": SILENCE[:, : 4 * VAD_WINDOW]},
    "intent": {"text": text("call John")},
    "piper": {"text": text("Hello."), "length_scale": np.array([[1.0]], np.float32)},
    "embedding": {"text": text("hello")},
    "candidates": {
        "user": text("user-1"),
        "item": text("product-1"),
        "category": text("shoes"),
        "widget": text("home"),
        "exclude": excluding(3),
        "candidates": number(10),
    },
    "nearest": {"embedding": np.ones((1, EMBEDDING_WIDTH), np.float32), "k": number(10), "vector_version": text("1")},
    "promo_ranker": ranking(3) | {"widget": text("home"), "k": number(10), "strict": np.array([[True]])},
}
"""One good request for each model: every bad one differs from it in one tensor."""


@dataclass(frozen=True)
class Bad:
    model: str
    what: str
    inputs: Arrays
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.model}, {self.what}"


def breaking_the_contract() -> Iterator[Bad]:
    """Each tensor of each model made wrong in each way that its type allows."""
    for model, good in GOOD.items():
        for name, array in good.items():
            spec = MODELS[model].input(name)

            def bad(what: str, array: np.ndarray, model: str = model, name: str = name) -> Bad:
                return Bad(model, f"{name} {what}", {**GOOD[model], name: array})

            yield bad("with one dimension too many", array[..., np.newaxis])
            yield bad("without its batch dimension", array[0])
            if -1 not in spec.dims:
                yield bad("twice as long", np.concatenate([array, array], axis=1))
                yield bad("of length 0", array[:, :0])
            if spec.data_type is DataType.FP32:
                for value in (np.nan, np.inf, -np.inf):
                    damaged = array.copy()
                    damaged[0, -1] = value
                    yield bad(f"with {value}", damaged)
                yield bad("as FP64", array.astype(np.float64))
            elif spec.data_type is DataType.BYTES:
                yield bad("that is not UTF-8", text(b"caf\xe9 \xff"))
                yield bad("as FP32", np.zeros((1, 1), np.float32))
            else:
                yield bad("as INT64", array.astype(np.int64))
            if len(good) > 1:
                yield bad("of two rows beside one", np.concatenate([array, array]))
        yield Bad(model, "an input it does not have", {**good, "volume": np.ones((1, 1), np.float32)})
        yield Bad(model, "none of its inputs", {})


def beyond_sense() -> Iterator[Bad]:
    """Right in type and shape, and still nothing to compute with."""
    int32 = np.iinfo(np.int32)
    for rate in (int32.min, -SPEECH_RATE, 0, 1, int32.max):
        yield Bad("whisper", f"a rate of {rate}", GOOD["whisper"] | {"sample_rate": np.array([[rate]], np.int32)})
    yield Bad("whisper", "both kinds of PCM", GOOD["whisper"] | {"pcm16": np.zeros((1, SPEECH_RATE), np.int16)})
    yield Bad("whisper", "no PCM", {"sample_rate": GOOD["whisper"]["sample_rate"]})
    for seconds in (31, 600):
        pcm = np.zeros((1, seconds * SPEECH_RATE), np.float32)
        yield Bad("whisper", f"{seconds} s of audio", GOOD["whisper"] | {"pcm": pcm})
    yield Bad("vad", "ten minutes of NaN", {"pcm": np.full((1, 600 * SPEECH_RATE), np.nan, np.float32)})
    yield Bad("vad", "half a window", {"pcm": SILENCE[:, : VAD_WINDOW // 2]})
    for scale in (-1e30, -1.0, 0.0, 1e-30, 1e30):
        yield Bad("piper", f"a pace of {scale:g}", GOOD["piper"] | {"length_scale": np.array([[scale]], np.float32)})
    yield Bad("piper", "no text", GOOD["piper"] | {"text": text("")})
    for model in ("intent", "embedding", "piper"):
        yield Bad(model, "a megabyte of text", GOOD[model] | {"text": text("x" * 2**20)})
    yield from beyond_a_shop()


def beyond_a_shop() -> Iterator[Bad]:
    shopper, ranked = GOOD["candidates"], GOOD["promo_ranker"]
    for name in ("x" * (MOST_CHARACTERS + 1), "{user-1}", "user 1"):
        yield Bad("candidates", f"a user of {len(name)} characters, {name[:8]}", shopper | {"user": text(name)})
    for most in (-1, 0, CANDIDATES_MOST + 1, 10**6):
        yield Bad("candidates", f"{most} candidates", shopper | {"candidates": number(most)})
    yield Bad("candidates", "too many exclusions", shopper | {"exclude": excluding(MOST_EXCLUDED + 1)})
    for k in (-1, 0, RANKED_MOST + 1, 10**6):
        yield Bad("promo_ranker", f"k {k}", ranked | {"k": number(k)})
        yield Bad("nearest", f"k {k}", GOOD["nearest"] | {"k": number(k)})
    yield Bad(
        "nearest", "a vector of length 0", GOOD["nearest"] | {"embedding": np.zeros((1, EMBEDDING_WIDTH), np.float32)}
    )
    yield Bad("promo_ranker", "too many masters", ranking(RANKED_MOST + 1))
    yield Bad("promo_ranker", "both kinds of masters", ranked | {"master_uuids": UUIDS})
    yield Bad("promo_ranker", "no masters", {"scores": ranked["scores"]})
    yield Bad("promo_ranker", "fewer UUIDs than scores", {"scores": np.ones((1, 4), np.float32), "master_uuids": UUIDS})
    for name in ("scores", "sources", "parts", "reasons"):
        yield Bad("promo_ranker", f"fewer {name} than masters", ranked | {name: ranked[name][:, :2]})


EMPTY = [
    Bad("whisper", "no samples", GOOD["whisper"] | {"pcm": SILENCE[:, :0]}),
    Bad("vad", "no samples", {"pcm": SILENCE[:, :0]}),
    *(Bad(model, "no text", GOOD[model] | {"text": text("")}) for model in ("intent", "embedding")),
    Bad("candidates", "nobody", GOOD["candidates"] | {"user": text("")}),
    Bad(
        "candidates", "an item and a category without names", {name: text("") for name in ("user", "item", "category")}
    ),
    Bad("candidates", "no exclusions", GOOD["candidates"] | {"exclude": excluding(0)}),
    Bad("candidates", "as many exclusions as may be", GOOD["candidates"] | {"exclude": excluding(MOST_EXCLUDED)}),
    Bad("promo_ranker", "no masters", ranking(0)),
    Bad("promo_ranker", "masters that are none", {"scores": np.ones((1, 3), np.float32), "master_uuids": UUIDS}),
    Bad("promo_ranker", "ids beyond the catalogue", ranking(3) | {"masters": np.full((1, 3), 2**32 - 1, np.uint32)}),
    Bad("promo_ranker", "scores below 0", ranking(3) | {"scores": -np.ones((1, 3), np.float32)}),
    *(Bad(model, "blank text", GOOD[model] | {"text": text(" \n\t\0")}) for model in ("intent", "embedding", "piper")),
]

ALL = [*breaking_the_contract(), *beyond_sense()]


@dataclass(frozen=True, slots=True)
class Served:
    address: str
    process: psutil.Process

    def infer(self, model: str, inputs: Arrays, **options: Any) -> None:
        """Returns when the model has given its last answer; raises what it refused with."""
        tensors = []
        for name, array in inputs.items():
            tensor = grpcclient.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
            tensors.append(tensor.set_data_from_numpy(array))
        with grpcclient.InferenceServerClient(self.address) as client:
            if MODELS[model].decoupled:
                _exhaust(client, model, tensors, options)
            else:
                client.infer(model, tensors, client_timeout=60, **options)

    def refusal(self, model: str, inputs: Arrays, **options: Any) -> InferenceServerException:
        with pytest.raises(InferenceServerException) as refused:
            self.infer(model, inputs, **options)
        return refused.value

    def memory_bytes(self) -> int:
        """Of the server and its models together, what they share counted once."""
        everybody = [self.process, *self.process.children(recursive=True)]
        return sum(one.memory_full_info().pss for one in everybody)


def _exhaust(client: Any, model: str, tensors: list[Any], options: dict[str, Any]) -> None:
    answers: queue.Queue[tuple[Any, Exception | None]] = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    client.async_stream_infer(model, tensors, enable_empty_final_response=True, **options)
    final = False
    while not final:
        result, error = answers.get(timeout=60)
        if error is not None:
            raise error
        final = result.get_response().parameters["triton_final_response"].bool_param


@pytest.fixture(scope="module")
def served(serving) -> Served:
    server = serving(*GOOD)
    return Served(server.grpc, psutil.Process(server.process.pid))


def test_there_is_a_good_request_for_every_model():
    assert GOOD.keys() == MODELS.keys()


@pytest.mark.parametrize("model", GOOD)
def test_the_good_request_is_answered(served, model):
    served.infer(model, GOOD[model])


@pytest.mark.parametrize("bad", ALL, ids=str)
def test_what_breaks_the_contract_is_the_caller_s_fault_and_names_the_model(served, bad):
    error = served.refusal(bad.model, bad.inputs, **bad.options)
    # A stream's errors have no status: ours say their class, Triton's own are about the request.
    assert error.status() in {"StatusCode.INVALID_ARGUMENT", None}
    if not bad.inputs and all(tensor.optional for tensor in MODELS[bad.model].inputs):
        # Triton refuses it before it looks at the model.
        assert "request has 0 inputs" in error.message()
    else:
        assert re.search(rf"^model {bad.model}: |'{bad.model}'", error.message()), error.message()
    assert "nternal" not in error.message()


@pytest.mark.parametrize("bad", EMPTY, ids=str)
def test_nothing_to_work_on_is_answered_or_refused_but_never_a_bug(served, bad):
    refusals = []
    try:
        served.infer(bad.model, bad.inputs)
    except InferenceServerException as error:
        refusals.append(error.message())
    assert [message for message in refusals if not message.startswith(f"model {bad.model}: ")] == []
    assert [message for message in refusals if "nternal" in message] == []


@pytest.mark.parametrize("model", GOOD)
def test_an_unknown_version_is_not_found(served, model):
    error = served.refusal(model, GOOD[model], model_version="7")
    assert f"'{model}' version 7 is not found" in error.message()


def test_an_unknown_language_is_not_found(served):
    error = served.refusal("whisper", GOOD["whisper"] | {"language": text("klingon")})
    assert error.status() == "StatusCode.NOT_FOUND"
    assert error.message().startswith("model whisper: ")
    assert "klingon" in error.message()


@pytest.mark.parametrize("model", ["candidates", "promo_ranker"])
@pytest.mark.parametrize("name", ["widget", "variant"])
def test_an_unknown_widget_or_variant_is_not_found(served, model, name):
    error = served.refusal(model, GOOD[model] | {name: text("tomorrow's")})
    assert error.status() == "StatusCode.NOT_FOUND"
    assert error.message().startswith(f'model {model}: {name} "tomorrow\'s" is none of ')


def test_an_unknown_model_is_not_found(served):
    with (
        grpcclient.InferenceServerClient(served.address) as client,
        pytest.raises(InferenceServerException, match="unknown model: 'oracle' is not found"),
    ):
        client.infer("oracle", [])


def test_bad_requests_leave_the_server_serving_and_its_memory_as_it_was(served):
    def rounds() -> int:
        for _ in range(ROUNDS):
            for bad in [*ALL, *EMPTY]:
                with contextlib.suppress(InferenceServerException):
                    served.infer(bad.model, bad.inputs, **bad.options)
        for model, good in GOOD.items():
            served.infer(model, good)
        return served.memory_bytes()

    sent_bytes = ROUNDS * sum(array.nbytes for bad in [*ALL, *EMPTY] for array in bad.inputs.values())
    # Early rounds bring buffers to their size, which may take several; a leak adds up to what was sent in every one.
    grown = []
    before = rounds()
    while len(grown) < 5 and (not grown or grown[-1] >= sent_bytes / 2):
        after = rounds()
        grown.append(after - before)
        before = after
    assert grown[-1] < sent_bytes / 2, grown
