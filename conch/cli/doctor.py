"""`conch doctor`: whether this machine can run the stack, and what to do where it cannot."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from conch.cli.console import FAILED, out, print_json, reporting_errors
from conch.stack.doctor import Finding, Level, examine, gather
from conch.stack.services.registry import SERVICES
from conch.stack.state import default_root as default_state
from conch.weights.cache import WeightCache, default_root
from conch.weights.manifest import Manifest

_COLOURS = {Level.OK: "green", Level.NOTE: "yellow", Level.FAILED: "bold red"}


def doctor(
    state: Annotated[Path | None, typer.Option("--state", help="The stack's state folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One object: healthy, findings.")] = False,
) -> None:
    """Check what the stack needs of this machine; exit 0 where it can start."""
    ports = {f"{service.name}.{face}": port for service in SERVICES for face, port in service.ports.items()}
    with reporting_errors():
        facts = gather(state or default_state(), WeightCache(default_root()), Manifest.read(), ports)
    findings = examine(facts)
    healthy = all(finding.level is not Level.FAILED for finding in findings)
    if as_json:
        print_json({"healthy": healthy, "findings": [_to_json(finding) for finding in findings]})
    else:
        _show(findings)
    if not healthy:
        raise typer.Exit(FAILED)


def _show(findings: list[Finding]) -> None:
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        level = f"[{_COLOURS[finding.level]}]{finding.level:<6}[/]"
        out.print(f"{level}  {finding.name:<{width}}  {escape(finding.found)}", soft_wrap=True)
        if finding.remedy:
            out.print(f"{'':<{width + 8}}  → {escape(finding.remedy)}", soft_wrap=True)


def _to_json(finding: Finding) -> dict[str, str]:
    return {
        "name": finding.name,
        "level": finding.level.value,
        "found": finding.found,
        "remedy": finding.remedy,
    }
