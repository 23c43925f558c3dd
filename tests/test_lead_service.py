"""Leads: messages merged, decisions applied with history and deliveries, manual moves, product lists attached."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from sqlalchemy import event, func, select
from sqlalchemy.engine import Engine

from models import (
    ArchiveReason,
    ClosedBy,
    Delivery,
    DeliveryStatus,
    EventSource,
    EventStatus,
    Lead,
    LeadHistory,
    LeadStatus,
    OrderLine,
    ProductList,
    db,
    transaction,
)
from services import event_service, lead_service, product_list_service, settings_service
from services.errors import NotFound, UserError
from services.product_list_service import Fields
from tests import builders, messages
from tests.builders import NOW
from tests.frozen import clock  # noqa: F401 (a fixture)
from tests.messages import ORDERED, created, deleted, fulfilment, lead_of, payment, spam, take_in, updated

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app", "clock")]

HONEY = "variant_Pq8-sLw2Zt5YvB1nKc4Xd_7E"
FOLLOW_UP, CLOSING, NOT_CLOSING = LeadStatus.FOLLOW_UP, LeadStatus.CLOSING, LeadStatus.NOT_CLOSING
SEVEN_DAYS = timedelta(days=7)


def minutes(number: float) -> datetime:
    """A moment in the order's life."""
    return ORDERED + timedelta(minutes=number)


@pytest.fixture
def order_id() -> str:
    return messages.new_order_id()


@pytest.fixture
def product_list() -> ProductList:
    return make_list()


def make_list(**fields: object) -> ProductList:
    lists = {"follow_up_list_id": "101", "closing_list_id": "102", "not_closing_list_id": "103"}
    return builders.make_product_list(**{"product_id": HONEY, "name": "Madu Hutan", **lists, **fields})


def move(lead: Lead, to: LeadStatus, now: datetime = NOW) -> None:
    lead_service.move(lead.id, to, actor="Rina", note=None, now=now)


def deliveries(lead: Lead) -> dict[str, tuple[str, str | None]]:
    db.session.expire_all()
    return {row.role.value: (row.status.value, row.reason) for row in lead.deliveries}


def unsent(lead: Lead) -> list[str]:
    return [role for role, (status, _) in deliveries(lead).items() if status in {"pending", "blocked"}]


def reasons(lead: Lead) -> list[str]:
    query = select(LeadHistory.reason).where(LeadHistory.lead_id == lead.id).order_by(LeadHistory.id)
    return list(db.session.scalars(query))


def set_delivery(lead: Lead, role: LeadStatus, status: DeliveryStatus, reason: str | None = None) -> None:
    with transaction():
        row = next(row for row in lead.deliveries if row.role is role)
        row.status, row.reason = status, reason


# --- An order becomes a lead ---


def test_an_order_becomes_a_lead_with_all_that_it_told(order_id: str, product_list: ProductList) -> None:
    take_in(created(order_id))
    lead = lead_of(order_id)
    assert (lead.status, lead.archived_at, lead.closed_by) == (FOLLOW_UP, None, None)
    assert (lead.ordered_at, lead.follow_up_start, lead.due_at) == (ORDERED, ORDERED, ORDERED + SEVEN_DAYS)
    assert (lead.name, lead.email, lead.phone) == ("Siti Rahmawati", "siti.rahmawati@example.com", "6281234567801")
    assert (lead.gross_revenue, lead.quantity) == (Decimal("268713.00"), 2)
    assert (lead.store_name, lead.bank_name) == ("Toko Madu Hutan", "Bank Central Asia")
    assert (lead.product_name, lead.product_list) == ("Madu Hutan 500 ml", product_list)
    assert [(row.from_status, row.to_status, row.reason, row.actor) for row in lead.history] == [
        (None, FOLLOW_UP, "order_received", "webhook")
    ]
    assert deliveries(lead) == {"follow_up": ("pending", None)}
    assert (lead.deliveries[0].email, lead.deliveries[0].list_id) == (lead.email, "101")


@pytest.mark.parametrize(
    "name", [name for name in messages.fixture_names() if name.startswith(("order_created", "order_e", "order_sp"))]
)
def test_every_full_fixture_opens_exactly_one_lead(name: str) -> None:
    event = take_in(messages.fixture(name))
    assert event is not None
    assert (event.status, event.error) == (EventStatus.PROCESSED, None)
    lead = db.session.scalars(select(Lead)).one()
    assert lead.is_archived is (name == "order_spam_created")
    assert lead.lines and lead.product_name


def test_deliveries_are_locked_before_they_are_read_for_a_new_address(product_list: ProductList, order_id: str) -> None:
    """Else a worker claims one in between, and what was sent to the old address counts as sent to the new one."""
    take_in(created(order_id))
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "FROM deliveries" in statement:
            statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        data = messages.full_order(order_id, ORDERED + timedelta(minutes=1))
        data["destination_address"] |= {"email": "baru@example.com"}
        take_in(messages.envelope("order.updated", data))
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert lead_of(order_id).deliveries[0].email == "baru@example.com"
    assert "deliveries.role" not in statements[0].partition("FROM")[0]  # the lock takes no more than the id
    assert "FOR UPDATE" in statements[0] or db.engine.dialect.name == "sqlite"


def test_an_order_without_email_is_a_lead_whose_delivery_waits_for_an_address(product_list: ProductList) -> None:
    take_in(messages.fixture("order_created_no_email"))
    lead = lead_of("261114NOMAIL")
    assert (lead.email, lead.phone) == (None, "6281398765403")
    assert deliveries(lead) == {"follow_up": ("blocked", "no_email")}


def test_a_placeholder_counts_as_no_email_but_is_remembered(product_list: ProductList) -> None:
    take_in(messages.fixture("order_created_placeholder_email"))
    lead = lead_of("261114PLCHLD")
    assert (lead.email, lead.email_given) == (None, "6281287654304@scalev.id")


def test_an_address_that_comes_later_lets_the_delivery_go(order_id: str, product_list: ProductList) -> None:
    take_in(created(order_id, destination_address={"name": "Siti", "email": None}))
    assert deliveries(lead_of(order_id)) == {"follow_up": ("blocked", "no_email")}
    take_in(updated(order_id, minutes(1), destination_address={"name": "Siti", "email": "Siti.R@Gmail.com "}))
    lead = lead_of(order_id)
    assert deliveries(lead) == {"follow_up": ("pending", None)}
    assert lead.deliveries[0].email == "siti.r@gmail.com"


def test_an_address_that_changes_before_the_sending_is_the_one_that_is_sent(
    order_id: str, product_list: ProductList
) -> None:
    take_in(created(order_id))
    take_in(updated(order_id, minutes(1), destination_address={"name": "Siti", "email": "new@gmail.com"}))
    assert lead_of(order_id).deliveries[0].email == "new@gmail.com"


def test_a_customer_record_never_replaces_the_orders_own_address(order_id: str) -> None:
    take_in(created(order_id))
    take_in(messages.envelope("payment.received", messages.small(order_id, minutes(5), customer={"email": "x@y.com"})))
    assert lead_of(order_id).email == "siti.rahmawati@example.com"


def test_a_small_payload_blanks_nothing(order_id: str) -> None:
    take_in(created(order_id))
    nothing = {"destination_address": None, "customer": {"email": ""}, "orderlines": [], "gross_revenue": None}
    take_in(
        messages.envelope("order.status_changed", messages.small(order_id, minutes(5), status="pending", **nothing))
    )
    lead = lead_of(order_id)
    assert lead.email == "siti.rahmawati@example.com"
    assert lead.gross_revenue == Decimal("268713.00")
    assert len(lead.lines) == 1


def test_a_small_payload_alone_opens_no_lead(order_id: str) -> None:
    event = take_in(payment(order_id, "paid", minutes(1)))
    assert event is not None
    assert (event.status, event.reason) == (EventStatus.WAITING, "unknown_order")
    assert db.session.scalars(select(Lead)).all() == []


def test_an_order_that_nobody_dated_begins_with_its_earliest_message(order_id: str) -> None:
    data = {"created_at": None, "last_updated_at": None}
    take_in(messages.envelope("order.updated", messages.full_order(order_id) | data, sent_at=minutes(9)))
    assert lead_of(order_id).ordered_at == minutes(9)
    take_in(messages.envelope("order.created", messages.full_order(order_id) | data, sent_at=minutes(1)))
    assert lead_of(order_id).due_at == minutes(1) + SEVEN_DAYS
    take_in(updated(order_id, minutes(20)))
    assert lead_of(order_id).ordered_at == ORDERED


def test_lines_that_changed_are_stored_anew_and_equal_ones_are_left(order_id: str) -> None:
    take_in(created(order_id))
    before = [line.id for line in lead_of(order_id).lines]
    take_in(updated(order_id, minutes(1)))
    assert [line.id for line in lead_of(order_id).lines] == before
    propolis = {"variant_unique_id": "variant_P", "product_name": "Propolis", "quantity": 1}
    take_in(updated(order_id, minutes(2), orderlines=[propolis]))
    lead = lead_of(order_id)
    assert [line.product_name for line in lead.lines] == ["Propolis"]
    assert lead.product_name == "Propolis"
    assert db.session.scalar(select(func.count()).select_from(OrderLine)) == 1


# --- Money ---


@pytest.mark.parametrize("word", ["paid", "settled"])
def test_payment_closes_a_lead(order_id: str, product_list: ProductList, word: str) -> None:
    take_in(created(order_id))
    take_in(payment(order_id, word, minutes(30)))
    lead = lead_of(order_id)
    assert (lead.status, lead.closed_by, lead.payment_status) == (CLOSING, ClosedBy.PAYMENT, word)
    assert deliveries(lead) == {"follow_up": ("cancelled", "status_changed"), "closing": ("pending", None)}
    assert reasons(lead) == ["order_received", "paid"]


@pytest.mark.parametrize("name", ["order_paid_seed_name", "payment_received", "payment_status_changed_paid"])
def test_every_name_for_payment_news_closes(name: str) -> None:
    take_in(messages.fixture("order_created"))
    take_in(messages.fixture(name))
    assert lead_of("261114KQZRTB").status is CLOSING


def test_paid_then_settled_is_one_closing_with_one_delivery(product_list: ProductList) -> None:
    for name in ("order_created", "payment_status_changed_paid", "payment_received", "payment_status_changed_settled"):
        take_in(messages.fixture(name))
    lead = lead_of("261114KQZRTB")
    assert reasons(lead) == ["order_received", "paid"]
    assert lead.payment_status == "settled"
    assert unsent(lead) == ["closing"]


def test_an_order_that_comes_paid_never_enters_the_follow_up_list(order_id: str, product_list: ProductList) -> None:
    take_in(created(order_id, payment_status="paid"))
    lead = lead_of(order_id)
    assert lead.status is CLOSING
    assert deliveries(lead) == {"closing": ("pending", None)}


def test_a_free_order_is_closing_at_once(order_id: str) -> None:
    take_in(created(order_id, gross_revenue="0.00", payment_method="no_payment"))
    lead = lead_of(order_id)
    assert (lead.status, lead.closed_by) == (CLOSING, ClosedBy.PAYMENT)
    assert reasons(lead) == ["order_received", "nothing_to_pay"]


def test_payment_before_the_order_waits_and_is_applied_when_the_order_comes(
    order_id: str, product_list: ProductList
) -> None:
    early = take_in(payment(order_id, "paid", minutes(1)))
    take_in(created(order_id))
    lead = lead_of(order_id)
    assert lead.status is CLOSING
    assert early is not None
    db.session.refresh(early)
    assert (early.status, early.lead_id) == (EventStatus.PROCESSED, lead.id)
    assert unsent(lead) == ["closing"]


def test_late_payment_closes_an_expired_lead(order_id: str, product_list: ProductList) -> None:
    take_in(created(order_id))
    lead = lead_of(order_id)
    assert lead_service.expire(lead.id, None, ORDERED + SEVEN_DAYS)
    take_in(payment(order_id, "paid", minutes(60)), ORDERED + timedelta(days=9))
    assert lead.status is CLOSING
    assert deliveries(lead) == {
        "follow_up": ("cancelled", "status_changed"),
        "not_closing": ("cancelled", "status_changed"),
        "closing": ("pending", None),
    }


def test_what_was_sent_stays_recorded_as_sent(order_id: str, product_list: ProductList) -> None:
    take_in(created(order_id))
    lead = lead_of(order_id)
    set_delivery(lead, FOLLOW_UP, DeliveryStatus.SENT)
    take_in(payment(order_id, "paid", minutes(1)))
    take_in(payment(order_id, "unpaid", minutes(2)))
    assert lead.status is FOLLOW_UP
    assert deliveries(lead) == {"follow_up": ("sent", None), "closing": ("cancelled", "status_changed")}


def test_an_unpaid_again_opens_a_new_window_from_that_moment(order_id: str, product_list: ProductList) -> None:
    take_in(created(order_id))
    take_in(payment(order_id, "paid", minutes(10)))
    take_in(payment(order_id, "unpaid", minutes(60)))
    lead = lead_of(order_id)
    assert (lead.status, lead.closed_by) == (FOLLOW_UP, None)
    assert (lead.follow_up_start, lead.due_at) == (minutes(60), minutes(60) + SEVEN_DAYS)
    assert reasons(lead) == ["order_received", "paid", "payment_taken_back"]
    assert deliveries(lead) == {"follow_up": ("pending", None), "closing": ("cancelled", "status_changed")}


def test_a_closing_by_hand_survives_unpaid_news(order_id: str) -> None:
    take_in(created(order_id))
    lead = lead_of(order_id)
    move(lead, CLOSING)
    take_in(payment(order_id, "paid", minutes(1)))
    take_in(payment(order_id, "unpaid", minutes(2)))
    assert (lead.status, lead.closed_by) == (CLOSING, ClosedBy.MANUAL)


def test_a_conflict_is_flagged_and_never_expires(order_id: str) -> None:
    take_in(created(order_id))
    take_in(payment(order_id, "conflict", minutes(1)))
    lead = lead_of(order_id)
    assert lead.needs_payment_check
    assert not lead_service.expire(lead.id, None, NOW + timedelta(days=90))
    assert lead.status is FOLLOW_UP


def test_a_payment_in_conflict_stays_closing_until_it_is_unpaid(order_id: str) -> None:
    take_in(created(order_id))
    for minute, word in enumerate(["paid", "conflict"], 1):
        take_in(payment(order_id, word, minutes(minute)))
    lead = lead_of(order_id)
    assert lead.status is CLOSING
    take_in(payment(order_id, "unpaid", minutes(3)))
    assert lead.status is FOLLOW_UP


def test_cash_on_delivery_is_held_while_under_way_and_closes_when_completed(product_list: ProductList) -> None:
    take_in(messages.fixture("order_created_cod"))
    take_in(messages.fixture("order_status_changed_cod_shipped"))
    lead = lead_of("261114CODXYZ")
    later = NOW + timedelta(days=30)
    assert not lead_service.expire(lead.id, None, later)
    completed = messages.small(lead.order_id, NOW, status="completed")
    take_in(messages.envelope("order.status_changed", completed), later)
    assert lead.status is CLOSING
    assert reasons(lead)[-1] == "cod_completed"


def test_cash_on_delivery_that_comes_back_is_lost(order_id: str) -> None:
    take_in(created(order_id, payment_method="cod"))
    for minute, status in enumerate(["shipped", "rts"], 1):
        take_in(fulfilment(order_id, status, minutes(minute)))
    assert lead_service.expire(lead_of(order_id).id, None, NOW + timedelta(days=8))


def test_a_completion_that_steps_back_reopens_cash_on_delivery(order_id: str) -> None:
    take_in(created(order_id, payment_method="cod"))
    for minute, status in enumerate(["shipped", "completed", "shipped"], 1):
        take_in(fulfilment(order_id, status, minutes(minute)))
    lead = lead_of(order_id)
    assert lead.status is FOLLOW_UP
    assert lead.follow_up_start == minutes(3)


# --- Order of arrival ---


def test_old_news_does_not_undo_newer(order_id: str) -> None:
    take_in(created(order_id))
    take_in(payment(order_id, "paid", minutes(10)))
    stale = take_in(payment(order_id, "unpaid", minutes(5)))
    assert stale is not None
    assert (stale.status, stale.reason) == (EventStatus.PROCESSED, "stale")
    assert lead_of(order_id).status is CLOSING


def test_a_message_with_old_money_and_new_goods_is_not_stale(order_id: str) -> None:
    take_in(created(order_id))
    take_in(payment(order_id, "paid", minutes(10)))
    event = take_in(fulfilment(order_id, "in_process", minutes(5)))
    assert event is not None
    assert event.reason is None
    assert lead_of(order_id).order_status == "in_process"


def test_a_first_full_order_fills_what_is_missing_though_it_is_older(order_id: str) -> None:
    take_in(updated(order_id, minutes(20), destination_address=None, customer=None, payment_status="paid"))
    take_in(created(order_id))
    lead = lead_of(order_id)
    assert (lead.name, lead.email) == ("Siti Rahmawati", "siti.rahmawati@example.com")
    assert lead.status is CLOSING


def test_a_doubled_message_changes_nothing(order_id: str, product_list: ProductList) -> None:
    bodies = [created(order_id), payment(order_id, "paid", minutes(1))]
    for body in bodies:
        take_in(body)
    lead = lead_of(order_id)
    before = (lead.version, deliveries(lead), reasons(lead))
    assert [take_in(body) for body in bodies] == [None, None]
    db.session.expire_all()
    assert (lead.version, deliveries(lead), reasons(lead)) == before


def test_of_two_messages_of_one_second_the_later_sent_counts(order_id: str) -> None:
    take_in(created(order_id))
    for milliseconds, word in ((700, "unpaid"), (300, "paid")):
        data = messages.small(order_id, minutes(1), payment_status=word)
        sent_at = minutes(1) + timedelta(milliseconds=milliseconds)
        take_in(messages.envelope("order.payment_status_changed", data, sent_at=sent_at))
    assert lead_of(order_id).payment_status == "unpaid"


# --- Spam, deletion, cancellation ---


def test_spam_is_archived_and_nothing_is_sent(order_id: str, product_list: ProductList) -> None:
    take_in(spam(order_id, ORDERED))
    lead = lead_of(order_id)
    assert (lead.archive_reason, lead.archived_at) == (ArchiveReason.SPAM, NOW)
    assert unsent(lead) == []


def test_a_lifted_spam_mark_opens_a_new_window_and_the_delivery(order_id: str, product_list: ProductList) -> None:
    take_in(spam(order_id, ORDERED))
    take_in(created(order_id, minutes(90)))
    lead = lead_of(order_id)
    assert not lead.is_archived
    assert (lead.follow_up_start, lead.due_at) == (minutes(90), minutes(90) + SEVEN_DAYS)
    assert unsent(lead) == ["follow_up"]
    assert reasons(lead) == ["order_received", "order_spam", "not_spam"]


def test_a_lead_marked_as_spam_later_loses_its_pending_delivery_and_gets_it_back(
    order_id: str, product_list: ProductList
) -> None:
    take_in(created(order_id))
    take_in(updated(order_id, minutes(1), is_probably_spam=True))
    lead = lead_of(order_id)
    assert deliveries(lead) == {"follow_up": ("cancelled", "archived")}
    take_in(updated(order_id, minutes(2), is_probably_spam="false"))
    assert deliveries(lead) == {"follow_up": ("pending", None)}


def test_a_deleted_order_is_archived_for_good(order_id: str, product_list: ProductList) -> None:
    take_in(created(order_id))
    take_in(deleted(order_id, minutes(5)))
    take_in(updated(order_id, minutes(3)))
    lead = lead_of(order_id)
    assert lead.archive_reason is ArchiveReason.DELETED
    assert unsent(lead) == []
    assert not lead_service.expire(lead.id, None, NOW + timedelta(days=30))


def test_deletion_before_the_order_waits_and_then_archives(order_id: str) -> None:
    take_in(deleted(order_id, minutes(5)))
    take_in(created(order_id))
    assert lead_of(order_id).archive_reason is ArchiveReason.DELETED


def test_a_canceled_order_expires_by_its_clock_by_default(order_id: str) -> None:
    take_in(created(order_id))
    take_in(fulfilment(order_id, "canceled", minutes(5)))
    lead = lead_of(order_id)
    assert (lead.status, lead.is_archived, lead.order_status) == (FOLLOW_UP, False, "canceled")
    assert lead_service.expire(lead.id, None, ORDERED + SEVEN_DAYS)


def test_a_canceled_order_is_transferred_at_once_by_setting(order_id: str, product_list: ProductList) -> None:
    settings_service.change({"canceled_policy": "transfer"}, NOW)
    take_in(created(order_id))
    take_in(fulfilment(order_id, "canceled", minutes(5)))
    lead = lead_of(order_id)
    assert lead.status is NOT_CLOSING
    assert unsent(lead) == ["not_closing"]


def test_a_canceled_order_is_archived_by_setting_until_it_is_not_canceled(
    order_id: str, product_list: ProductList
) -> None:
    settings_service.change({"canceled_policy": "archive"}, NOW)
    take_in(created(order_id))
    take_in(fulfilment(order_id, "canceled", minutes(5)))
    lead = lead_of(order_id)
    assert lead.archive_reason is ArchiveReason.CANCELED
    take_in(fulfilment(order_id, "pending", minutes(6)))
    assert not lead.is_archived
    assert unsent(lead) == ["follow_up"]


def test_a_payment_taken_back_from_a_canceled_order_leads_on_into_the_archive(
    order_id: str, product_list: ProductList
) -> None:
    settings_service.change({"canceled_policy": "archive"}, NOW)
    take_in(created(order_id))
    take_in(fulfilment(order_id, "canceled", minutes(1)))
    take_in(payment(order_id, "paid", minutes(2)))
    take_in(payment(order_id, "unpaid", minutes(3)))
    lead = lead_of(order_id)
    assert (lead.status, lead.archive_reason) == (FOLLOW_UP, ArchiveReason.CANCELED)
    assert reasons(lead)[-2:] == ["payment_taken_back", "order_canceled"]
    assert unsent(lead) == []


@pytest.mark.parametrize("first", ["paid", "spam"])
def test_spam_and_payment_end_the_same_whichever_comes_first(
    order_id: str, product_list: ProductList, first: str
) -> None:
    take_in(created(order_id))
    mark = messages.envelope("order.status_changed", messages.small(order_id, minutes(2), is_probably_spam=True))
    news = {"paid": payment(order_id, "paid", minutes(1)), "spam": mark}
    take_in(news.pop(first))
    take_in(*news.values())
    lead = lead_of(order_id)
    assert (lead.status, lead.archive_reason) == (CLOSING, ArchiveReason.SPAM)
    assert unsent(lead) == []


# --- Expiry ---


def test_an_unpaid_lead_that_is_due_moves_once(order_id: str, product_list: ProductList) -> None:
    take_in(created(order_id))
    lead = lead_of(order_id)
    assert not lead_service.expire(lead.id, None, lead.due_at - timedelta(microseconds=1))
    assert lead_service.expire(lead.id, "not verified", lead.due_at)
    assert not lead_service.expire(lead.id, None, lead.due_at)
    assert lead.status is NOT_CLOSING
    assert deliveries(lead) == {"follow_up": ("cancelled", "status_changed"), "not_closing": ("pending", None)}
    last = lead.history[-1]
    assert (last.reason, last.actor, last.note, last.from_status) == ("expired", "system", "not verified", FOLLOW_UP)


def test_a_lead_that_is_gone_does_not_expire() -> None:
    assert not lead_service.expire(999_999, None, NOW)


def test_no_event_expires_a_due_lead(order_id: str) -> None:
    long_ago = messages.iso(ORDERED - timedelta(days=30))
    take_in(created(order_id, created_at=long_ago))
    take_in(updated(order_id, minutes(1), created_at=long_ago))
    assert lead_of(order_id).status is FOLLOW_UP


# --- By hand ---


def test_a_move_by_hand_is_recorded_with_actor_and_note(order_id: str, product_list: ProductList) -> None:
    take_in(created(order_id))
    lead = lead_of(order_id)
    lead_service.move(lead.id, NOT_CLOSING, actor="Rina", note="  tidak\njadi\u200b ", now=NOW)
    last = lead.history[-1]
    assert (last.reason, last.actor, last.note) == ("manual", "Rina", "tidak jadi")
    assert unsent(lead) == ["not_closing"]


def test_a_move_to_where_the_lead_is_already_is_refused(order_id: str) -> None:
    take_in(created(order_id))
    with pytest.raises(UserError, match="already"):
        move(lead_of(order_id), FOLLOW_UP)
    assert reasons(lead_of(order_id)) == ["order_received"]


def test_a_lead_that_does_not_exist_can_be_neither_moved_nor_archived() -> None:
    with pytest.raises(NotFound):
        lead_service.move(999_999, CLOSING, actor="Rina", note=None, now=NOW)
    with pytest.raises(NotFound):
        lead_service.archive(999_999, actor="Rina", note=None, now=NOW)


def test_money_wins_over_a_manual_not_closing(order_id: str) -> None:
    take_in(created(order_id))
    lead = lead_of(order_id)
    move(lead, NOT_CLOSING)
    take_in(payment(order_id, "paid", minutes(1)))
    assert (lead.status, lead.closed_by) == (CLOSING, ClosedBy.PAYMENT)


def test_money_that_the_person_had_seen_does_not_move_the_lead_back(order_id: str) -> None:
    take_in(created(order_id))
    take_in(payment(order_id, "paid", minutes(10)))
    lead = lead_of(order_id)
    move(lead, NOT_CLOSING)
    take_in(fulfilment(order_id, "in_process", minutes(20)))
    take_in(payment(order_id, "paid", minutes(9)))
    assert lead.status is NOT_CLOSING
    take_in(payment(order_id, "settled", minutes(30)))
    assert lead.status is CLOSING


def test_put_back_into_follow_up_the_window_begins_anew(order_id: str, product_list: ProductList) -> None:
    take_in(created(order_id))
    lead = lead_of(order_id)
    lead_service.expire(lead.id, None, ORDERED + SEVEN_DAYS)
    later = ORDERED + timedelta(days=8)
    move(lead, FOLLOW_UP, later)
    assert (lead.follow_up_start, lead.due_at) == (later, later + SEVEN_DAYS)
    assert unsent(lead) == ["follow_up"]
    take_in(updated(order_id, minutes(1)), later)
    assert lead.due_at == later + SEVEN_DAYS
    assert not lead_service.expire(lead.id, None, later + timedelta(days=6))
    assert lead_service.expire(lead.id, None, later + SEVEN_DAYS)


def test_an_archive_by_hand_takes_the_lead_out_of_every_queue(order_id: str, product_list: ProductList) -> None:
    take_in(created(order_id))
    lead = lead_of(order_id)
    lead_service.archive(lead.id, actor="Rina", note=None, now=NOW)
    assert (lead.archive_reason, lead.archived_at) == (ArchiveReason.MANUAL, NOW)
    assert deliveries(lead) == {"follow_up": ("cancelled", "archived")}
    assert not lead_service.expire(lead.id, None, NOW + timedelta(days=30))
    with pytest.raises(UserError, match="archived already"):
        lead_service.archive(lead.id, actor="Rina", note=None, now=NOW)


def test_the_history_tells_archiving_and_taking_back_from_a_move(order_id: str) -> None:
    take_in(created(order_id))
    lead = lead_of(order_id)
    lead_service.archive(lead.id, actor="Rina", note=None, now=NOW)
    move(lead, CLOSING)
    assert reasons(lead) == ["order_received", "archived_by_hand", "taken_back_by_hand"]
    assert lead.closed_by is ClosedBy.MANUAL


def test_payment_is_recorded_in_a_persons_archive_but_nothing_is_sent(order_id: str, product_list: ProductList) -> None:
    take_in(created(order_id))
    lead = lead_of(order_id)
    lead_service.archive(lead.id, actor="Rina", note=None, now=NOW)
    take_in(payment(order_id, "paid", minutes(1)))
    assert (lead.status, lead.archive_reason) == (CLOSING, ArchiveReason.MANUAL)
    assert unsent(lead) == []


@pytest.mark.parametrize("to", list(LeadStatus))
def test_a_move_takes_a_lead_out_of_the_archive(order_id: str, product_list: ProductList, to: LeadStatus) -> None:
    take_in(spam(order_id, ORDERED))
    lead = lead_of(order_id)
    move(lead, to)
    assert (lead.status, lead.is_archived) == (to, False)
    assert unsent(lead) == [to.value]
    take_in(updated(order_id, minutes(1), is_probably_spam=True))
    assert not lead.is_archived


def test_a_new_spam_mark_overrules_the_person_who_lifted_the_old_one(order_id: str) -> None:
    take_in(spam(order_id, ORDERED))
    lead = lead_of(order_id)
    move(lead, FOLLOW_UP)
    take_in(updated(order_id, minutes(1), is_probably_spam=False))
    take_in(updated(order_id, minutes(2), is_probably_spam=True))
    assert lead.archive_reason is ArchiveReason.SPAM


def test_a_role_entered_again_revives_its_cancelled_delivery(order_id: str, product_list: ProductList) -> None:
    take_in(created(order_id))
    lead = lead_of(order_id)
    move(lead, NOT_CLOSING)
    move(lead, FOLLOW_UP)
    assert deliveries(lead) == {"follow_up": ("pending", None), "not_closing": ("cancelled", "status_changed")}
    assert db.session.scalar(select(func.count()).select_from(Delivery)) == 2


@pytest.mark.parametrize(
    ("status", "reason", "comes_back"),
    [
        (DeliveryStatus.SENT, None, False),
        (DeliveryStatus.FAILED, "gave_up", False),
        (DeliveryStatus.SKIPPED, "suppressed", False),
        (DeliveryStatus.SKIPPED, "status_changed", True),
        (DeliveryStatus.SKIPPED, "archived", True),
        (DeliveryStatus.CANCELLED, "no_list", True),
    ],
)
def test_only_what_ended_because_the_lead_left_comes_back(
    order_id: str, product_list: ProductList, status: DeliveryStatus, reason: str | None, comes_back: bool
) -> None:
    take_in(created(order_id))
    lead = lead_of(order_id)
    set_delivery(lead, FOLLOW_UP, status, reason)
    move(lead, CLOSING)
    move(lead, FOLLOW_UP)
    assert (deliveries(lead)["follow_up"] == ("pending", None)) is comes_back


# --- Product lists and their days ---


def test_a_product_lists_own_days_set_the_due_time(order_id: str) -> None:
    make_list(follow_up_days=3)
    take_in(created(order_id))
    assert lead_of(order_id).due_at == ORDERED + timedelta(days=3)


def test_a_change_of_the_days_touches_open_leads_without_days_of_their_own() -> None:
    own = make_list(follow_up_days=3)
    plain = make_list(product_id="other")
    kept = [
        builders.make_lead(product_list_id=own.id),
        builders.make_lead(status=CLOSING),
        builders.make_lead(archived_at=NOW, archive_reason=ArchiveReason.MANUAL),
    ]
    touched = [builders.make_lead(), builders.make_lead(product_list_id=plain.id)]
    before = [lead.due_at for lead in kept]
    settings_service.change({"follow_up_days": "14"}, NOW)
    assert lead_service.open_leads_with_default_days() == 2
    assert lead_service.recompute_due(NOW) == 2
    db.session.expire_all()
    assert [lead.due_at for lead in kept] == before
    assert [lead.due_at for lead in touched] == [lead.ordered_at + timedelta(days=14) for lead in touched]


def test_a_changed_setting_keeps_a_later_window(order_id: str) -> None:
    take_in(created(order_id))
    take_in(payment(order_id, "paid", minutes(1)))
    take_in(payment(order_id, "unpaid", minutes(60)))
    settings_service.change({"follow_up_days": "2"}, NOW)
    lead_service.recompute_due(NOW)
    assert lead_of(order_id).due_at == minutes(60) + timedelta(days=2)


def test_goods_that_change_take_the_lead_to_their_product_list(order_id: str, product_list: ProductList) -> None:
    other = make_list(product_id="variant_Other", follow_up_list_id="201")
    take_in(created(order_id))
    take_in(updated(order_id, minutes(1), orderlines=[{"variant_unique_id": "variant_Other", "quantity": 1}]))
    lead = lead_of(order_id)
    assert lead.product_list == other
    assert [(row.status, row.list_id) for row in lead.deliveries] == [(DeliveryStatus.PENDING, "201")]


def test_goods_that_change_to_unknown_ones_wait_for_a_product_list(order_id: str, product_list: ProductList) -> None:
    take_in(created(order_id))
    take_in(updated(order_id, minutes(1), orderlines=[{"variant_unique_id": "variant_Unknown", "quantity": 1}]))
    lead = lead_of(order_id)
    assert lead.product_list is None
    assert deliveries(lead) == {"follow_up": ("blocked", "no_product_list")}


def test_a_changed_number_of_pieces_keeps_a_product_list_that_was_switched_off(
    order_id: str, product_list: ProductList
) -> None:
    take_in(created(order_id))
    product_list_service.switch(product_list.id, False, NOW)
    line = {"variant_unique_id": HONEY, "variant_sku": "MH500", "product_name": "Madu Hutan 500 ml", "quantity": 5}
    take_in(updated(order_id, minutes(1), orderlines=[line]))
    lead = lead_of(order_id)
    assert (lead.lines[0].quantity, lead.product_list) == (5, product_list)


def test_leads_that_wait_are_attached_and_their_deliveries_go() -> None:
    orders = [messages.new_order_id() for _ in range(3)]
    for order_id in orders:
        take_in(created(order_id))
    assert deliveries(lead_of(orders[0])) == {"follow_up": ("blocked", "no_product_list")}
    fields = Fields("Madu Hutan", HONEY, follow_up_list_id="101", follow_up_days=2)
    _, attached = product_list_service.add(fields, NOW)
    assert attached == 3
    for order_id in orders:
        lead = lead_of(order_id)
        assert deliveries(lead) == {"follow_up": ("pending", None)}
        assert lead.due_at == ORDERED + timedelta(days=2)
        assert (lead.deliveries[0].list_id, lead.deliveries[0].next_attempt_at) == ("101", NOW)


def test_more_waiting_leads_than_one_batch_are_all_attached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lead_service, "_ATTACH_BATCH", 2)
    for _ in range(5):
        take_in(created(messages.new_order_id()))
    make_list()
    assert lead_service.attach_waiting_leads(NOW) == 5
    assert lead_service.attach_waiting_leads(NOW) == 0


def test_a_poisoned_lead_does_not_keep_the_others_waiting() -> None:
    orders = [messages.new_order_id() for _ in range(3)]
    for order_id in orders:
        take_in(created(order_id))
    with transaction():
        lead_of(orders[1]).news = [{"stamp": "1", "no_such_field": 1}]
    make_list()
    assert lead_service.attach_waiting_leads(NOW) == 2
    assert lead_of(orders[1]).product_list is None


def test_an_archived_lead_is_attached_but_nothing_of_it_is_sent(order_id: str) -> None:
    take_in(spam(order_id, ORDERED))
    take_in(created(messages.new_order_id(), is_probably_spam=True))
    make_list()
    assert lead_service.attach_waiting_leads(NOW) == 2
    assert unsent(lead_of(order_id)) == []


def test_a_refused_address_that_is_corrected_is_tried_again(order_id: str, product_list: ProductList) -> None:
    take_in(created(order_id))
    lead = lead_of(order_id)
    set_delivery(lead, FOLLOW_UP, DeliveryStatus.FAILED, "refused_address")
    take_in(updated(order_id, minutes(1)))
    assert deliveries(lead) == {"follow_up": ("failed", "refused_address")}
    take_in(updated(order_id, minutes(2), destination_address={"name": "Siti", "email": "right@gmail.com"}))
    assert deliveries(lead) == {"follow_up": ("pending", None)}


def test_the_actor_is_where_the_news_came_from(order_id: str) -> None:
    take_in(created(order_id), source=EventSource.RECONCILE)
    assert lead_of(order_id).history[0].actor == "reconcile"


def test_a_replayed_message_changes_nothing(order_id: str, product_list: ProductList) -> None:
    first = take_in(created(order_id))
    take_in(payment(order_id, "paid", minutes(1)))
    assert first is not None
    lead = lead_of(order_id)
    before = (lead.status, deliveries(lead), reasons(lead))
    event_service.replay(first.id, NOW)
    assert (lead.status, deliveries(lead), reasons(lead)) == before


def test_history_keeps_the_event_that_caused_it(order_id: str) -> None:
    take_in(created(order_id))
    event = take_in(payment(order_id, "paid", minutes(1)))
    assert event is not None
    assert lead_of(order_id).history[-1].event_id == event.id


def test_the_status_changed_when_the_program_learned_it(order_id: str, clock: time_machine.Traveller) -> None:  # noqa: F811
    take_in(created(order_id))
    take_in(payment(order_id, "paid", minutes(1)), NOW + timedelta(hours=3))
    assert lead_of(order_id).status_changed_at == NOW + timedelta(hours=3)


def test_a_lead_has_an_end_only_while_it_is_not_open(order_id: str) -> None:
    take_in(created(order_id))
    assert lead_of(order_id).ended_at is None
    take_in(payment(order_id, "paid", minutes(1)))
    assert lead_of(order_id).ended_at is not None
    take_in(payment(order_id, "unpaid", minutes(2)))
    assert lead_of(order_id).ended_at is None
    lead_service.expire(lead_of(order_id).id, None, NOW + timedelta(days=30))
    assert lead_of(order_id).ended_at == lead_of(order_id).due_at
