"""What needs a person: counted for the dashboard, each kind with a place where it can be mended. Reads only."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from models import Delivery, DeliveryStatus, EventSource, EventStatus, Heartbeat, Lead, LeadStatus, WebhookEvent, db
from services import contacts, delivery_service, event_service, lead_rules, unmapped_queries

MAX_LISTED = 200
CHECK_EXPIRED_LEADS = "check-expired-leads"  # the job's heartbeat
_NEWEST_ADDRESSES = 2000
_UNSENT = (DeliveryStatus.BLOCKED, DeliveryStatus.PENDING, DeliveryStatus.SENDING)
_UNPROCESSED = (EventStatus.RECEIVED, EventStatus.WAITING, EventStatus.FAILED)

_Status = TypeVar("_Status", DeliveryStatus, EventStatus)


class Concern(StrEnum):
    """A kind of trouble that somebody has to look at."""

    HOLD = "hold"
    UNMAPPED = "unmapped"
    FAILED_DELIVERIES = "failed_deliveries"
    PAYMENT_CONFLICT = "payment_conflict"
    TYPOS = "typos"
    DEAD_EVENTS = "dead_events"


@dataclass(frozen=True, slots=True)
class Mistyped:
    """A lead whose e-mail address looks mistyped, and the address that was probably meant."""

    lead: Lead
    meant: str


@dataclass(frozen=True, slots=True)
class Due:
    """Open leads by when they move: those that a payment conflict or a parcel under way holds move not at all."""

    today: int
    overdue: int
    held: int


@dataclass(frozen=True, slots=True)
class Pulse:
    """The program's signs of life, and what it has not done yet. What is settled is not counted: it is too much."""

    last_webhook: datetime | None
    last_test: datetime | None
    last_check: datetime | None
    oldest_waiting: datetime | None
    deliveries: Counter[DeliveryStatus]
    events: Counter[EventStatus]

    @property
    def outbox(self) -> int:
        return self.deliveries[DeliveryStatus.PENDING] + self.deliveries[DeliveryStatus.SENDING]


def pulse() -> Pulse:
    """Return the program's signs of life."""
    return Pulse(
        last_webhook=_last_webhook(),
        last_test=_last_success(event_service.TEST_HEARTBEAT),
        last_check=_last_success(CHECK_EXPIRED_LEADS),
        oldest_waiting=_oldest_waiting_delivery(),
        deliveries=_count_by(Delivery.status, _UNSENT),
        events=_count_by(WebhookEvent.status, _UNPROCESSED),
    )


def open_leads() -> int:
    """Return how many leads are in follow up."""
    return _count(Lead.status == LeadStatus.FOLLOW_UP, Lead.archived_at.is_(None))


def concerns() -> dict[Concern, int]:
    """Return how many of each kind there are; only those that there are."""
    found = {concern: count() for concern, count in _COUNTS.items()}
    return {concern: number for concern, number in found.items() if number}


def due(now: datetime, end_of_day: datetime) -> Due:
    """Return how many open leads move today, should have moved by now, and are held although their days are over."""
    is_open = [Lead.status == LeadStatus.FOLLOW_UP, Lead.archived_at.is_(None)]
    return Due(
        today=_count(*is_open, Lead.due_at > now, Lead.due_at < end_of_day, ~is_held()),
        overdue=_count(*is_open, Lead.due_at <= now, ~is_held()),
        held=_count(*is_open, Lead.due_at <= now, is_held()),
    )


def is_held() -> ColumnElement[bool]:
    """Return the condition that a lead does not move when its days are over, as lead_rules.hold_reason says it of one
    order."""
    under_way = and_(Lead.payment_method == lead_rules.COD, Lead.order_status.in_(lead_rules.COD_UNDER_WAY))
    # A comparison with NULL is NULL, and so would be its opposite.
    return func.coalesce(or_(Lead.payment_status == "conflict", under_way), False)


def _conflicts() -> int:
    return _count(*_IN_CONFLICT)


def mistyped_leads() -> list[Mistyped]:
    """Return the newest open leads whose e-mail address looks mistyped."""
    meant = _suggestions()
    leads = db.session.scalars(_newest(Lead.id.in_(list(meant)[:MAX_LISTED])))
    return [Mistyped(lead, meant[lead.id]) for lead in leads]


def conflicting_leads() -> list[Lead]:
    """Return the newest leads whose transfer ScaleV could not match."""
    return list(db.session.scalars(_newest(*_IN_CONFLICT).limit(MAX_LISTED)))


def _last_webhook() -> datetime | None:
    from_scalev = WebhookEvent.source == EventSource.WEBHOOK
    newest = select(WebhookEvent.received_at).where(from_scalev).order_by(WebhookEvent.received_at.desc())
    return db.session.scalar(newest.limit(1))


def _last_success(name: str) -> datetime | None:
    return db.session.scalar(select(Heartbeat.succeeded_at).where(Heartbeat.name == name))


def _oldest_waiting_delivery() -> datetime | None:
    return db.session.scalar(select(func.min(Delivery.created_at)).where(Delivery.status == DeliveryStatus.PENDING))


def _count_by(column: InstrumentedAttribute[_Status], statuses: Sequence[_Status]) -> Counter[_Status]:
    query = select(column, func.count()).where(column.in_(statuses)).group_by(column)
    return Counter({status: number for status, number in db.session.execute(query)})


def _held_deliveries() -> int:
    return _count_deliveries(DeliveryStatus.PENDING) if delivery_service.hold() else 0


def _failed_deliveries() -> int:
    return _count_deliveries(DeliveryStatus.FAILED)


def _count_deliveries(status: DeliveryStatus) -> int:
    return db.session.scalar(select(func.count()).where(Delivery.status == status)) or 0


def _dead_events() -> int:
    return db.session.scalar(select(func.count()).where(WebhookEvent.status == EventStatus.DEAD)) or 0


def _typos() -> int:
    return len(_suggestions())


def _suggestions() -> dict[int, str]:
    """Look through the newest open leads; return the address that was probably meant by the lead's id, newest first."""
    is_open = [Lead.status == LeadStatus.FOLLOW_UP, Lead.archived_at.is_(None), Lead.email.is_not(None)]
    query = _newest(*is_open).with_only_columns(Lead.id, Lead.email).limit(_NEWEST_ADDRESSES)
    found = ((lead_id, contacts.suggest_email(email)) for lead_id, email in db.session.execute(query) if email)
    return {lead_id: meant for lead_id, meant in found if meant}


def _newest(*where: ColumnElement[bool]) -> Select[Lead]:
    return select(Lead).where(*where).order_by(Lead.ordered_at.desc(), Lead.id.desc())


def _count(*where: ColumnElement[bool]) -> int:
    return db.session.scalar(select(func.count()).select_from(Lead).where(*where)) or 0


_IN_CONFLICT = (
    Lead.payment_status == "conflict",
    Lead.archived_at.is_(None),
    Lead.status.in_([LeadStatus.FOLLOW_UP, LeadStatus.NOT_CLOSING]),
)
_COUNTS: dict[Concern, Callable[[], int]] = {
    Concern.HOLD: _held_deliveries,
    Concern.UNMAPPED: unmapped_queries.count_unmapped,
    Concern.FAILED_DELIVERIES: _failed_deliveries,
    Concern.PAYMENT_CONFLICT: _conflicts,
    Concern.TYPOS: _typos,
    Concern.DEAD_EVENTS: _dead_events,
}
