"""Rows of ScaleV's order list: which of them are news to us, and how those come into the inbox.

A row may lack lines, e-mail and handler (ScaleV's API catalogue), so one that is news is completed by a look-up,
outside any transaction. A row that says what we know already costs no call.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import and_, select

from models import Lead, db
from services import order_news
from services.lookup_service import Answer, Inquiry, Scalev
from services.order_snapshot import LISTED_EVENT, OrderSnapshot, read_order
from services.scalev_shapes import Page
from services.statuses import LeadStatus


class OrderList(Scalev, Protocol):
    """What reading the list needs of a ScaleV client."""

    def list_orders(
        self, *, since: datetime | None = None, next_cursor: str | None = None, **filters: object
    ) -> Page: ...


@dataclass(frozen=True, slots=True)
class Row:
    """One row of ScaleV's order list, as it came and as it reads."""

    raw: dict[str, Any]
    order: OrderSnapshot

    @property
    def is_complete(self) -> bool:
        """Whether it tells all that a look-up would."""
        has_buyer = bool(self.order.email_given) and "handler" in self.raw
        return has_buyer and bool(self.raw.get("orderlines")) and self.order.gross_revenue is not None


@dataclass(frozen=True, slots=True)
class Known:
    """What we know of an order: its state, when that was last said, and whether its buyer was not transferred because
    an import only recorded it."""

    payment_status: str | None
    order_status: str | None
    said_at: datetime | None
    no_transfer: bool


def read_rows(rows: Iterable[dict[str, Any]]) -> list[Row]:
    """Read rows of the order list; one that names no order is left out."""
    read = ((raw, read_order(LISTED_EVENT, raw)) for raw in rows)
    return [Row(raw, order) for raw, order in read if order is not None]


def known_orders(rows: Sequence[Row]) -> dict[str, Known]:
    """Return order id -> what we know, for those of these orders that are leads."""
    recorded_only = and_(Lead.no_transfer, Lead.status == LeadStatus.NOT_CLOSING)
    query = select(
        Lead.order_id, Lead.payment_status, Lead.order_status, Lead.news, recorded_only.label("recorded_only")
    ).where(Lead.order_id.in_([row.order.order_id for row in rows]))
    known = {
        lead.order_id: Known(lead.payment_status, lead.order_status, _newest(lead.news), bool(lead.recorded_only))
        for lead in db.session.execute(query)
    }
    db.session.rollback()  # nothing stays open while ScaleV is asked
    return known


def is_news(row: Row, known: Known | None) -> bool:
    """Whether a row tells of an order that we don't know, or of one that has changed since we last heard of it."""
    if known is None:
        return True
    order, said_at = row.order, known.said_at
    is_newer = order.updated_at is not None and (said_at is None or order.updated_at > said_at)
    return is_newer or any(
        said is not None and said != ours
        for said, ours in ((order.payment_status, known.payment_status), (order.order_status, known.order_status))
    )


def take_rows(rows: Iterable[Row], inquiry: Inquiry) -> int:
    """Put rows through the inbox, each completed by a look-up; return how many came in.

    A single order that ScaleV does not hand out is asked for once more and then kept as the row tells it, so that it
    keeps nothing else from coming in.

    Raises:
        VendorError: ScaleV can't be asked now. The rows taken so far stay; the caller comes again for the others.
    """
    wanted = list(rows)
    left = [row for row in wanted if not _take(row, inquiry)]
    for row in left:
        if not _take(row, inquiry):
            inquiry.keep_row(row.raw)
    return len(wanted)


def _take(row: Row, inquiry: Inquiry) -> bool:
    """Keep one order; False when ScaleV did not answer for it. One that it no longer knows is gone for good."""
    if row.is_complete:
        inquiry.keep(row.raw)
        return True
    answer = inquiry.ask(row.order.scalev_id or row.order.order_id)
    if inquiry.gave_up and inquiry.error:
        raise inquiry.error
    return answer is not Answer.NONE


def _newest(news: Sequence[dict[str, Any]]) -> datetime | None:
    return order_news.stamp_moment(max(said["stamp"] for said in news)) if news else None
