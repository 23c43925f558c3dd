"""A buyer's other orders: those with the same e-mail or phone, and whether one of them was paid. Reads only."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import defer

from models import Lead, db
from services import unread_news
from services.product_matching import shares_goods
from services.statuses import LeadStatus

MAX_OTHERS = 20


def others(lead: Lead) -> list[Lead]:
    """Return this buyer's other leads, the newest first, at most `MAX_OTHERS`."""
    ids = sorted(_leads_of([lead]).keys() - {lead.id}, reverse=True)[:MAX_OTHERS]
    newest = select(Lead).where(Lead.id.in_(ids)).order_by(Lead.ordered_at.desc(), Lead.id.desc())
    return list(db.session.scalars(newest.options(defer(Lead.news), defer(Lead.field_stamps))))


def paid_elsewhere(lead: Lead) -> bool:
    """Whether this buyer paid for the same product in another order."""
    return paid_lead_id(lead) is not None


def paid_lead_id(lead: Lead) -> int | None:
    """Return the lead in which this buyer paid for the same product, None when there is none."""
    return paid_lead_ids([lead]).get(lead.id)


def paid_lead_ids(leads: Sequence[Lead]) -> dict[int, int]:
    """Return lead id -> id of the lead in which its buyer paid for the same product, for those where there is one."""
    paid = {key: found for key, found in _leads_of(leads).items() if found.status is LeadStatus.CLOSING}
    result: dict[int, int] = {}
    for lead in leads:
        ids = [key for key, found in paid.items() if key != lead.id and _is_same(lead, found)]
        match = _first_with_goods_of(lead, ids) if ids else None
        if match is not None:
            result[lead.id] = match
    return result


def has_unread_news(lead: Lead) -> bool:
    """Whether an order of this buyer for the same product has news that nobody has acted on: they may have paid it."""
    ids = list(_leads_of([lead]).keys() - {lead.id})
    unread = select(Lead.id).where(Lead.id.in_(ids), unread_news.is_there(Lead.order_id), shares_goods(lead))
    return bool(ids) and db.session.scalar(unread.limit(1)) is not None


def _is_same(lead: Lead, other: Row[Any]) -> bool:
    has_email = lead.email is not None and lead.email == other.email
    return has_email or (lead.phone is not None and lead.phone == other.phone)


def _first_with_goods_of(lead: Lead, ids: Sequence[int]) -> int | None:
    return db.session.scalar(select(Lead.id).where(Lead.id.in_(ids), shares_goods(lead)).limit(1))


def _leads_of(leads: Sequence[Lead]) -> dict[int, Row[Any]]:
    """Return what is known of all leads of some buyers, by id: one look into one index for each of the two ways.

    An OR over both, or a status beside them, makes databases walk all leads of that status.
    """
    found: dict[int, Row[Any]] = {}
    for column, values in (
        (Lead.email, {lead.email for lead in leads} - {None}),
        (Lead.phone, {lead.phone for lead in leads} - {None}),
    ):
        if values:
            query = select(Lead.id, Lead.status, Lead.email, Lead.phone).where(column.in_(values))
            found |= {row.id: row for row in db.session.execute(query)}
    return found
