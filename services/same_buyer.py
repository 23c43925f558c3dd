"""A buyer's other orders: those with the same e-mail or phone, and whether one of them was paid. Reads only."""

from collections.abc import Iterable, Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import InstrumentedAttribute, defer

from models import Lead, db
from services.product_matching import shares_goods
from services.statuses import LeadStatus

MAX_OTHERS = 20


def others(lead: Lead) -> list[Lead]:
    """Return this buyer's other leads, the newest first, at most `MAX_OTHERS`."""
    ids = {*_ids(Lead.email, lead.email), *_ids(Lead.phone, lead.phone)} - {lead.id}
    newest = select(Lead).where(Lead.id.in_(ids)).order_by(Lead.ordered_at.desc(), Lead.id.desc())
    return list(db.session.scalars(newest.options(defer(Lead.news), defer(Lead.field_stamps)).limit(MAX_OTHERS)))


def paid_elsewhere(lead: Lead) -> bool:
    """Whether this buyer paid for the same product in another order."""
    return paid_order_id(lead) is not None


def paid_order_id(lead: Lead) -> int | None:
    """Return the lead in which this buyer paid for the same product, None when there is none."""
    known = [column == value for column, value in ((Lead.email, lead.email), (Lead.phone, lead.phone)) if value]
    if not known:
        return None
    query = select(Lead.id).where(Lead.id != lead.id, Lead.status == LeadStatus.CLOSING, or_(*known))
    return db.session.scalar(query.where(shares_goods(lead)).limit(1))


def paid_order_ids(leads: Sequence[Lead]) -> dict[int, int]:
    """Return lead id -> id of the lead in which its buyer paid for the same product, for those where there is one."""
    emails, phones = _known(lead.email for lead in leads), _known(lead.phone for lead in leads)
    closing = select(Lead.email, Lead.phone).where(
        Lead.status == LeadStatus.CLOSING, or_(Lead.email.in_(emails), Lead.phone.in_(phones))
    )
    paid = {value for row in db.session.execute(closing) for value in row if value}
    suspects = [lead for lead in leads if {lead.email, lead.phone} & paid]  # few: most buyers order once
    found = {lead.id: paid_order_id(lead) for lead in suspects}
    return {lead_id: order_id for lead_id, order_id in found.items() if order_id is not None}


def _ids(column: InstrumentedAttribute[str | None], value: str | None) -> Iterable[int]:
    """One look into one index; an OR over both makes databases walk all leads by date."""
    if value is None:
        return ()
    return db.session.scalars(select(Lead.id).where(column == value).order_by(Lead.id.desc()).limit(MAX_OTHERS + 1))


def _known(values: Iterable[str | None]) -> set[str]:
    return {value for value in values if value}
