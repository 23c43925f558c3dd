"""The dashboard's figures over a period: what came in, what it earned, who closes best. Reads only."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, case, extract, func, select
from sqlalchemy.orm import InstrumentedAttribute

from models import Lead, LeadHistory, LeadStatus, db

PERIODS = (1, 7, 30, 90)
DEFAULT_DAYS = 7
MAX_DAYS = 366
_RANKED = 5
_NEWEST_CLOSINGS = 2000  # enough for a median, and quick at any number of leads

_LIVE = Lead.archived_at.is_(None)


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days in a zone: from the first moment of `first` to the end of `last`."""

    first: date
    last: date
    zone: ZoneInfo

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def begin(self) -> datetime:
        return datetime.combine(self.first, time(), self.zone)

    @property
    def end(self) -> datetime:
        return datetime.combine(self.last + timedelta(days=1), time(), self.zone)

    def before(self) -> "Period":
        """Return the period of the same length that ends where this one begins."""
        return Period(self.first - timedelta(days=self.days), self.first - timedelta(days=1), self.zone)

    def holds(self, column: InstrumentedAttribute[datetime]) -> ColumnElement[bool]:
        return (column >= self.begin) & (column < self.end)


@dataclass(frozen=True, slots=True)
class Flow:
    """What happened in a period. Rate and time are of the leads that were ordered in it; None when there are none."""

    arrived: int
    closed: int
    expired: int
    money_closed: Decimal
    money_open: Decimal
    money_lost: Decimal
    closing_rate: float | None
    time_to_payment: timedelta | None


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the chart."""

    day: date
    arrived: int
    closed: int
    expired: int


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
    ordered = [_LIVE, period.holds(Lead.ordered_at)]
    is_closing = case((Lead.status == LeadStatus.CLOSING, 1), else_=0)
    arrived, paid = db.session.execute(select(func.count(), func.sum(is_closing)).where(*ordered)).one()
    moved = _moves(period)
    return Flow(
        arrived=arrived,
        closed=moved[LeadStatus.CLOSING],
        expired=moved[LeadStatus.NOT_CLOSING],
        money_closed=_money(LeadStatus.CLOSING, period.holds(Lead.status_changed_at)),
        money_open=_money(LeadStatus.FOLLOW_UP, period.holds(Lead.ordered_at)),
        money_lost=_money(LeadStatus.NOT_CLOSING, period.holds(Lead.status_changed_at)),
        closing_rate=int(paid or 0) / arrived if arrived else None,
        time_to_payment=_time_to_payment(period),
    )


def by_day(period: Period) -> list[Day]:
    """Return every day of a period, the oldest first."""
    arrived = _per_day(Lead.ordered_at, [_LIVE, period.holds(Lead.ordered_at)], period.zone)
    closed, expired = (
        _per_day(LeadHistory.at, [*_moved_to(status), period.holds(LeadHistory.at)], period.zone)
        for status in (LeadStatus.CLOSING, LeadStatus.NOT_CLOSING)
    )
    return [Day(day, arrived[day], closed[day], expired[day]) for day in _days(period)]


def due_by_hour(begin: datetime, end: datetime, zone: ZoneInfo) -> dict[int, int]:
    """Return how many open leads are due in each hour of a day, in `zone`."""
    due = [Lead.status == LeadStatus.FOLLOW_UP, _LIVE, Lead.due_at >= begin, Lead.due_at < end]
    hours = Counter[int]()
    for moment, count in _half_hours(Lead.due_at, due):
        hours[moment.astimezone(zone).hour] += count
    return dict(sorted(hours.items()))


def top_products(period: Period) -> list[Ranked]:
    """Return the products with the most closings among the leads ordered in a period."""
    return _rank(Lead.product_name, period)


def top_handlers(period: Period) -> list[Ranked]:
    """Return the CS with the most closings among the leads ordered in a period."""
    return _rank(Lead.handler_name, period)


def _moved_to(status: LeadStatus) -> list[ColumnElement[bool]]:
    is_a_move = LeadHistory.from_status.is_(None) | (LeadHistory.from_status != LeadHistory.to_status)
    return [LeadHistory.to_status == status, is_a_move]


def _moves(period: Period) -> Counter[LeadStatus]:
    """How many leads came to closing and to not_closing in a period, each counted once."""
    count = func.count(LeadHistory.lead_id.distinct())
    return Counter(
        {
            status: db.session.scalar(select(count).where(*_moved_to(status), period.holds(LeadHistory.at))) or 0
            for status in (LeadStatus.CLOSING, LeadStatus.NOT_CLOSING)
        }
    )


def _money(status: LeadStatus, when: ColumnElement[bool]) -> Decimal:
    total = select(func.sum(Lead.gross_revenue)).where(Lead.status == status, _LIVE, when)
    return Decimal(db.session.scalar(total) or 0)


def _time_to_payment(period: Period) -> timedelta | None:
    closed = [Lead.status == LeadStatus.CLOSING, _LIVE, period.holds(Lead.ordered_at)]
    paid_at = func.coalesce(Lead.paid_at, Lead.status_changed_at, type_=Lead.paid_at.type)
    query = select(Lead.ordered_at, paid_at).where(*closed).order_by(Lead.ordered_at.desc()).limit(_NEWEST_CLOSINGS)
    waits = [max((paid - ordered).total_seconds(), 0) for ordered, paid in db.session.execute(query)]
    return timedelta(seconds=median(waits)) if waits else None


def _per_day(
    column: InstrumentedAttribute[datetime], where: Sequence[ColumnElement[bool]], zone: ZoneInfo
) -> Counter[date]:
    days = Counter[date]()
    for moment, count in _half_hours(column, where):
        days[moment.astimezone(zone).date()] += count
    return days


def _half_hours(
    column: InstrumentedAttribute[datetime], where: Iterable[ColumnElement[bool]]
) -> Iterator[tuple[datetime, int]]:
    """Count rows by half hours of UTC, which every zone's days are made of; the three databases all can do that."""
    parts: list[Any] = [extract(name, column) for name in ("year", "month", "day", "hour")]
    parts.append(case((extract("minute", column) >= 30, 30), else_=0))
    for *moment, count in db.session.execute(select(*parts, func.count()).where(*where).group_by(*parts)):
        year, month, day, hour, minute = (int(part) for part in moment)
        yield datetime(year, month, day, hour, minute, tzinfo=UTC), count


def _rank(column: InstrumentedAttribute[str | None], period: Period) -> list[Ranked]:
    is_closing = Lead.status == LeadStatus.CLOSING
    closed = func.sum(case((is_closing, 1), else_=0))
    money = func.sum(case((is_closing, Lead.gross_revenue), else_=0))
    query = (
        select(column, func.count(), closed, money)
        .where(_LIVE, period.holds(Lead.ordered_at), column.is_not(None))
        .group_by(column)
        .order_by(closed.desc(), func.count().desc(), column)
        .limit(_RANKED)
    )
    rows = db.session.execute(query)
    return [Ranked(name or "", leads, int(paid), Decimal(total or 0)) for name, leads, paid, total in rows]


def _days(period: Period) -> Iterator[date]:
    return (period.first + timedelta(days=number) for number in range(period.days))
