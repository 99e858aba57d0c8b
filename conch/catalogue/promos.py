"""Made-up promos: a few offers in a hundred are boosted, in a flash sale or advertised; some of it is over."""

from collections.abc import Iterator

import numpy as np

from conch.catalogue.sessions import HOUR_MS
from conch.catalogue.writes import Writer
from conch.contracts.features import Family
from conch.features.packing import promo_columns
from conch.stores.features import Hash, Write

SHARE = 0.03
"""Of all offers."""
OVER = 0.1
"""Of the promos."""


def promos_of(writer: Writer) -> Iterator[Write]:
    random = np.random.default_rng(writer.goods.offered.size)
    offers = np.flatnonzero(random.random(len(writer.pids)) < SHARE)
    boosted, flashed, advertised, over = (random.random((4, len(offers))) < [[0.7], [0.2], [0.4], [OVER]]).tolist()
    boosts = random.uniform(1.05, 2.0, len(offers)).round(2).tolist()
    bids = random.uniform(0.5, 3.0, len(offers)).round(2).tolist()
    for place, offer in enumerate(offers.tolist()):
        ends_ms = writer.now_ms + (-1 if over[place] else 72) * HOUR_MS
        fields = {"expiry": str(ends_ms)}
        if boosted[place]:
            fields["boost"] = str(boosts[place])
        if flashed[place]:
            fields["flash_sale"] = "1"
        if advertised[place]:
            fields["ad_bid"] = str(bids[place])
        packed = writer.pack(Family.PROMO, promo_columns(fields))
        yield Write(writer.keys.promo(writer.pids[offer]), packed, Hash(fields))
