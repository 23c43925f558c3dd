"""Which leads a page, a file or a bulk deed is about: read from an address, turned into conditions. Reads only."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, exists, or_, select

from models import Delivery, DeliveryStatus, Lead, LeadStatus
from services import lead_rules
from services.clock import end_of_day, start_of_day
from services.contacts import clean_text
from services.keyset import Order

MAX_TEXT_LENGTH = 255
MAX_SEARCH_LENGTH = 100
MIN_PHONE_TAIL = 3
NONE = "-"  # the product list, store or CS of leads that have none

_Word = TypeVar("_Word", bound=StrEnum)
_LAST_DAY = date(9000, 1, 1)  # a day after it can still be reckoned with


class Tab(StrEnum):
    """The leads page's lists. An archived lead is in none but its own."""

    FOLLOW_UP = "follow_up"
    CLOSING = "closing"
    NOT_CLOSING = "not_closing"
    ARCHIVED = "archived"


class Answer(StrEnum):
    YES = "yes"
    NO = "no"


class DueWithin(StrEnum):
    """Open leads by when their days are over."""

    OVERDUE = "overdue"
    TODAY = "today"
    THREE_DAYS = "3"
    WEEK = "7"


class Sort(StrEnum):
    NEWEST = "newest"
    OLDEST = "oldest"
    TOTAL = "total"
    DUE = "due"


_ORDERS = {
    Sort.NEWEST: Order(Lead.id, Lead.ordered_at),
    Sort.OLDEST: Order(Lead.id, Lead.ordered_at, descending=False),
    Sort.TOTAL: Order(Lead.id, Lead.gross_revenue),
    Sort.DUE: Order(Lead.id, Lead.due_at, descending=False),
}


@dataclass(frozen=True, slots=True)
class LeadFilter:
    """What is looked for; a field that is None or "" asks for nothing. The names are those in the address."""

    status: Tab | None = None
    q: str = ""
    product_list: str = ""  # its number, or NONE
    store: str = ""
    cs: str = ""
    since: date | None = None
    until: date | None = None  # that day too
    payment: str = ""
    cod: Answer | None = None
    email: Answer | None = None
    delivery: DeliveryStatus | None = None
    due: DueWithin | None = None
    sort: Sort = Sort.NEWEST
    found: tuple[int, ...] | None = None  # what `q` finds, once that is known to be few; never in an address

    @property
    def is_narrowed(self) -> bool:
        """Whether it asks for more than a tab."""
        return replace(self, status=None, sort=Sort.NEWEST) != LeadFilter()

    @property
    def order(self) -> Order:
        """How the list is sorted. By due time only where leads have one to come."""
        is_open = self.status is Tab.FOLLOW_UP or self.due is not None
        return _ORDERS[self.sort if is_open or self.sort is not Sort.DUE else Sort.NEWEST]

    def args(self, **changes: Any) -> dict[str, str]:
        """Return the filter as it stands in an address, with some fields changed; what asks for nothing is left out."""
        changed = replace(self, **changes)
        names = [field.name for field in fields(changed) if field.name != "found"]
        texts = {name: _as_text(getattr(changed, name)) for name in names}
        return {name: text for name, text in texts.items() if text and (name, text) != ("sort", Sort.NEWEST)}


def read(args: Mapping[str, str]) -> LeadFilter:
    """Read a filter from an address; what makes no sense asks for nothing."""
    return LeadFilter(
        status=_word(Tab, args.get("status")),
        q=clean_text(args.get("q"), MAX_SEARCH_LENGTH),
        product_list=_product_list(args.get("product_list")),
        store=clean_text(args.get("store"), MAX_TEXT_LENGTH),
        cs=clean_text(args.get("cs"), MAX_TEXT_LENGTH),
        payment=clean_text(args.get("payment"), MAX_TEXT_LENGTH),
        since=_day(args.get("since")),
        until=_day(args.get("until")),
        cod=_word(Answer, args.get("cod")),
        email=_word(Answer, args.get("email")),
        delivery=_word(DeliveryStatus, args.get("delivery")),
        due=_word(DueWithin, args.get("due")),
        sort=_word(Sort, args.get("sort")) or Sort.NEWEST,
    )


def conditions(wanted: LeadFilter, now: datetime, zone: ZoneInfo) -> list[ColumnElement[bool]]:
    """Return what a lead must fulfil.

    Args:
        wanted: the filter.
        now: what "due" is reckoned from.
        zone: where a day begins.
    """
    found = [
        *_in_tab(wanted.status),
        *(matches(wanted.q) if wanted.found is None else [Lead.id.in_(wanted.found)]),
        *_named(Lead.store_name, wanted.store),
        *_named(Lead.handler_name, wanted.cs),
        *_of_product_list(wanted.product_list),
        *_ordered(wanted.since, wanted.until, zone),
    ]
    if wanted.payment:
        found.append(Lead.payment_method == wanted.payment)
    if wanted.cod:
        is_cod = Lead.payment_method == lead_rules.COD
        found.append(is_cod if wanted.cod is Answer.YES else or_(~is_cod, Lead.payment_method.is_(None)))
    if wanted.email:
        found.append(Lead.email.is_not(None) if wanted.email is Answer.YES else Lead.email.is_(None))
    if wanted.delivery:
        found.append(_has_delivery(wanted.delivery))
    if wanted.due:
        found += [Lead.status == LeadStatus.FOLLOW_UP, Lead.archived_at.is_(None), _due(wanted.due, now, zone)]
    return found


def _in_tab(tab: Tab | None) -> list[ColumnElement[bool]]:
    if tab is None:
        return []
    if tab is Tab.ARCHIVED:
        return [Lead.archived_at.is_not(None)]
    return [Lead.status == LeadStatus(tab.value), Lead.archived_at.is_(None)]


def matches(search: str) -> list[ColumnElement[bool]]:
    """Return what a lead must fulfil to be found by a text; an index holds all that is asked (ix_leads_search)."""
    if not search:
        return []
    found = [
        Lead.name.icontains(search, autoescape=True),
        Lead.email.icontains(search, autoescape=True),
        Lead.order_id.istartswith(search, autoescape=True),
    ]
    tail = _phone_tail(search)
    return [or_(*found, Lead.phone.endswith(tail))] if tail else [or_(*found)]


def _phone_tail(text: str) -> str | None:
    """The digits that a stored number must end with; people type 0812… for what is stored as 62812…."""
    if not re.fullmatch(r"\+?[0-9][0-9 ().-]*", text):
        return None
    digits = re.sub(r"\D", "", text)
    local = re.sub(r"^0+", "", digits) if len(digits) > MIN_PHONE_TAIL + 3 else digits
    return local if len(local) >= MIN_PHONE_TAIL else None


def _named(column: Any, name: str) -> list[ColumnElement[bool]]:
    if not name:
        return []
    return [column.is_(None) if name == NONE else column == name]


def _of_product_list(number: str) -> list[ColumnElement[bool]]:
    if not number:
        return []
    return [Lead.product_list_id.is_(None) if number == NONE else Lead.product_list_id == int(number)]


def _ordered(since: date | None, until: date | None, zone: ZoneInfo) -> list[ColumnElement[bool]]:
    first = [Lead.ordered_at >= start_of_day(since, zone)] if since else []
    last = [Lead.ordered_at < start_of_day(until + timedelta(days=1), zone)] if until else []
    return first + last


def _due(within: DueWithin, now: datetime, zone: ZoneInfo) -> ColumnElement[bool]:
    if within is DueWithin.OVERDUE:
        return Lead.due_at <= now
    if within is DueWithin.TODAY:
        return Lead.due_at < end_of_day(now, zone)
    return Lead.due_at < end_of_day(now, zone) + timedelta(days=int(within) - 1)


def _has_delivery(status: DeliveryStatus) -> ColumnElement[bool]:
    """Of the states that most deliveries end in, a lead that has one is soon found; of the others there are few."""
    if status in (DeliveryStatus.SENT, DeliveryStatus.CANCELLED):
        return exists().where(Delivery.lead_id == Lead.id, Delivery.status == status)
    return Lead.id.in_(select(Delivery.lead_id).where(Delivery.status == status))


def _word(words: type[_Word], text: str | None) -> _Word | None:
    return words(text) if text in set(words) else None


def _product_list(text: str | None) -> str:
    return text if text and re.fullmatch(r"-|[1-9][0-9]{0,8}", text) else ""


def _day(text: str | None) -> date | None:
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return None
    return day if date(1970, 1, 2) <= day <= _LAST_DAY else None


def _as_text(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value or "")
