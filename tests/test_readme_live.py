"""README.md and pages for callers, executed: their blocks run in order against one stack, and print what they say.

A `text` block after an `sh` or `python` block is that block's output; numbers, capitals and the spacing of tables may
differ.
"""

import json
import os
import re
import subprocess
import sys
import wave
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = (ROOT / "docs" / "client.md", ROOT / "docs" / "openai.md")
"""Run after README's block that starts the stack."""
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PREFERRED = {
    "127.0.0.1:8001": ("edge", "grpc"),
    "127.0.0.1:8000": ("edge", "http"),
    "127.0.0.1:8002": ("edge", "metrics"),
}
TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class Example:
    language: str
    code: str
    output: str | None


def examples(text: str) -> list[Example]:
    blocks = BLOCK.findall(text)
    found = []
    for at, (language, code) in enumerate(blocks):
        if language in ("sh", "python"):
            shown = blocks[at + 1][1] if at + 1 < len(blocks) and blocks[at + 1][0] == "text" else None
            found.append(Example(language, code, shown))
    return found


def normalised(output: str) -> list[str]:
    """Lines without what may differ between two runs: numbers, table rules, spacing; capitals, as Piper never speaks
    quite the same twice, and Whisper hears names or not."""
    lines = [re.sub(r"[─━┏┓┗┛┡┩┌┐└┘├┤┬┴┼╇┳┻╌┄]+", "-", line) for line in output.lower().splitlines()]
    lines = [re.sub(r"-?\d+([.,]\d+)*", "#", line) for line in lines]
    return [" ".join(line.split()) for line in lines if line.strip()]


class Reader:
    """Somebody who types README's blocks in, one after another."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = {
            **os.environ,
            "CONCH_STATE": str(folder / "state"),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "COLUMNS": "120",
        }

    def run(self, example: Example) -> str:
        code = self._with_real_addresses(example.code)
        command = ["sh", "-e"] if example.language == "sh" else [sys.executable, "-"]
        done = subprocess.run(
            command,
            input=code,
            cwd=self._folder,
            env=self._environment,
            text=True,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, f"{example.code}\nended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def stop(self) -> None:
        subprocess.run(["conch", "down"], env=self._environment, timeout=TIMEOUT_S, check=False, capture_output=True)

    def _with_real_addresses(self, code: str) -> str:
        status = subprocess.run(
            ["conch", "status", "--json"], env=self._environment, capture_output=True, text=True, check=False
        )
        if status.returncode != 0:
            return code
        services = json.loads(status.stdout)["services"]
        for preferred, (service, face) in PREFERRED.items():
            code = code.replace(preferred, services[service]["addresses"][face])
        return code


@pytest.mark.timeout(900)
def test_the_pages_do_what_they_say(tmp_path):
    reader = Reader(tmp_path)
    try:
        readme = examples(README.read_text())
        running = 1 + next(at for at, example in enumerate(readme) if "conch up" in example.code)
        pages = [example for page in PAGES for example in examples(page.read_text())]
        for example in (*readme[:running], *pages, *readme[running:]):
            printed = reader.run(example)
            if example.output is not None:
                assert normalised(printed) == normalised(example.output), example.code
    finally:
        reader.stop()


def told(output: str) -> list[str]:
    """Without words that Piper now and then speaks so that Whisper hears others. How many partial texts there are is up
    to the machine, and so is whether the team hears of it before the bridge knows that it does."""
    lines = [re.sub(r"(final|speech|team/summon) .*", r"\1", line) for line in output.splitlines()]
    return sorted(normalised("\n".join(line for line in lines if " partial " not in line)))


def scenes(output: str) -> list[str]:
    """What the shopper's demo says between its lists: which products those have is up to the hour."""
    lines = [re.sub(r"(what stood at) .*", r"\1", line) for line in output.splitlines()]
    return [line for line in lines if not line.startswith(" ") or "degraded" in line]


@pytest.mark.timeout(300)
def test_the_demo_prints_what_readme_shows(tmp_path):
    blocks = [code for _, code in BLOCK.findall(README.read_text())]
    spoken = next(code for code in blocks if code.startswith("Piper says"))
    shopped = next(code for code in blocks if " has looked at\n" in code)
    printed = Reader(tmp_path).run(Example("sh", f"conch demo --state {tmp_path}/demo -o reply.wav\n", spoken))
    voice, scene, shop = printed.partition("user-0 has looked at\n")
    assert told(voice) == told(spoken)
    assert scenes(scene + shop) == scenes(shopped)
    with wave.open(str(tmp_path / "reply.wav")) as reply:
        assert reply.getnframes() > reply.getframerate() / 2


def test_the_reader_finds_blocks_and_their_output():
    assert examples("x\n```sh\nls\n```\n\n```text\na 1\n```\n```python\nprint()\n```\n") == [
        Example("sh", "ls\n", "a 1\n"),
        Example("python", "print()\n", None),
    ]


def test_numbers_and_table_rules_may_differ_and_words_may_not():
    assert normalised("┏━━━━┓\n took 1.5 ms") == normalised("┏━┓\n\ntook   12.25 ms")
    assert normalised("SUMMON_TEAM 0.9") != normalised("DIAL_PERSON 0.9")
