"""Begin to keep a record of a model that came with the repository, as it is served now."""

from conch.contracts.errors import InvalidRequest, Unavailable
from conch.rollout.folders import Folders
from conch.rollout.live_config import keep_configs, live_config, write_live_config
from conch.rollout.record import ModelRecord
from conch.rollout.server import ModelServer


async def adopt(folders: Folders, server: ModelServer, model: str) -> ModelRecord | None:
    """None for a model that is not there yet. Nothing changes for callers.

    From now on Triton is told the versions by number: a folder more beside them means nothing to it.
    """
    if (record := folders.records.read(model)) is not None:
        return record
    if (folders.root / "live/ensembles" / model).is_dir():
        raise InvalidRequest(f"{model} is an ensemble: it changes with its models, which are published one by one")
    known = folders.live_versions(model)
    if not known:
        return None
    ready = [version for version in (await server.ready()).get(model, ()) if version in known]
    if not ready:
        raise Unavailable(f"model {model} is in the repository and is not served: nothing can follow it")
    live = folders.live_models / model
    for version in known:
        keep_configs(live, folders.configs(model, version))
    record = folders.records.write(ModelRecord(model, max(ready), tuple(sorted(ready)), tuple(known)))
    own = folders.configs(model, record.champion)
    write_live_config(own, live, live_config(own, folders.config_name, model, record.serving))
    return record
