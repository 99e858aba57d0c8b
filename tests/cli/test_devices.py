"""`conch devices` without a stack: what it writes is what the bridge reads."""

import json

import pytest
from typer.testing import CliRunner

from bridge.devices import Device, DevicesFile, Line
from conch.cli.main import app
from conch.commands.contacts import Contact
from conch.contracts.topics import DeviceId


@pytest.fixture
def devices(tmp_path):
    def run(*words):
        return CliRunner().invoke(app, ["devices", *words, "--state", str(tmp_path)])

    return run


def test_an_added_device_is_in_the_file_that_the_bridge_reads(devices, tmp_path):
    contacts = ("--contact", "Mai Nguyen=my win,may new in", "--contact", "John")
    assert devices("add", "watch-1", "--language", "en", *contacts, "--team", "cleaning crew").exit_code == 0
    known = DevicesFile(tmp_path / "devices.json").read()
    name = DeviceId("default", "watch-1")
    mai = Contact("Mai Nguyen", ("my win", "may new in"))
    assert known == {name: Device(name, "en", (mai, Contact("John")), ("cleaning crew",))}


def test_a_contact_s_endpoint_is_what_rings_it(devices, tmp_path):
    contacts = ("--contact", "Mai Nguyen", "--contact", "John")
    assert devices("add", "watch-1", *contacts, "--endpoint", "Mai Nguyen=PJSIP/100").exit_code == 0
    (known,) = DevicesFile(tmp_path / "devices.json").read().values()
    assert known.lines == (Line("Mai Nguyen", "PJSIP/100"),)
    assert (known.endpoint_of("Mai Nguyen"), known.endpoint_of("John")) == ("PJSIP/100", None)
    told = json.loads(devices("list", "--json").stdout)
    assert told["contacts"] == [
        {"name": "Mai Nguyen", "sounds_like": [], "endpoint": "PJSIP/100"},
        {"name": "John", "sounds_like": []},
    ]


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("Mai=PJSIP/100", "is for 'Mai', and the contacts are 'John'"),
        ("John", "endpoint '' of 'John'"),
        ("John=100", "is not TECHNOLOGY/RESOURCE"),
        ("John=PJSIP/1&PJSIP/2", "is not TECHNOLOGY/RESOURCE"),
        ("John=PJSIP/100?x=y", "is not TECHNOLOGY/RESOURCE"),
    ],
)
def test_an_endpoint_that_rings_nobody_or_several_is_refused(devices, tmp_path, word, words):
    added = devices("add", "watch-1", "--contact", "John", "--endpoint", word)
    assert added.exit_code == 1
    assert words in " ".join(added.output.split())
    assert not (tmp_path / "devices.json").exists()


def test_a_listed_device_is_one_object_a_line(devices):
    devices("add", "watch-2")
    devices("add", "watch-1", "--language", "vi")
    told = [json.loads(line) for line in devices("list", "--json").stdout.splitlines()]
    empty = {"contacts": [], "teams": []}
    assert told == [
        {"tenant": "default", "device": "watch-1", "language": "vi", **empty},
        {"tenant": "default", "device": "watch-2", "language": "", **empty},
    ]


def test_a_revoked_device_is_gone_and_one_that_is_not_there_cannot_be(devices):
    devices("add", "watch-1")
    assert devices("revoke", "watch-1").exit_code == 0
    assert devices("list", "--json").stdout == ""
    again = devices("revoke", "watch-1")
    assert (again.exit_code, "NotFound" in again.output) == (1, True)


@pytest.mark.parametrize("name", ["a/b", "+", "#", "", "../x", "x" * 129], ids=repr)
def test_a_name_that_is_no_level_of_a_topic_is_refused(devices, name):
    added = devices("add", name)
    assert (added.exit_code, "InvalidRequest" in added.output) == (1, True)


def test_a_device_s_tenant_is_one_of_the_tenants_file(devices, tmp_path):
    assert devices("add", "watch-1", "--tenant", "acme").exit_code == 1
    (tmp_path / "tenants.toml").write_text("[tenants.acme]\n")
    assert devices("add", "watch-1", "--tenant", "acme").exit_code == 0
