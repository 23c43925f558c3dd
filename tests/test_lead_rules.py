"""The rules, row by row of the table: what an order as it is known means for its lead."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services import lead_rules
from services.lead_rules import Decision, LeadState, Order, Policy, Seen, decide
from services.order_news import OrderState
from services.statuses import ArchiveReason, CanceledPolicy, ClosedBy, LeadStatus
from tests.builders import NOW

FOLLOW_UP, CLOSING, NOT_CLOSING = LeadStatus.FOLLOW_UP, LeadStatus.CLOSING, LeadStatus.NOT_CLOSING
SPAM, DELETED, MANUAL, CANCELED = (
    ArchiveReason.SPAM,
    ArchiveReason.DELETED,
    ArchiveReason.MANUAL,
    ArchiveReason.CANCELED,
)
UNPAID = OrderState(
    at=NOW - timedelta(days=8),
    payment_status="unpaid",
    payment_stamp="1",
    order_status="pending",
    order_stamp="1",
    payment_method="bank_transfer",
    gross_revenue=Decimal("99000"),
)
PAID = replace(UNPAID, payment_status="paid", paid=True, payment_stamp="2")
COD = replace(UNPAID, payment_method="cod")
DUE = LeadState(FOLLOW_UP, NOW - timedelta(seconds=1))
OPEN = LeadState(FOLLOW_UP, NOW + timedelta(days=1))
CLOSED_BY_PAYMENT = replace(OPEN, status=CLOSING, closed_by=ClosedBy.PAYMENT)
CLOSED_BY_HAND = replace(OPEN, status=CLOSING, closed_by=ClosedBy.MANUAL)
LOST = replace(DUE, status=NOT_CLOSING)
EVERY_LEAD = [OPEN, DUE, CLOSED_BY_PAYMENT, CLOSED_BY_HAND, LOST]


def ask(state: OrderState, lead: LeadState, policy: Policy | None = None, **order: Any) -> Decision:
    expiring = order.pop("expiring", False)
    return decide(Order([state], **order), lead, NOW, policy or Policy(), expiring=expiring)


@pytest.mark.parametrize("lead", EVERY_LEAD)
def test_a_deleted_order_archives_its_lead_whatever_its_status(lead: LeadState) -> None:
    assert ask(PAID, lead, deleted_stamp="9") == Decision("order_deleted", archive=DELETED)


@pytest.mark.parametrize("reason", [SPAM, MANUAL, CANCELED])
def test_deletion_replaces_every_other_reason_for_the_archive(reason: ArchiveReason) -> None:
    assert ask(UNPAID, replace(OPEN, archived=reason), deleted_stamp="9").archive is DELETED


def test_a_lead_that_is_archived_as_deleted_stays_so() -> None:
    assert not ask(UNPAID, replace(OPEN, archived=DELETED), deleted_stamp="9").changes_something


def test_a_person_who_saw_the_deletion_overrules_it() -> None:
    lead = replace(OPEN, seen=Seen(deleted="9"))
    assert not ask(UNPAID, lead, deleted_stamp="9").changes_something
    assert ask(UNPAID, lead, deleted_stamp="91").archive is DELETED


@pytest.mark.parametrize("lead", EVERY_LEAD)
def test_spam_archives(lead: LeadState) -> None:
    spam = replace(UNPAID, is_spam=True, spam_stamp="3")
    assert ask(spam, lead) == Decision("order_spam", archive=SPAM)


def test_spam_replaces_a_cancellation_but_not_a_persons_archive() -> None:
    spam = replace(UNPAID, is_spam=True, spam_stamp="3")
    assert ask(spam, replace(OPEN, archived=CANCELED)).archive is SPAM
    assert not ask(spam, replace(OPEN, archived=MANUAL)).changes_something


def test_a_person_who_saw_the_spam_mark_overrules_it_until_there_is_a_new_one() -> None:
    spam = replace(UNPAID, is_spam=True, spam_stamp="3")
    lead = replace(OPEN, seen=Seen(spam="3"))
    assert not ask(spam, lead).changes_something
    assert ask(replace(spam, spam_stamp="4"), lead).archive is SPAM


def test_another_message_about_the_same_moment_does_not_overrule_a_person() -> None:
    seen = Seen(payment="00000000000000005.00000000000000005.1234abcd")
    lead = replace(LOST, seen=seen)
    for key, later in (("ffffffff", "5"), ("00000000", "5"), ("00000000", "6")):
        stamp = f"00000000000000005.0000000000000000{later}.{key}"
        assert ask(replace(PAID, payment_stamp=stamp), lead).changes_something is (later == "6"), stamp


def test_a_lifted_spam_mark_frees_the_lead() -> None:
    assert ask(UNPAID, replace(OPEN, archived=SPAM)) == Decision("not_spam", unarchive=True)


def test_a_lead_that_was_paid_while_it_was_spam_leaves_the_archive_as_closing() -> None:
    assert ask(PAID, replace(OPEN, archived=SPAM)) == Decision("paid", status=CLOSING, unarchive=True)


def test_a_lifted_spam_mark_does_not_free_what_a_person_archived() -> None:
    assert not ask(UNPAID, replace(OPEN, archived=MANUAL)).changes_something


@pytest.mark.parametrize("lead", [OPEN, DUE, LOST])
@pytest.mark.parametrize("word", ["paid", "settled"])
def test_payment_closes(lead: LeadState, word: str) -> None:
    assert ask(replace(PAID, payment_status=word), lead) == Decision("paid", status=CLOSING)


@pytest.mark.parametrize("lead", [CLOSED_BY_PAYMENT, CLOSED_BY_HAND])
def test_a_second_payment_changes_nothing(lead: LeadState) -> None:
    assert not ask(PAID, lead).changes_something


def test_late_payment_closes_an_expired_lead() -> None:
    assert ask(PAID, LOST).status is CLOSING


def test_a_free_order_closes() -> None:
    free = replace(UNPAID, gross_revenue=Decimal("0.00"))
    assert ask(free, OPEN) == Decision("nothing_to_pay", status=CLOSING)


def test_an_order_whose_amount_nobody_named_is_not_free() -> None:
    assert not ask(replace(UNPAID, gross_revenue=None), OPEN).changes_something


def test_completed_closes_cash_on_delivery_only() -> None:
    assert ask(replace(COD, order_status="completed"), OPEN) == Decision("cod_completed", status=CLOSING)
    assert not ask(replace(UNPAID, order_status="completed"), OPEN).changes_something


@pytest.mark.parametrize("status", ["draft", "pending", "rts", "closed", "canceled", None])
def test_cash_on_delivery_that_is_not_under_way_expires(status: str | None) -> None:
    assert ask(replace(COD, order_status=status), DUE, expiring=True).status is NOT_CLOSING


@pytest.mark.parametrize("status", ["confirmed", "in_process", "ready", "shipped"])
def test_cash_on_delivery_under_way_is_not_expired(status: str) -> None:
    state = replace(COD, order_status=status)
    assert lead_rules.hold_reason(state) == "cod_under_way"
    assert not ask(state, DUE, expiring=True).changes_something


@pytest.mark.parametrize("status", ["confirmed", "in_process", "ready", "shipped"])
def test_shipping_holds_nothing_but_cash_on_delivery(status: str) -> None:
    assert ask(replace(UNPAID, order_status=status), DUE, expiring=True).status is NOT_CLOSING


def test_a_payment_that_is_taken_back_reopens_what_it_closed() -> None:
    assert ask(UNPAID, CLOSED_BY_PAYMENT) == Decision("payment_taken_back", status=FOLLOW_UP)


def test_a_closing_by_hand_stays_when_scalev_says_unpaid() -> None:
    assert not ask(UNPAID, CLOSED_BY_HAND).changes_something


def test_cash_on_delivery_that_steps_back_from_completed_is_open_again() -> None:
    assert ask(replace(COD, order_status="shipped"), CLOSED_BY_PAYMENT).status is FOLLOW_UP


def test_an_amount_that_is_no_longer_zero_reopens_a_free_order() -> None:
    assert ask(UNPAID, CLOSED_BY_PAYMENT).status is FOLLOW_UP


def test_a_conflict_is_held() -> None:
    conflict = replace(UNPAID, payment_status="conflict")
    assert lead_rules.hold_reason(conflict) == "payment_conflict"
    assert not ask(conflict, DUE, expiring=True).changes_something


def test_a_conflict_after_payment_does_not_reopen() -> None:
    assert not ask(replace(PAID, payment_status="conflict"), CLOSED_BY_PAYMENT).changes_something


def test_a_canceled_order_keeps_its_clock_by_default() -> None:
    canceled = replace(UNPAID, order_status="canceled", order_stamp="5")
    assert not ask(canceled, OPEN).changes_something
    assert ask(canceled, DUE, expiring=True) == Decision("expired", status=NOT_CLOSING)


@pytest.mark.parametrize(
    ("policy", "decision"),
    [
        (CanceledPolicy.TRANSFER, Decision("order_canceled", status=NOT_CLOSING)),
        (CanceledPolicy.ARCHIVE, Decision("order_canceled", archive=CANCELED)),
    ],
)
def test_a_canceled_order_is_transferred_or_archived_by_setting(policy: CanceledPolicy, decision: Decision) -> None:
    canceled = replace(UNPAID, order_status="canceled", order_stamp="5")
    assert ask(canceled, OPEN, Policy(policy)) == decision
    assert not ask(canceled, replace(OPEN, seen=Seen(order="5")), Policy(policy)).changes_something


@pytest.mark.parametrize("policy", list(CanceledPolicy))
def test_a_canceled_order_that_is_paid_is_closing(policy: CanceledPolicy) -> None:
    canceled = replace(PAID, order_status="canceled", order_stamp="5")
    assert ask(canceled, OPEN, Policy(policy)).status is CLOSING
    assert not ask(canceled, CLOSED_BY_PAYMENT, Policy(policy)).changes_something


def test_a_cancellation_that_no_longer_stands_frees_the_lead() -> None:
    lead = replace(OPEN, archived=CANCELED)
    assert ask(UNPAID, lead, Policy(CanceledPolicy.ARCHIVE)) == Decision("not_canceled", unarchive=True)


def test_a_lead_that_is_archived_as_canceled_stays_so() -> None:
    canceled = replace(UNPAID, order_status="canceled", order_stamp="5")
    lead = replace(OPEN, archived=CANCELED)
    assert not ask(canceled, lead, Policy(CanceledPolicy.ARCHIVE)).changes_something


def test_spam_that_is_lifted_from_a_canceled_order_leaves_it_archived_as_canceled() -> None:
    canceled = replace(UNPAID, order_status="canceled", order_stamp="5")
    assert ask(canceled, replace(OPEN, archived=SPAM), Policy(CanceledPolicy.ARCHIVE)).archive is CANCELED


def test_only_the_check_expires() -> None:
    assert not ask(UNPAID, DUE).changes_something
    assert ask(UNPAID, DUE, expiring=True) == Decision("expired", status=NOT_CLOSING)


def test_a_lead_expires_at_its_very_moment_and_not_before() -> None:
    assert ask(UNPAID, replace(OPEN, due_at=NOW), expiring=True).status is NOT_CLOSING
    just_after = NOW + timedelta(microseconds=1)
    assert not ask(UNPAID, replace(OPEN, due_at=just_after), expiring=True).changes_something


@pytest.mark.parametrize("lead", [LOST, CLOSED_BY_HAND])
def test_only_a_follow_up_expires(lead: LeadState) -> None:
    assert not ask(UNPAID, replace(lead, due_at=NOW - timedelta(days=9)), expiring=True).changes_something


@pytest.mark.parametrize("archived", list(ArchiveReason))
def test_nothing_expires_in_the_archive(archived: ArchiveReason) -> None:
    stamp = "9" if archived is DELETED else None
    state = replace(UNPAID, is_spam=archived is SPAM, spam_stamp="3")
    policy = Policy(CanceledPolicy.ARCHIVE)
    if archived is CANCELED:
        state = replace(state, order_status="canceled", order_stamp="5")
    decision = ask(state, replace(DUE, archived=archived), policy, deleted_stamp=stamp, expiring=True)
    assert decision.status is None


@pytest.mark.parametrize("archived", [SPAM, DELETED, MANUAL])
def test_money_is_recorded_in_the_archive_both_ways(archived: ArchiveReason) -> None:
    stamp = "9" if archived is DELETED else None
    paid = replace(PAID, is_spam=archived is SPAM, spam_stamp="3")
    unpaid = replace(UNPAID, is_spam=archived is SPAM, spam_stamp="3")
    assert ask(paid, replace(OPEN, archived=archived), deleted_stamp=stamp) == Decision("paid", status=CLOSING)
    taken_back = ask(unpaid, replace(CLOSED_BY_PAYMENT, archived=archived), deleted_stamp=stamp)
    assert taken_back == Decision("payment_taken_back", status=FOLLOW_UP)


@pytest.mark.parametrize("status", [FOLLOW_UP, NOT_CLOSING])
def test_money_that_a_person_saw_does_not_overrule_them_but_newer_money_does(status: LeadStatus) -> None:
    lead = replace(OPEN, status=status, seen=Seen(payment="2"))
    assert not ask(PAID, lead, expiring=True).changes_something
    assert ask(replace(PAID, payment_stamp="3"), lead).status is CLOSING


def test_a_completion_that_a_person_saw_does_not_overrule_them_but_a_newer_one_does() -> None:
    done = replace(COD, order_status="completed", order_stamp="5")
    lead = replace(OPEN, status=NOT_CLOSING, seen=Seen(payment="1", order="5"))
    assert not ask(done, lead).changes_something
    assert ask(replace(done, order_stamp="6"), lead).status is CLOSING


def test_a_lead_ends_when_it_was_paid_or_its_days_were_over_not_when_we_hear_of_it() -> None:
    day, later = timedelta(days=1), NOW + timedelta(days=1)
    assert lead_rules.end(CLOSING, NOW - day, NOW, NOW) == NOW - day
    assert lead_rules.end(CLOSING, None, NOW - day, NOW) == NOW
    assert lead_rules.end(CLOSING, later, NOW, NOW) == NOW
    assert lead_rules.end(NOT_CLOSING, None, NOW - day, NOW) == NOW - day
    assert lead_rules.end(NOT_CLOSING, None, later, NOW) == NOW
    assert lead_rules.end(FOLLOW_UP, NOW - day, NOW - day, NOW) is None


def test_the_window_begins_with_the_order() -> None:
    ordered_at = NOW - timedelta(days=1)
    assert lead_rules.window_start(ordered_at, [UNPAID, PAID]) == ordered_at


def test_the_window_begins_anew_when_a_payment_is_taken_back() -> None:
    back = replace(UNPAID, at=NOW)
    assert lead_rules.window_start(NOW - timedelta(days=3), [UNPAID, PAID, back]) == NOW


def test_the_window_begins_anew_when_a_spam_mark_is_lifted() -> None:
    spam = replace(UNPAID, is_spam=True)
    assert lead_rules.window_start(NOW - timedelta(days=3), [spam, replace(UNPAID, at=NOW)]) == NOW


def test_a_change_that_lies_before_the_order_does_not_move_the_window_back() -> None:
    spam = replace(UNPAID, is_spam=True)
    early = replace(UNPAID, at=NOW - timedelta(days=9))
    assert lead_rules.window_start(NOW, [spam, early]) == NOW


_STATES = st.builds(
    OrderState,
    at=st.just(NOW),
    payment_status=st.sampled_from(["unpaid", "paid", "settled", "conflict", None]),
    paid=st.booleans(),
    payment_stamp=st.sampled_from(["", "1", "2"]),
    order_status=st.sampled_from(["pending", "completed", "shipped", "canceled", None]),
    order_stamp=st.sampled_from(["", "1", "2"]),
    payment_method=st.sampled_from(["cod", "bank_transfer", None]),
    gross_revenue=st.sampled_from([None, Decimal(0), Decimal(99000)]),
    is_spam=st.booleans(),
    spam_stamp=st.sampled_from(["", "1", "2"]),
)
_SEEN = st.none() | st.builds(Seen, *[st.sampled_from(["", "1", "2"])] * 4)
_LEADS = st.builds(
    LeadState,
    status=st.sampled_from(LeadStatus),
    due_at=st.sampled_from([NOW - timedelta(days=1), NOW + timedelta(days=1)]),
    closed_by=st.none() | st.sampled_from(ClosedBy),
    archived=st.none() | st.sampled_from(ArchiveReason),
    seen=_SEEN,
)


def _after(lead: LeadState, decision: Decision) -> LeadState:
    if decision.status is not None:
        closed_by = ClosedBy.PAYMENT if decision.status is CLOSING else None
        lead = replace(lead, status=decision.status, closed_by=closed_by)
    if decision.archive is not None:
        lead = replace(lead, archived=decision.archive)
    return replace(lead, archived=None) if decision.unarchive else lead


@settings(max_examples=600, deadline=None)
@given(_STATES, _LEADS, st.sampled_from([None, "1", "2"]), st.booleans(), st.sampled_from(CanceledPolicy))
def test_the_rules_come_to_rest(
    state: OrderState, lead: LeadState, deleted: str | None, expiring: bool, canceled: CanceledPolicy
) -> None:
    order = Order([state], deleted)
    for _ in range(4):
        decision = decide(order, lead, NOW, Policy(canceled), expiring=expiring)
        if not decision.changes_something:
            return
        lead = _after(lead, decision)
    raise AssertionError(f"still deciding: {decision}")


@settings(max_examples=300, deadline=None)
@given(_STATES, _LEADS, st.sampled_from([None, "1", "2"]), st.sampled_from(CanceledPolicy))
def test_who_paid_is_never_expired(
    state: OrderState, lead: LeadState, deleted: str | None, canceled: CanceledPolicy
) -> None:
    decision = decide(Order([replace(state, paid=True)], deleted), lead, NOW, Policy(canceled), expiring=True)
    assert decision.status is not NOT_CLOSING


def moment(day: int) -> datetime:
    return NOW + timedelta(days=day)


def test_the_latest_of_several_new_windows_counts() -> None:
    life = [UNPAID, PAID, replace(UNPAID, at=moment(1)), PAID, replace(UNPAID, at=moment(2))]
    assert lead_rules.window_start(NOW, life) == moment(2)
