"""What the pages show: counts, lists and single rows. Reads only."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, func, literal, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, defer, joinedload, selectinload

from models import (
    Delivery,
    DeliveryStatus,
    EventStatus,
    Lead,
    LeadStatus,
    WebhookEvent,
    db,
)
from services import lead_rules
from services.contacts import clean_text
from services.errors import NotFound
from services.order_news import OrderState

PAGE_SIZE = 50
MAX_SEARCH_LENGTH = 100
MIN_PHONE_TAIL = 3

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MAX_ID = 2**31 - 1

Row = TypeVar("Row", Lead, WebhookEvent, Delivery)


class Tab(StrEnum):
    """The leads page's lists. An archived lead is in none but its own."""

    FOLLOW_UP = "follow_up"
    CLOSING = "closing"
    NOT_CLOSING = "not_closing"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page of a list, newest first. The cursors lead to its neighbours; None where the list ends."""

    rows: list[Row]
    newer: str | None
    older: str | None


def end_of_day(now: datetime, zone: ZoneInfo) -> datetime:
    """Return the midnight that ends the present day in `zone`."""
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(), zone)


def tab_counts(search: str = "") -> dict[Tab, int]:
    """How many leads of a search each list of the leads page holds."""
    found = _matches(search)
    counts = {Tab(status.value): number for status, number in _lead_counts(*found).items()}
    counts[Tab.ARCHIVED] = _count(Lead.archived_at.is_not(None), *found)
    return counts


def leads(tab: Tab | None = None, search: str = "", cursor: str | None = None) -> Page[Lead]:
    """One page of a list of leads, newest order first.

    Args:
        tab: which list; None for all leads, archived ones too.
        search: part of a name or e-mail, the end of a phone number, or an order id; "" for all.
        cursor: where another page's `newer` or `older` pointed; None or nonsense for the first page.
    """
    query = select(Lead).where(*_in_tab(tab), *_matches(search)).options(joinedload(Lead.product_list))
    return _page(query, (Lead.ordered_at, Lead.id), cursor)


def lead(lead_id: int) -> Lead:
    """One lead with its history and its deliveries' attempts.

    Raises:
        NotFound: there is no such lead.
    """
    whole = [
        joinedload(Lead.product_list),
        selectinload(Lead.lines),
        selectinload(Lead.history),
        selectinload(Lead.deliveries).selectinload(Delivery.attempts),
    ]
    row = db.session.scalar(select(Lead).where(Lead.id == lead_id).options(*whole))
    if row is None:
        raise NotFound("This lead does not exist.")
    return row


def hold_reason(lead: Lead) -> str | None:
    """Return why a lead is not moved even when its days are over, None when nothing holds it."""
    state = OrderState(
        at=lead.ordered_at,
        payment_status=lead.payment_status,
        payment_method=lead.payment_method,
        order_status=lead.order_status,
    )
    return lead_rules.hold_reason(state)


def events(status: EventStatus | None = None, cursor: str | None = None) -> Page[WebhookEvent]:
    """One page of the inbox, newest first; all states when `status` is None."""
    query = select(WebhookEvent).options(joinedload(WebhookEvent.lead), defer(WebhookEvent.body))
    if status is not None:
        query = query.where(WebhookEvent.status == status)
    return _page(query, (WebhookEvent.id,), cursor)


def event(event_id: int) -> WebhookEvent:
    """One event.

    Raises:
        NotFound: there is no such event.
    """
    row = db.session.get(WebhookEvent, event_id)
    if row is None:
        raise NotFound("This event does not exist.")
    return row


def event_counts() -> dict[EventStatus, int]:
    """How many events are in each state."""
    return _counts_by(WebhookEvent.status, EventStatus)


def deliveries(status: DeliveryStatus | None = None, cursor: str | None = None) -> Page[Delivery]:
    """One page of the outbox, newest first; all states when `status` is None."""
    query = select(Delivery).options(joinedload(Delivery.lead), selectinload(Delivery.attempts))
    if status is not None:
        query = query.where(Delivery.status == status)
    return _page(query, (Delivery.id,), cursor)


def delivery_counts() -> dict[DeliveryStatus, int]:
    """How many deliveries are in each state."""
    return _counts_by(Delivery.status, DeliveryStatus)


# --- Counts ---


def _lead_counts(*where: ColumnElement[bool]) -> dict[LeadStatus, int]:
    return _counts_by(Lead.status, LeadStatus, Lead.archived_at.is_(None), *where)


Status = TypeVar("Status", LeadStatus, EventStatus, DeliveryStatus)


def _counts_by(
    column: InstrumentedAttribute[Status], statuses: type[Status], *where: ColumnElement[bool]
) -> dict[Status, int]:
    rows = db.session.execute(select(column, func.count()).where(*where).group_by(column))
    return {**dict.fromkeys(statuses, 0), **{status: count for status, count in rows}}


def _count(*where: ColumnElement[bool]) -> int:
    return db.session.scalar(select(func.count()).select_from(Lead).where(*where)) or 0


# --- Lists ---


def _in_tab(tab: Tab | None) -> list[ColumnElement[bool]]:
    if tab is None:
        return []
    if tab is Tab.ARCHIVED:
        return [Lead.archived_at.is_not(None)]
    return [Lead.status == LeadStatus(tab.value), Lead.archived_at.is_(None)]


def _matches(search: str) -> list[ColumnElement[bool]]:
    text = clean_text(search, MAX_SEARCH_LENGTH)
    if not text:
        return []
    found = [
        Lead.name.icontains(text, autoescape=True),
        Lead.email.icontains(text, autoescape=True),
        Lead.order_id.istartswith(text, autoescape=True),
    ]
    tail = _phone_tail(text)
    return [or_(*found, Lead.phone.endswith(tail))] if tail else [or_(*found)]


def _phone_tail(text: str) -> str | None:
    """The digits that a stored number must end with; people type 0812… for what is stored as 62812…."""
    if not re.fullmatch(r"\+?[0-9][0-9 ().-]*", text):
        return None
    digits = re.sub(r"\D", "", text)
    local = re.sub(r"^0+", "", digits) if len(digits) > MIN_PHONE_TAIL + 3 else digits
    return local if len(local) >= MIN_PHONE_TAIL else None


def _page(query: Select[Row], order: Sequence[InstrumentedAttribute[Any]], cursor: str | None) -> Page[Row]:
    """Cut one page out of a list by its rows' own values, so that deep pages cost no more than the first.

    Args:
        query: the list, without an order.
        order: columns that make the order unique, the id last; newest first.
        cursor: `<` (towards newer) or `>` (towards older) and the values of the row to start after.
    """
    backwards, values = _read_cursor(cursor, len(order))
    if values:
        place = tuple_(*(literal(value, column.type) for value, column in zip(values, order, strict=True)))
        query = query.where(tuple_(*order) > place if backwards else tuple_(*order) < place)
    query = query.order_by(*(column.asc() if backwards else column.desc() for column in order))
    rows = list(db.session.scalars(query.limit(PAGE_SIZE + 1)))
    more, rows = len(rows) > PAGE_SIZE, rows[:PAGE_SIZE]
    if backwards:
        rows.reverse()
    has_newer, has_older = (more, True) if backwards else (bool(values), more)
    return Page(
        rows,
        newer=_cursor("<", rows[0], order) if rows and has_newer else None,
        older=_cursor(">", rows[-1], order) if rows and has_older else None,
    )


def _cursor(direction: str, row: object, order: Sequence[InstrumentedAttribute[Any]]) -> str:
    values = (getattr(row, column.key) for column in order)
    numbers = (v if isinstance(v, int) else (v - _EPOCH) // _MICROSECOND for v in values)
    return direction + ".".join(str(number) for number in numbers)


def _read_cursor(cursor: str | None, length: int) -> tuple[bool, list[int | datetime]]:
    """Return whether a cursor points to newer rows, and its values; no values for nonsense."""
    found = re.fullmatch(r"([<>])([0-9]{1,17}\.)?([0-9]{1,10})", cursor or "")
    if not found or (found[2] is not None) != (length == 2) or int(found[3]) > _MAX_ID:
        return False, []
    number = int(found[3])
    values: list[int | datetime] = [number]
    if found[2]:
        values.insert(0, _EPOCH + timedelta(microseconds=int(found[2][:-1])))
    return found[1] == "<", values
