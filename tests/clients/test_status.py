"""Errors on their way over gRPC."""

import grpc
import pytest

from conch.clients.status import CODES, code_of, error_of
from conch.contracts.errors import ConchError, Internal, NotFound


@pytest.mark.parametrize("kind", CODES, ids=lambda kind: kind.__name__)
def test_every_error_survives_the_way_to_a_status_code_and_back(kind: type[ConchError]) -> None:
    assert type(error_of(code_of(kind("why")), "why")) is kind


def test_a_narrower_error_goes_by_its_ancestors_code() -> None:
    class NoSuchModel(NotFound):
        pass

    assert code_of(NoSuchModel("x")) is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("code", [grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS], ids=str)
def test_a_code_nobody_is_meant_to_send_is_a_bug(code: grpc.StatusCode) -> None:
    assert type(error_of(code, "?")) is Internal
