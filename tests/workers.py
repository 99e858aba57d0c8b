"""How pytest's workers share the tests: by files, and by folders where a server is the whole folder's."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

FOLDERS = ("tests/conformance", "tests/edge", "tests/models", "tests/seeing", "tests/triton")
"""Their tests share servers that take longer to start than most tests to run."""

LONGEST = (
    "tests/stack/test_stack_live.py",
    "tests/edge",
    "tests/cli/test_commands_live.py",
    "tests/triton",
    "tests/test_readme_live.py",
)
"""These begin first, so that no worker is left with one of them when the others have nothing more to do."""


def part_of(nodeid: str) -> str:
    """What stays together: in one worker, one test after another."""
    file = nodeid.partition("::")[0]
    return next((folder for folder in FOLDERS if file.startswith(f"{folder}/")), file)


def longest_first(items: list[pytest.Item]) -> None:
    def turn(item: pytest.Item) -> int:
        part = part_of(item.nodeid)
        return LONGEST.index(part) if part in LONGEST else len(LONGEST)

    items.sort(key=turn)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> "LoadScopeScheduling":
    """Parts begin in the order in which their tests were collected."""
    from xdist.scheduler import LoadScopeScheduling

    class Parts(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return part_of(nodeid)

    config.option.loadscopereorder = False
    return Parts(config, log)
