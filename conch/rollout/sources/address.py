"""Where versions are fetched from, as rollout.toml names it. Credentials stand in the environment alone.

s3 = "s3://bucket/prefix"           # holds <model>/<n>/… and <model>/config.pbtxt
endpoint = "https://minio:9000"     # default: AWS
region = "eu-central-1"

git = "https://host/models.git"     # or what else the git program takes
ref = "release"                     # a branch, a tag or a commit
folder = "models"                   # in it; default: its root

every_s = 30                        # default: 30
"""

import re
from dataclasses import dataclass, fields
from typing import Any, Self

from conch.contracts.errors import InvalidRequest

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_S3 = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")
_URL_WITH_PASSWORD = re.compile(r"[a-z]+://[^/@]*:[^/@]*@")


@dataclass(frozen=True, slots=True)
class SourceAddress:
    kind: str
    """The word s3 or git."""
    url: str
    endpoint: str = ""
    region: str = ""
    ref: str = ""
    folder: str = ""
    every_s: float = 30.0

    @property
    def bucket(self) -> str:
        match = _S3.fullmatch(self.url)
        return match[1] if match else ""

    @property
    def prefix(self) -> str:
        """Without slashes at its ends."""
        match = _S3.fullmatch(self.url)
        return (match[2] or "").strip("/") if match else ""

    @classmethod
    def decode(cls, name: str, table: Any) -> Self:
        where = f"rollout.toml: sources.{name}"
        if not NAME.fullmatch(name):
            raise InvalidRequest(f"{where} is not named with a-z, 0-9, - and _, at most 63 of them")
        if not isinstance(table, dict):
            raise InvalidRequest(f"{where} is not a table")
        kinds = [kind for kind in ("s3", "git") if kind in table]
        if len(kinds) != 1:
            raise InvalidRequest(f"{where} names {len(kinds)} of s3 and git, 1 is needed")
        known = {field.name for field in fields(cls)} - {"kind", "url"} | {"s3", "git"}
        if unknown := sorted(table.keys() - known):
            raise InvalidRequest(f"{where} has {', '.join(unknown)}; there are {', '.join(sorted(known))}")
        options = {key: value for key, value in table.items() if key not in ("s3", "git")}
        address = cls(kinds[0], table[kinds[0]], **options)
        address._check(where)
        return address

    def _check(self, where: str) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "every_s":
                if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 86_400:
                    raise InvalidRequest(f"{where}.every_s is {value!r}, not from 1 to 86400 seconds")
            elif not isinstance(value, str):
                raise InvalidRequest(f"{where}.{field.name} is {value!r}, not a text")
        if _URL_WITH_PASSWORD.match(self.url):
            raise InvalidRequest(f"{where} holds a password: credentials stand in the environment alone")
        if self.kind == "s3" and not _S3.fullmatch(self.url):
            raise InvalidRequest(f"{where}.s3 is {self.url!r}, not s3://bucket/prefix")
        if self.kind == "git":
            self._check_git(where)

    def _check_git(self, where: str) -> None:
        # A leading dash would be an option to git, and ext:: a command.
        if self.url.startswith("-") or "::" in self.url:
            raise InvalidRequest(f"{where}.git is {self.url!r}, not a URL or a path")
        if not _REF.fullmatch(self.ref) or ".." in self.ref:
            raise InvalidRequest(f"{where}.ref is {self.ref!r}: name a branch, a tag or a commit")
        if self.folder.startswith("/") or ".." in self.folder.split("/"):
            raise InvalidRequest(f"{where}.folder is {self.folder!r}, which leaves the checkout")
