"""Health by inference: what is asked, how often, and what counts as an answer."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conch.clients.faults import EVERY, Faults
from conch.clients.inference import Arrays, CallOptions, text_column
from conch.clients.inprocess import InProcessInference
from conch.clients.metadata import ModelMetadata
from conch.contracts.errors import Unavailable
from conch.contracts.on_demand import resting
from conch.contracts.specs import DataType, ModelSpec, TensorSpec
from gateway.health import GOOD, SERVICES, Health, ModelHealth, Verdict
from gateway.observed import ObservedInference
from tests.gateway.conftest import Hold, intent


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def ignored(model: str, tenant: str, seconds: float) -> None:
    pass


def out_for_lunch(inputs: Arrays, call: CallOptions) -> Arrays:
    raise Unavailable("out for lunch")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def observed(models: InProcessInference, clock: Clock) -> ObservedInference:
    return ObservedInference(models, ignored, clock)


@pytest.fixture
def health(observed: ObservedInference, clock: Clock) -> ModelHealth:
    return ModelHealth(observed, keep_s=5.0, deadline_s=0.2, clock=clock)


@pytest.mark.parametrize("model", sorted({model for models in SERVICES.values() for model in models}))
async def test_every_model_has_a_probe_that_it_answers(
    health: ModelHealth, models: InProcessInference, model: str
) -> None:
    assert await health.of_model(model) == GOOD
    assert [asked.model for asked in models.asked] == [model]


async def test_a_verdict_is_kept_for_a_while(health: ModelHealth, models: InProcessInference, clock: Clock) -> None:
    for seconds in (0.0, 4.9, 0.2):
        clock.now += seconds
        await health.of_model("intent")
    assert len(models.asked) == 2


async def test_a_model_that_answered_a_caller_is_not_probed(
    health: ModelHealth, models: InProcessInference, observed: ObservedInference, clock: Clock
) -> None:
    await observed.infer("intent", {"text": text_column("call")})
    models.functions["intent"] = Hold().before(intent)
    assert await health.of_model("intent") == GOOD
    clock.now += 5.1
    assert await health.of_model("intent") == Verdict(ready=False, reason="model intent: no answer within 0.2 s")


async def test_a_model_that_failed_its_caller_is_probed_though_it_answered_a_moment_ago(
    health: ModelHealth, models: InProcessInference, observed: ObservedInference, clock: Clock
) -> None:
    assert await health.of_model("intent") == GOOD
    models.functions["intent"] = out_for_lunch
    with pytest.raises(Unavailable):
        await observed.infer("intent", {"text": text_column("call")})
    clock.now += 1.0
    assert await health.of_model("intent") == Verdict(ready=False, reason="model intent: out for lunch")


@pytest.mark.parametrize("concerned", ["intent", EVERY])
async def test_a_fault_that_somebody_else_found_counts_from_then_on_until_it_is_mended(
    models: InProcessInference, observed: ObservedInference, clock: Clock, tmp_path: Path, concerned: str
) -> None:
    faults = Faults(tmp_path / "faults.json")
    whole = Health(ModelHealth(observed, Faults(faults.path), keep_s=5.0, clock=clock))
    assert await whole.ready()
    faults.begin([concerned], "it has lost its python stub")
    lost = Verdict(ready=False, reason="it has lost its python stub")
    assert await whole.of_version("intent") == lost
    assert await whole.of_server() == lost
    assert not await whole.ready()
    assert await whole.ready("conch.text.v1.Text") is (concerned == "intent")
    faults.end([concerned])
    assert await whole.of_version("intent") == GOOD
    assert await whole.ready()


async def test_a_model_on_demand_that_nobody_has_called_is_no_fault(
    health: ModelHealth, models: InProcessInference
) -> None:
    def rests(inputs: Arrays, call: CallOptions) -> Arrays:
        raise Unavailable(resting("intent"))

    models.functions["intent"] = rests
    assert await health.of_model("intent") == GOOD


async def test_many_who_ask_share_one_probe(health: ModelHealth, models: InProcessInference) -> None:
    verdicts = await asyncio.gather(*(health.of_model("intent") for _ in range(20)))
    assert set(verdicts) == {GOOD}
    assert len(models.asked) == 1


async def test_a_model_that_fails_says_why_and_is_soon_asked_again(
    health: ModelHealth, models: InProcessInference, clock: Clock
) -> None:
    models.functions["intent"] = out_for_lunch
    assert await health.of_model("intent") == Verdict(ready=False, reason="model intent: out for lunch")
    models.functions["intent"] = intent
    clock.now += 1.0
    assert await health.of_model("intent") == GOOD


class WithExample(InProcessInference):
    """One model that is not ours, and that names an example."""

    example = ""

    async def metadata(self, model: str, version: str = "") -> ModelMetadata:
        return replace(await super().metadata(model, version), example=self.example)


def theirs(decoupled: bool) -> WithExample:
    tensor = TensorSpec("text", DataType.BYTES, (1,))
    answers: list[Any] = [{"text": text_column("x")}]
    return WithExample(
        {"theirs": lambda inputs, call: answers if decoupled else answers[0]},
        {"theirs": ModelSpec("theirs", (tensor,), (tensor,), decoupled)},
    )


@pytest.mark.parametrize("decoupled", [False, True], ids=["one answer", "a stream"])
async def test_a_model_of_others_is_asked_its_example(decoupled: bool, clock: Clock) -> None:
    models = theirs(decoupled)
    models.example = '{"text": "as its maker says"}'
    health = ModelHealth(ObservedInference(models, ignored, clock), clock=clock)
    assert await health.of_version("theirs", "1") == GOOD
    assert [asked.inputs["text"].tolist() for asked in models.asked] == [[["as its maker says"]]]
    models.functions["theirs"] = out_for_lunch
    clock.now += 5.1
    assert await health.of_version("theirs", "1") == Verdict(ready=False, reason="model theirs: out for lunch")
    assert await health.of_server() == GOOD


@pytest.mark.parametrize(
    ("example", "reason"),
    [
        ("{", "model theirs: its example is not JSON: Expecting property name enclosed in double quotes"),
        ('{"words": "x"}', "input words is not one of model theirs: text"),
    ],
)
async def test_an_example_that_cannot_be_sent_is_named(example: str, reason: str, clock: Clock) -> None:
    models = theirs(decoupled=False)
    models.example = example
    verdict = await ModelHealth(ObservedInference(models, ignored, clock), clock=clock).of_version("theirs", "")
    assert not verdict.ready
    assert verdict.reason.startswith(reason)


async def test_a_model_of_others_without_an_example_is_not_asked(clock: Clock) -> None:
    models = theirs(decoupled=False)
    assert await ModelHealth(ObservedInference(models, ignored, clock), clock=clock).of_version("theirs", "") == GOOD
    assert models.asked == []


async def test_a_service_is_ready_when_all_its_models_are(health: ModelHealth, models: InProcessInference) -> None:
    del models.functions["piper"]
    whole = Health(health)
    assert await whole.ready("conch.text.v1.Text")
    assert not await whole.ready("conch.voice.v1.Voice")
    assert not await whole.ready()


async def test_models_that_are_declared_vital_decide_for_the_server(
    health: ModelHealth, models: InProcessInference
) -> None:
    models.functions["piper"] = out_for_lunch
    assert not await Health(health).ready()
    whole = Health(health, vital=("intent", "embedding"))
    assert await whole.ready()
    assert await whole.of_server() == GOOD
    models.functions["intent"] = out_for_lunch
    without = Health(ModelHealth(ObservedInference(models, ignored)), vital=("intent", "embedding"))
    assert await without.of_server() == Verdict(ready=False, reason="model intent: out for lunch")
    assert not await without.ready()


async def test_a_vital_model_that_is_not_served_is_not_ready(health: ModelHealth) -> None:
    verdict = await Health(health, vital=("intent", "reranker")).of_server()
    assert not verdict.ready
    assert "reranker" in verdict.reason


async def test_a_draining_process_is_ready_for_nothing(health: ModelHealth) -> None:
    whole = Health(health)
    assert await whole.ready()
    whole.drain()
    assert not await whole.ready()
    assert not await whole.ready("conch.text.v1.Text")


async def test_who_watches_is_told_of_changes_alone(
    health: ModelHealth, models: InProcessInference, clock: Clock
) -> None:
    whole = Health(health)
    told = whole.watch("conch.text.v1.Text", every_s=0.01)
    assert await anext(told) is True
    gone = models.functions.pop("embedding")
    clock.now += 5.0
    assert await anext(told) is False
    models.functions["embedding"] = gone
    clock.now += 5.0
    assert await anext(told) is True
    whole.drain()
    assert [ready async for ready in told] == [False]
