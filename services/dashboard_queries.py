"""The dashboard's figures over a period: what came in, what it earned, who closes best. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Numeric, case, cast, func, select
from sqlalchemy.orm import InstrumentedAttribute

from models import Lead, LeadStatus, db
from services.attention_queries import is_held
from services.clock import start_of_day

PERIODS = (1, 7, 30, 90)
DEFAULT_DAYS = 7
MAX_DAYS = 366
TELLING_LEADS = 5  # a rate of fewer leads says little, so such rows come last
_RANKED = 5
_NEWEST_CLOSINGS = 1000  # enough for a median, and quick at any number of leads

_LIVE = Lead.archived_at.is_(None)


@dataclass(frozen=True, slots=True)
class Period:
    """Days in a zone: from the first moment of `first` to the end of `last`, or to `cut` within it."""

    first: date
    last: date
    zone: ZoneInfo
    cut: datetime | None = None

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def begin(self) -> datetime:
        return start_of_day(self.first, self.zone)

    @property
    def end(self) -> datetime:
        return self.cut or start_of_day(self.last + timedelta(days=1), self.zone)

    def before(self, now: datetime) -> "Period":
        """Return the period of the same length that ends where this one begins.

        When this one is not over yet, it ends at the same time of day: a morning is not held against a whole day.
        """
        length = timedelta(days=self.days)
        cut = now.astimezone(self.zone) - length if now < self.end else None
        return Period(self.first - length, self.first - timedelta(days=1), self.zone, cut)

    def dates(self) -> list[date]:
        return [self.first + timedelta(days=number) for number in range(self.days)]

    def midnights(self) -> list[datetime]:
        """Return where each day begins, and where the last one ends."""
        return [start_of_day(day, self.zone) for day in self.dates()] + [self.end]

    def holds(self, column: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
        return (column >= self.begin) & (column < self.end)


@dataclass(frozen=True, slots=True)
class Flow:
    """What happened in a period: a lead closes when it is paid and expires when its days are over, whenever we heard of
    it. `paid` and `money_open` are of the leads that were ordered in the period."""

    arrived: int
    paid: int
    closed: int
    expired: int
    money_closed: Decimal
    money_open: Decimal
    money_lost: Decimal

    @property
    def closing_rate(self) -> float | None:
        return self.paid / self.arrived if self.arrived else None


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the chart."""

    day: date
    arrived: int
    closed: int
    expired: int


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of today in which leads are due."""

    begin: datetime
    due: int


@dataclass(frozen=True, slots=True)
class Ranked:
    """A product or a CS by what became of its leads."""

    name: str
    leads: int
    closed: int
    money: Decimal

    @property
    def rate(self) -> float:
        return self.closed / self.leads


def last_days(days: int, now: datetime, zone: ZoneInfo) -> Period:
    """Return the period of so many days that ends today."""
    today = now.astimezone(zone).date()
    return Period(today - timedelta(days=days - 1), today, zone)


def own_range(since: str, until: str, now: datetime, zone: ZoneInfo) -> Period | None:
    """Return the period between two typed days, the later one cut to today; None when they are no range."""
    today = now.astimezone(zone).date()
    try:
        first, last = date.fromisoformat(since), min(date.fromisoformat(until or today.isoformat()), today)
    except ValueError:
        return None
    too_early = first < date(2000, 1, 1)
    return None if too_early or first > last or (last - first).days >= MAX_DAYS else Period(first, last, zone)


def flow(period: Period) -> Flow:
    """Return what happened in a period."""
    arrived, paid, money_open = _ordered(period)
    closed, money_closed = _ended(LeadStatus.CLOSING, period)
    expired, money_lost = _ended(LeadStatus.NOT_CLOSING, period)
    return Flow(
        arrived=arrived,
        paid=paid,
        closed=closed,
        expired=expired,
        money_closed=money_closed,
        money_open=money_open,
        money_lost=money_lost,
    )


def time_to_payment(period: Period) -> timedelta | None:
    """Return the median time that the newest closings among a period's orders took; None when there are none."""
    closed = [_LIVE, Lead.status == LeadStatus.CLOSING, period.holds(Lead.ordered_at)]
    query = select(Lead.ordered_at, Lead.ended_at).where(*closed).order_by(Lead.ordered_at.desc())
    moments = db.session.execute(query.limit(_NEWEST_CLOSINGS))
    waits = [max((paid - ordered).total_seconds(), 0) for ordered, paid in moments if paid]
    return timedelta(seconds=median(waits)) if waits else None


def by_day(period: Period) -> list[Day]:
    """Return every day of a period, the oldest first."""
    midnights = period.midnights()
    arrived = _count_between(midnights, Lead.ordered_at, _LIVE)
    closed, expired = (
        _count_between(midnights, Lead.ended_at, _LIVE, Lead.status == status)
        for status in (LeadStatus.CLOSING, LeadStatus.NOT_CLOSING)
    )
    return [Day(*numbers) for numbers in zip(period.dates(), arrived, closed, expired, strict=True)]


def due_by_hour(period: Period) -> list[Hour]:
    """Return the hours of a day or more in which open leads move, the earliest first; hours without any left out."""
    begin, end = period.begin.astimezone(UTC), period.end.astimezone(UTC)
    hours = [begin + timedelta(hours=number) for number in range((end - begin) // timedelta(hours=1))]
    due = _count_between([*hours, end], Lead.due_at, _LIVE, Lead.status == LeadStatus.FOLLOW_UP, ~is_held())
    return [Hour(begin, number) for begin, number in zip(hours, due, strict=True) if number]


def top_products(period: Period) -> list[Ranked]:
    """Return the products that close best among the leads ordered in a period."""
    return _rank(Lead.product_name, period)


def top_handlers(period: Period) -> list[Ranked]:
    """Return the CS who close best among the leads ordered in a period."""
    return _rank(Lead.handler_name, period)


def _ordered(period: Period) -> tuple[int, int, Decimal]:
    """Return how many leads were ordered in a period, how many of them paid, and what the open ones are worth."""
    paid = func.count(case((Lead.status == LeadStatus.CLOSING, 1)))
    money_open = func.sum(case((Lead.status == LeadStatus.FOLLOW_UP, Lead.gross_revenue)))
    query = select(func.count(), paid, money_open).where(_LIVE, period.holds(Lead.ordered_at))
    arrived, closed, money = db.session.execute(query).one()
    return arrived, closed, Decimal(money or 0)


def _ended(status: LeadStatus, period: Period) -> tuple[int, Decimal]:
    """Return how many leads came to `status` in a period, and what they are worth."""
    query = select(func.count(), func.sum(Lead.gross_revenue)).where(_LIVE, Lead.status == status)
    number, money = db.session.execute(query.where(period.holds(Lead.ended_at))).one()
    return number, Decimal(money or 0)


def _count_between(
    borders: Sequence[datetime], column: InstrumentedAttribute[Any], *where: ColumnElement[bool]
) -> list[int]:
    """Count the rows between each two neighbouring moments, in one statement.

    Each range is a walk over an index; to cut moments into local days inside the database would take three dialects
    and read every row.
    """
    if len(borders) < 2:
        return []
    counts = [
        select(func.count()).where(*where, column >= begin, column < end).scalar_subquery()
        for begin, end in pairwise(borders)
    ]
    return list(db.session.execute(select(*counts)).one())


def _rank(column: InstrumentedAttribute[str | None], period: Period) -> list[Ranked]:
    is_closing, leads = Lead.status == LeadStatus.CLOSING, func.count()
    closed, money = func.count(case((is_closing, 1))), func.sum(case((is_closing, Lead.gross_revenue)))
    rate = cast(closed, Numeric(12, 4)) / leads
    query = (
        select(column, leads, closed, money)
        .where(_LIVE, period.holds(Lead.ordered_at), column.is_not(None))
        .group_by(column)
        .order_by(case((leads >= TELLING_LEADS, 0), else_=1), rate.desc(), leads.desc(), column)
        .limit(_RANKED)
    )
    rows = db.session.execute(query)
    return [Ranked(name or "", leads, closed, Decimal(money or 0)) for name, leads, closed, money in rows]
