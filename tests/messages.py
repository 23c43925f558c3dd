"""Messages about an order in ScaleV's wire shapes, and the way that they take into the program."""

import json
from copy import deepcopy
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import select

from models import EventSource, Lead, WebhookEvent, db
from services import event_service, inbound
from tests.builders import NOW

FIXTURES = Path(__file__).parent / "fixtures" / "scalev"
ORDERED = NOW - timedelta(hours=2)
_FULL: dict[str, Any] = json.loads((FIXTURES / "order_created.json").read_text())["data"]
_numbers = count(1)


def fixture(name: str) -> bytes:
    return (FIXTURES / f"{name}.json").read_bytes()


def fixture_names() -> list[str]:
    return sorted(path.stem for path in FIXTURES.glob("*.json"))


def new_order_id() -> str:
    return f"261122ORD{next(_numbers):05d}"


def full_order(order_id: str, at: datetime = ORDERED, **changes: Any) -> dict[str, Any]:
    """The `data` of a whole order, unpaid, ordered at `ORDERED` and last changed at `at`."""
    data = deepcopy(_FULL)
    data["id"] = f"id-{order_id}"
    return {**data, "order_id": order_id, "created_at": iso(ORDERED), "last_updated_at": iso(at), **changes}


def small(order_id: str, at: datetime, **fields: Any) -> dict[str, Any]:
    """The `data` of a payload that carries a few fields only."""
    return {"order_id": order_id, "created_at": iso(ORDERED), "last_updated_at": iso(at), **fields}


def envelope(event: str, data: dict[str, Any], *, sent_at: datetime | None = None, unique_id: str = "") -> bytes:
    """A webhook's body; it is sent half a second after the order changed unless told otherwise."""
    if sent_at is None and data.get("last_updated_at"):
        sent_at = datetime.fromisoformat(data["last_updated_at"]) + timedelta(seconds=0.5)
    body = {"event": event, "unique_id": unique_id or f"event_{next(_numbers)}", "data": data}
    return json.dumps({**body, "timestamp": iso(sent_at)} if sent_at else body).encode()


def created(order_id: str, at: datetime = ORDERED, **changes: Any) -> bytes:
    return envelope("order.created", full_order(order_id, at, **changes))


def updated(order_id: str, at: datetime, **changes: Any) -> bytes:
    return envelope("order.updated", full_order(order_id, at, **changes))


def payment(order_id: str, status: str, at: datetime, **fields: Any) -> bytes:
    return envelope("order.payment_status_changed", small(order_id, at, payment_status=status, **fields))


def fulfilment(order_id: str, status: str, at: datetime) -> bytes:
    return envelope("order.status_changed", small(order_id, at, status=status))


def spam(order_id: str, at: datetime) -> bytes:
    return envelope("order.spam_created", full_order(order_id, at, is_probably_spam=True))


def deleted(order_id: str, at: datetime) -> bytes:
    return envelope("order.deleted", small(order_id, at))


def receive(
    body: bytes, now: datetime = NOW, source: EventSource = EventSource.WEBHOOK
) -> tuple[inbound.Inbound | None, event_service.BadBody | None]:
    """Keep a body in the inbox without acting on it."""
    return event_service.receive(inbound.read(body, "current", source, now))


def take_in(body: bytes, now: datetime = NOW, source: EventSource = EventSource.WEBHOOK) -> WebhookEvent | None:
    """Receive a body and act on it at once, as the webhook's route does; None for one that is known already."""
    event, _problem = receive(body, now, source)
    if event is None:
        return None
    event_service.act_on(event, now)
    return db.session.get_one(WebhookEvent, event.id)


def lead_of(order_id: str) -> Lead:
    return db.session.scalars(select(Lead).where(Lead.order_id == order_id)).one()


def iso(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
