"""Which metrics a PromQL expression reads."""

import re

_NOISE = re.compile(
    r"\{[^}]*\}"  # labels
    r"|\[[^\]]*\]"  # ranges
    r'|"[^"]*"'
    r"|\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)"
)
_WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_KEYWORDS = {"and", "or", "unless", "offset", "bool", "e6", "e9"}


def metrics_of(expression: str) -> set[str]:
    bare = _NOISE.sub(" ", expression)
    functions = set(re.findall(r"([a-z_][a-z0-9_]*)\s*\(", bare))
    return set(_WORD.findall(re.sub(r"\b[0-9.]+(e[0-9]+)?\b", " ", bare))) - functions - _KEYWORDS
