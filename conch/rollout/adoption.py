"""Begin to keep a record of a model that came with the repository, as it is served now."""

from conch.contracts.errors import InvalidRequest, Unavailable
from conch.rollout.desired import Desired
from conch.rollout.folders import CONFIG, Folders
from conch.rollout.live_config import keep_configs, live_config, read_live_config, write_live_config
from conch.rollout.record import ModelRecord
from conch.rollout.server import ModelServer
from conch.rollout.steps import Reached, unheard


async def adopt(folders: Folders, server: ModelServer, model: str, reached: Reached = unheard) -> ModelRecord | None:
    """None for a model that is not there yet. Nothing changes for callers.

    From now on Triton is told the versions by number: a folder more beside them means nothing to it.
    """
    if (record := folders.records.read(model)) is not None:
        _tell(folders, record)
        return record
    if (folders.root / "live/ensembles" / model).is_dir():
        raise InvalidRequest(f"{model} is an ensemble: it changes with its models, which are published one by one")
    known = folders.live_versions(model)
    if not known:
        return None
    ready = [version for version in (await server.ready()).get(model, ()) if version in known]
    if not ready and folders.on_demand.read().get(model) is False:
        ready = [version for version in Desired(folders).read().get(model, ()) if version in known]
    if not ready:
        raise Unavailable(f"model {model} is in the repository and is not served: nothing can follow it")
    live = folders.live_models / model
    for version in known:
        if not (folders.configs(model, version) / CONFIG).is_file():
            keep_configs(live, folders.configs(model, version))
    record = folders.records.write(ModelRecord(model, max(ready), tuple(sorted(ready)), tuple(known)))
    reached("adopted")
    _tell(folders, record)
    return record


def _tell(folders: Folders, record: ModelRecord) -> None:
    """Also where whoever wrote the record was ended before this."""
    own, live = folders.configs(record.model, record.champion), folders.live_models / record.model
    wanted = live_config(own, folders.config_name, record.model, record.serving)
    if read_live_config(live) != wanted:
        write_live_config(live, wanted)
