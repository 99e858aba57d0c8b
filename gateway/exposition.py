"""Join pages of Prometheus' text format into one, each family told once.

A family's lines stand together, under one HELP and one TYPE, or the page is none that Prometheus reads. Nothing is
parsed beyond the names: values pass as they came.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from conch.contracts.metrics import OF_MODELS, Kind

_PARTS = ("_bucket", "_sum", "_count")
_WHOLE = {metric.name + part: metric.name for metric in OF_MODELS if metric.kind is Kind.HISTOGRAM for part in _PARTS}
"""Our models' histograms reach Triton's page as three counters each (conch/triton/counts.py): here they are one."""

_SUFFIXES = (*_PARTS, "_total", "_created")


@dataclass(slots=True)
class Family:
    name: str
    help: str = ""
    kind: str = ""
    samples: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        if self.help:
            yield f"# HELP {self.name} {self.help}"
        yield f"# TYPE {self.name} {self.kind or 'untyped'}"
        yield from self.samples


def labelled(page: str, **labels: str) -> str:
    """The page with these labels on every sample."""
    added = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "".join(
        f"{line if line.startswith('#') or not line.strip() else _with(line, added)}\n" for line in page.splitlines()
    )


def joined(pages: Sequence[str]) -> str:
    """Where two pages tell of one family, the first one's words count."""
    families: dict[str, Family] = {}
    for page in pages:
        _read(page.splitlines(), families)
    return "".join(f"{line}\n" for family in families.values() if family.samples for line in family.lines())


def _read(lines: Iterable[str], families: dict[str, Family]) -> None:
    for line in lines:
        words = line.split(None, 3)
        if len(words) >= 3 and words[0] == "#" and words[1] in ("HELP", "TYPE"):
            _describe(_family(_WHOLE.get(words[2], words[2]), families), words)
        elif words and words[0][0] != "#":
            name = line.replace("{", " ", 1).split(None, 1)[0]
            _family(_family_of(name, families), families).samples.append(line)


def _describe(family: Family, words: Sequence[str]) -> None:
    said = words[3] if len(words) == 4 else ""
    if words[1] == "HELP":
        family.help = family.help or said
    else:
        family.kind = family.kind or (Kind.HISTOGRAM if words[2] in _WHOLE else said)


def _family(name: str, families: dict[str, Family]) -> Family:
    return families.setdefault(name, Family(name))


def _family_of(name: str, families: dict[str, Family]) -> str:
    """A sample's own name, or that of the family whose part it is."""
    if name in families:
        return name
    stems = [name.removesuffix(suffix) for suffix in _SUFFIXES if name.endswith(suffix)]
    return next((stem for stem in stems if stem in families), name)


def _with(sample: str, labels: str) -> str:
    name, brace, rest = sample.partition("{")
    if not brace:
        name, space, rest = sample.partition(" ")
        return f"{name}{{{labels}}}{space}{rest}"
    return f"{name}{{{labels}{'' if rest.startswith('}') else ','}{rest}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
