"""Leads: the only writer of Lead.status. Applies decisions: status, history row and deliveries in one transaction."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select

from models import Lead, LeadHistory, OrderLine, ProductList, db, transaction
from services import delivery_service, lead_rules, order_news, product_matching, repairs, settings_service, unread_news
from services.chase_service import plan_chase
from services.contacts import clean_text, normalise_email, normalise_phone
from services.errors import NotFound, UserError
from services.lead_rules import Decision, LeadState, Order, Overdue, Seen
from services.order_batch import OrderBatch, goods_of
from services.order_news import News
from services.order_snapshot import Line, OrderSnapshot
from services.statuses import ArchiveReason, ClosedBy, LeadStatus

logger = logging.getLogger(__name__)

SYSTEM = "system"
NOTE_LENGTH = 1000
_ATTACH_BATCH = 200
_MOVED, _ARCHIVED, _TAKEN_BACK = "manual", "archived_by_hand", "taken_back_by_hand"


class Result(StrEnum):
    """What a message did to its lead."""

    OPENED = "opened"  # the lead was made by it
    APPLIED = "applied"
    STALE = "stale"  # everything it says is known from newer messages
    WAITING = "waiting"  # its order is not known yet and it does not tell enough to open a lead


@dataclass(frozen=True, slots=True)
class Cause:
    """Who or what makes a change: the actor's name for the history, the event where one caused it."""

    actor: str
    event_id: int | None = None
    note: str | None = None
    overdue: Overdue = Overdue.WAITS


def apply_order(
    snapshot: OrderSnapshot, stamp: str, seen_at: datetime, cause: Cause, now: datetime, batch: OrderBatch
) -> tuple[Result, Lead | None]:
    """Merge one message into its lead, open the lead when it is a first full order, and act on what follows.

    Runs inside the caller's transaction; `batch.write()` writes it.

    Args:
        snapshot: what the message says.
        stamp: its place in the order's life (order_news.make_stamp).
        seen_at: the message's own moment; stands in for an order without `created_at`.
        cause: for the history, and what becomes of an overdue order.
        now: the operation's one clock reading.
        batch: the leads of the messages that are applied together; at most one of an order.
    """
    lead = batch.find(snapshot.order_id)
    is_new = lead is None
    if lead is None:
        if not snapshot.is_full:
            return Result.WAITING, None
        lead = _open(snapshot.order_id, snapshot.created_at or seen_at, cause, now)
        batch.add(lead)
    with db.session.no_autoflush:  # one flush at the end writes all that changed
        product_list = lead.product_list
        is_newer = _merge(lead, snapshot, stamp, seen_at, now, batch)
        is_freed = _mark_transfer(lead, cause.overdue, is_new, now)
        has_moved = _follow_rules(lead, cause, now, expiring=is_new and cause.overdue is not Overdue.WAITS)
        if is_new or has_moved or is_freed or lead.product_list is not product_list:
            _place_deliveries(lead, now)
    if is_new:
        return Result.OPENED, lead
    return (Result.APPLIED if is_newer else Result.STALE), lead


def expire(lead_id: int, note: str | None, now: datetime) -> bool:
    """Move one lead to not_closing if the rules say so now and all news of its order is read; whether it moved.

    Args:
        lead_id: a lead that was due when it was looked up.
        note: for the history, when ScaleV could not confirm that it is unpaid.
        now: the operation's one clock reading.
    """
    with transaction():
        lead = _lock(Lead.id == lead_id)
        if lead is None or lead.is_archived or lead.status is not LeadStatus.FOLLOW_UP:
            return False
        if unread_news.has(lead.order_id):
            return False
        if _follow_rules(lead, Cause(SYSTEM, note=note), now, expiring=True):
            _place_deliveries(lead, now)
        after = _state(lead)
        return after.status is LeadStatus.NOT_CLOSING and after.archived is None


def move(lead_id: int, to: LeadStatus, *, actor: str, note: str | None, now: datetime) -> None:
    """Move a lead by hand; takes it out of the archive. Into follow up, its window begins anew.

    Raises:
        NotFound: there is no such lead.
        UserError: it is there already.
        Conflict: it was moved by somebody else meanwhile.
    """
    with transaction():
        lead = lock_lead(lead_id)
        if lead.status is to and not lead.is_archived:
            raise UserError("This lead already has that status.")
        if to is LeadStatus.FOLLOW_UP:
            lead.restarted_at = now
        reason = _TAKEN_BACK if lead.is_archived else _MOVED
        _apply(lead, Decision(reason, status=to, unarchive=lead.is_archived), _by_hand(lead, actor, note), now)
        _reckon_window(lead)


def archive(lead_id: int, *, actor: str, note: str | None, now: datetime) -> None:
    """Take a lead out of every queue by hand; what waits to be sent is cancelled.

    Raises:
        NotFound: there is no such lead.
        UserError: it is archived already.
    """
    with transaction():
        lead = lock_lead(lead_id)
        if lead.is_archived:
            raise UserError("This lead is archived already.")
        _apply(lead, Decision(_ARCHIVED, archive=ArchiveReason.MANUAL), _by_hand(lead, actor, note), now)


def attach_waiting_leads(now: datetime) -> int:
    """Give leads without a product list the one that fits by now, and let their deliveries go; return how many.

    In batches with a transaction each, so that webhooks are not kept waiting; what a stop leaves over is done by the
    next call.
    """
    attached = 0
    while lead_ids := product_matching.waiting_lead_ids(_ATTACH_BATCH):
        with transaction():
            done = sum(_attach_guarded(lead_id, now) for lead_id in lead_ids)
        attached += done
        if done == 0:
            break
    return attached


def detach_product_list(product_list_id: int, now: datetime) -> int:
    """Take a product list off its leads, before it is deleted; return how many. Runs in the caller's transaction."""
    leads = db.session.scalars(select(Lead).where(Lead.product_list_id == product_list_id)).all()
    for lead in leads:
        lead.product_list = None
        _reckon_window(lead)
        delivery_service.follow_lead(lead, now)
    return len(leads)


def follow_product_list(product_list_id: int, now: datetime) -> None:
    """Bring leads in line with their product list, after it was edited. Runs in the caller's transaction."""
    for lead in db.session.scalars(select(Lead).where(Lead.product_list_id == product_list_id)):
        _reckon_window(lead)
        delivery_service.follow_lead(lead, now)


def open_leads_with_default_days() -> int:
    """Return how many leads a change of the follow-up days touches."""
    return db.session.scalar(select(func.count()).select_from(Lead).where(*_open_with_default_days())) or 0


def recompute_due(now: datetime) -> int:
    """Reckon the due time of open leads anew, after the follow-up days were changed; return how many."""
    with transaction() as session:
        leads = session.scalars(select(Lead).where(*_open_with_default_days())).all()
        for lead in leads:
            _reckon_window(lead)
            lead.updated_at = now
    return len(leads)


def _open_with_default_days() -> tuple[Any, ...]:
    own_days = select(ProductList.id).where(ProductList.follow_up_days.is_not(None))
    without_own = Lead.product_list_id.is_(None) | Lead.product_list_id.not_in(own_days)
    return Lead.status == LeadStatus.FOLLOW_UP, Lead.archived_at.is_(None), without_own


def _lock(condition: Any) -> Lead | None:
    """Load a lead that nobody else changes until our transaction ends."""
    return db.session.scalar(select(Lead).where(condition).with_for_update(of=Lead))


def lock_lead(lead_id: int) -> Lead:
    """Load a lead for a change; raises NotFound. Runs in the caller's transaction."""
    lead = _lock(Lead.id == lead_id)
    if lead is None:
        raise NotFound("There is no such lead.")
    return lead


def _by_hand(lead: Lead, actor: str, note: str | None) -> Cause:
    """A person decides with the present news before them; only newer news overrules them."""
    lead.manual_seen = asdict(_order(lead).seen())
    return Cause(actor, note=clean_text(note, NOTE_LENGTH) or None)


def _open(order_id: str, ordered_at: datetime, cause: Cause, now: datetime) -> Lead:
    """Make the lead of a new order; the caller inserts it once it is complete."""
    lead = Lead(
        order_id=order_id,
        status=LeadStatus.FOLLOW_UP,
        status_changed_at=ordered_at,
        ordered_at=ordered_at,
        field_stamps={},
        news=[],
        lines=[],
        deliveries=[],
        history=[],
        created_at=now,
    )
    record(lead, None, "order_received", cause, now)
    return lead


def _merge(
    lead: Lead, snapshot: OrderSnapshot, stamp: str, seen_at: datetime, now: datetime, batch: OrderBatch
) -> bool:
    """Merge a message into the stored order; whether it brought anything new."""
    fresh = order_news.read_news(snapshot, stamp)
    known = order_news.add_news(_news(lead), fresh)
    newer, lead.field_stamps = order_news.merge_details(snapshot, lead.field_stamps, stamp)
    deleted = snapshot.is_deleted and lead.deleted_stamp is None
    if deleted:
        lead.deleted_stamp = stamp
    lead.news = [news.to_row() for news in known]
    goods = goods_of(lead)
    _store_details(lead, newer)
    _store_state(lead, known)
    lead.updated_at = now
    if "created_at" not in lead.field_stamps:  # nobody said when it was ordered: not after any message about it
        lead.ordered_at = min(lead.ordered_at, seen_at)
    if newer.keys() & {"lines", "store_name"} and (lead.product_list is None or goods_of(lead) != goods):
        lead.product_list = batch.find_product_list(lead)
    _reckon_window(lead)
    if newer and lead.id is not None:  # a new lead has no deliveries yet
        delivery_service.follow_lead(lead, now)
    return bool(newer) or deleted or (fresh.says_something and order_news.is_newest(known, fresh))


def _mark_transfer(lead: Lead, overdue: Overdue, is_new: bool, now: datetime) -> bool:
    """Mark a lead that is only recorded; take the mark off, and say so, when a later import transfers it."""
    if is_new:
        is_late = overdue is Overdue.RECORDED and lead.due_at <= now
        lead.no_transfer = is_late and not lead_rules.is_settled(_order(lead).now)
    is_freed = lead.no_transfer and overdue is Overdue.TRANSFERRED
    lead.no_transfer &= not is_freed
    return is_freed


def _store_details(lead: Lead, newer: Mapping[str, Any]) -> None:
    for name, value in newer.items():
        if name == "lines":
            _store_lines(lead, value)
        elif name == "created_at":
            lead.ordered_at = value
        else:
            setattr(lead, name, repairs.read(lead.repairs, name, value))
    if "email_given" in newer:
        lead.email = normalise_email(lead.email_given)
    if "phone_given" in newer:
        lead.phone = normalise_phone(lead.phone_given)


def _store_lines(lead: Lead, lines: tuple[Line, ...]) -> None:
    stored = tuple(Line(**{name: getattr(line, name) for name in Line.__slots__}) for line in lead.lines)
    if stored != lines:
        lead.lines = [OrderLine(**asdict(line)) for line in lines]
        lead.product_name = lines[0].product_name or lines[0].sku


def _store_state(lead: Lead, known: list[News]) -> None:
    if not known:
        return
    state = order_news.states(known)[-1]
    lead.payment_status, lead.payment_method = state.payment_status, state.payment_method
    lead.order_status, lead.gross_revenue = state.order_status, state.gross_revenue


def _news(lead: Lead) -> list[News]:
    return [News.from_row(row) for row in lead.news]


def _order(lead: Lead) -> Order:
    states = order_news.states(_news(lead)) or [order_news.OrderState(at=lead.ordered_at)]
    return Order(states, lead.deleted_stamp)


def _state(lead: Lead) -> LeadState:
    seen = Seen(**lead.manual_seen) if lead.manual_seen else None
    return LeadState(lead.status, lead.due_at, lead.closed_by, lead.archive_reason, seen)


def _reckon_window(lead: Lead) -> None:
    """Set where the follow-up window begins and ends: the product list's own days, else the setting."""
    start = lead_rules.window_start(lead.ordered_at, _order(lead).states)
    lead.follow_up_start = max(start, lead.restarted_at) if lead.restarted_at else start
    own_days = lead.product_list.follow_up_days if lead.product_list else None
    lead.due_at = lead.follow_up_start + timedelta(days=own_days or settings_service.number("follow_up_days"))
    plan_chase(lead)


def _follow_rules(lead: Lead, cause: Cause, now: datetime, *, expiring: bool = False) -> bool:
    """Write what the rules decide until they decide nothing more (a payment taken back may lead on into the archive);
    whether there was anything. Deliveries are the caller's to place, once, for where the lead has ended."""
    has_moved, order, policy = False, _order(lead), settings_service.policy()
    while (decision := lead_rules.decide(order, _state(lead), now, policy, expiring=expiring)).changes_something:
        _write(lead, decision, cause, now)
        has_moved = True
    return has_moved


def _apply(lead: Lead, decision: Decision, cause: Cause, now: datetime) -> None:
    """Write a person's decision, with its deliveries."""
    _write(lead, decision, cause, now)
    _place_deliveries(lead, now)


def _write(lead: Lead, decision: Decision, cause: Cause, now: datetime) -> None:
    """The change and its history row."""
    before = lead.status
    _change(lead, decision, now)
    record(lead, before, decision.reason, cause, now)


def _place_deliveries(lead: Lead, now: datetime) -> None:
    if lead.is_archived:
        delivery_service.leave_queues(lead, now)
    else:
        delivery_service.enter_role(lead, lead.status, now)


def _change(lead: Lead, decision: Decision, now: datetime) -> None:
    """Set what the decision says. The row's version guards it: a lead that is not as it was read stays as it is."""
    if decision.status is not None:
        by = ClosedBy.MANUAL if decision.reason in (_MOVED, _TAKEN_BACK) else ClosedBy.PAYMENT
        lead.closed_by = by if decision.status is LeadStatus.CLOSING else None
        lead.status, lead.status_changed_at = decision.status, now
        lead.ended_at = lead_rules.end(decision.status, lead.paid_at, lead.due_at, now)
    if decision.archive is not None:
        lead.archived_at, lead.archive_reason = now, decision.archive
    if decision.unarchive:
        lead.archived_at = lead.archive_reason = None
    plan_chase(lead)
    lead.updated_at = now


def record(lead: Lead, before: LeadStatus | None, reason: str, cause: Cause, now: datetime) -> None:
    """Add a history row. Runs in the caller's transaction."""
    lead.history.append(
        LeadHistory(
            event_id=cause.event_id,
            from_status=before,
            to_status=lead.status,
            at=now,
            reason=reason,
            actor=cause.actor,
            note=cause.note,
        )
    )


def _attach_guarded(lead_id: int, now: datetime) -> bool:
    """One lead that can't be read must not keep the others waiting."""
    try:
        with db.session.begin_nested():
            return _attach(lead_id, now)
    except Exception:
        logger.exception("lead not attached", extra={"lead_id": lead_id})
        return False


def _attach(lead_id: int, now: datetime) -> bool:
    lead = lock_lead(lead_id)
    product_list = product_matching.find_product_list(lead.lines, lead.store_name)
    if lead.product_list is not None or product_list is None:
        return False
    lead.product_list = product_list
    _reckon_window(lead)
    delivery_service.follow_lead(lead, now)
    return True
