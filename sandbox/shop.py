"""The make-believe shop: orders come in, people act on them, and each step has its webhooks."""

import secrets
import string
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox import shapes
from sandbox.catalogue import SalesPerson, Variant
from sandbox.clock import WIB
from sandbox.orders import DELETABLE, Buyer, Order, make_uuid7, may_move, move_payment, move_status
from sandbox.state import Sandbox
from sandbox.webhooks import Event, build_event

STATUS_ACTIONS = {
    "pending": "pending",
    "confirm": "confirmed",
    "process": "in_process",
    "ready": "ready",
    "ship": "shipped",
    "complete": "completed",
    "cancel": "canceled",
    "rts": "rts",
    "close": "closed",
}
# Payment status, and the newer event beside order.payment_status_changed (facts/scalev.md section 1.3).
PAYMENT_ACTIONS: dict[str, tuple[str, str | None]] = {
    "pay": ("paid", "payment.received"),
    "settle": ("settled", "payment.received"),
    "conflict": ("conflict", "payment.failed"),
    "unpay": ("unpaid", None),
}
OTHER_ACTIONS = ("spam", "unspam", "update", "delete", "epayment")
ACTIONS = (*STATUS_ACTIONS, *PAYMENT_ACTIONS, *OTHER_ACTIONS)
_WRITERS: dict[str, Callable[[Order], shapes.Body]] = {
    "order.created": shapes.write_full_order,
    "order.updated": shapes.write_full_order,
    "order.epayment_created": shapes.write_full_order,
    "order.spam_created": shapes.write_full_order,
    "order.deleted": shapes.write_deleted,
    "order.status_changed": shapes.write_status_change,
    "order.payment_status_changed": shapes.write_payment,
    "payment.received": shapes.write_payment_with_customer,
    "payment.failed": shapes.write_payment_with_customer,
}
HANDLER_BY_ROTATION = "auto"


class ActionRefusedError(Exception):
    """ScaleV would not let a person do this to the order as it is now."""


@dataclass(frozen=True)
class OrderWish:
    """An order to be made. None means "none" for `email`, `method` (a draft) and `handler`."""

    created_at: datetime
    name: str = "Siti Rahmawati"
    email: str | None = ""
    phone: str = ""
    goods: str = "Madu Hutan 500 ml"
    quantity: int = 1
    method: str | None = "bank_transfer"
    handler: str | None = HANDLER_BY_ROTATION
    store: str | None = None
    order_id: str | None = None
    is_free: bool = False
    is_spam: bool = False


@dataclass(frozen=True)
class Changes:
    """What `update` edits; None leaves a thing alone."""

    name: str | None = None
    email: str | None = None
    phone: str | None = None
    method: str | None = None
    quantity: int | None = None
    notes: str | None = None


def create_order(sandbox: Sandbox, wish: OrderWish, emit: bool = True) -> tuple[Order, list[Event]]:
    """Put an order in the book; answers it with the webhooks to send, none unless `emit`.

    Raises LookupError for unknown goods, store or handler, ValueError for a taken order_id or a bad quantity.
    """
    if wish.quantity < 1:
        raise ValueError("quantity must be positive")
    with sandbox.lock:
        if wish.order_id and wish.order_id in sandbox.orders:
            raise ValueError(f"order_id exists: {wish.order_id}")
        order = _build_order(sandbox, wish)
        sandbox.orders.add(order)
        return order, _write_events(_name_creation_events(order), order) if emit else []


def act(
    sandbox: Sandbox,
    order_id: str,
    action: str,
    at: datetime,
    changes: Changes | None = None,
    force: bool = False,
    emit: bool = True,
) -> tuple[Order, list[Event]]:
    """Do one of ACTIONS to an order; answers it with the webhooks to send, none unless `emit`.

    `force` allows what ScaleV would refuse. Raises LookupError for an unknown order or action, ActionRefusedError.
    """
    with sandbox.lock:
        order = sandbox.orders.find(order_id)
        if order is None or action not in ACTIONS:
            raise LookupError(f"no such order: {order_id}" if order is None else f"no such action: {action}")
        names = _change_order(sandbox, order, action, at, changes or Changes(), force)
        return order, _write_events(names, order) if emit else []


def send_events(sandbox: Sandbox, events: Iterable[Event]) -> None:
    """Record the events and send each once; the courier takes care of the retries. Call without the lock."""
    for event in events:
        with sandbox.lock:
            sandbox.events.append(event)
        sandbox.courier.send(event)


def make_test_event(at: datetime) -> Event:
    """What ScaleV sends when its webhook settings are saved (section 1.5)."""
    return build_event("business.test_event", {}, at)


def may_act(order: Order, action: str) -> bool:
    """Whether the action makes sense for the order as it is now; ScaleV's own rules for moves and deletion."""
    if action in STATUS_ACTIONS:
        return may_move(order, STATUS_ACTIONS[action])
    if action == "delete":
        return order.status in DELETABLE
    if action in ("spam", "unspam"):
        return order.is_spam == (action == "unspam")
    return True


def _change_order(
    sandbox: Sandbox, order: Order, action: str, at: datetime, changes: Changes, force: bool
) -> list[str]:
    """Change the order's own state; answers the names of the events that follow."""
    if not force and not may_act(order, action):
        raise ActionRefusedError(f"{action} is not possible while the order is {order.status}")
    if action in STATUS_ACTIONS:
        move_status(order, STATUS_ACTIONS[action], at)
        return ["order.status_changed"]
    if action in PAYMENT_ACTIONS:
        status, companion = PAYMENT_ACTIONS[action]
        move_payment(order, status, at)
        return ["order.payment_status_changed", companion] if companion else ["order.payment_status_changed"]
    order.last_updated_at = at
    match action:
        case "spam":
            # Which event a person's "mark as spam" fires is not documented; the full order carries the flag.
            order.marked_as_spam_by = "kasir@example.com"
            return ["order.updated"]
        case "unspam":
            order.marked_as_spam_by = None
            return _name_creation_events(order)
        case "epayment":
            return _start_epayment(order, changes.method or "qris", at)
        case "delete":
            sandbox.orders.remove(order)
            return ["order.deleted"]
        case _:
            _edit_order(order, changes)
            return ["order.updated"]


def _start_epayment(order: Order, method: str, at: datetime) -> list[str]:
    """The buyer picks an e-payment; with that a draft becomes pending (section 1.7)."""
    order.method = method
    if order.status != "draft":
        return ["order.epayment_created"]
    move_status(order, "pending", at)
    return ["order.epayment_created", "order.status_changed"]


def _edit_order(order: Order, changes: Changes) -> None:
    buyer = order.buyer
    buyer.name = changes.name if changes.name is not None else buyer.name
    # An empty string takes the address away; ScaleV shows that as null or "" (section 5.22).
    buyer.email = changes.email if changes.email is not None else buyer.email
    buyer.phone = changes.phone if changes.phone is not None else buyer.phone
    order.method = changes.method if changes.method is not None else order.method
    order.notes = changes.notes if changes.notes is not None else order.notes
    if changes.quantity is not None:
        (variant, _), *rest = order.lines
        order.lines = ((variant, changes.quantity), *rest)


def _name_creation_events(order: Order) -> list[str]:
    if order.is_spam:
        return ["order.spam_created"]
    return ["order.created", "order.epayment_created"] if order.is_epayment else ["order.created"]


def _write_events(names: Iterable[str], order: Order) -> list[Event]:
    """Snapshots as of now: a retry later keeps them (section 1.6)."""
    return [build_event(name, _WRITERS[name](order), order.last_updated_at, order.order_id) for name in names]


def _build_order(sandbox: Sandbox, wish: OrderWish) -> Order:
    catalogue = sandbox.catalogue
    store, lines = catalogue.find_goods(wish.goods)
    if wish.store:
        store = catalogue.find_store(wish.store)
    legacy_id = sandbox.orders.take_legacy_id()
    people = catalogue.list_people(store.id)
    created_at = wish.created_at.replace(microsecond=0)
    order = Order(
        uuid=make_uuid7(created_at),
        legacy_id=legacy_id,
        order_id=wish.order_id or _make_order_id(sandbox, created_at),
        store=store,
        buyer=_build_buyer(wish, legacy_id),
        lines=tuple((variant, quantity * wish.quantity) for variant, quantity in lines),
        is_physical=any(_is_physical(sandbox, variant) for variant, _ in lines),
        method="no_payment" if wish.is_free else wish.method,
        handler=_pick_handler(sandbox, wish.handler, people, legacy_id),
        created_at=created_at,
        last_updated_at=created_at,
        is_free=wish.is_free,
        status="draft" if wish.method is None and not wish.is_free else "pending",
        marked_as_spam_by="ai" if wish.is_spam else None,
    )
    order.times = {"draft": created_at, "unpaid": created_at, order.status: created_at}
    return order


def _build_buyer(wish: OrderWish, legacy_id: int) -> Buyer:
    """An address or phone that was not given is made up, and differs from order to order."""
    email = f"pembeli{legacy_id}@example.com" if wish.email == "" else wish.email
    phone = wish.phone or f"62812{legacy_id:08}"
    # The customer record is reused between orders of one buyer (section 5.25).
    customer_id = 100_000 + zlib.crc32((email or phone).lower().encode()) % 900_000
    return Buyer(customer_id, wish.name, email, phone)


def _pick_handler(sandbox: Sandbox, name: str | None, people: list[SalesPerson], legacy_id: int) -> SalesPerson | None:
    if name != HANDLER_BY_ROTATION:
        return sandbox.catalogue.find_person(name) if name else None
    return people[legacy_id % len(people)] if people else None


def _is_physical(sandbox: Sandbox, variant: Variant) -> bool:
    return sandbox.catalogue.products[variant.product_id].is_physical


def _make_order_id(sandbox: Sandbox, created_at: datetime) -> str:
    """YYMMDD of the WIB date and six capitals (section 1.9)."""
    day = created_at.astimezone(WIB).strftime("%y%m%d")
    while True:
        order_id = day + "".join(secrets.choice(string.ascii_uppercase) for _ in range(6))
        if order_id not in sandbox.orders:
            return order_id


def describe_order(order: Order, events: Iterable[Event]) -> dict[str, Any]:
    """The control API's answer: the REST shape, and beside it what became of the webhooks."""
    return shapes.write_rest_order(order) | {"events": [event.describe() for event in events]}
