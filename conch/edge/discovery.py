"""Files that Envoy reads while it runs (file-based xDS): one is replaced whole, and counts at once."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Resource = Mapping[str, Any]
"""A protobuf message in its JSON form, "@type" included."""


def type_url(name: str) -> str:
    return f"type.googleapis.com/{name}"


def extension(name: str, config: Resource) -> Resource:
    """A filter that a listener asks for by its name."""
    return {"@type": type_url("envoy.config.core.v3.TypedExtensionConfig"), "name": name, "typed_config": config}


def publish(path: Path, resources: Sequence[Resource]) -> bool:
    """Safe to repeat: a file that says this already is left alone, which keeps Envoy's counters; False then."""
    body = json.dumps(resources, sort_keys=True)
    version = hashlib.sha256(body.encode()).hexdigest()[:16]
    text = json.dumps({"version_info": version, "resources": resources}, indent=1) + "\n"
    if path.is_file() and path.read_text() == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, text)
    return True


def replace(path: Path, text: str) -> None:
    """Nobody sees half of it; Envoy looks for renames alone. Only this user may read it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
