"""What goods are called, for tables: from the catalogue's records, where the catalogue is on this machine."""

from collections.abc import Mapping, Sequence
from contextlib import closing

from conch.contracts.errors import Unavailable
from conch.contracts.identifiers import uuids_of
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.ids import NONE, IdIndex, Kind


def titles_of(folder: CatalogueFolder, masters: Sequence[str]) -> Mapping[str, str]:
    """By master; those that have none, or are not known here, are absent."""
    wanted = [master for master in dict.fromkeys(masters) if master]
    if not wanted or not folder.relations.exists():
        return {}
    # Imported here: who has not the extra `recommendation` has the list without titles.
    from conch.catalogue.records import Records

    numbers = IdIndex.open(folder.ids).look_up(Kind.MASTERS, uuids_of(folder.name, wanted)).tolist()
    names = dict(zip(numbers, wanted, strict=True))
    names.pop(NONE, None)
    try:
        with closing(Records(folder.relations)) as records:
            return {names[one.master]: one.name for one in records.products(list(names)) if one.name}
    except Unavailable:
        return {}
