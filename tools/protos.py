"""Our .proto files as Python and as descriptors.

python -m tools.protos generate     write conch/contracts/pb
python -m tools.protos check        fail where it is not what the .proto files say, or where they break a caller
python -m tools.protos publish      remember the .proto files as they are: what later ones must not break
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tools.breaking import breaks

ROOT = Path(__file__).parents[1]
PUBLISHED = Path("proto/published.binpb")
_SOURCES = Path("proto/conch")
_TARGET = Path("conch/contracts/pb")


def generate(root: Path, target: Path) -> None:
    """Write messages, type stubs and services of every .proto file under `target`/conch/contracts/pb."""
    _protoc(root, [f"--python_out={target}", f"--pyi_out={target}", f"--grpc_python_out={target}"])


def descriptors(root: Path) -> FileDescriptorSet:
    """Of every .proto file of ours; without comments."""
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "set.binpb"
        _protoc(root, [f"--descriptor_set_out={written}"])
        return FileDescriptorSet.FromString(written.read_bytes())


def stale(root: Path) -> list[str]:
    """Generated files that are missing, out of date, or left over from a .proto file that is gone."""
    with tempfile.TemporaryDirectory() as folder:
        generate(root, Path(folder))
        fresh = _generated(Path(folder))
        committed = _generated(root)
    return sorted(name for name in fresh.keys() | committed.keys() if fresh.get(name) != committed.get(name))


def _generated(root: Path) -> dict[str, str]:
    """By path from the root."""
    files = [path for suffix in ("py", "pyi") for path in (root / _TARGET).rglob(f"*_pb2*.{suffix}")]
    return {str(path.relative_to(root)): path.read_text() for path in files}


def _protoc(root: Path, arguments: Sequence[str]) -> None:
    files = sorted((root / _SOURCES).rglob("*.proto"))
    # The sources stand where their Python will: imports between them come out as imports of ours.
    names = [str(_TARGET / file.relative_to(root / _SOURCES)) for file in files]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{_TARGET}={root / _SOURCES}", *arguments, *names]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def main(verb: str) -> int:
    match verb:
        case "generate":
            generate(ROOT, ROOT)
        case "publish":
            (ROOT / PUBLISHED).write_bytes(descriptors(ROOT).SerializeToString(deterministic=True))
        case "check":
            published = FileDescriptorSet.FromString((ROOT / PUBLISHED).read_bytes())
            complaints = [f"{name} is stale: run make protos" for name in stale(ROOT)]
            complaints += [f"breaks callers: {broken}" for broken in breaks(published, descriptors(ROOT))]
            for complaint in complaints:
                print(complaint, file=sys.stderr)
            return 1 if complaints else 0
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
