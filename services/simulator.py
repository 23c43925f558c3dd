"""Sample webhooks for the simulator, in ScaleV's wire shapes (ScaleV docs). What they make is known by its ids."""

import json
import secrets
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from services import webhook_body

ORDER_PREFIX = "SIM-"
EVENT_PREFIX = "event_SIM"
_ID_LENGTH = 24  # ScaleV's: "event_" and 24 characters
_MILESTONES = "draft pending confirmed in_process ready shipped completed rts canceled closed".split()

Data = dict[str, Any]


def new_order_id() -> str:
    return f"{ORDER_PREFIX}{secrets.token_hex(4).upper()}"


def sample(event: str, order_id: str, ordered_at: datetime, at: datetime) -> str:
    """Return a webhook's body as text to be edited; its unique id is new each time.

    Args:
        event: a name in EVENTS.
        order_id: the order it is about.
        ordered_at: when the order was made.
        at: when the order changed; the event is sent half a second later.
    """
    carried = EVENTS[event]
    data = _ids(order_id, ordered_at, at) | carried(ordered_at, at) if carried else {}
    random = secrets.token_urlsafe(_ID_LENGTH)
    unique_id = (EVENT_PREFIX + random)[: len("event_") + _ID_LENGTH]
    body = {"event": event, "unique_id": unique_id, "timestamp": _iso(at + timedelta(seconds=0.5)), "data": data}
    return json.dumps(body, indent=2)


def _ids(order_id: str, ordered_at: datetime, at: datetime) -> Data:
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, order_id)),
        "payment_link_id": None,
        "is_from_payment_link": False,
        "order_id": order_id,
        "created_at": _iso(ordered_at),
        "last_updated_at": _iso(at),
    }


def _status(status: str) -> Callable[[datetime, datetime], Data]:
    def fields(ordered_at: datetime, at: datetime) -> Data:
        reached = {"draft": ordered_at, "pending": ordered_at, status: at}
        return {"status": status} | {f"{name}_time": _iso(reached.get(name)) for name in _MILESTONES}

    return fields


def _payment(status: str) -> Callable[[datetime, datetime], Data]:
    def fields(ordered_at: datetime, at: datetime) -> Data:
        reached = {"unpaid": ordered_at, status: at}
        times = {f"{name}_time": _iso(reached.get(name)) for name in ("unpaid", "paid", "conflict", "settled")}
        history = [{"at": _iso(at), "status": status, "by": _CASHIER}]
        return {"payment_status": status, **times, "is_probably_spam": False, "mark_as_spam_by": None} | {
            **_BANK_TRANSFER,
            "payment_account_id": 77,
            "payment_status_history": history,
        }

    return fields


def _payment_with_customer(status: str) -> Callable[[datetime, datetime], Data]:
    customer = {"id": 90311, **_BUYER, "status": "active"}
    return lambda ordered_at, at: _payment(status)(ordered_at, at) | {"customer": customer}


def _order(**changes: Any) -> Callable[[datetime, datetime], Data]:
    def fields(ordered_at: datetime, _at: datetime) -> Data:
        unpaid = {"payment_status": "unpaid", "unpaid_time": _iso(ordered_at), "paid_time": None}
        pending = _status("pending")(ordered_at, ordered_at)
        return {**pending, **unpaid, "is_probably_spam": False, "mark_as_spam_by": None, **_GOODS, **changes}

    return fields


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None


_BUYER = {"name": "Pembeli Simulasi", "email": "pembeli.simulasi@example.com", "phone": "6281234567801"}
_CASHIER = {"avatar": "", "email": "kasir@example.com", "name": "Kasir"}
_BANK_TRANSFER = {
    "payment_method": "bank_transfer",
    "epayment_provider": None,
    "financial_entity": {"code": "bca", "name": "Bank Central Asia"},
    "payment_account_holder": "CV Contoh",
    "payment_account_number": "0123456789",
    "transferproof_url": "",
    "transfer_time": None,
    "pg_payment_info": None,
    "pg_reference_id": None,
    "pg_paid_info": None,
}
_QRIS = {
    "payment_method": "qris",
    "epayment_provider": "midtrans",
    "financial_entity": None,
    "payment_account_holder": None,
    "payment_account_number": None,
    "pg_payment_info": {"qr_string": "000201"},
    "pg_reference_id": "INV-SIMULASI",
}
# Its product is nobody's, so that no sample is added to a Mailketing list before a person edits it.
_GOODS = {
    "business": {"username": "tokocontoh"},
    "store": {"name": "Toko Contoh"},
    **_BANK_TRANSFER,
    "final_variants": {"Produk Simulasi": 1},
    "total_quantity": 1,
    "gross_revenue": "168724.00",
    "unique_code_discount": "276.00",
    "discount_code_discount": "0.00",
    "net_revenue": "149724.00",
    "product_price": "150000.00",
    "product_discount": "0.00",
    "other_income": "0.00",
    "discount_rate": "0.00",
    "shipping_cost": "19000.00",
    "shipping_discount": "0.00",
    "payment_fee": "0.00",
    "customer_id": 90311,
    "destination_address": {
        **_BUYER,
        "address": "Jl. Contoh No. 1",
        "subdistrict": "Gubeng",
        "city": "Kota Surabaya",
        "province": "Jawa Timur",
        "postal_code": "60281",
        "notes": "",
    },
    "courier_service": None,
    "notes": "",
    "tags": [],
    "orderlines": [
        {
            "quantity": 1,
            "is_inventory": False,
            "product_name": "Produk Simulasi",
            "variant_unique_id": "variant_SIMULASI",
            "variant_sku": None,
            "variant_price": "150000.00",
            "product_price": "150000.00",
            "discount": "0.00",
            "discount_code_discount": "0.00",
        }
    ],
}

# Event name -> what it carries beside the ids; None carries nothing at all. In the order in which an order lives.
EVENTS: dict[str, Callable[[datetime, datetime], Data] | None] = {
    "order.created": _order(),
    "order.updated": _order(notes="Alamat sudah diperbaiki"),
    "order.epayment_created": _order(**_QRIS),
    "order.payment_status_changed": _payment("paid"),
    "payment.received": _payment_with_customer("paid"),
    "payment.failed": _payment_with_customer("conflict"),
    "order.status_changed": _status("canceled"),
    "order.spam_created": _order(is_probably_spam=True, mark_as_spam_by="ai"),
    "order.deleted": lambda _ordered_at, _at: {},
    webhook_body.TEST_EVENT: None,
}
