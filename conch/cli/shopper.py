"""`conch demo shopper`: what somebody has viewed, what is recommended and why; a flash sale changes it; Redis is
killed, and the answer is still there and says so.

In a stack of its own, with a catalogue that is made up.
"""

import time
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import psutil
import typer

from conch.cli.connection import Key, connected
from conch.cli.console import err, out
from conch.clients.edge import Client
from conch.contracts.errors import ConchError, Internal, Unavailable
from conch.contracts.recommendation import Item, Recommendation, Wish
from conch.stack.state import default_root, running_stack

if TYPE_CHECKING:
    from conch.catalogue.records import Records
    from conch.stores.catalogue_folder import CatalogueFolder
    from conch.stores.redis_features import RedisFeatures

MASTERS, SEED = 2_000, 1
SHOWN = 5
ON_SALE = 12
"""Rank of what goes on sale: not among those that are shown."""

WITHIN_S = 60.0
"""For each thing that is waited for."""

LOOK_S = 0.1

OF_MASTERS = {"semantic": "is like {}", "co_view": "is viewed together with {}"}
OF_CATEGORIES = {
    "category_viewed": "sells best in {}",
    "category_co_viewed": "sells best in {}, seen with what was viewed",
    "category_liked": "sells best in {}, liked lately",
}
OF_ALL = {"popular": "sells best of all", "stale": "by relations of three months ago"}
"""What the sources of an item mean to a shopper."""


def shopper(
    state: Annotated[
        Path | None, typer.Option("--state", metavar="DIR", help="State folder of the demo's stack.")
    ] = None,
    key: Key = "",
) -> None:
    """Make a catalogue up, show a shopper what is recommended and why, through a flash sale and without Redis."""
    from conch.cli.demo import own_stack

    root = state or default_root().with_name(default_root().name + "-demo")
    with own_stack(root):
        shop(root, key)


def shop(root: Path, key: str) -> None:
    """In the stack that runs there."""
    from conch.catalogue.generating import generated
    from conch.catalogue.records import Records
    from conch.contracts.keys import DEFAULT_CATALOGUE
    from conch.stores.catalogue_folder import CATALOGUES, CatalogueFolder
    from conch.stores.redis_features import RedisFeatures

    with connected(root, key) as gateway:
        redis = running_stack(root).services["redis"]
        folder = CatalogueFolder.of(root / CATALOGUES, DEFAULT_CATALOGUE)
        with err.status(f"making {MASTERS:,} products up, and who looks at them"):
            generated(root / CATALOGUES, redis.addresses["redis"], MASTERS, SEED)
        with closing(RedisFeatures(redis.addresses["redis"], deadline_s=10.0)) as hot:
            play = Play(gateway, hot, folder, Records(folder.relations))
            play.views()
            play.sale()
            play.without_redis(partial(_kill_redis, root))


class Play:
    """The shopper, scene by scene."""

    def __init__(self, gateway: Client, hot: "RedisFeatures", folder: "CatalogueFolder", records: "Records") -> None:
        self._gateway, self._hot, self._folder, self._records = gateway, hot, folder, records
        prefix = folder.keys.views("x")[:-1]
        self._user = min(key.removeprefix(prefix) for key in hot.scan(f"{prefix}*"))

    def views(self) -> None:
        from conch.stores.features import List

        views = self._hot.documented(self._folder.keys.views(self._user))
        out.print(f"{self._user} has looked at", markup=False)
        for pid in views.items[:3] if isinstance(views, List) else ():
            out.print(f"       {self._name(pid)}", markup=False, soft_wrap=True)
        self._show("and is recommended:", self._until(lambda answer: not answer.fallback and not answer.degraded))

    def sale(self) -> None:
        from conch.features.reconciling import Reconciler
        from conch.stores.features import Hash

        item = self._ask().items[ON_SALE - 1]
        promo = Hash({"flash_sale": "1", "expiry": str(round(1000 * (time.time() + 3_600)))})
        Reconciler(self._folder, self._hot).put(self._folder.keys.promo(item.pid), promo)
        out.print(
            f"A flash sale begins, of what stood at {ON_SALE}: {self._name(item.pid)}", markup=False, soft_wrap=True
        )
        answer = self._until(lambda answer: item.pid in [one.pid for one in answer.items[:SHOWN]])
        self._show("Now there is recommended:", answer)

    def without_redis(self, kill: Callable[[], None]) -> None:
        def holds(answer: Recommendation) -> bool:
            return any("redis" in text for text in answer.degraded)

        # The stack starts another at once: it may be there before the answer is.
        answer = self._until(holds, before=kill)
        self._show("Redis is killed. Still there is recommended:", answer)
        for text in answer.degraded:
            out.print(f"       degraded: {text}", markup=False, soft_wrap=True)
        self._until(lambda answer: not answer.degraded)
        out.print("Another Redis has what it had: the answer is whole again.", markup=False)

    def _show(self, words: str, answer: Recommendation) -> None:
        out.print(words, markup=False)
        for rank, item in enumerate(answer.items[:SHOWN], start=1):
            out.print(f"{rank:>5}  {self._line(item)}", markup=False, soft_wrap=True)

    def _line(self, item: Item) -> str:
        because = item.provenance.because_master
        reasons = reasons_of(item, self._name(because) if because else "")
        return f"{item.score:.3f}  {self._name(item.master)}: {'; '.join(reasons)}"

    def _name(self, key: str) -> str:
        """Of a master or a pid, as the catalogue calls it."""
        from conch.contracts.identifiers import uuids_of
        from conch.contracts.provenance import NO_REASON
        from conch.stores.ids import IdIndex, Kind
        from conch.stores.snapshot import Snapshot

        ids, uuids = IdIndex.open(self._folder.ids), uuids_of(self._folder.name, [key])
        pid = int(ids.look_up(Kind.PIDS, uuids)[0])
        if pid != NO_REASON:
            master = int(Snapshot.open(self._folder.snapshot).columns.pid_master[pid])
        else:
            master = int(ids.look_up(Kind.MASTERS, uuids)[0])
        product = next(iter(self._records.products([master])), None)
        return product.name if product is not None else key

    def _ask(self) -> Recommendation:
        return self._gateway.recommend(Wish(user=self._user, k=50))

    def _until(
        self, holds: Callable[[Recommendation], bool], before: Callable[[], None] = lambda: None
    ) -> Recommendation:
        """The first answer of which it holds; `before` is done before each question."""
        ends_at = time.monotonic() + WITHIN_S
        last = "none came"
        while time.monotonic() < ends_at:
            try:
                before()
                answer = self._ask()
                if holds(answer):
                    return answer
                last = f"{len(answer.items)} items, {answer.fallback or 'personal'}, degraded {list(answer.degraded)}"
            except ConchError as error:
                last = error.message
            time.sleep(LOOK_S)
        raise Internal(f"no such answer within {WITHIN_S:.0f} s; the last: {last}")


def reasons_of(item: Item, because: str) -> list[str]:
    """In words; `because` names the master that gave most, if one did."""
    reason = item.provenance
    told = []
    for source in reason.sources:
        if source in OF_MASTERS:
            told.append(OF_MASTERS[source].format(because or "what was viewed"))
        elif source in OF_CATEGORIES:
            told.append(OF_CATEGORIES[source].format(reason.because_category or "its category"))
        else:
            told.append(OF_ALL.get(source, source))
    return [*told, *(change.replace("_", " ") for change in reason.changes)]


def _kill_redis(root: Path) -> None:
    pid = running_stack(root).services["redis"].pid
    if pid is None:
        raise Unavailable("Redis has no process")
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        process.kill()
        process.wait(WITHIN_S)
