import socket

import pytest

from conch.contracts.errors import InvalidRequest
from conch.stack.ports import Ports, PortTaken


def port_of(address):
    return int(address.rsplit(":", 1)[1])


@pytest.fixture
def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def taken_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_free_preferred_port_is_taken(free_port):
    with Ports() as ports:
        assert ports.take_all({"redis": {"redis": free_port}}) == {"redis": {"redis": f"127.0.0.1:{free_port}"}}


def test_a_face_is_taken_where_its_host_is(free_port):
    with Ports() as ports:
        taken = ports.take_all({"edge": {"http": free_port, "internal": 0}}, {"edge": {"http": "0.0.0.0"}})
    assert taken["edge"]["http"] == f"0.0.0.0:{free_port}"
    assert taken["edge"]["internal"].startswith("127.0.0.1:")


def test_an_address_of_another_machine_is_refused():
    with Ports() as ports, pytest.raises(InvalidRequest, match=r"192\.0\.2\.1 is no address of this machine"):
        ports.take_all({"edge": {"http": 0}}, {"edge": {"http": "192.0.2.1"}})


def test_for_a_taken_preferred_port_the_system_chooses_another_and_one_line_says_so(taken_port, caplog):
    caplog.set_level("INFO")
    with Ports() as ports:
        chosen = port_of(ports.take_all({"redis": {"redis": taken_port}})["redis"]["redis"])
    assert chosen != taken_port
    assert caplog.messages[0].startswith(
        f"redis.redis listens on port {chosen}: {taken_port} is preferred, but it is taken by "
    )


def test_a_port_asked_for_by_number_is_not_replaced(taken_port):
    with Ports({"redis.redis": taken_port}) as ports, pytest.raises(PortTaken) as refused:
        ports.take_all({"redis": {"redis": 8030}})
    assert refused.value.message.startswith(f"redis.redis cannot have port {taken_port}: it is taken by ")
    assert "--port redis.redis=0" in refused.value.message


def test_a_port_asked_for_by_number_is_had(free_port):
    with Ports({"redis.redis": free_port}) as ports:
        assert port_of(ports.take_all({"redis": {"redis": 8030}})["redis"]["redis"]) == free_port


def test_port_zero_leaves_the_choice_to_the_system(free_port):
    with Ports({"redis.redis": 0}) as ports:
        assert port_of(ports.take_all({"redis": {"redis": free_port}})["redis"]["redis"]) not in (0, free_port)


def test_a_face_that_does_not_exist_is_refused_by_name():
    with (
        Ports({"redis.grpc": 1}) as ports,
        pytest.raises(InvalidRequest, match=r"no port redis\.grpc; there are redis"),
    ):
        ports.take_all({"redis": {"redis": 0}})


def test_two_stacks_that_start_at_once_do_not_share_a_port(free_port):
    with Ports() as one, Ports() as other:
        first = one.take_all({"gateway": {"grpc": free_port}})
        second = other.take_all({"gateway": {"grpc": free_port}})
    assert first != second


def test_ports_of_an_ended_stack_are_free_again(free_port):
    wanted = {"redis": {"redis": free_port}}
    with Ports() as ports:
        first = ports.take_all(wanted)
    with Ports() as ports:
        assert ports.take_all(wanted) == first


def test_a_server_listens_on_a_port_that_the_stack_holds():
    with Ports() as ports:
        host, port = ports.take_all({"redis": {"redis": 0}})["redis"]["redis"].split(":")
        with socket.create_server((host, int(port))) as server, socket.create_connection((host, int(port))):
            assert server.accept()
