"""The queue "Hari ini": whom a CS chases now. Reads only; contact_service writes what comes of it.

A lead is in the queue while it has a `chase_at` (chase_service). The order of the queue is that moment: what is overdue
comes first, then what is due today, then what comes later.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, false, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, defer

from models import Lead, db
from models_catalogue import CatalogueSalesPerson
from models_contact import Contact
from services import chase_plan, chase_service, contact_service, keyset, lead_queries, same_buyer
from services.clock import end_of_day, start_of_day
from services.keyset import Order
from services.statuses import ChaseStep

PAGE_SIZE = 30
MAX_COUNT = 1000  # counting further costs more than the number is worth
NO_HANDLER = "-"
_HEAVY = (defer(Lead.news), defer(Lead.field_stamps), defer(Lead.manual_seen))


class View(StrEnum):
    """The queue's two lists: what is to be chased, and what a person put off to a later day."""

    QUEUE = "queue"
    SNOOZED = "snoozed"


class Section(StrEnum):
    """When a lead is to be chased, by days."""

    OVERDUE = "overdue"
    TODAY = "today"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Card:
    """One lead of the queue with what a CS must know before writing."""

    lead: Lead
    section: Section
    step: ChaseStep
    chat: Contact | None  # the last WhatsApp
    note: Contact | None  # what was noted last
    paid_lead_id: int | None  # the same buyer's paid order for the same product
    hold: str | None
    ends_soon: bool  # moves to not_closing before the next day ends, unless it is held


@dataclass(frozen=True, slots=True)
class QueuePage:
    """One page of the queue; `next` leads on, None at the end."""

    cards: list[Card]
    next: str | None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many there are, up to `MAX_COUNT`."""

    due: int
    snoozed: int


def page(view: View, handlers: Collection[str] | None, cursor: str | None, now: datetime, zone: ZoneInfo) -> QueuePage:
    """Return one page of the queue.

    Args:
        view: what is to be chased, or what was put off.
        handlers: names of CS as ScaleV says them, `NO_HANDLER` for none; None for everybody's leads.
        cursor: where another page's `next` pointed; None or nonsense for the first page.
        now: the operation's one clock reading.
        zone: where a day begins.
    """
    query = select(Lead).where(*_in_view(view, now), *_of(handlers)).options(*_HEAVY)
    found = keyset.page(query, Order(Lead.id, _moment(view), descending=False), cursor, PAGE_SIZE)
    return QueuePage(cards(found.rows, now, zone), found.next)


def cards(leads: list[Lead], now: datetime, zone: ZoneInfo) -> list[Card]:
    """Return leads as the queue shows them."""
    ids = [lead.id for lead in leads]
    chats, notes = contact_service.last_chats(ids), contact_service.last_notes(ids)
    paid = same_buyer.paid_lead_ids(leads)
    return [
        Card(
            lead=lead,
            section=_section(lead.chase_at or now, now, zone),
            step=chase_plan.fitting_step(chase_service.chase_of(lead), now),
            chat=chats.get(lead.id),
            note=notes.get(lead.id),
            paid_lead_id=paid.get(lead.id),
            hold=(hold := lead_queries.hold_reason(lead)),
            ends_soon=hold is None and lead.due_at < end_of_day(now, zone) + timedelta(days=1),
        )
        for lead in leads
    ]


def counts(handlers: Collection[str] | None, now: datetime, zone: ZoneInfo) -> Counts:
    """Return how many leads are to be chased until the day ends, and how many are put off."""
    until_midnight = Lead.chase_at < end_of_day(now, zone)
    return Counts(
        due=_count(*_in_view(View.QUEUE, now), until_midnight, *_of(handlers)),
        snoozed=_count(*_in_view(View.SNOOZED, now), *_of(handlers)),
    )


def handler_names() -> list[str]:
    """Return the CS who have leads in the queue, by name."""
    query = select(Lead.handler_name).where(Lead.chase_at.is_not(None), Lead.handler_name.is_not(None)).distinct()
    return sorted((name for name in db.session.scalars(query) if name), key=str.casefold)


def own_names(email: str) -> list[str]:
    """Return the names under which ScaleV assigns orders to a user: matched by e-mail, which may itself be the name."""
    listed = select(CatalogueSalesPerson.name).where(func.lower(CatalogueSalesPerson.email) == email.lower())
    return [*db.session.scalars(listed), email]


def sample_lead(order_id: str) -> Lead | None:
    """Return the lead to preview texts with: the one of an order, else the newest that is to be chased."""
    if order_id:
        return db.session.scalar(select(Lead).where(Lead.order_id == order_id))
    return db.session.scalar(select(Lead).where(Lead.chase_at.is_not(None)).order_by(Lead.id.desc()).limit(1))


def _in_view(view: View, now: datetime) -> list[ColumnElement[bool]]:
    if view is View.SNOOZED:
        return [Lead.snoozed_until > now, Lead.chase_at.is_not(None)]
    return [Lead.chase_at.is_not(None), or_(Lead.snoozed_until.is_(None), Lead.snoozed_until <= now)]


def _moment(view: View) -> InstrumentedAttribute[datetime | None]:
    return Lead.snoozed_until if view is View.SNOOZED else Lead.chase_at


def _of(handlers: Collection[str] | None) -> list[ColumnElement[bool]]:
    if handlers is None:
        return []
    nobody = Lead.handler_name.is_(None) if NO_HANDLER in handlers else false()
    named = [name for name in handlers if name != NO_HANDLER]
    return [or_(nobody, Lead.handler_name.in_(named))]


def _section(chase_at: datetime, now: datetime, zone: ZoneInfo) -> Section:
    if chase_at < start_of_day(now.astimezone(zone).date(), zone):
        return Section.OVERDUE
    return Section.TODAY if chase_at < end_of_day(now, zone) else Section.LATER


def _count(*where: ColumnElement[bool]) -> int:
    found = select(Lead.id).where(*where).limit(MAX_COUNT).subquery()
    return db.session.scalar(select(func.count()).select_from(found)) or 0
