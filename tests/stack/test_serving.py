"""Ports for servers that a test starts."""

import random
from pathlib import Path

from conch.stack.serving import free_ports


def test_a_free_port_is_none_that_a_connection_going_out_may_take():
    lowest, _ = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    ports = free_ports(50)
    assert len(set(ports)) == 50
    assert max(ports) < max(lowest, 22_000)


def test_a_port_promised_to_one_is_given_to_nobody_else(monkeypatch):
    [promised] = free_ports(1)
    sample = random.sample
    monkeypatch.setattr(random, "sample", lambda ports, k: [promised, *sample(ports, k)])
    assert promised not in free_ports(1)
