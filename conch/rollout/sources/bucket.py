"""Versions in a bucket that speaks S3. Its keys stand in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or where else the
AWS SDKs look for them; obstore comes with conch[s3].
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conch.contracts.errors import InvalidRequest, Unavailable
from conch.rollout.sources.address import SourceAddress
from conch.rollout.sources.remote import Remote, RemoteFile

LIST_S = 60.0
SILENCE_S = "60s"
"""Of one request that nothing comes of."""
FILE_S = 3600.0
CHUNK_BYTES = 2**20


class Bucket(Remote):
    def __init__(self, address: SourceAddress) -> None:
        self._address = address
        self._store = _store(address)

    async def files(self) -> Mapping[str, RemoteFile]:
        obstore = _obstore()
        found: dict[str, RemoteFile] = {}
        try:
            async with asyncio.timeout(LIST_S):
                async for entries in obstore.list(self._store):
                    for entry in entries:
                        found[str(entry["path"])] = RemoteFile(_tag(entry), int(entry["size"]))
        except TimeoutError:
            raise Unavailable(f"{self._address.url} was not listed within {LIST_S:g} s") from None
        except (obstore.exceptions.BaseError, OSError) as error:
            raise Unavailable(f"{self._address.url} cannot be listed: {_first_line(error)}") from error
        return found

    async def fetch(self, path: str, file: RemoteFile, target: Path) -> None:
        obstore = _obstore()
        try:
            async with asyncio.timeout(FILE_S):
                answer = await obstore.get_async(self._store, path)
                if _tag(answer.meta) != file.tag:
                    raise Unavailable(f"{path} has changed since {self._address.url} was listed")
                with target.open("wb") as output:
                    async for chunk in answer.stream(min_chunk_size=CHUNK_BYTES):
                        await asyncio.to_thread(output.write, chunk)
        except TimeoutError:
            raise Unavailable(f"{path} was not fetched within {FILE_S:g} s") from None
        except (obstore.exceptions.BaseError, OSError) as error:
            raise Unavailable(f"{path} cannot be fetched: {_first_line(error)}") from error


def _store(address: SourceAddress) -> Any:
    obstore = _obstore()
    options: dict[str, Any] = {"client_options": {"timeout": SILENCE_S}, "retry_config": {"max_retries": 2}}
    if address.endpoint:
        options["endpoint"] = address.endpoint
        options["virtual_hosted_style_request"] = False
        options["client_options"]["allow_http"] = address.endpoint.startswith("http://")
    if address.region:
        options["region"] = address.region
    try:
        return obstore.store.S3Store(address.bucket, prefix=address.prefix or None, **options)
    except obstore.exceptions.BaseError as error:
        raise InvalidRequest(f"{address.url}: {_first_line(error)}") from error


def _tag(meta: Any) -> str:
    """Lists and answers quote it differently; without one, what else changes with the content."""
    tag = str(meta.get("e_tag") or "").strip('"')
    return tag or f"{meta['last_modified'].isoformat()} {meta['size']}"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:300]


def _obstore() -> Any:
    try:
        import obstore
        import obstore.exceptions
        import obstore.store
    except ImportError:
        raise Unavailable("obstore is not installed in this environment: pip install 'conch[s3]'") from None
    return obstore
