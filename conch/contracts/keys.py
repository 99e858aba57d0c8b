"""Keys in Redis, and what stands under them. Nobody else builds a name.

The documented keys of recommendation (docs/features.md) are written and read by other programs too. Beside each key K
stands pk:{K}, braces and all, the same facts packed (contracts/features.py): the braces are a hash tag, so that both
live in one slot of a cluster and one script writes both.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import date

from conch.contracts.errors import InvalidRequest

ADDRESS_VARIABLE = "CONCH_REDIS_ADDRESS"
"""host:port in the environment of models; absent where there is no Redis for them."""

CATALOGUES_VARIABLE = "CONCH_CATALOGUES"
"""Folder of the catalogues in the environment of models, one folder each; absent where there is none."""

CQL_VARIABLE = "CONCH_CQL"
"""host:port,host:port of nodes of ScyllaDB or Cassandra; absent where relations are kept in a file. What else there is
to say of them: conch/stores/cql_servers.py."""

AUDIO_QUOTA_KEEP_S = 2 * 86_400
"""A day's use can still be looked at on the day after."""


def audio_quota(tenant: str, day: date) -> str:
    """Milliseconds of audio, an integer, that a tenant has had transcribed on a day in UTC."""
    return f"quota:audio:{tenant}:{day:%Y%m%d}"


DEFAULT_CATALOGUE = "default"
"""Its keys have no prefix; a catalogue is named as the tenant that owns it."""

FEATURES_CHANGED = "features:changed"
"""Channel: documented keys that another program wrote, one a message, to be packed again."""

FEATURES_PACKED = "features:packed"

PROMOS_CHANGED = "promos:changed"
"""Channel: pids whose promo changed, one a message."""

FAMILIES = (
    "master:sem",
    "master:co_view",
    "master:pids",
    "cat:co_view",
    "cat:rels",
    "cat:bestsellers",
    "user:recent_cats",
    "user:views",
    "user:bought",
    "user:segment",
    "promo",
)
"""Of documented keys that have a packed form."""

_ID = re.compile(r"[^{}\s]{1,200}")

_KEYSPACE = re.compile(r"[a-z0-9_]{1,42}")

PACKED_TTL = 3
"""Of the documented key's; jitter is added, so that a night's import does not expire at once."""


def packed(key: str) -> str:
    return f"pk:{{{key}}}"


@dataclass(frozen=True, slots=True)
class CatalogueKeys:
    """The documented keys of one catalogue. Raises InvalidRequest for an id that would move a hash tag."""

    catalogue: str = DEFAULT_CATALOGUE

    def semantic(self, master: str) -> str:
        """Sorted set: related master → similarity; 24 h."""
        return self._key("master:sem", master)

    def master_co_view(self, master: str) -> str:
        """Sorted set: master seen in the same sessions → score, of hot masters."""
        return self._key("master:co_view", master)

    def co_view(self, category: str) -> str:
        """Sorted set: category → score, the top 20."""
        return self._key("cat:co_view", category)

    def related_categories(self, category: str) -> str:
        """Sorted set: category → score, by the weekly batch; fills up what co-view does not know."""
        return self._key("cat:rels", category)

    def best_sellers(self, category: str) -> str:
        """Sorted set: pid → score, the top 50."""
        return self._key("cat:bestsellers", category)

    def recent_categories(self, user: str) -> str:
        """Sorted set: category → decayed interest; 1 to 7 days."""
        return self._key("user:recent_cats", user)

    def views(self, user: str) -> str:
        """List of pids, the last view first, 20."""
        return self._key("user:views", user)

    def bought(self, user: str) -> str:
        """Sorted set: pid → epoch ms, 200."""
        return self._key("user:bought", user)

    def segment(self, user: str) -> str:
        """Hash: segment, experiment, time (epoch ms) of the first exposure."""
        return self._key("user:segment", user)

    def offers(self, master: str) -> str:
        """Hash: pid → price:seller:rating."""
        return self._key("master:pids", master)

    def promo(self, pid: str) -> str:
        """Hash: boost, expiry (epoch ms), out_of_stock, ad_bid, flash_sale."""
        return self._key("promo", pid)

    @property
    def keyspace(self) -> str:
        """In CQL: a tenant's name may be longer than a keyspace's and have hyphens; such a one is told by its hash."""
        if self.catalogue == DEFAULT_CATALOGUE:
            return "conch"
        if _KEYSPACE.fullmatch(self.catalogue):
            return f"conch_{self.catalogue}"
        digest = hashlib.sha256(self.catalogue.encode()).hexdigest()[:12]
        # No tenant's name begins with an underscore: this one is nobody else's.
        return f"conch__{self.catalogue.replace('-', '_')[:28]}_{digest}"

    @property
    def active_masters(self) -> str:
        """Sorted set: master → epoch ms of its last interaction."""
        return self._prefixed("masters:active")

    def served(self, recommendation_id: str, user: str, variant: str, segment: str = "") -> str:
        """Packed only: a list that was served, for 10 minutes. It does not tell to whom, and only who knows asks."""
        shown = f"{variant}:{segment}" if segment else variant
        return self._key("rec", f"{recommendation_id}:{_mark(user)}{_mark(shown)}")

    def served_to(self, user: str) -> str:
        """A glob of every list that was served to this user."""
        return self._prefixed(f"rec:*:{_mark(user)}*")

    @property
    def features_kept(self) -> str:
        """Sorted set: "rebuilt" → epoch ms of the last rebuild. Where it is gone, so is all the rest."""
        return self._prefixed("features:kept")

    @property
    def features_changed(self) -> str:
        return self._prefixed(FEATURES_CHANGED)

    @property
    def features_packed(self) -> str:
        """Channel: documented keys whose packed form has just been written anew, one a message; who remembers one
        forgets it."""
        return self._prefixed(FEATURES_PACKED)

    @property
    def relations_wanted(self) -> str:
        """Channel: masters that were viewed and have no relations, one a message: whoever makes relations may begin
        with them. Said again each minute or so while they are missing."""
        return self._prefixed("relations:wanted")

    @property
    def promos_changed(self) -> str:
        return self._prefixed(PROMOS_CHANGED)

    def parsed(self, key: str) -> tuple[str, str] | None:
        """Family, as FAMILIES call it, and entity of a documented key; None for what is none of this catalogue."""
        prefix = self._prefixed("")
        if not key.startswith(prefix):
            return None
        name = key.removeprefix(prefix)
        family = next((family for family in FAMILIES if name.startswith(f"{family}:")), "")
        entity = name.removeprefix(f"{family}:")
        return (family, entity) if family and _ID.fullmatch(entity) else None

    def full(self, name: str) -> str:
        """A documented key as it stands in Redis, of what it is called without the catalogue."""
        return self._prefixed(name)

    def pattern(self, family: str) -> str:
        """A glob of all keys of one of FAMILIES."""
        return self._prefixed(f"{family}:*")

    def of_user(self, user: str) -> tuple[str, ...]:
        """Every documented key that knows this user: what erasure clears, and what was served to him (served_to)."""
        return *self.profile(user), self.segment(user)

    def profile(self, user: str) -> tuple[str, str, str]:
        """Views, liked categories and purchases."""
        return self.views(user), self.recent_categories(user), self.bought(user)

    def _key(self, family: str, entity: str) -> str:
        if not _ID.fullmatch(entity):
            raise InvalidRequest(f"the id {entity[:80]!r} has braces, blanks or not 1 to 200 characters")
        return self._prefixed(f"{family}:{entity}")

    def _prefixed(self, name: str) -> str:
        return name if self.catalogue == DEFAULT_CATALOGUE else f"{self.catalogue}:{name}"


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


SEMANTIC_TTL_S = 86_400
RECENT_CATEGORIES_TTL_S = 7 * 86_400
SERVED_TTL_S = 600
VIEWS_KEPT = 20
BOUGHT_KEPT = 200
CO_VIEW_KEPT = 20
BEST_SELLERS_KEPT = 50
