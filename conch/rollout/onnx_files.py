"""Hold the ONNX files of a version against those of the one it follows: the same names, types and ranks."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from conch.rollout.manifest import files_of
from conch.rollout.refusals import RefusedVersion

Tensor = tuple[str, str, int]
"""Name, element type, rank: lengths may differ, they are often symbols."""


def check_onnx(folder: Path, champion: Path | None) -> None:
    """Raises RefusedVersion for a file that cannot be opened, or that takes or gives something else."""
    for path in files_of(folder):
        if path.suffix != ".onnx":
            continue
        name = path.relative_to(folder).as_posix()
        got = _tensors(path, name)
        if champion is None or not (champion / name).is_file():
            continue
        wanted = _tensors(champion / name, name)
        for difference in _differences(got, wanted):
            raise RefusedVersion(f"{name} {difference}")


def _tensors(path: Path, name: str) -> tuple[list[Tensor], list[Tensor]]:
    # Its import takes a third of a second, which a version without such files need not pay.
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - an edge: what onnxruntime raises has no common class
        raise RefusedVersion(f"{name} cannot be opened: {str(error).splitlines()[0]}") from None
    return _told(session.get_inputs()), _told(session.get_outputs())


def _told(tensors: Sequence[Any]) -> list[Tensor]:
    return [(tensor.name, tensor.type, len(tensor.shape or ())) for tensor in tensors]


def _differences(got: tuple[list[Tensor], list[Tensor]], wanted: tuple[list[Tensor], list[Tensor]]) -> Iterator[str]:
    for what, ours, theirs in zip(("takes", "gives"), got, wanted, strict=True):
        if ours != theirs:
            yield f"{what} {_sentence(ours)}; the version before {what} {_sentence(theirs)}"


def _sentence(tensors: list[Tensor]) -> str:
    return ", ".join(f"{name} {kind} of rank {rank}" for name, kind, rank in tensors) or "nothing"
