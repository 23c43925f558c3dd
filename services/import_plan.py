"""What an import would do: orders of ScaleV's list, counted by what would become of them. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services import lead_rules, listed_orders, order_news, settings_service
from services.listed_orders import Row
from services.order_news import OrderState

CREDITS_PER_BOUNCE = 30  # what Mailketing takes


@dataclass(slots=True)
class Plan:
    """What an import would do, counted from ScaleV's order list.

    Orders that we know stay as they are (`known`; of these, `untransferred` were recorded without transfer by an
    earlier import) or get their news (`changed`). New ones: `paid` become closing leads, `open` are still within their
    follow-up window, `spam` goes to the archive, `unpaid` are old. While `is_complete` is false, there are more orders
    than were counted, and `next_cursor` is where the count goes on.
    """

    known: int = 0
    untransferred: int = 0
    changed: int = 0
    paid: int = 0
    open: int = 0
    spam: int = 0
    unpaid: int = 0
    is_complete: bool = False
    next_cursor: str | None = None

    @property
    def orders(self) -> int:
        return self.known + self.changed + self.to_record

    @property
    def to_record(self) -> int:
        """How many leads it would make."""
        return self.paid + self.open + self.spam + self.unpaid

    @property
    def to_transfer(self) -> int:
        """How many buyers of old unpaid orders it would add to a list, if that is chosen."""
        return self.unpaid + self.untransferred

    @property
    def credits_at_risk(self) -> int:
        """What that would cost if every one of their addresses bounced."""
        return self.to_transfer * CREDITS_PER_BOUNCE


def count(rows: Sequence[Row], counts: Plan, now: datetime) -> None:
    """Add what would become of the orders of a page.

    Args:
        rows: of ScaleV's order list.
        counts: what they are added to.
        now: what "old" is reckoned from.
    """
    known = listed_orders.known_orders(rows)
    old = now - timedelta(days=settings_service.number("follow_up_days"))
    for row in rows:
        ours = known.get(row.order.order_id)
        if ours is None:
            name = _kind(row, old, now)
        else:
            name = "changed" if listed_orders.is_news(row, ours) else "known"
            counts.untransferred += ours.no_transfer
        setattr(counts, name, getattr(counts, name) + 1)


def _kind(row: Row, old: datetime, now: datetime) -> str:
    """What an order that we don't know would become."""
    state = _state(row, now)
    if state.is_spam:
        return "spam"
    if lead_rules.is_settled(state):
        return "paid"
    return "unpaid" if (row.order.created_at or now) <= old else "open"


def _state(row: Row, now: datetime) -> OrderState:
    order = row.order
    stamp = order_news.make_stamp(order.updated_at, None, order.created_at or now, "")
    return order_news.states([order_news.read_news(order, stamp)])[-1]
