import importlib.util
import sys

from conch.rollout.bytecode import write_bytecode


def test_a_version_has_bytecode_that_no_stub_writes_again(tmp_path):
    (tmp_path / "model.py").write_text("ANSWER = 1\n")
    (tmp_path / "helper.py").write_text("class (\n")
    write_bytecode(tmp_path)
    (path,) = (tmp_path / "__pycache__").iterdir()
    assert path.name == f"model.{sys.implementation.cache_tag}.pyc"
    # Neither by time nor by content is it held against its source.
    assert path.read_bytes()[4:8] == (1).to_bytes(4, "little")
    spec = importlib.util.spec_from_file_location("model", tmp_path / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.ANSWER == 1


def test_bytecode_that_somebody_brought_is_not_what_runs(tmp_path):
    (tmp_path / "model.py").write_text("ANSWER = 2\n")
    write_bytecode(tmp_path)
    (tmp_path / "model.py").write_text("ANSWER = 3\n")
    write_bytecode(tmp_path)
    spec = importlib.util.spec_from_file_location("model", tmp_path / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.ANSWER == 3
