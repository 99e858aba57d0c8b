"""Start a new model from a small one that works: `make new-model NAME=my_model`."""

import keyword
import re
import subprocess
import sys
from pathlib import Path
from string import Template

ROOT = Path(__file__).parents[1]
TEMPLATES = Path(__file__).parent / "templates"
SPECS = Path("conch/contracts/specs.py")

FILES = {
    "model.py": "conch/models/{name}.py",
    "entry.py": "model_repository/{name}/1/model.py",
    "test.py": "tests/models/test_{name}.py",
    "test_live.py": "tests/models/test_{name}_live.py",
}
"""Templates, and what each becomes."""

CPU_CONFIG = "model_repository/{name}/config.pbtxt"
GPU_CONFIG = "model_repository/{name}/configs/gpu.pbtxt"

STEPS = """{name} is there, and answers: it tells how long a vector is. Three steps make it yours.

1. What it takes and gives: {constant} in conch/contracts/specs.py, and the same words in
   model_repository/{name}/config.pbtxt and configs/gpu.pbtxt. A test holds the three against each other.
2. What it does: conch/models/{name}.py, and its test, tests/models/test_{name}.py. Weights, if it has any,
   go into models.toml and come to `load` by `context.file(...)`.
3. That it is served: make test PYTEST="tests/models/test_{name}.py tests/models/test_{name}_live.py"
"""


class Refused(Exception):
    """The name cannot be a new model's."""


def create(root: Path, name: str) -> list[Path]:
    """Write the model's files and its spec; raises Refused before anything is written."""
    specs = root / SPECS
    _check(root, name)
    words = {"name": name, "CONSTANT": name.upper(), "Class": "".join(word.title() for word in name.split("_"))}
    texts = {path: _filled(template, words) for template, path in FILES.items()}
    texts[CPU_CONFIG] = _filled("config.pbtxt", words | {"kind": "KIND_CPU", "providers": "cpu"})
    texts[GPU_CONFIG] = _filled("config.pbtxt", words | {"kind": "KIND_GPU", "providers": "tensorrt,cuda,cpu"})
    written = {root / path.format(name=name): text for path, text in texts.items()}
    written[specs] = _registered(specs.read_text(), _filled("spec.py", words), words["CONSTANT"])
    for path, text in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return list(written)


def _check(root: Path, name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or keyword.iskeyword(name):
        raise Refused(f"{name!r} cannot be a module: use small letters, digits and underscores, as in my_model")
    for path in (*FILES.values(), CPU_CONFIG):
        if (root / path.format(name=name)).exists():
            raise Refused(f"{path.format(name=name)} is there already")
    if re.search(rf"^{name.upper()}\b", (root / SPECS).read_text(), re.MULTILINE):
        raise Refused(f"{SPECS} has a {name.upper()} already")


def _filled(template: str, words: dict[str, str]) -> str:
    text = (TEMPLATES / f"{template}.tmpl").read_text()
    return Template(text).substitute(words)


def _registered(specs: str, spec: str, constant: str) -> str:
    """With the new spec before the table of all, and its name at the table's end."""
    table = re.search(r"^MODELS: .*?\bfor spec in \((?P<names>.*?),?\s*\)", specs, re.MULTILINE | re.DOTALL)
    if table is None:
        raise Refused(f"{SPECS} ends without the table MODELS")
    at = table.end("names")
    return f"{specs[: table.start()]}{spec}{specs[table.start() : at]}, {constant}{specs[at:]}"


def main() -> int:
    if len(sys.argv) != 2:
        print("which name? make new-model NAME=my_model", file=sys.stderr)
        return 2
    name = sys.argv[1]
    try:
        written = create(ROOT, name)
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return 1
    python = [str(path) for path in written if path.suffix == ".py"]
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", *python], check=True)
    for path in written:
        print(f"wrote {path.relative_to(ROOT)}")
    print(f"\n{STEPS.format(name=name, constant=name.upper())}", end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
