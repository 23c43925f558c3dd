"""Rows for files and scripts: the contract's columns first. Read-only, streamed."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import joinedload

from models import Delivery, Lead, ProductList, WebhookEvent, db
from services.statuses import DeliveryStatus, EventStatus, LeadStatus

LEAD_COLUMNS = (
    "order_id status name email phone product total created_at due_at archived "
    "payment_status order_status payment_method store handler product_list closed_by updated_at"
).split()
EVENT_COLUMNS = "id received_at event order_id status reason tries duplicates error".split()
DELIVERY_COLUMNS = "order_id role list_id email status reason attempts id next_attempt_at sent_at message".split()
PRODUCT_LIST_COLUMNS = "id name product_id follow_up closing not_closing days active store variants".split()

_BATCH = 500


def leads(query: Select[Lead]) -> Iterator[Lead]:
    """Yield the leads of a query as the database sends them, with their product lists."""
    yield from _stream(query.options(joinedload(Lead.product_list)))


def lead_rows(status: LeadStatus | None) -> Iterator[dict[str, Any]]:
    """Yield leads by age, archived ones too."""
    query = select(Lead).order_by(Lead.id)
    if status is not None:
        query = query.where(Lead.status == status)
    for lead in leads(query):
        yield {
            "order_id": lead.order_id,
            "status": lead.status.value,
            "name": lead.name,
            "email": lead.email,
            "phone": lead.phone,
            "product": lead.product_name,
            "total": None if lead.gross_revenue is None else str(lead.gross_revenue),
            "created_at": _moment(lead.ordered_at),
            "due_at": _moment(lead.due_at),
            "archived": lead.archive_reason.value if lead.archive_reason else "",
            "payment_status": lead.payment_status,
            "order_status": lead.order_status,
            "payment_method": lead.payment_method,
            "store": lead.store_name,
            "handler": lead.handler_name,
            "product_list": lead.product_list.name if lead.product_list else None,
            "closed_by": lead.closed_by.value if lead.closed_by else None,
            "updated_at": _moment(lead.updated_at),
        }


def event_rows(status: EventStatus | None) -> Iterator[dict[str, Any]]:
    """Yield events without their bodies, newest first."""
    query = select(
        WebhookEvent.id,
        WebhookEvent.received_at,
        WebhookEvent.name.label("event"),
        WebhookEvent.order_id,
        WebhookEvent.status,
        WebhookEvent.reason,
        WebhookEvent.tries,
        WebhookEvent.duplicates,
        WebhookEvent.error,
    ).order_by(WebhookEvent.id.desc())
    if status is not None:
        query = query.where(WebhookEvent.status == status)
    for row in db.session.execute(query.execution_options(yield_per=_BATCH)).mappings():
        yield {**row, "received_at": _moment(row["received_at"]), "status": row["status"].value}


def delivery_rows(status: DeliveryStatus | None) -> Iterator[dict[str, Any]]:
    """Yield deliveries, newest first; `attempts` counts the tries that used up the schedule."""
    query = select(Delivery).options(joinedload(Delivery.lead)).order_by(Delivery.id.desc())
    if status is not None:
        query = query.where(Delivery.status == status)
    for row in _stream(query):
        yield {
            "order_id": row.lead.order_id,
            "role": row.role.value,
            "list_id": row.list_id,
            "email": row.email,
            "status": row.status.value,
            "reason": row.reason,
            "attempts": row.tries,
            "id": row.id,
            "next_attempt_at": _moment(row.next_attempt_at),
            "sent_at": _moment(row.sent_at),
            "message": row.message,
        }


def product_list_rows() -> Iterator[dict[str, Any]]:
    """Yield the product lists by their numbers."""
    for row in db.session.scalars(select(ProductList).order_by(ProductList.id)):
        yield {
            "id": row.id,
            "name": row.name,
            "product_id": row.product_id,
            "follow_up": row.follow_up_list_id,
            "closing": row.closing_list_id,
            "not_closing": row.not_closing_list_id,
            "days": row.follow_up_days,
            "active": row.active,
            "store": row.store_name,
            "variants": " ".join(variant.variant_id for variant in row.variants),
        }


def _stream(query: Select[Any]) -> Iterator[Any]:
    """Yield rows as the database sends them; a reader who stops early leaves no cursor behind."""
    with closing(db.session.scalars(query.execution_options(yield_per=_BATCH))) as rows:
        yield from rows


def _moment(value: datetime | None) -> str | None:
    return value.isoformat() if value else None
