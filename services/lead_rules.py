"""The rules: what an order as it is now known means for its lead. Pure; the table in README is this module in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from itertools import pairwise

from services.order_news import OrderState, is_later
from services.statuses import ArchiveReason, CanceledPolicy, ClosedBy, LeadStatus

# Between a courier's pick-up and the buyer's door a cash-on-delivery order is alive, though unpaid (ScaleV docs).
COD = "cod"
COD_UNDER_WAY = frozenset({"confirmed", "in_process", "ready", "shipped"})


@dataclass(frozen=True, slots=True)
class Seen:
    """Which news a person had before them when they moved a lead by hand: their word stands until there is newer."""

    payment: str = ""
    order: str = ""
    spam: str = ""
    deleted: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """The order as it is now known: its life so far, oldest state first, and whether ScaleV deleted it."""

    states: Sequence[OrderState]
    deleted_stamp: str | None = None

    @property
    def now(self) -> OrderState:
        return self.states[-1]

    def seen(self) -> Seen:
        """Return what a person who moves the lead now has before them."""
        return Seen(self.now.payment_stamp, self.now.order_stamp, self.now.spam_stamp, self.deleted_stamp or "")


@dataclass(frozen=True, slots=True)
class LeadState:
    """What the rules need to know of a lead; `seen` is None while no person has moved it."""

    status: LeadStatus
    due_at: datetime
    closed_by: ClosedBy | None = None
    archived: ArchiveReason | None = None
    seen: Seen | None = None


class Overdue(Enum):
    """What becomes of an unpaid order whose window is over already when we first hear of it."""

    WAITS = auto()  # for check_expired_leads, like every other lead
    TRANSFERRED = auto()  # an import moves it to not_closing at once
    RECORDED = auto()  # the same without ever adding its buyer to a list, unless they pay


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings that change rules."""

    canceled: CanceledPolicy = CanceledPolicy.KEEP


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to change; a lead may leave the archive and change its status at once."""

    reason: str
    status: LeadStatus | None = None
    archive: ArchiveReason | None = None
    unarchive: bool = False

    @property
    def changes_something(self) -> bool:
        return self.status is not None or self.archive is not None or self.unarchive


NO_CHANGE = Decision("no_change")
_BEFORE_SPAM = (None, ArchiveReason.CANCELED)  # what a spam mark replaces; a person's archive and a deletion stay
_CANCELED = {
    CanceledPolicy.KEEP: NO_CHANGE,
    CanceledPolicy.TRANSFER: Decision("order_canceled", status=LeadStatus.NOT_CLOSING),
    CanceledPolicy.ARCHIVE: Decision("order_canceled", archive=ArchiveReason.CANCELED),
}


def decide(order: Order, lead: LeadState, now: datetime, policy: Policy, *, expiring: bool = False) -> Decision:
    """Decide what an order's state means for its lead: the next change. The caller asks again until there is none.

    Args:
        order: the order as it is now known.
        lead: the lead as it stands.
        now: the operation's one clock reading.
        policy: the settings that change rules.
        expiring: whether `check_expired_leads` asks; only it expires.
    """
    seen = lead.seen or Seen()
    is_deleted = order.deleted_stamp is not None and is_later(order.deleted_stamp, seen.deleted)
    if is_deleted and lead.archived is not ArchiveReason.DELETED:
        return Decision("order_deleted", archive=ArchiveReason.DELETED)
    if order.now.is_spam and is_later(order.now.spam_stamp, seen.spam) and lead.archived in _BEFORE_SPAM:
        return Decision("order_spam", archive=ArchiveReason.SPAM)
    if lead.archived and not _leaves_archive(order, lead):
        return _decide_money(order.now, lead)
    decision = _decide_status(order, lead, now, policy, expiring)
    if decision.archive is not None and decision.archive is lead.archived:
        return NO_CHANGE
    if lead.archived and decision.archive is None:
        reason = decision.reason if decision.status else f"not_{lead.archived.value}"
        return Decision(reason, status=decision.status, unarchive=True)
    return decision


def is_settled(state: OrderState) -> bool:
    """Whether the money question is answered: paid, or COD and completed, or nothing to pay."""
    return state.paid or (is_cod(state) and state.order_status == "completed") or state.gross_revenue == 0


def is_cod(state: OrderState) -> bool:
    return state.payment_method == COD


def hold_reason(state: OrderState) -> str | None:
    """Return why a due lead is not expired, None when nothing holds it."""
    if state.payment_status == "conflict":
        return "payment_conflict"
    if is_cod(state) and state.order_status in COD_UNDER_WAY:
        return "cod_under_way"
    return None


def window_start(ordered_at: datetime, states: Sequence[OrderState]) -> datetime:
    """Return where the follow-up window begins.

    That is the order's own moment, or the later one at which a payment was taken back or a spam mark lifted.
    """
    start = ordered_at
    for before, after in pairwise(states):
        payment_ended = is_settled(before) and not is_settled(after)
        spam_ended = before.is_spam and not after.is_spam
        if payment_ended or spam_ended:
            start = max(start, after.at)
    return start


def end(status: LeadStatus, paid_at: datetime | None, due_at: datetime, now: datetime) -> datetime | None:
    """Return when a lead that now comes to `status` ended: when it was paid, or when its days were over.

    Not when we heard of it: orders of last month that are imported today closed and expired last month.
    """
    if status is LeadStatus.FOLLOW_UP:
        return None
    return min(now, due_at if status is LeadStatus.NOT_CLOSING else paid_at or now)


def _leaves_archive(order: Order, lead: LeadState) -> bool:
    """A spam mark that was lifted and a cancellation that no longer stands free the lead; a person's archive stays."""
    if lead.archived is ArchiveReason.SPAM:
        return not order.now.is_spam
    return lead.archived is ArchiveReason.CANCELED


def _decide_money(state: OrderState, lead: LeadState) -> Decision:
    """Money is recorded in the archive too, so that the status does not depend on which news came first; nothing is
    sent from there."""
    if _closes(state, lead):
        return Decision(_closing_reason(state), status=LeadStatus.CLOSING)
    if lead.status is LeadStatus.CLOSING and lead.closed_by is ClosedBy.PAYMENT and not is_settled(state):
        return Decision("payment_taken_back", status=LeadStatus.FOLLOW_UP)
    return NO_CHANGE


def _closes(state: OrderState, lead: LeadState) -> bool:
    """Money closes a lead, except news that a person already saw when they moved the lead elsewhere."""
    return lead.status is not LeadStatus.CLOSING and is_settled(state) and _has_unseen_money(state, lead.seen)


def _has_unseen_money(state: OrderState, seen: Seen | None) -> bool:
    if seen is None:
        return True
    has_new_status = is_cod(state) and is_later(state.order_stamp, seen.order)
    return has_new_status or is_later(state.payment_stamp, seen.payment)


def _decide_status(order: Order, lead: LeadState, now: datetime, policy: Policy, expiring: bool) -> Decision:
    state = order.now
    money = _decide_money(state, lead)
    if money.changes_something or is_settled(state):
        return money
    if lead.status is not LeadStatus.FOLLOW_UP or hold_reason(state):
        return NO_CHANGE
    if state.order_status == "canceled" and is_later(state.order_stamp, (lead.seen or Seen()).order):
        decision = _CANCELED[policy.canceled]
        if decision.changes_something:
            return decision
    if expiring and lead.due_at <= now:
        return Decision("expired", status=LeadStatus.NOT_CLOSING)
    return NO_CHANGE


def _closing_reason(state: OrderState) -> str:
    if state.paid:
        return "paid"
    return "nothing_to_pay" if state.gross_revenue == 0 else "cod_completed"
