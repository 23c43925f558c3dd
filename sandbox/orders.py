"""One order, and how its state may move (facts/scalev.md sections 1.7 and 1.8)."""

import os
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from sandbox.catalogue import SalesPerson, Store, Variant

STATUSES = (
    "draft",
    "pending",
    "confirmed",
    "in_process",
    "ready",
    "shipped",
    "completed",
    "rts",
    "canceled",
    "closed",
)
PAYMENT_STATUSES = ("unpaid", "paid", "conflict", "settled")
_OPEN = frozenset({"confirmed", "in_process", "ready", "pending", "canceled", "shipped"})
ALLOWED_MOVES = {
    "draft": frozenset({"pending", "canceled"}),
    "pending": frozenset({"confirmed", "in_process", "ready", "canceled", "shipped"}),
    "confirmed": _OPEN - {"confirmed"},
    "in_process": _OPEN - {"in_process"},
    "ready": _OPEN - {"ready"},
    "shipped": frozenset({"pending", "confirmed", "in_process", "ready", "completed", "rts", "closed"}),
    "completed": frozenset({"shipped"}),
    "rts": frozenset({"shipped"}),
}
DELETABLE = frozenset({"draft", "canceled"})
MANUAL_METHODS = frozenset({"bank_transfer", "cod", "no_payment", "marketplace"})
SHIPPING_COST = Decimal(19000)


@dataclass(slots=True)
class Buyer:
    id: int
    name: str
    email: str | None
    phone: str


@dataclass(frozen=True, slots=True)
class PaymentChange:
    at: datetime
    status: str


@dataclass(slots=True)
class Order:
    """`times` holds every `*_time` by its status; one that was once set stays, also after a step back."""

    uuid: str
    legacy_id: int
    order_id: str
    store: Store
    buyer: Buyer
    lines: tuple[tuple[Variant, int], ...]
    is_physical: bool
    method: str | None
    handler: SalesPerson | None
    created_at: datetime
    last_updated_at: datetime
    is_free: bool = False
    status: str = "draft"
    payment_status: str = "unpaid"
    times: dict[str, datetime] = field(default_factory=dict)
    payment_history: list[PaymentChange] = field(default_factory=list)
    marked_as_spam_by: str | None = None
    notes: str = ""

    @property
    def key(self) -> tuple[int, int]:
        """Where the order stands in time: ScaleV lists by created_at, newest first."""
        return int(self.created_at.timestamp()), self.legacy_id

    @property
    def is_spam(self) -> bool:
        return self.marked_as_spam_by is not None

    @property
    def is_epayment(self) -> bool:
        return self.method is not None and self.method not in MANUAL_METHODS

    @property
    def quantity(self) -> int:
        return sum(quantity for _, quantity in self.lines)

    @property
    def weight(self) -> int:
        return sum(variant.weight * quantity for variant, quantity in self.lines)

    @property
    def product_price(self) -> Decimal:
        return sum((variant.price * quantity for variant, quantity in self.lines), Decimal(0))

    @property
    def product_discount(self) -> Decimal:
        return self.product_price if self.is_free else Decimal(0)

    @property
    def cogs(self) -> Decimal:
        return sum((variant.cogs * quantity for variant, quantity in self.lines), Decimal(0))

    @property
    def shipping_cost(self) -> Decimal:
        return SHIPPING_COST if self.is_physical and not self.is_free else Decimal(0)

    @property
    def unique_code(self) -> Decimal:
        """Bank transfers are told apart by a few rupiah off (facts/scalev.md section 1.4)."""
        has_code = self.method == "bank_transfer" and not self.is_free
        return Decimal(100 + self.legacy_id % 400) if has_code else Decimal(0)

    @property
    def net_revenue(self) -> Decimal:
        return self.product_price - self.product_discount - self.unique_code

    @property
    def gross_revenue(self) -> Decimal:
        """What the buyer pays."""
        return self.net_revenue + self.shipping_cost


def make_uuid7(moment: datetime) -> str:
    """Order ids are UUIDv7 strings since June 2026 (facts/scalev.md section 1.9)."""
    value = (int(moment.timestamp() * 1000) << 80) | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    return str(uuid.UUID(int=value))


def may_move(order: Order, status: str) -> bool:
    """Whether ScaleV lets a person move the order there; digital-only orders skip the shipping steps."""
    allowed = ALLOWED_MOVES.get(order.status, frozenset())
    if order.is_physical:
        return status in allowed
    skipped = {"ready", "shipped", "rts"}
    if status == "completed":
        return order.status in {"confirmed", "in_process"}
    return status in allowed - skipped


def move_status(order: Order, status: str, at: datetime) -> None:
    """Set the fulfilment status; the payment status is another axis and stays."""
    order.status = status
    order.times[status] = at
    order.last_updated_at = at


def move_payment(order: Order, status: str, at: datetime) -> None:
    """Set the payment status and put it on top of the history; earlier `*_time` values stay (section 1.8)."""
    order.payment_status = status
    order.times[status] = at
    order.payment_history.insert(0, PaymentChange(at, status))
    order.last_updated_at = at
