import pytest

from conch.contracts.errors import InvalidRequest
from conch.stack.services.bridge import Bridge
from conch.stack.services.llm import Llm
from conch.stack.services.registry import SERVICES, chosen
from conch.stack.supervisor import in_order

USUAL = [service for service in SERVICES if service is not Llm]


def test_without_a_choice_all_are_chosen_but_those_that_are_asked_for():
    assert [type(service) for service in chosen()] == USUAL
    assert [type(service) for service in chosen(besides=["llm"])] == list(SERVICES)


def test_what_is_chosen_besides_comes_with_a_choice_too():
    assert {service.name for service in chosen(["mqtt"], ["llm"])} == {"mqtt", "llm"}
    assert {service.name for service in chosen(["llm"])} == {"llm"}
    with pytest.raises(InvalidRequest, match="no service 'gpt'"):
        chosen(besides=["gpt"])


def test_what_is_not_installed_is_chosen_by_name_alone(monkeypatch):
    monkeypatch.setattr(Bridge, "installed", classmethod(lambda cls: False))
    assert [type(service) for service in chosen()] == [service for service in USUAL if service is not Bridge]
    assert Bridge in [type(service) for service in chosen(["bridge"])]


def test_a_chosen_service_brings_what_it_needs():
    assert {service.name for service in chosen(["triton"])} == {"triton", "redis"}
    assert {service.name for service in chosen(["edge"])} == {"edge", "triton", "redis"}
    assert {service.name for service in chosen(["gateway"])} == {"gateway", "edge", "triton", "redis"}


def test_an_unknown_service_is_refused_with_those_there_are():
    with pytest.raises(InvalidRequest, match="there is no service 'postgres'; there are redis, "):
        chosen(["redis", "postgres"])


def test_every_need_is_a_service_and_none_needs_itself_through_others():
    names = {service.name for service in SERVICES}
    assert all(set(service.needs) <= names for service in SERVICES)
    assert {service.name for service in in_order(chosen(sorted(names)))} == names


def test_no_two_faces_prefer_one_port():
    ports = [port for service in SERVICES for port in service.ports.values()]
    assert len(ports) == len(set(ports))
