"""Which orders have news in the inbox that nobody has acted on yet.

It may say that the buyer paid, so their leads do not expire and nothing of theirs is sent until it is read: by the job
`process-events` within seconds, or after a person replayed an event that could not be read.
"""

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import InstrumentedAttribute

from models import WebhookEvent, db
from services.statuses import EventStatus

_UNREAD = (EventStatus.RECEIVED, EventStatus.FAILED, EventStatus.WAITING, EventStatus.DEAD)


def is_there(order_id: str | InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """Return the condition that an order has unread news."""
    return exists().where(WebhookEvent.order_id == order_id, WebhookEvent.status.in_(_UNREAD))


def has(order_id: str) -> bool:
    """Whether an order has unread news."""
    return bool(db.session.scalar(select(is_there(order_id))))
