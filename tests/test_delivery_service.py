"""The outbox's rows: made, blocked, cancelled, revived, corrected and retried."""

import contextvars
import threading

import pytest
from flask import Flask
from sqlalchemy import select

from models import AccountHold, Delivery, DeliveryStatus, Lead, LeadStatus, ListMember, ProductList, db, transaction
from services import delivery_service, delivery_worker
from services.delivery_service import enter_role, follow_lead, leave_queues
from services.errors import NotFound, UserError
from tests import builders
from tests.builders import NOW
from tests.test_delivery_worker import new_run

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app")]

FOLLOW_UP, CLOSING, NOT_CLOSING = LeadStatus.FOLLOW_UP, LeadStatus.CLOSING, LeadStatus.NOT_CLOSING
BLOCKED, PENDING, SENT = DeliveryStatus.BLOCKED, DeliveryStatus.PENDING, DeliveryStatus.SENT
FAILED, CANCELLED, SKIPPED = DeliveryStatus.FAILED, DeliveryStatus.CANCELLED, DeliveryStatus.SKIPPED


@pytest.fixture
def product_list() -> ProductList:
    return builders.make_product_list(follow_up_list_id="101", closing_list_id="102", not_closing_list_id="103")


@pytest.fixture
def lead(product_list: ProductList) -> Lead:
    return builders.make_lead(product_list_id=product_list.id)


def enter(lead: Lead, role: LeadStatus) -> None:
    with transaction():
        lead.status = role
        enter_role(lead, role, NOW)


def follow(lead: Lead) -> None:
    with transaction():
        follow_lead(lead, NOW)


def rows(lead: Lead) -> dict[str, tuple[DeliveryStatus, str | None]]:
    db.session.rollback()
    db.session.expire_all()
    return {row.role.value: (row.status, row.reason) for row in lead.deliveries}


def change(row: Delivery | Lead | ProductList, **fields: object) -> None:
    with transaction():
        for name, value in fields.items():
            setattr(row, name, value)


@pytest.mark.parametrize(("role", "list_id"), [(FOLLOW_UP, "101"), (CLOSING, "102"), (NOT_CLOSING, "103")])
def test_a_role_copies_the_leads_address_and_the_roles_list(lead: Lead, role: LeadStatus, list_id: str) -> None:
    enter(lead, role)
    (row,) = lead.deliveries
    assert (row.role, row.status, row.email, row.list_id) == (role, PENDING, lead.email, list_id)
    assert (row.tries, row.next_attempt_at) == (0, NOW)


def test_a_role_whose_list_is_empty_makes_no_delivery(lead: Lead, product_list: ProductList) -> None:
    change(product_list, closing_list_id=None)
    enter(lead, FOLLOW_UP)
    enter(lead, CLOSING)
    assert rows(lead) == {"follow_up": (CANCELLED, "status_changed")}


def test_without_a_product_list_a_delivery_waits_for_one(product_list: ProductList) -> None:
    lead = builders.make_lead()
    enter(lead, FOLLOW_UP)
    assert rows(lead) == {"follow_up": (BLOCKED, "no_product_list")}
    change(lead, product_list=product_list)
    follow(lead)
    assert rows(lead) == {"follow_up": (PENDING, None)}


def test_without_an_address_a_delivery_waits_for_one(lead: Lead) -> None:
    change(lead, email=None)
    enter(lead, FOLLOW_UP)
    assert rows(lead) == {"follow_up": (BLOCKED, "no_email")}
    change(lead, email="siti@gmail.com")
    follow(lead)
    assert rows(lead) == {"follow_up": (PENDING, None)}


def test_a_delivery_loses_its_place_when_its_address_or_product_list_goes(lead: Lead) -> None:
    enter(lead, FOLLOW_UP)
    change(lead, email=None)
    follow(lead)
    assert rows(lead) == {"follow_up": (BLOCKED, "no_email")}
    change(lead, product_list=None)
    follow(lead)
    assert rows(lead) == {"follow_up": (BLOCKED, "no_product_list")}


def test_following_does_not_restart_the_schedule_of_a_waiting_try(lead: Lead) -> None:
    enter(lead, FOLLOW_UP)
    change(lead.deliveries[0], tries=3, next_attempt_at=NOW.replace(day=23))
    follow(lead)
    assert (lead.deliveries[0].tries, lead.deliveries[0].next_attempt_at) == (3, NOW.replace(day=23))


@pytest.mark.parametrize("status", [SENT, SKIPPED, FAILED, DeliveryStatus.SENDING])
def test_a_settled_delivery_does_not_follow_its_lead(lead: Lead, status: DeliveryStatus) -> None:
    row = builders.make_delivery(lead, role=FOLLOW_UP, status=status, reason="gave_up", list_id="9", email="o@x.com")
    change(lead, email="new@gmail.com")
    follow(lead)
    db.session.refresh(row)
    assert (row.status, row.email, row.list_id) == (status, "o@x.com", "9")


def test_a_list_that_is_taken_away_cancels_and_one_that_comes_back_revives(
    lead: Lead, product_list: ProductList
) -> None:
    enter(lead, FOLLOW_UP)
    change(product_list, follow_up_list_id=None)
    follow(lead)
    assert rows(lead) == {"follow_up": (CANCELLED, "no_list")}
    change(product_list, follow_up_list_id="111")
    follow(lead)
    assert rows(lead) == {"follow_up": (PENDING, None)}
    assert lead.deliveries[0].list_id == "111"


def test_a_list_that_comes_back_revives_no_role_that_the_lead_left(lead: Lead, product_list: ProductList) -> None:
    builders.make_delivery(lead, role=CLOSING, status=CANCELLED, reason="no_list", list_id=None)
    follow(lead)
    assert rows(lead) == {"closing": (CANCELLED, "no_list")}


def test_a_refused_list_that_was_corrected_is_tried_again(lead: Lead, product_list: ProductList) -> None:
    builders.make_delivery(lead, role=FOLLOW_UP, status=FAILED, reason="refused_list", list_id="101", tries=1)
    follow(lead)
    assert rows(lead) == {"follow_up": (FAILED, "refused_list")}
    change(product_list, follow_up_list_id="111")
    follow(lead)
    assert rows(lead) == {"follow_up": (PENDING, None)}
    assert (lead.deliveries[0].list_id, lead.deliveries[0].tries) == ("111", 0)


def test_a_refused_address_that_was_corrected_is_tried_again(lead: Lead) -> None:
    builders.make_delivery(lead, role=FOLLOW_UP, status=FAILED, reason="refused_address", email="old@gmail.com")
    follow(lead)
    assert rows(lead) == {"follow_up": (PENDING, None)}


@pytest.mark.parametrize("status", [SENT, SKIPPED, FAILED, DeliveryStatus.SENDING])
def test_entering_another_role_cancels_only_what_waits(lead: Lead, status: DeliveryStatus) -> None:
    builders.make_delivery(lead, role=FOLLOW_UP, status=status, reason="suppressed")
    builders.make_delivery(lead, role=NOT_CLOSING, status=BLOCKED)
    enter(lead, CLOSING)
    assert rows(lead) == {
        "follow_up": (status, "suppressed"),
        "not_closing": (CANCELLED, "status_changed"),
        "closing": (PENDING, None),
    }


def test_a_cancelled_delivery_gives_its_reservation_back(lead: Lead) -> None:
    row = builders.make_delivery(lead, role=FOLLOW_UP)
    with transaction() as session:
        session.add(ListMember(list_id="103", email="a@gmail.com", delivery_id=row.id, added_at=None))
        session.add(ListMember(list_id="104", email="a@gmail.com", delivery_id=row.id, added_at=NOW))
    enter(lead, CLOSING)
    assert db.session.scalars(select(ListMember.list_id)).all() == ["104"]


def test_leaving_the_queues_cancels_all_that_waits(lead: Lead) -> None:
    builders.make_delivery(lead, role=FOLLOW_UP)
    builders.make_delivery(lead, role=CLOSING, status=BLOCKED)
    builders.make_delivery(lead, role=NOT_CLOSING, status=SENT)
    with transaction():
        leave_queues(lead, NOW)
    assert rows(lead) == {
        "follow_up": (CANCELLED, "archived"),
        "closing": (CANCELLED, "archived"),
        "not_closing": (SENT, None),
    }


@pytest.mark.parametrize("status", [FAILED, SKIPPED, PENDING])
def test_a_retry_makes_a_delivery_due_with_all_its_tries(lead: Lead, status: DeliveryStatus) -> None:
    row = builders.make_delivery(lead, status=status, reason="gave_up", tries=9, next_attempt_at=NOW.replace(day=29))
    delivery_service.retry(row.id, NOW)
    db.session.refresh(row)
    assert (row.status, row.reason, row.tries, row.next_attempt_at) == (PENDING, None, 0, NOW)


def test_a_retry_goes_to_the_address_and_list_as_they_are_now(lead: Lead, product_list: ProductList) -> None:
    row = builders.make_delivery(lead, status=FAILED, reason="gave_up", email="old@gmail.com", list_id="9")
    delivery_service.retry(row.id, NOW)
    db.session.refresh(row)
    assert (row.email, row.list_id) == (lead.email, "103")


def test_a_retry_keeps_the_copy_where_the_lead_has_nothing_better() -> None:
    lead = builders.make_lead(email=None, product_list_id=builders.make_product_list(not_closing_list_id="9").id)
    row = builders.make_delivery(lead, status=FAILED, email="old@gmail.com", list_id="9")
    delivery_service.retry(row.id, NOW)
    db.session.refresh(row)
    assert (row.status, row.email, row.list_id) == (PENDING, "old@gmail.com", "9")


@pytest.mark.parametrize("how", ["one", "all"])
def test_a_retry_without_a_product_list_waits_for_one(how: str) -> None:
    row = builders.make_delivery(builders.make_lead(), status=FAILED, reason="gave_up")
    if how == "one":
        delivery_service.retry(row.id, NOW)
    else:
        delivery_service.retry_all_failed(NOW)
    db.session.refresh(row)
    assert (row.status, row.reason) == (BLOCKED, "no_product_list")


def test_a_retry_sends_nothing_to_a_list_that_the_product_list_no_longer_names(
    lead: Lead, product_list: ProductList
) -> None:
    row = builders.make_delivery(lead, status=FAILED, reason="gave_up", list_id="103")
    with transaction():
        setattr(product_list, f"{row.role.value}_list_id", None)
    with pytest.raises(UserError, match="names no Mailketing list"):
        delivery_service.retry(row.id, NOW)
    assert delivery_service.retry_all_failed(NOW) == 0
    db.session.refresh(row)
    assert row.status is FAILED


@pytest.mark.parametrize(
    ("reason", "word"), [("status_changed", "moved on"), ("archived", "is archived"), ("no_list", "Mailketing list")]
)
def test_a_cancelled_delivery_says_why_it_is_not_retried(lead: Lead, reason: str, word: str) -> None:
    row = builders.make_delivery(lead, status=CANCELLED, reason=reason)
    with pytest.raises(UserError, match=word):
        delivery_service.retry(row.id, NOW)


@pytest.mark.parametrize("status", [BLOCKED, DeliveryStatus.SENDING, SENT, CANCELLED])
def test_what_a_retry_cannot_help_is_refused_with_a_reason(lead: Lead, status: DeliveryStatus) -> None:
    row = builders.make_delivery(lead, status=status)
    with pytest.raises(UserError, match=r"\.$"):
        delivery_service.retry(row.id, NOW)
    db.session.refresh(row)
    assert row.status is status


def test_a_delivery_that_does_not_exist_cannot_be_retried() -> None:
    with pytest.raises(NotFound):
        delivery_service.retry(999_999, NOW)


def test_all_failed_deliveries_are_retried_at_once() -> None:
    lead = {"product_list_id": builders.make_product_list().id}
    made = [
        builders.make_delivery(builders.make_lead(**lead), status=status) for status in (FAILED, FAILED, SKIPPED, SENT)
    ]
    assert delivery_service.retry_all_failed(NOW) == 2
    db.session.expire_all()
    assert [row.status for row in made] == [PENDING, PENDING, SKIPPED, SENT]


def test_a_hold_ends_for_all() -> None:
    with transaction() as session:
        session.add_all(AccountHold(reason="no credits", since=NOW, checked_at=NOW) for _ in range(2))
    assert delivery_service.hold() is not None
    delivery_service.end_hold()
    assert delivery_service.hold() is None


def test_no_worker_claims_a_delivery_while_its_lead_is_being_changed(app: Flask, lead: Lead) -> None:
    """On SQLite the whole database is locked; elsewhere the rows are, before they are read."""
    change(lead, status=FOLLOW_UP)
    row = builders.make_delivery(lead, role=FOLLOW_UP)
    if db.engine.dialect.name == "sqlite":
        return
    claims: list[object] = []

    def claim() -> None:
        with app.app_context():
            claims.append(delivery_worker.claim_next(new_run()))

    with transaction():
        lead.product_list.follow_up_list_id = None
        follow_lead(lead, NOW)
        thread = threading.Thread(target=contextvars.Context().run, args=(claim,))
        thread.start()
        thread.join(10)
    assert claims == [None]
    db.session.refresh(row)
    assert (row.status, row.reason) == (CANCELLED, "no_list")
