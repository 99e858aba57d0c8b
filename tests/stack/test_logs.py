import io
import threading

from rich.console import Console

from conch.stack.logs import LogFile, Logs, Screen


def test_each_source_has_a_file_and_a_tail(tmp_path):
    logs = Logs(tmp_path, tail=2)
    for number in range(3):
        logs.line("redis", f"line {number}")
    logs.line("triton", "héllo")
    logs.close()
    assert (tmp_path / "redis.log").read_text() == "line 0\nline 1\nline 2\n"
    assert (tmp_path / "triton.log").read_text() == "héllo\n"
    assert logs.tail("redis") == ["line 1", "line 2"]
    assert logs.tail("gateway") == []


def test_a_log_and_the_one_before_it_stay_below_their_bound(tmp_path):
    log = LogFile(tmp_path / "redis.log", limit_bytes=100)
    for number in range(100):
        log.write(f"line {number}")
    log.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["redis.log", "redis.log.1"]
    assert all(path.stat().st_size <= 100 for path in tmp_path.iterdir())
    assert (tmp_path / "redis.log").read_text().endswith("line 99\n")


def test_a_log_goes_on_where_the_last_run_ended(tmp_path):
    for word in ("one", "two"):
        log = LogFile(tmp_path / "redis.log")
        log.write(word)
        log.close()
    assert (tmp_path / "redis.log").read_text() == "one\ntwo\n"


def test_the_stream_names_each_lines_source_and_takes_no_markup_from_it(tmp_path):
    seen = io.StringIO()
    logs = Logs(tmp_path, Console(file=seen))
    logs.line("redis", "[bold]ready[/bold]")
    logs.line("triton", "\x1b[31mred\x1b[0m")
    logs.close()
    assert seen.getvalue() == "redis    │ [bold]ready[/bold]\ntriton   │ red\n"


class Stuck(io.StringIO):
    """A terminal whose reader has gone for a coffee."""

    def __init__(self):
        super().__init__()
        self.writing = threading.Event()
        self.go_on = threading.Event()

    def write(self, text):
        self.writing.set()
        self.go_on.wait(20)
        return super().write(text)


def test_a_terminal_that_does_not_read_holds_nobody_up_and_loses_lines_by_number():
    terminal = Stuck()
    screen = Screen(Console(file=terminal), size=1)
    screen.show("redis", "first")
    assert terminal.writing.wait(20)
    for number in range(4):
        screen.show("redis", f"{number}")
    terminal.go_on.set()
    screen.close()
    assert terminal.getvalue().splitlines() == [
        "redis    │ first",
        "stack    │ 3 lines are not shown: the terminal was too slow; see the log files",
        "redis    │ 0",
    ]
