"""Rows for tests, written directly: each builder fills in what a test does not care about."""

import hashlib
import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from werkzeug.security import generate_password_hash

from models import (
    Delivery,
    DeliveryAttempt,
    DeliveryStatus,
    EventSource,
    EventStatus,
    Lead,
    LeadHistory,
    LeadStatus,
    ProductList,
    User,
    UserRole,
    WebhookEvent,
    transaction,
)
from models_contact import Contact
from services.statuses import ChaseStep, ContactKind

NOW = datetime(2026, 11, 22, 4, 5, tzinfo=UTC)  # 11.05 WIB
PASSWORD = "kopi susu gula aren"
# A cheap hash, because most tests only need somebody who can log in.
_PASSWORD_HASH = generate_password_hash(PASSWORD, method="pbkdf2:sha256:1")
_numbers = itertools.count(1)


def make_user(email: str | None = None, role: UserRole = UserRole.ADMIN, **fields: Any) -> User:
    """A user whose password is `PASSWORD`."""
    email = email or f"user{next(_numbers)}@example.com"
    return _saved(User(**{"email": email, "role": role, "password_hash": _PASSWORD_HASH, "created_at": NOW, **fields}))


def make_product_list(**fields: Any) -> ProductList:
    number = next(_numbers)
    defaults = {
        "name": f"Ebook Resep {number}",
        "product_id": f"variant_{number}",
        "not_closing_list_id": "103",
        "active": True,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return _saved(ProductList(**{**defaults, **fields}))


def make_lead(**fields: Any) -> Lead:
    """A lead in follow up, ordered an hour ago, due in seven days; without order lines and history."""
    number = next(_numbers)
    ordered_at = fields.get("ordered_at", NOW - timedelta(hours=1))
    defaults = {
        "order_id": f"261122{number:06d}",
        "status": LeadStatus.FOLLOW_UP,
        "status_changed_at": ordered_at,
        "follow_up_start": ordered_at,
        "due_at": ordered_at + timedelta(days=7),
        "ordered_at": ordered_at,
        "payment_status": "unpaid",
        "payment_method": "bank_transfer",
        "gross_revenue": Decimal("149724.00"),
        "product_name": "Ebook Resep",
        "name": f"Budi {number}",
        "email": f"budi{number}@gmail.com",
        "phone": f"62812345{number:05d}",
        "created_at": ordered_at,
        "updated_at": ordered_at,
    }
    values = {**defaults, **fields}
    if values["status"] is not LeadStatus.FOLLOW_UP:
        values.setdefault("ended_at", values["status_changed_at"])
    if values["status"] is LeadStatus.FOLLOW_UP and not values.get("archived_at"):
        values.setdefault("chase_at", ordered_at)
    return _saved(Lead(**values))


def make_contact(lead: Lead, **fields: Any) -> Contact:
    """Somebody opened WhatsApp with the first text."""
    defaults = {"lead_id": lead.id, "at": NOW, "actor": "sari@example.com", "kind": ContactKind.WHATSAPP}
    if fields.get("kind", ContactKind.WHATSAPP) is ContactKind.WHATSAPP:
        defaults |= {"step": ChaseStep.H0, "text": "Halo Kak"}
    return _saved(Contact(**{**defaults, **fields}))


def make_history(lead: Lead, **fields: Any) -> LeadHistory:
    defaults = {"lead_id": lead.id, "to_status": lead.status, "at": NOW, "reason": "order_received", "actor": "webhook"}
    return _saved(LeadHistory(**{**defaults, **fields}))


def make_event(**fields: Any) -> WebhookEvent:
    number = next(_numbers)
    defaults = {
        "source": EventSource.WEBHOOK,
        "dedupe_key": hashlib.sha256(str(number).encode()).hexdigest(),
        "unique_id": f"event_{number}",
        "name": "order.created",
        "order_id": f"261122{number:06d}",
        "body": b'{"event":"order.created","data":{}}',
        "received_at": NOW,
        "status": EventStatus.PROCESSED,
        "tries": 1,
        "duplicates": 0,
    }
    return _saved(WebhookEvent(**{**defaults, **fields}))


def make_delivery(lead: Lead | None = None, **fields: Any) -> Delivery:
    """A delivery that waits to be sent; without a lead that is given, of one with a product list for it."""
    role, list_id = fields.get("role", LeadStatus.NOT_CLOSING), fields.get("list_id", "103")
    lead = lead or make_lead(product_list_id=make_product_list(**{f"{role.value}_list_id": list_id}).id)
    defaults = {
        "lead_id": lead.id,
        "role": role,
        "email": lead.email,
        "list_id": list_id,
        "status": DeliveryStatus.PENDING,
        "tries": 0,
        "next_attempt_at": NOW,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return _saved(Delivery(**{**defaults, **fields}))


def make_attempt(delivery: Delivery, **fields: Any) -> DeliveryAttempt:
    defaults = {"delivery_id": delivery.id, "started_at": NOW, "duration_ms": 120, "http_status": 200, "kind": "ok"}
    return _saved(DeliveryAttempt(**{**defaults, **fields}))


def _saved(row: Any) -> Any:
    with transaction() as session:
        session.add(row)
    return row
