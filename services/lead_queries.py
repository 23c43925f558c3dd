"""What the leads pages show: counts, lists and single leads. Reads only."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import defer, joinedload, selectinload

from models import Delivery, Lead, ProductList, db
from services import catalogue_service, keyset, lead_filters, lead_rules, unread_news
from services.contacts import clean_text
from services.errors import NotFound
from services.keyset import Page
from services.lead_filters import LeadFilter, Tab
from services.order_news import OrderState

UNREAD_NEWS = "unread_news"
MAX_COUNT = 10_000  # counting further costs more than the number is worth
_FEW = 1_000
_NEWEST = 2_000  # where the stores, CS and payment methods that one can choose are looked for
_HEAVY = (defer(Lead.news), defer(Lead.field_stamps), defer(Lead.manual_seen))


@dataclass(frozen=True, slots=True)
class Choices:
    """What the filters of the leads page offer."""

    product_lists: dict[str, str]  # by number
    stores: list[str]
    handlers: list[str]
    payment_methods: list[str]


def find_few(wanted: LeadFilter) -> LeadFilter:
    """Return the filter with the leads that its text finds, if these are few.

    A text that few leads have is looked for in all of them, which is to be done once for a page; of a text that many
    have, a page's worth is found soon.
    """
    if not wanted.q:
        return wanted
    found = db.session.scalars(select(Lead.id).where(*lead_filters.matches(wanted.q)).limit(_FEW + 1)).all()
    return wanted if len(found) > _FEW else replace(wanted, found=tuple(found))


def leads(wanted: LeadFilter, cursor: str | None, now: datetime, zone: ZoneInfo) -> Page[Lead]:
    """One page of the leads that a filter lets through.

    Args:
        wanted: the filter, with the order of the list.
        cursor: where another page's `previous` or `next` pointed; None or nonsense for the first page.
        now: what "due" is reckoned from.
        zone: where a day begins.
    """
    query = _select(wanted, now, zone).options(joinedload(Lead.product_list), *_HEAVY)
    return keyset.page(query, wanted.order, cursor)


def all_leads(wanted: LeadFilter, now: datetime, zone: ZoneInfo, only: Sequence[int] = ()) -> Select[Lead]:
    """Return the query for all leads that a filter lets through, in its order; for some of them only if any are
    named."""
    query = keyset.sort(_select(wanted, now, zone), wanted.order)
    return query.where(Lead.id.in_(only)) if only else query


def lead_ids(wanted: LeadFilter, limit: int, now: datetime, zone: ZoneInfo) -> list[int]:
    """Return the numbers of the leads that a filter lets through, the first so many in its order."""
    return list(db.session.scalars(all_leads(wanted, now, zone).with_only_columns(Lead.id).limit(limit)))


def tab_counts(wanted: LeadFilter, now: datetime, zone: ZoneInfo) -> dict[Tab | None, int]:
    """How many leads each list of the leads page holds, and all of them together (None).

    When something is looked for, it is counted up to `MAX_COUNT`; beyond that only the list that is shown has a number.
    """
    if not wanted.is_narrowed:
        return _all_counts()
    found = _select(replace(wanted, status=None), now, zone).with_only_columns(Lead.id).limit(MAX_COUNT)
    counts = _counts(Lead.id.in_(select(found.subquery().c.id)))
    if counts.total() < MAX_COUNT:
        return {None: counts.total(), **{tab: counts[tab] for tab in Tab}}
    return {None: MAX_COUNT, wanted.status: _count_some(wanted, now, zone)}


def count(wanted: LeadFilter, now: datetime, zone: ZoneInfo) -> int:
    """How many leads a filter lets through."""
    query = _select(wanted, now, zone).with_only_columns(func.count(Lead.id))
    return db.session.scalar(query) or 0


def choices(wanted: LeadFilter) -> Choices:
    """Return what the filters offer: what ScaleV lists, what the newest leads have, and what is chosen already."""
    columns = (Lead.store_name, Lead.handler_name, Lead.payment_method)
    newest = select(*columns).order_by(Lead.ordered_at.desc(), Lead.id.desc()).limit(_NEWEST).subquery()
    stores: set[str | None] = {wanted.store}
    handlers: set[str | None] = {wanted.cs}
    methods: set[str | None] = {wanted.payment}
    for store, handler, method in db.session.execute(select(newest).distinct()):
        stores.add(store)
        handlers.add(handler)
        methods.add(method)
    product_lists = db.session.execute(select(ProductList.id, ProductList.name).order_by(ProductList.name))
    return Choices(
        {str(number): name for number, name in product_lists},
        _sorted(stores | {row.name for row in catalogue_service.stores()}),
        _sorted(handlers | {row.name for row in catalogue_service.sales_people()}),
        _sorted(methods),
    )


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


def unread_reason(lead: Lead) -> str | None:
    """Return why a lead does not move that nothing else holds: news of its order stands unread in the inbox."""
    return UNREAD_NEWS if unread_news.has(lead.order_id) else None


def tabs_of(lead_ids: Iterable[int]) -> Counter[Tab]:
    """How many of some leads each list of the leads page holds."""
    return _counts(Lead.id.in_(list(lead_ids)))


def _select(wanted: LeadFilter, now: datetime, zone: ZoneInfo) -> Select[Lead]:
    return select(Lead).where(*lead_filters.conditions(wanted, now, zone))


def _all_counts() -> dict[Tab | None, int]:
    """Count all leads, in the form for which an index holds all that is asked (a tenth of the time of `_counts`)."""
    by_status = select(Lead.status, func.count()).where(Lead.archived_at.is_(None)).group_by(Lead.status)
    counts = Counter({Tab(status.value): number for status, number in db.session.execute(by_status)})
    counts[Tab.ARCHIVED] = db.session.scalar(select(func.count(Lead.id)).where(Lead.archived_at.is_not(None))) or 0
    return {None: counts.total(), **{tab: counts[tab] for tab in Tab}}


def _counts(*where: ColumnElement[bool]) -> Counter[Tab]:
    archived = Lead.archived_at.is_not(None)
    query = select(Lead.status, archived, func.count()).where(*where).group_by(Lead.status, archived)
    counts = Counter[Tab]()
    for status, is_archived, number in db.session.execute(query):
        counts[Tab.ARCHIVED if is_archived else Tab(status.value)] += number
    return counts


def _count_some(wanted: LeadFilter, now: datetime, zone: ZoneInfo) -> int:
    found = _select(wanted, now, zone).with_only_columns(Lead.id).limit(MAX_COUNT).subquery()
    return db.session.scalar(select(func.count()).select_from(found)) or 0


def _sorted(names: set[str | None]) -> list[str]:
    readable = {clean_text(name, lead_filters.MAX_TEXT_LENGTH) for name in names if name}
    return sorted(readable - {"", lead_filters.NONE}, key=str.casefold)
