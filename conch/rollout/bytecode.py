"""Bytecode of a version's Python, written before Triton looks.

Else a python stub writes it when it imports the entry point, whatever its environment says. Triton takes that for a
change of the version and loads it anew, champion or not, at the next promotion.
"""

import compileall
from pathlib import Path
from py_compile import PycInvalidationMode


def write_bytecode(version: Path) -> None:
    """In the place of any that is there. What is no Python is left to whoever loads it."""
    compileall.compile_dir(version, quiet=2, force=True, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
