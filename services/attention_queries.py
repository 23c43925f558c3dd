"""What needs a person: counted for the dashboard, each kind with a place where it can be mended. Reads only."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, func, or_, select

from models import Delivery, DeliveryStatus, EventStatus, Heartbeat, Lead, LeadStatus, WebhookEvent, db
from services import contacts, lead_rules, unmapped_queries

_NEWEST_ADDRESSES = 2000


class Concern(StrEnum):
    """A kind of trouble that somebody has to look at."""

    UNMAPPED = "unmapped"
    FAILED_DELIVERIES = "failed_deliveries"
    PAYMENT_CONFLICT = "payment_conflict"
    TYPOS = "typos"
    DEAD_EVENTS = "dead_events"


@dataclass(frozen=True, slots=True)
class Due:
    """Open leads by when they move: those that a payment conflict or a parcel under way holds move not at all."""

    today: int
    overdue: int
    held: int


def concerns() -> dict[Concern, int]:
    """Return how many of each kind there are; only those that there are."""
    found = {concern: count() for concern, count in _COUNTS.items()}
    return {concern: number for concern, number in found.items() if number}


def due(now: datetime, end_of_day: datetime) -> Due:
    """Return how many open leads move today, should have moved by now, and are held although their days are over."""
    is_open = [Lead.status == LeadStatus.FOLLOW_UP, Lead.archived_at.is_(None)]
    return Due(
        today=_count(*is_open, Lead.due_at > now, Lead.due_at < end_of_day),
        overdue=_count(*is_open, Lead.due_at <= now, ~_is_held()),
        held=_count(*is_open, Lead.due_at <= now, _is_held()),
    )


def oldest_waiting_delivery() -> datetime | None:
    """Return since when the oldest delivery waits to be sent."""
    return db.session.scalar(select(func.min(Delivery.created_at)).where(Delivery.status == DeliveryStatus.PENDING))


def last_check() -> datetime | None:
    """Return when leads that are due were last looked for."""
    return db.session.scalar(select(Heartbeat.succeeded_at).where(Heartbeat.name == "check-expired-leads"))


def _is_held() -> ColumnElement[bool]:
    """As lead_rules.hold_reason says it of one order."""
    under_way = and_(Lead.payment_method == lead_rules.COD, Lead.order_status.in_(lead_rules.COD_UNDER_WAY))
    # A comparison with NULL is NULL, and so would be its opposite.
    return func.coalesce(or_(Lead.payment_status == "conflict", under_way), False)


def _conflicts() -> int:
    return _count(Lead.payment_status == "conflict", Lead.status != LeadStatus.CLOSING, Lead.archived_at.is_(None))


def _failed_deliveries() -> int:
    return db.session.scalar(select(func.count()).where(Delivery.status == DeliveryStatus.FAILED)) or 0


def _dead_events() -> int:
    return db.session.scalar(select(func.count()).where(WebhookEvent.status == EventStatus.DEAD)) or 0


def _typos() -> int:
    """How many of the newest open leads have an address that looks mistyped."""
    query = (
        select(Lead.email)
        .where(Lead.status == LeadStatus.FOLLOW_UP, Lead.archived_at.is_(None), Lead.email.is_not(None))
        .order_by(Lead.ordered_at.desc())
        .limit(_NEWEST_ADDRESSES)
    )
    return sum(contacts.suggest_email(email) is not None for email in db.session.scalars(query) if email)


def _count(*where: ColumnElement[bool]) -> int:
    return db.session.scalar(select(func.count()).select_from(Lead).where(*where)) or 0


_COUNTS: dict[Concern, Callable[[], int]] = {
    Concern.UNMAPPED: unmapped_queries.count_unmapped,
    Concern.FAILED_DELIVERIES: _failed_deliveries,
    Concern.PAYMENT_CONFLICT: _conflicts,
    Concern.TYPOS: _typos,
    Concern.DEAD_EVENTS: _dead_events,
}
