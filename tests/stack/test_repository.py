import errno
import os

import pytest

from conch.contracts.errors import NotFound
from conch.rollout.folders import Folders
from conch.stack.repository import SHIPPED, checkout, fill_live, fill_repository, shipped_models


@pytest.fixture
def source(tmp_path):
    """A checkout with one model and one ensemble."""
    root = tmp_path / "checkout"
    model = root / "model_repository" / "upper"
    (model / "1").mkdir(parents=True)
    (model / "config.pbtxt").write_text('backend: "python"\n')
    (model / "1" / "model.py").write_text("one\n")
    ensemble = root / "ensembles" / "loud"
    (ensemble / "1").mkdir(parents=True)
    (ensemble / "1" / ".gitkeep").touch()
    (ensemble / "config.pbtxt").write_text('platform: "ensemble"\n')
    return root


@pytest.fixture
def weight(tmp_path):
    """A cached weight file: read-only, as the cache keeps it."""
    path = tmp_path / "cache" / "abc"
    path.parent.mkdir()
    path.write_bytes(b"weights")
    path.chmod(0o444)
    return path


def test_a_checkout_ships_its_models_and_ensembles(source):
    assert shipped_models(source) == ["loud", "upper"]


def test_this_checkout_ships_the_models_of_the_voice_product():
    assert {"whisper", "vad", "intent", "piper", "embedding", "voice_command"} <= set(shipped_models(checkout()))


def test_weights_are_linked_and_small_files_are_copied(source, weight, tmp_path):
    repository = tmp_path / "repository"
    fill_repository(source, repository, {"upper/1": {"model.bin": weight}})
    assert (repository / "upper/1/model.bin").samefile(weight)
    assert not (repository / "upper/1/model.py").samefile(source / "model_repository/upper/1/model.py")


def test_live_holds_models_and_ensembles_on_shelves_of_their_own(source, weight, tmp_path):
    repository, live = tmp_path / "repository", tmp_path / "live"
    fill_repository(source, repository, {"upper/1": {"model.bin": weight}})
    assert fill_live(repository, live) == ["loud", "upper"]
    assert (live / "models/upper/1/model.bin").samefile(weight)
    assert (live / "ensembles/loud/1").is_dir()


def test_an_edit_in_the_repository_does_not_reach_live(source, weight, tmp_path):
    repository, live = tmp_path / "repository", tmp_path / "live"
    fill_repository(source, repository, {})
    fill_live(repository, live)
    (repository / "upper/1/model.py").write_text("edited\n")
    assert (live / "models/upper/1/model.py").read_text() == "one\n"


def test_a_new_release_renews_what_nobody_changed(source, tmp_path):
    repository = tmp_path / "repository"
    fill_repository(source, repository, {})
    (source / "model_repository/upper/1/model.py").write_text("two\n")
    fill_repository(source, repository, {})
    assert (repository / "upper/1/model.py").read_text() == "two\n"


def test_a_file_that_somebody_changed_stays_and_is_named(source, tmp_path, caplog):
    repository = tmp_path / "repository"
    fill_repository(source, repository, {})
    (repository / "upper/config.pbtxt").write_text('backend: "python"\nmax_batch_size: 4\n')
    (source / "model_repository/upper/config.pbtxt").write_text('backend: "python"\nmax_batch_size: 8\n')
    fill_repository(source, repository, {})
    assert "max_batch_size: 4" in (repository / "upper/config.pbtxt").read_text()
    assert "upper/config.pbtxt was changed by hand" in caplog.text


def test_a_model_that_users_add_is_served_and_a_version_that_they_add_waits_to_be_published(source, tmp_path):
    repository, live = tmp_path / "repository", tmp_path / "live"
    fill_repository(source, repository, {})
    (repository / "mine/1").mkdir(parents=True)
    (repository / "mine/config.pbtxt").write_text('backend: "python"\n')
    (repository / "upper/2").mkdir()
    fill_repository(source, repository, {})
    assert fill_live(repository, live) == ["loud", "mine", "upper"]
    assert (repository / "upper/2").is_dir()
    assert not (live / "models/upper/2").exists()


@pytest.mark.parametrize(
    ("leave_out", "reason"), [("config.pbtxt", "it has no config.pbtxt"), ("1", "it has no version folder")]
)
def test_a_folder_that_triton_could_not_load_is_left_out_with_its_reason(source, tmp_path, caplog, leave_out, reason):
    repository, live = tmp_path / "repository", tmp_path / "live"
    fill_repository(source, repository, {})
    half = repository / "half"
    half.mkdir()
    if leave_out != "config.pbtxt":
        (half / "config.pbtxt").write_text('backend: "python"\n')
    if leave_out != "1":
        (half / "1").mkdir()
    assert fill_live(repository, live) == ["loud", "upper"]
    assert f"half is left out: {reason}" in caplog.text


def test_only_the_models_asked_for_are_shipped(source, tmp_path):
    fill_repository(source, tmp_path / "repository", {}, only=["upper"])
    assert not (tmp_path / "repository/loud").exists()


def test_a_model_that_is_not_there_is_named_with_those_that_are(source, tmp_path):
    with pytest.raises(NotFound, match="no model or ensemble lower; the checkout has loud, upper"):
        fill_repository(source, tmp_path / "repository", {}, only=["lower"])


def test_a_writable_file_is_never_shared_with_live(source, weight, tmp_path):
    repository, live = tmp_path / "repository", tmp_path / "live"
    fill_repository(source, repository, {})
    own = repository / "upper/1/own.bin"
    own.write_bytes(b"mine")
    fill_live(repository, live)
    assert os.stat(own).st_ino != os.stat(live / "models/upper/1/own.bin").st_ino


def test_live_holds_the_config_that_the_server_prefers_and_the_others_are_kept_with_the_version(source, tmp_path):
    model = source / "model_repository/upper"
    (model / "configs").mkdir()
    (model / "configs/gpu.pbtxt").write_text('backend: "python" # on a GPU\n')
    (model / "probes.json").write_text("[]")
    folders = Folders(tmp_path)
    fill_repository(source, folders.repository, {})
    for name, told in (("", 'backend: "python"\n'), ("gpu", 'backend: "python" # on a GPU\n')):
        folders.config_name = name
        fill_live(folders.repository, tmp_path / "live")
        live = folders.live_models / "upper"
        assert (live / "config.pbtxt").read_text() == told
        assert sorted(path.name for path in live.iterdir()) == ["1", "config.pbtxt"]
    kept = folders.configs("upper", 1)
    assert sorted(path.relative_to(kept).as_posix() for path in kept.rglob("*")) == [
        "config.pbtxt",
        "configs",
        "configs/gpu.pbtxt",
        "probes.json",
    ]


def test_what_was_shipped_is_remembered_beside_the_repository_also_where_it_stood_in_it_before(source, tmp_path):
    repository = tmp_path / "repository"
    fill_repository(source, repository, {})
    assert sorted(path.name for path in repository.iterdir()) == ["loud", "upper"]
    (tmp_path / SHIPPED).rename(repository / ".shipped.json")
    (source / "model_repository/upper/1/model.py").write_text("two\n")
    fill_repository(source, repository, {})
    assert (repository / "upper/1/model.py").read_text() == "two\n"


def test_a_repository_that_may_only_be_read_is_served_as_it_is(source, tmp_path, monkeypatch, caplog):
    def read_only(_, target):
        raise OSError(errno.EROFS, "Read-only file system", str(target))

    repository, live = tmp_path / "repository", tmp_path / "live"
    fill_repository(source, repository, {})
    (source / "model_repository/upper/1/model.py").write_text("two\n")
    monkeypatch.setattr("conch.stack.repository._copy", read_only)
    fill_repository(source, repository, {})
    assert "may only be read, and is served as it is" in caplog.text
    assert fill_live(repository, live) == ["loud", "upper"]
    assert (live / "models/upper/1/model.py").read_text() == "one\n"


def test_a_disk_that_fails_otherwise_ends_the_start(source, tmp_path, monkeypatch):
    def full(_, target):
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr("conch.stack.repository._copy", full)
    with pytest.raises(OSError, match="No space left"):
        fill_repository(source, tmp_path / "repository", {})
