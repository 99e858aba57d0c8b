import ipaddress

import httpx
import pytest

from conch.clients.allowed import Allowed
from conch.contracts.errors import InvalidRequest, PermissionDenied

HOOKS = Allowed(["https://hooks.example.com/conch/", "http://10.1.2.3:8088/ari", "https://other.example.com"])


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/conch/summon",
        "https://HOOKS.example.com:443/conch/a/b?c=d",
        "https://hooks.example.com./conch/",
        "http://10.1.2.3:8088/ari/channels",
        "http://10.1.2.3:8088/ari",
        "https://other.example.com",
        "https://other.example.com/anything",
    ],
)
def test_what_begins_as_allowed_is_allowed(url):
    HOOKS.check_url(httpx.URL(url))


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/conch/summon",
        "https://hooks.example.com:444/conch/summon",
        "https://hooks.example.com.evil.example/conch/summon",
        "https://evil.example/hooks.example.com/conch/",
        "https://hooks.example.com/conch-admin",
        "https://hooks.example.com/conch/../admin",
        "https://hooks.example.com/",
        "http://10.1.2.3:8088/arix",
        "http://10.1.2.3/ari",
        "http://167838211:8088/ari",
    ],
    ids=[
        "another scheme",
        "another port",
        "a longer host",
        "the host in the path",
        "half a segment",
        "dots that lead away",
        "a shorter path",
        "half a segment behind an address",
        "no port",
        "the address as a number",
    ],
)
def test_what_differs_anywhere_is_refused(url):
    with pytest.raises(PermissionDenied, match="not one of the 3 addresses"):
        HOOKS.check_url(httpx.URL(url))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://hooks.example.com/conch/",
        "file:///etc/passwd",
        "https:///conch/",
        "https://user:secret@hooks.example.com/conch/",
        "https://hooks.example.com/conch/%2e%2e/admin",
        "https://hooks.example.com/conch/%2E%2E%2Fadmin",
        "https://hooks.example.com/conch/..%5cadmin",
        "https://hooks.example.com/conch/..;/admin",
    ],
)
def test_what_is_no_plain_address_is_refused(url):
    with pytest.raises(InvalidRequest) as refused:
        HOOKS.check_url(httpx.URL(url))
    assert "secret" not in refused.value.message


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "fec0::1",
        "ff02::1",
        "::7f00:1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)
def test_addresses_that_are_not_public_are_refused(address):
    with pytest.raises(PermissionDenied, match="not public"):
        HOOKS.check_addresses("hooks.example.com", [ipaddress.ip_address(address)])


def test_public_addresses_are_allowed():
    HOOKS.check_addresses("hooks.example.com", list(map(ipaddress.ip_address, ("8.8.8.8", "2606:4700:4700::1111"))))


def test_a_name_with_one_private_address_among_public_ones_is_refused():
    with pytest.raises(PermissionDenied, match=r"10\.0\.0\.1"):
        HOOKS.check_addresses("hooks.example.com", list(map(ipaddress.ip_address, ("8.8.8.8", "10.0.0.1"))))


def test_an_address_that_a_url_names_is_allowed_to_that_url_alone():
    HOOKS.check_addresses("10.1.2.3", [ipaddress.ip_address("10.1.2.3")])

    with pytest.raises(PermissionDenied):
        HOOKS.check_addresses("hooks.example.com", [ipaddress.ip_address("10.1.2.3")])


def test_a_network_that_is_configured_is_allowed_and_no_other():
    allowed = Allowed(["https://pbx.example.com"], [ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("::1")])

    allowed.check_addresses("pbx.example.com", list(map(ipaddress.ip_address, ("10.1.9.9", "::1"))))
    with pytest.raises(PermissionDenied, match=r"10\.2\.0\.1"):
        allowed.check_addresses("pbx.example.com", [ipaddress.ip_address("10.2.0.1")])
