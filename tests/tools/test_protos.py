import shutil
from pathlib import Path

import pytest

from tools.protos import PUBLISHED, ROOT, descriptors, stale

PB = Path("conch/contracts/pb")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The .proto files and what is generated from them."""
    shutil.copytree(ROOT / "proto", tmp_path / "proto")
    shutil.copytree(ROOT / PB, tmp_path / PB, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_what_is_committed_is_what_the_protos_say(checkout):
    assert stale(checkout) == []


def test_a_changed_proto_names_what_is_stale(checkout):
    proto = checkout / "proto/conch/text/v1/text.proto"
    proto.write_text(
        proto.read_text().replace("repeated string texts = 1;", "repeated string texts = 1;\n  bool raw = 2;")
    )

    assert stale(checkout) == [f"{PB}/text/v1/text_pb2.py", f"{PB}/text/v1/text_pb2.pyi"]


def test_a_leftover_is_stale(checkout):
    shutil.rmtree(checkout / "proto/conch/text")

    assert f"{PB}/text/v1/text_pb2.py" in stale(checkout)


def test_every_published_proto_is_one_of_ours():
    published = type(descriptors(ROOT)).FromString((ROOT / PUBLISHED).read_bytes())
    assert {file.package for file in published.file} <= {file.package for file in descriptors(ROOT).file}
