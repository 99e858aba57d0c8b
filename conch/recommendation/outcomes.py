"""What an experiment has done so far, from the event log: metrics by variant, with intervals that hold at every look.

A user belongs to the variant of the first tracked impression, for good; what happened before it does not count. A list
that was made while nobody knew the user's segment exposes nobody.

A metric is a ratio of sums over a variant's users, R = ΣY / ΣX. Users are independent, what one of them does is not:
the variance of R is that of the residuals (Y - R X) over users (delta method).

The interval of a difference D of two ratios with variance V is that of a sequential test whose alternatives are normal
with deviation t (mSPRT; Johari, Koomen, Pekelis, Walsh: Always Valid Inference, Operations Research 70, 2022): it may
be looked at after every event, and covers the truth at all looks together with probability 1 - a. The mixture's
likelihood ratio is L = √(V / (V + t²)) · exp(t² D² / (2 V (V + t²))), and by Ville's inequality it is seldom, with
probability a, ever above 1/a where there is no difference:

    D ± √( V (V + t²) / t² · (2 ln(1/a) + ln((V + t²) / V)) )    where L = 1/a
    p = min(1, 1/L)                                              of this look; the least of all looks holds too

That holds exactly where V is known. Here it is estimated, and t follows the control's ratio: LEAST_USERS keeps away
from the looks at which that matters.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from conch.contracts.events import AnyEvent, Cancel, Click, Impression, Order, Return
from conch.contracts.segments import NEW, RETURNING, SEGMENTS, UNKNOWN, Exposure, first

ALPHA = 0.05
EFFECT = 0.1
"""t, as a share of the control's ratio: the size of differences that the test is best at."""

RETURNING_MS = 30 * 60_000
"""Who did something in the log so long before the first exposure has been there before: where the exposure does not
tell the segment, because serving did not ask for it."""

LEAST_USERS = 30
"""Of each variant: of fewer the normal law says nothing, and no data decides nothing."""


@dataclass
class _Session:
    first_ms: int
    last_ms: int
    events: int = 0
    ordered: bool = False
    revenue: float = 0.0


@dataclass
class _User:
    variant: str
    segment: str
    """As of the first exposure, for good."""
    impressions: int = 0
    clicks: int = 0
    sessions: dict[str, _Session] = field(default_factory=dict)

    def sums(self) -> Mapping[str, tuple[float, float]]:
        """Numerator and denominator of each metric."""
        sessions = self.sessions.values()
        count = len(self.sessions)
        return {
            "ctr": (self.clicks, self.impressions),
            "conversion": (sum(one.ordered for one in sessions), count),
            "revenue_per_session": (sum(one.revenue for one in sessions), count),
            "session_s": (sum(one.last_ms - one.first_ms for one in sessions) / 1000, count),
            "bounce": (sum(one.events == 1 for one in sessions), count),
        }


@dataclass(frozen=True, slots=True)
class Ratio:
    value: float
    variance: float
    """Of `value`."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Of a variant's ratio and the control's."""

    value: float
    low: float
    high: float
    p: float
    """Valid at every look: the first time that it is below ALPHA ends the experiment."""


@dataclass(frozen=True, slots=True)
class Metric:
    value: float
    difference: Difference | None
    """None of the control, and where there are too few users."""


@dataclass(frozen=True, slots=True)
class VariantReport:
    variant: str
    segment: str
    """As the exposures tell it, or one of SEGMENTS; empty: everybody."""
    users: int
    sessions: int
    metrics: Mapping[str, Metric]


def report(
    events: Iterable[AnyEvent], control: str, effect: float = EFFECT, alpha: float = ALPHA
) -> list[VariantReport]:
    """By variant, the control first. Events that come twice count once."""
    return _report(list(_users(events)), "", control, effect, alpha)


def report_by_segment(
    events: Iterable[AnyEvent], control: str, effect: float = EFFECT, alpha: float = ALPHA
) -> list[VariantReport]:
    """As `report`, of each segment with its own control; those that we tell come first."""
    users = list(_users(events))
    own = sorted({user.segment for user in users} - set(SEGMENTS))
    return [
        one
        for segment in (*SEGMENTS, *own)
        for one in _report([user for user in users if user.segment == segment], segment, control, effect, alpha)
    ]


def first_exposures(
    events: Iterable[AnyEvent], experiment: str, catalogue: str, since_ms: int
) -> Mapping[str, Exposure]:
    """By user, of those that tell the segment; an experiment that was before `since_ms` had others."""
    found: dict[str, Exposure] = {}
    for event in events:
        told = _is_exposure(event) and event.segment and event.user and event.catalogue == catalogue
        if told and event.time_ms >= since_ms:
            found[event.user] = first(found.get(event.user), Exposure(event.segment, experiment, event.time_ms))
    return found


def _is_exposure(event: AnyEvent) -> bool:
    return isinstance(event, Impression) and bool(event.variant) and event.segment != UNKNOWN


def _report(exposed: Sequence[_User], segment: str, control: str, effect: float, alpha: float) -> list[VariantReport]:
    by_variant: dict[str, list[_User]] = {}
    for user in exposed:
        by_variant.setdefault(user.variant, []).append(user)
    names = sorted(by_variant, key=lambda name: (name != control, name))
    base = _ratios(by_variant.get(control, []))
    reports = []
    for name in names:
        users = by_variant[name]
        enough = min(len(users), len(by_variant.get(control, []))) >= LEAST_USERS and name != control
        metrics = {
            metric: Metric(
                ratio.value, _difference(ratio, base[metric], effect, alpha) if enough and metric in base else None
            )
            for metric, ratio in _ratios(users).items()
        }
        reports.append(VariantReport(name, segment, len(users), sum(len(user.sessions) for user in users), metrics))
    return reports


def _users(events: Iterable[AnyEvent]) -> Iterable[_User]:
    unique = {event.id: event for event in events if event.user}
    users: dict[str, _User] = {}
    began_ms: dict[str, int] = {}
    # An exposure comes before what came of it, though both were sent without a time and have the same one.
    for event in sorted(
        unique.values(), key=lambda event: (event.time_ms, not isinstance(event, Impression), event.id)
    ):
        key = f"{event.catalogue}:{event.user}"
        began = began_ms.setdefault(key, event.time_ms)
        if key not in users:
            if not _is_exposure(event):
                continue
            found = RETURNING if event.time_ms - began >= RETURNING_MS else NEW
            users[key] = _User(event.variant, event.segment or found)
        _count(users[key], event)
    return users.values()


def _count(user: _User, event: AnyEvent) -> None:
    session = user.sessions.setdefault(event.session or "-", _Session(event.time_ms, event.time_ms))
    session.last_ms = max(session.last_ms, event.time_ms)
    session.events += 1
    match event:
        case Impression():
            user.impressions += 1
        case Click() if event.recommendation_id:
            user.clicks += 1
        case Order():
            session.ordered = True
            session.revenue += event.quantity * event.price
        case Cancel() | Return():
            session.revenue -= event.quantity * event.price


def _ratios(users: Sequence[_User]) -> Mapping[str, Ratio]:
    """Those whose denominator is above 0."""
    sums = [user.sums() for user in users]
    ratios: dict[str, Ratio] = {}
    for metric in sums[0] if sums else ():
        pairs = [one[metric] for one in sums]
        whole = sum(x for _, x in pairs)
        if whole > 0:
            value = sum(y for y, _ in pairs) / whole
            squares = sum((y - value * x) ** 2 for y, x in pairs)
            count = len(pairs)
            ratios[metric] = Ratio(value, count / max(1, count - 1) * squares / whole**2)
    return ratios


def _difference(ratio: Ratio, control: Ratio, effect: float, alpha: float) -> Difference | None:
    value, variance = ratio.value - control.value, ratio.variance + control.variance
    tau = (effect * control.value) ** 2
    if variance <= 0 or tau <= 0:
        return None
    wide = (variance + tau) / variance
    half = math.sqrt(variance * (variance + tau) / tau * (2 * math.log(1 / alpha) + math.log(wide)))
    log_p = 0.5 * math.log(wide) - tau * value**2 / (2 * variance * (variance + tau))
    return Difference(value, value - half, value + half, min(1.0, math.exp(min(0.0, log_p))))
