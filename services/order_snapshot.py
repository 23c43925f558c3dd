"""What one message says of one order: webhooks, small or full, old or new, and REST answers. Pure.

All tolerance for missing and odd fields lives here. A field that is None was not said; it never erases what was said
before (order_news merges snapshots).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from services.contacts import clean_text, normalise_email, normalise_phone

PAYMENT_STATUSES = frozenset({"unpaid", "paid", "settled", "conflict"})
FULL_EVENTS = frozenset({"order.created", "order.updated", "order.epayment_created", "order.spam_created"})
DELETED_EVENT = "order.deleted"
LISTED_EVENT = "order.listed"  # our own name for a row of ScaleV's order list, which may lack lines
# Where a payment event names no status, its own name does. `order.paid` is not ScaleV's, but people expect it.
_STATUS_BY_EVENT = {"order.paid": "paid", "payment.received": "paid", "payment.failed": "conflict"}
_SPELLINGS = {"cancelled": "canceled"}
_MAX_MONEY = Decimal(10) ** 12
_MAX_QUANTITY = 10**9


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the order. Webhooks name the variant by its unique id, REST by its integer id (ScaleV docs)."""

    variant_unique_id: str | None = None
    variant_id: str | None = None
    product_id: str | None = None
    sku: str | None = None
    product_name: str | None = None
    quantity: int | None = None


@dataclass(frozen=True, slots=True)
class OrderSnapshot:
    """One message about one order; every field that it did not carry is None.

    `ranks` says how good the source of a field is where it is not the best one: a value of a lower rank never
    replaces one of a higher rank, however new (the buyer of an order against a customer record shared by many; lines
    that name their variants against REST's, which do not).
    """

    order_id: str
    scalev_id: str | None = None
    is_full: bool = False
    is_deleted: bool = False
    created_at: datetime | None = None
    updated_at: datetime | None = None
    payment_status: str | None = None
    order_status: str | None = None
    payment_method: str | None = None
    gross_revenue: Decimal | None = None
    is_spam: bool | None = None
    paid_at: datetime | None = None
    quantity: int | None = None
    store_name: str | None = None
    handler_name: str | None = None
    bank_name: str | None = None
    account_number: str | None = None
    account_holder: str | None = None
    name: str | None = None
    email_given: str | None = None
    phone_given: str | None = None
    lines: tuple[Line, ...] | None = None
    ranks: Mapping[str, int] = field(default_factory=dict)


def read_order(event_name: str, data: Mapping[str, Any]) -> OrderSnapshot | None:
    """Read the `data` of a webhook, or a REST order under the name `order.updated`.

    Returns:
        The snapshot, or None when the data names no order.
    """
    order_id = read_order_id(data)
    if order_id is None:
        return None
    buyer = _read_buyer(data)
    bank = _mapping(data.get("financial_entity"))
    handler, handler_rank = _read_handler(data)
    lines = _read_lines(data)
    return OrderSnapshot(
        order_id=order_id,
        scalev_id=_text(data.get("id"), 64),
        is_full=event_name in FULL_EVENTS or _looks_full(data),
        is_deleted=event_name == DELETED_EVENT,
        created_at=read_moment(data.get("created_at")),
        updated_at=read_moment(data.get("last_updated_at")),
        payment_status=_read_payment_status(event_name, data),
        order_status=_word(data.get("status"), 30),
        payment_method=_word(data.get("payment_method"), 60),
        gross_revenue=read_money(data.get("gross_revenue")),
        is_spam=_read_spam(event_name, data),
        paid_at=read_moment(data.get("paid_time")),
        quantity=_read_quantity(data.get("total_quantity")),
        store_name=_text(_mapping(data.get("store")).get("name"), 255),
        handler_name=handler,
        bank_name=_text(bank.get("name"), 120) or _text(bank.get("code"), 120),
        account_number=_text(data.get("payment_account_number"), 60),
        account_holder=_text(data.get("payment_account_holder"), 255),
        name=buyer["name"][0],
        email_given=buyer["email"][0],
        phone_given=buyer["phone"][0],
        lines=lines,
        ranks={
            "lines": int(any(line.variant_unique_id for line in lines or ())),
            "name": buyer["name"][1],
            "email_given": buyer["email"][1],
            "phone_given": buyer["phone"][1],
            "handler_name": handler_rank,
        },
    )


def read_order_id(data: Mapping[str, Any]) -> str | None:
    """Read which order a message is about, None when it names none."""
    return _text(data.get("order_id"), 64)


def read_moment(value: object) -> datetime | None:
    """Read an ISO-8601 moment; one without a zone is UTC, as all of ScaleV's payload times are (ScaleV docs)."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if 2000 <= moment.year < 2200 else None


def read_money(value: object) -> Decimal | None:
    """Read an amount of rupiah: text in webhooks, numbers in REST lines (ScaleV docs)."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    try:
        amount = value if isinstance(value, Decimal) else Decimal(str(value).strip()[:40])
    except InvalidOperation:
        return None
    if not amount.is_finite() or amount.copy_abs() >= _MAX_MONEY:  # abs() itself overflows on 1e1000000
        return None
    return round(amount, 2)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object, limit: int) -> str | None:
    """Texts and numbers as clean text; anything else, and an empty text, says nothing."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    return clean_text(value, limit) or None


def _word(value: object, limit: int) -> str | None:
    word = _text(value, limit)
    return _SPELLINGS.get(word.lower(), word.lower()) if word else None


def _flag(value: object) -> bool | None:
    """Booleans have been seen as text."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else None


def _read_quantity(value: object) -> int | None:
    amount = read_money(value)
    return int(amount) if amount is not None and 0 <= amount < _MAX_QUANTITY else None


def _looks_full(data: Mapping[str, Any]) -> bool:
    """Some payment bodies carry the whole order; one that has goods, money and a buyer can open a lead."""
    has_buyer = bool(_mapping(data.get("destination_address")) or _mapping(data.get("customer")))
    return bool(data.get("orderlines")) and data.get("gross_revenue") is not None and has_buyer


def _read_payment_status(event_name: str, data: Mapping[str, Any]) -> str | None:
    """A word that is not one of ScaleV's four says nothing; `paid_time` never means paid (ScaleV docs)."""
    status = _word(data.get("payment_status"), 30)
    return status if status in PAYMENT_STATUSES else _STATUS_BY_EVENT.get(event_name)


def _read_spam(event_name: str, data: Mapping[str, Any]) -> bool | None:
    return True if event_name == "order.spam_created" else _flag(data.get("is_probably_spam"))


def _read_handler(data: Mapping[str, Any]) -> tuple[str | None, int]:
    """REST names the sales person; a webhook at most in its message variables, as a name or an e-mail (observed)."""
    handler = data.get("handler")
    told = _text(_mapping(handler).get("fullname"), 255) or _text(handler, 255)
    if told:
        return told, 1
    return _text(_mapping(data.get("message_variables")).get("handler"), 255), 0


def _read_buyer(data: Mapping[str, Any]) -> dict[str, tuple[str | None, int]]:
    """Name, e-mail and phone, each with its rank.

    The order's own address comes before the customer record, which other orders share; a usable e-mail or phone
    comes before one that nobody can be reached by.
    """
    sources = [_mapping(data.get(key)) for key in ("destination_address", "customer", "message_variables")]
    return {
        "name": _best((_text(source.get("name"), 255) for source in sources), bool),
        "email": _best((_text(source.get("email"), 254) for source in sources), normalise_email),
        "phone": _best((_text(source.get("phone"), 60) for source in sources), normalise_phone),
    }


def _best(values: Iterable[str | None], is_usable: Callable[[str], object]) -> tuple[str | None, int]:
    """Return the value of the highest rank; 0 to 2 by source, 3 more when it is usable."""
    ranked = [(value, 2 - place + (3 if is_usable(value) else 0)) for place, value in enumerate(values) if value]
    return max(ranked, key=lambda pair: pair[1], default=(None, 0))


def _read_lines(data: Mapping[str, Any]) -> tuple[Line, ...] | None:
    """All lines, equal ones added up; without lines the names in `final_variants` serve as lines."""
    rows = data.get("orderlines")
    lines = [_read_line(row) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    lines = lines or [
        Line(product_name=_text(name, 255), quantity=_read_quantity(quantity))
        for name, quantity in _mapping(data.get("final_variants")).items()
    ]
    totals: dict[tuple[str | None, ...], Line] = {}
    for line in lines:
        key = (line.variant_unique_id, line.variant_id, line.product_id, line.sku, line.product_name)
        totals[key] = _add(totals[key], line) if key in totals else line
    return tuple(line for key, line in totals.items() if any(key)) or None


def _read_line(row: Mapping[str, Any]) -> Line:
    variant = row.get("variant")
    nested = _mapping(variant)
    product = _mapping(row.get("product")) or _mapping(nested.get("product"))
    return Line(
        variant_unique_id=_text(row.get("variant_unique_id"), 120) or _text(nested.get("unique_id"), 120),
        variant_id=_text(variant, 40) or _text(row.get("variant_id"), 40) or _text(nested.get("id"), 40),
        product_id=_text(row.get("product_id"), 120) or _text(product.get("id"), 120),
        sku=_text(row.get("variant_sku"), 120) or _text(nested.get("sku"), 120),
        product_name=_text(row.get("product_name"), 255) or _text(nested.get("product_name"), 255),
        quantity=_read_quantity(row.get("quantity")),
    )


def _add(first: Line, second: Line) -> Line:
    quantity = min((first.quantity or 0) + (second.quantity or 0), _MAX_QUANTITY)
    return Line(first.variant_unique_id, first.variant_id, first.product_id, first.sku, first.product_name, quantity)
