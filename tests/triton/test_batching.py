import logging
from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conch.contracts.errors import DeadlineExceeded, Internal, InvalidRequest, Unavailable
from conch.contracts.identity import Identity
from conch.contracts.specs import DataType, ModelSpec, TensorSpec
from conch.models.base import Arrays, ModelContext, RaggedModel, Row, StackedModel
from conch.triton.batching import Answer, Call, blamed, run

SPEC = ModelSpec("adder", (TensorSpec("numbers", DataType.FP32, (-1,)),), (TensorSpec("total", DataType.FP32, (1,)),))
REFUSED = -1.0
BUG = 13.0
AWAY = 404.0


def _complain(numbers: np.ndarray) -> None:
    if REFUSED in numbers:
        raise InvalidRequest("-1 is not taken")
    if BUG in numbers:
        raise ZeroDivisionError("secret detail")
    if AWAY in numbers:
        raise Unavailable("the store is away")


class Stacked(StackedModel):
    """Adds up each row, and remembers the shapes it was given."""

    spec = SPEC

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    @classmethod
    def load(cls, context: ModelContext) -> Self:
        return cls()

    def predict(self, inputs: Arrays) -> Arrays:
        self.shapes.append(inputs["numbers"].shape)
        _complain(inputs["numbers"])
        return {"total": inputs["numbers"].sum(axis=1, keepdims=True)}


class Ragged(RaggedModel):
    """Adds up each row, and remembers the lengths and tenants it was given."""

    spec = SPEC

    def __init__(self) -> None:
        self.lengths: list[list[int]] = []
        self.tenants: list[str] = []

    @classmethod
    def load(cls, context: ModelContext) -> Self:
        return cls()

    def predict(self, rows: Sequence[Row]) -> list[Answer]:
        self.lengths.append([len(row["numbers"]) for row in rows])
        self.tenants.extend(row.identity.tenant for row in rows)
        for row in rows:
            _complain(row["numbers"][row["numbers"] != REFUSED])
        return [
            InvalidRequest("-1 is not taken")
            if REFUSED in row["numbers"]
            else {"total": row["numbers"].sum(keepdims=True)}
            for row in rows
        ]


class Answering(RaggedModel):
    """Answers what it is told to, whatever it is asked."""

    spec = SPEC

    def __init__(self, answer: Callable[[Sequence[Row]], Sequence[Answer]]) -> None:
        self._answer = answer

    @classmethod
    def load(cls, context: ModelContext) -> Self:
        raise NotImplementedError

    def predict(self, rows: Sequence[Row]) -> Sequence[Answer]:
        return self._answer(rows)


class StackedAnswering(StackedModel):
    spec = SPEC

    def __init__(self, answer: Callable[[Arrays], Arrays]) -> None:
        self._answer = answer

    @classmethod
    def load(cls, context: ModelContext) -> Self:
        raise NotImplementedError

    def predict(self, inputs: Arrays) -> Arrays:
        return self._answer(inputs)


def call(*rows: Sequence[float], tenant: str = "default") -> Call:
    return Call({"numbers": np.array(rows, np.float32)}, Identity(tenant=tenant, request_id="r1"))


def ran(model: StackedModel | RaggedModel, *calls: Call) -> list[object]:
    """Answers in order: totals as nested lists, errors as (class, message)."""
    return [_seen(answer) for answer in run(model, calls, lambda rows: None)]


def _seen(answer: Answer) -> object:
    return (type(answer), answer.message) if isinstance(answer, Exception) else answer["total"].tolist()


REFUSAL = (InvalidRequest, "-1 is not taken")
INTERNAL = (Internal, "internal error")


def test_a_model_is_told_for_each_row_which_outputs_are_asked_for():
    def answer(rows: Sequence[Row]) -> Sequence[Answer]:
        return [row.answer(dict.fromkeys(("total", "mean"), lambda: np.ones(1, np.float32))) for row in rows]

    of_one = Call({"numbers": np.zeros((2, 1), np.float32)}, Identity(), frozenset({"mean"}))
    answers = run(Answering(answer), [of_one, call([1])], lambda rows: None)
    assert [sorted(answer) for answer in answers if not isinstance(answer, Exception)] == [["mean"], ["mean", "total"]]


def test_equal_shapes_run_as_one_stack():
    model = Stacked()
    assert ran(model, call([1, 2]), call([3, 4]), call([5, 6])) == [[[3]], [[7]], [[11]]]
    assert model.shapes == [(3, 2)]


def test_unequal_shapes_run_in_groups_and_keep_their_order():
    model = Stacked()
    assert ran(model, call([1]), call([1, 1]), call([2]), call([2, 2])) == [[[1]], [[2]], [[2]], [[4]]]
    assert model.shapes == [(2, 1), (2, 2)]


def test_requests_with_and_without_an_optional_input_are_not_stacked_together():
    model = StackedAnswering(
        lambda inputs: {"total": inputs["numbers"].sum(axis=1, keepdims=True) + inputs.get("bias", 0.0)}
    )
    biased = Call({"numbers": np.ones((1, 2), np.float32), "bias": np.ones((1, 1), np.float32)}, Identity())
    assert ran(model, call([1, 1]), biased) == [[[2]], [[3]]]


@pytest.mark.parametrize("model_class", [Stacked, Ragged])
def test_requests_of_several_rows_are_split_where_they_were_joined(model_class):
    calls = [call([1, 1], [2, 2]), call([3, 3]), call([4, 4], [5, 5], [6, 6])]
    assert ran(model_class(), *calls) == [[[2], [4]], [[6]], [[8], [10], [12]]]


@pytest.mark.parametrize("model_class", [Stacked, Ragged])
def test_a_refused_request_does_not_fail_its_neighbours(model_class):
    assert ran(model_class(), call([1, 1]), call([REFUSED, 0]), call([2, 2])) == [[[2]], REFUSAL, [[4]]]


@pytest.mark.parametrize("model_class", [Stacked, Ragged])
def test_a_bug_keeps_its_details_and_does_not_fail_the_neighbours(model_class, caplog):
    assert ran(model_class(), call([1, 1]), call([BUG, 0]), call([2, 2])) == [[[2]], INTERNAL, [[4]]]
    assert "r1" in caplog.text
    assert "secret detail" in caplog.text


def test_what_is_logged_of_a_request_names_it_and_its_trace(caplog):
    trace = "0af7651916cd43dd8448eb211c80319c"
    for error in (ZeroDivisionError("secret detail"), Internal("the weights are gone")):
        blamed(error, Identity(request_id="r1", traceparent=f"00-{trace}-b7ad6b7169203331-01"))
    assert [line for line in caplog.messages if f"request r1, trace {trace}" in line] == caplog.messages
    assert len(caplog.messages) == 2


def test_a_bug_of_batches_alone_is_logged_although_every_request_succeeds(caplog):
    def only_singles(inputs: Arrays) -> Arrays:
        if len(inputs["numbers"]) > 1:
            raise ValueError("batches are beyond me")
        return {"total": inputs["numbers"]}

    assert ran(StackedAnswering(only_singles), call([1]), call([2])) == [[[1]], [[2]]]
    assert "batches are beyond me" in caplog.text


def test_a_caller_s_mistake_leaves_nothing_in_the_log(caplog):
    caplog.set_level(logging.DEBUG)
    ran(Stacked(), call([REFUSED]), call([1]))
    assert caplog.text == ""


@pytest.mark.parametrize("model_class", [Stacked, Ragged])
def test_a_store_that_is_away_is_not_asked_again_for_every_request(model_class):
    model = model_class()
    away = (Unavailable, "the store is away")
    assert ran(model, call([1]), call([AWAY]), call([2])) == [away, away, away]
    assert len(model.shapes if isinstance(model, Stacked) else model.lengths) == 1


def test_time_that_ran_out_for_a_batch_is_not_spent_again():
    asked: list[int] = []

    def late(rows: Sequence[Row]) -> Sequence[Answer]:
        asked.append(len(rows))
        raise DeadlineExceeded("50 ms are over")

    assert ran(Answering(late), call([1]), call([2])) == [(DeadlineExceeded, "50 ms are over")] * 2
    assert asked == [2]


@pytest.mark.parametrize("wrong", [1, 2, 4], ids=lambda rows: f"{rows} rows for 3")
def test_a_stack_of_the_wrong_size_is_never_split_among_the_callers(wrong, caplog):
    def resized(inputs: Arrays) -> Arrays:
        rows = len(inputs["numbers"])
        return {"total": np.zeros((wrong if rows == 3 else rows, 1), np.float32) + inputs["numbers"][0]}

    assert ran(StackedAnswering(resized), call([1]), call([2]), call([3])) == [[[1]], [[2]], [[3]]]
    assert f"output total has shape [{wrong}, 1] for a batch of 3" in caplog.text


@pytest.mark.parametrize(
    "output",
    [np.zeros((2, 1), np.float32), np.zeros((0, 1), np.float32), np.float32(3.0), None],
    ids=["two rows", "no rows", "no batch dimension", "not an array"],
)
def test_one_request_with_an_answer_of_the_wrong_size_is_a_bug(output):
    assert ran(StackedAnswering(lambda inputs: {"total": output}), call([1])) == [INTERNAL]


def test_answers_that_are_not_as_many_as_the_rows_are_a_bug(caplog):
    assert ran(Answering(lambda rows: []), call([1]), call([2])) == [INTERNAL, INTERNAL]
    assert "0 answers for 2 rows" in caplog.text


@pytest.mark.parametrize(
    "answer", [None, {"total": None}, {"other": np.zeros(1)}], ids=["nothing", "no array", "another tensor"]
)
def test_an_answer_that_is_none_is_a_bug_of_its_row_alone(answer):
    good = {"total": np.zeros(1, np.float32)}

    def some(rows: Sequence[Row]) -> Sequence[Answer]:
        # Two rows of the first request have different outputs, which np.stack would not see.
        return [good, answer, good]

    assert ran(Answering(some), call([1], [2]), call([3])) == [INTERNAL, [[0]]]


def test_ragged_rows_run_together_whatever_their_length():
    model = Ragged()
    assert ran(model, call([1]), call([1, 1]), call([1, 1, 1])) == [[[1]], [[2]], [[3]]]
    assert model.lengths == [[1, 2, 3]]


def test_every_row_knows_whose_it_is():
    model = Ragged()
    ran(model, call([1], [2], tenant="a"), call([3], tenant="b"))
    assert model.tenants == ["a", "a", "b"]


def test_one_refused_row_refuses_its_request():
    assert ran(Ragged(), call([1], [REFUSED]), call([2])) == [REFUSAL, [[2]]]


def test_rows_of_one_request_whose_answers_differ_in_length_are_refused():
    model = Answering(lambda rows: [{"total": row["numbers"][: int(row["numbers"][0])]} for row in rows])
    refused, alone = run(model, [call([1, 0], [2, 0]), call([2, 2])], lambda rows: None)
    assert isinstance(refused, InvalidRequest)
    assert refused.message == ("rows of one request have answers of unequal shape, total [1] and [2]: send a row each")
    assert isinstance(alone, dict)
    assert alone["total"].tolist() == [[2, 2]]


def test_no_calls_run_nothing():
    model = Ragged()
    assert run(model, [], lambda rows: None) == []
    assert model.lengths == []


@pytest.mark.parametrize(
    ("model_class", "executed"),
    [(Stacked, [3, 1, 1, 1, 1]), (Ragged, [4, 1, 1, 1, 1])],
    ids=["stacked", "ragged"],
)
def test_every_batch_that_a_model_is_given_is_counted(model_class, executed):
    counted: list[int] = []
    run(model_class(), [call([1, 1]), call([BUG, 1]), call([2, 2]), call([5])], counted.append)
    assert counted == executed


@given(
    lengths=st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=3), max_size=6),
    ragged=st.booleans(),
)
def test_no_answer_ever_reaches_another_caller(lengths, ragged):
    """Each call holds its own number, whatever the mix of shapes and of rows a call."""
    calls = [call(*[[index] * rows[0]] * len(rows)) for index, rows in enumerate(lengths)]
    answers = ran(Ragged() if ragged else Stacked(), *calls)
    assert answers == [[[index * rows[0]]] * len(rows) for index, rows in enumerate(lengths)]


def test_a_call_whose_inputs_disagree_on_the_batch_is_refused():
    with pytest.raises(InvalidRequest, match=r"disagree on the batch size: \{'a': 2, 'b': 3\}"):
        Call({"a": np.zeros((2, 1)), "b": np.zeros((3, 1))}, Identity())


def test_a_call_of_no_rows_is_refused():
    with pytest.raises(InvalidRequest, match="batch dimension is 0"):
        Call({"a": np.zeros((0, 1))}, Identity())


def test_a_call_without_inputs_is_refused():
    with pytest.raises(InvalidRequest, match="no input is given"):
        Call({}, Identity())


def test_an_error_of_ours_is_shown_as_it_is():
    error = InvalidRequest("too short")
    assert blamed(error, Identity()) is error
