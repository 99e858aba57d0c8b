import re

import pytest

from conch.contracts.specs import INTENT, INTENTS, MODELS, PRIORITY_BULK, PRIORITY_INTERACTIVE, PROMO_RANKER, ModelSpec


@pytest.fixture(params=MODELS.values(), ids=lambda spec: spec.name)
def spec(request: pytest.FixtureRequest) -> ModelSpec:
    return request.param


def test_a_model_is_found_by_its_own_name(spec):
    assert MODELS[spec.name] is spec


def test_names_are_such_that_every_client_can_spell_them(spec):
    for name in (spec.name, *(tensor.name for tensor in (*spec.inputs, *spec.outputs))):
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name)


def test_no_two_inputs_and_no_two_outputs_share_a_name(spec):
    for tensors in (spec.inputs, spec.outputs):
        assert len({tensor.name for tensor in tensors}) == len(tensors)


def test_a_model_has_an_input_that_is_needed_and_outputs_that_are_always_there(spec):
    # promo_ranker needs one of three.
    assert spec is PROMO_RANKER or not all(tensor.optional for tensor in spec.inputs)
    assert spec.outputs
    assert not any(tensor.optional for tensor in spec.outputs)


def test_dims_are_lengths_or_open(spec):
    for tensor in (*spec.inputs, *spec.outputs):
        assert tensor.dims
        assert all(length == -1 or length > 0 for length in tensor.dims)
        assert tensor.ragged == (-1 in tensor.dims)


def test_tensors_are_found_by_name(spec):
    assert [spec.input(tensor.name) for tensor in spec.inputs] == list(spec.inputs)
    assert [spec.output(tensor.name) for tensor in spec.outputs] == list(spec.outputs)


def test_scores_are_as_many_as_there_are_intents():
    assert INTENT.output("intent_scores").dims == INTENT.output("logits").dims == (len(INTENTS),)


def test_somebody_who_waits_goes_before_bulk_work():
    assert PRIORITY_INTERACTIVE < PRIORITY_BULK
