import os

import pytest

from conch.stack.processes import ProcessMark
from conch.stack.state import (
    AlreadyRunning,
    NoStack,
    ServiceState,
    ServiceStatus,
    StackStatus,
    StateFolder,
    running_stack,
)

ADDRESSES = {"grpc": "127.0.0.1:8021"}


@pytest.fixture
def folder(tmp_path):
    folder = StateFolder(tmp_path / "state")
    folder.create()
    return folder


def here():
    mark = ProcessMark.of(os.getpid())
    assert mark is not None
    return mark


def gone():
    return ProcessMark(here().pid, here().start_ticks - 1, here().boot_id)


def test_a_status_is_read_as_it_was_written(folder):
    status = StackStatus(here(), {"gateway": ServiceStatus(ServiceState.HEALING, 17, ADDRESSES, gone())})
    folder.write_status(status)
    assert folder.read_status() == status
    assert running_stack(folder.root) == status


def test_the_documented_form_has_what_the_documentation_says():
    status = StackStatus(here(), {"gateway": ServiceStatus(ServiceState.READY, 17, ADDRESSES)})
    assert status.to_json() == {
        "ready": True,
        "pid": os.getpid(),
        "services": {"gateway": {"state": "ready", "pid": 17, "addresses": ADDRESSES}},
    }


def test_a_stack_is_ready_when_every_service_is():
    well, ill = ServiceStatus(ServiceState.READY), ServiceStatus(ServiceState.STARTING)
    assert StackStatus(here(), {"one": well, "two": well}).ready
    assert not StackStatus(here(), {"one": well, "two": ill}).ready
    assert not StackStatus(here()).ready


def test_without_a_stack_one_is_told_how_to_start_it(tmp_path):
    with pytest.raises(NoStack, match=f"no stack is running in {tmp_path}; start one: conch up --detach --state"):
        running_stack(tmp_path)


def test_a_status_that_a_killed_supervisor_left_is_no_stack(folder):
    folder.write_status(StackStatus(gone(), {"gateway": ServiceStatus(ServiceState.READY)}))
    with pytest.raises(NoStack):
        running_stack(folder.root)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"services": {}}', '{"marks": 3}'])
def test_a_status_that_cannot_be_read_is_no_stack(folder, text):
    (folder.run / "stack.json").write_text(text)
    with pytest.raises(NoStack):
        running_stack(folder.root)


def test_the_default_folder_follows_conch_state_and_xdg(monkeypatch, tmp_path):
    monkeypatch.delenv("CONCH_STATE", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    with pytest.raises(NoStack, match=f"{tmp_path}/xdg/conch; start one: conch up --detach$"):
        running_stack()
    monkeypatch.setenv("CONCH_STATE", str(tmp_path / "mine"))
    with pytest.raises(NoStack, match=f"{tmp_path}/mine"):
        running_stack()


def test_a_second_stack_in_one_folder_is_refused_with_the_pid_of_the_first(folder):
    lock = folder.hold()
    folder.write_status(StackStatus(here()))
    with pytest.raises(AlreadyRunning, match=rf"already running in {folder.root} \(pid {os.getpid()}\)"):
        folder.hold()
    lock.release()
    folder.hold().release()


def test_a_released_lock_leaves_no_file(folder):
    folder.hold().release()
    assert not (folder.run / "lock").exists()


def test_a_lock_whose_file_was_deleted_does_not_delete_that_of_the_next(folder):
    first = folder.hold()
    (folder.run / "lock").unlink()
    second = folder.hold()
    assert not first.is_current()
    first.release()
    assert second.is_current()
    second.release()


def test_a_lock_file_that_nobody_holds_stops_nobody(folder):
    (folder.run / "lock").write_text("4711")
    folder.hold().release()
