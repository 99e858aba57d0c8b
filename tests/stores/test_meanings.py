"""The index of meanings: published by one, mapped by many, and never believed where it cannot be right."""

import json
import subprocess
import sys

import numpy as np
import pytest

from conch.contracts.errors import Internal
from conch.stores.meanings import Meanings, MeaningsWriter, versions

WIDTH = 32
MASTERS = np.arange(200, dtype=np.uint32)
ALL = np.ones(200, bool)


def vectors_of(count: int, seed: int = 0) -> np.ndarray:
    made = np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


VECTORS = vectors_of(200)


@pytest.fixture
def folder(tmp_path):
    writer = MeaningsWriter(tmp_path, "1", WIDTH)
    writer.put(MASTERS, VECTORS)
    assert writer.publish(ids_generation=4, revision=9) == 1
    return tmp_path


def opened(folder, version: str = "1") -> Meanings:
    meanings = Meanings.open(folder, version)
    assert meanings is not None
    return meanings


def test_the_nearest_come_first_and_a_row_has_its_own_answer(folder):
    answers = opened(folder).nearest(VECTORS[:3], 10, ALL)
    for row, near in enumerate(answers):
        exact = VECTORS @ VECTORS[row]
        assert near.masters[0] == row
        assert near.similarities == pytest.approx(np.sort(exact)[::-1][:10], abs=0.02)
        assert near.similarities == pytest.approx(exact[near.masters], abs=0.02)


def test_one_row_is_answered_as_it_is_among_others(folder):
    [alone] = opened(folder).nearest(VECTORS[:1], 5, ALL)
    together = opened(folder).nearest(VECTORS[:2], 5, ALL)[0]
    assert alone.masters.tolist() == together.masters.tolist()


def test_the_length_of_a_vector_changes_nothing(folder):
    short, long = opened(folder).nearest(np.stack([VECTORS[7] / 100, VECTORS[7] * 100]), 5, ALL)
    assert short.masters.tolist() == long.masters.tolist()


def test_equally_near_ones_stand_by_id(tmp_path):
    writer = MeaningsWriter(tmp_path, "1", WIDTH)
    writer.put(np.array([9, 3, 6], np.uint32), np.repeat(VECTORS[:1], 3, axis=0))
    writer.publish(1, 1)
    [near] = opened(tmp_path).nearest(VECTORS[:1], 3, ALL)
    assert near.masters.tolist() == [3, 6, 9]


def test_what_is_not_wanted_any_more_leaves_room_for_the_next(folder):
    [before] = opened(folder).nearest(VECTORS[:1], 60, ALL)
    wanted = ALL.copy()
    wanted[before.masters[:50]] = False
    [near] = opened(folder).nearest(VECTORS[:1], 10, wanted)
    assert near.masters.tolist() == before.masters[50:60].tolist()


def test_a_master_beyond_the_catalogue_is_not_named(folder):
    [near] = opened(folder).nearest(VECTORS[150:151], 10, ALL[:150])
    assert len(near.masters) == 10
    assert near.masters.max() < 150


def test_of_fewer_than_are_asked_for_all_come(folder):
    [near] = opened(folder).nearest(VECTORS[:1], 1_000, ALL)
    assert sorted(near.masters.tolist()) == MASTERS.tolist()


def test_a_vector_comes_back_to_three_digits(folder):
    assert opened(folder).vector_of(17) == pytest.approx(VECTORS[17], abs=5e-3)
    assert opened(folder).vector_of(200) is None


def test_the_next_generation_has_what_changed_and_the_rest(folder):
    writer = MeaningsWriter(folder, "1", WIDTH)
    writer.resume()
    writer.put(np.array([5], np.uint32), VECTORS[6:7])
    writer.drop(np.array([6, 7, 999], np.uint32))
    assert writer.publish(ids_generation=5, revision=10) == 2
    after = opened(folder)
    assert (after.generation, after.about.ids_generation, after.about.count, after.about.revision) == (2, 5, 198, 10)
    [near] = after.nearest(VECTORS[6:7], 1, ALL)
    assert near.masters.tolist() == [5]
    assert after.vector_of(7) is None


def test_who_has_mapped_a_generation_keeps_it_whatever_is_published(folder):
    before = opened(folder)
    for revision in range(10, 14):
        writer = MeaningsWriter(folder, "1", WIDTH)
        writer.put(MASTERS[:2], VECTORS[:2])
        writer.publish(4, revision)
    assert before.nearest(VECTORS[50:51], 1, ALL)[0].masters.tolist() == [50]


def test_each_version_of_the_embedding_has_an_index_of_its_own(folder):
    for version in ("10", "2"):
        writer = MeaningsWriter(folder, version, WIDTH)
        writer.put(MASTERS[:1], VECTORS[:1])
        writer.publish(4, 1)
    (folder / "not-a-version").mkdir()
    assert list(versions(folder).items()) == [("1", 1), ("2", 1), ("10", 1)]
    assert (opened(folder, "2").about.count, opened(folder).about.count) == (1, 200)


def test_where_nothing_was_published_there_is_none(tmp_path):
    assert Meanings.open(tmp_path, "1") is None
    assert versions(tmp_path) == {}


@pytest.mark.parametrize("kept", [0, 10, 100, 10_000, -7])
def test_an_index_that_is_not_whole_is_refused(folder, kept):
    file = folder / "1/generation-1/index.usearch"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(Internal, match="index 1/generation-1"):
        Meanings.open(folder, "1")


@pytest.mark.parametrize(
    "about",
    [
        pytest.param({"layout": 2}, id="of another layout"),
        pytest.param({"embedding": "7"}, id="of another embedding"),
        pytest.param({"count": 199}, id="of another count"),
        pytest.param({"colour": "red"}, id="with a word that nobody knows"),
    ],
)
def test_an_index_beside_a_false_word_is_refused(folder, about):
    file = folder / "1/generation-1/about.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | about))
    with pytest.raises(Internal, match="index"):
        Meanings.open(folder, "1")


BOTH = """
import numpy as np
from conch.stores.meanings import new_graph
import onnx, onnxruntime
from onnx import TensorProto, helper
graph = new_graph(4)
graph.add(np.arange(8), np.eye(8, 4, dtype=np.float32))
values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in "xy"]
doubling = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "doubling", values[:1], values[1:])
model = helper.make_model(doubling, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
print(session.run(None, {"x": np.ones(2, np.float32)})[0].tolist(), graph.search(np.eye(4)[1], 1).keys.tolist())
"""


def test_onnxruntime_may_be_loaded_after_the_index_in_one_process():
    done = subprocess.run([sys.executable, "-c", BOTH], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "[2.0, 2.0] [1]\n"), done.stderr
