"""A repaired e-mail or phone sends what was blocked, and stays when ScaleV repeats the old one."""

from datetime import timedelta

import pytest

from models import Delivery, DeliveryStatus, LeadStatus, db
from services import buyer_service
from services.errors import NotFound, UserError
from tests.builders import NOW, make_delivery, make_lead, make_product_list
from tests.messages import ORDERED, created, lead_of, new_order_id, take_in, updated
from tests.processes import VARIANT

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app")]

ACTOR, LATER = "sari@example.com", NOW + timedelta(hours=1)


def address(email: str | None = None, phone: str = "081234567890") -> dict[str, object]:
    return {"destination_address": {"name": "Budi", "email": email, "phone": phone}, "customer": {}}


def delivery_now(row: Delivery) -> Delivery:
    db.session.rollback()
    return db.session.get_one(Delivery, row.id)


def test_a_repair_is_written_into_the_history_with_its_actor() -> None:
    order_id = new_order_id()
    take_in(created(order_id, **address("budi@gmial.com")))
    buyer_service.repair_email(lead_of(order_id).id, " Budi@Gmail.com ", actor=ACTOR, now=NOW)
    lead = lead_of(order_id)
    assert (lead.email, lead.email_given) == ("budi@gmail.com", "budi@gmail.com")
    entry = lead.history[-1]
    assert (entry.reason, entry.actor, entry.note) == ("email_repaired", ACTOR, "budi@gmial.com → budi@gmail.com")
    assert entry.from_status is entry.to_status is LeadStatus.FOLLOW_UP


def test_what_was_blocked_for_want_of_an_address_goes_out() -> None:
    make_product_list(product_id=VARIANT, follow_up_list_id="1")
    order_id = new_order_id()
    take_in(created(order_id, **address("tidak punya")))
    row = lead_of(order_id).deliveries[0]
    assert (row.status, row.reason) == (DeliveryStatus.BLOCKED, "no_email")
    buyer_service.repair_email(lead_of(order_id).id, "budi@gmail.com", actor=ACTOR, now=LATER)
    row = delivery_now(row)
    assert (row.status, row.email, row.next_attempt_at) == (DeliveryStatus.PENDING, "budi@gmail.com", LATER)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (DeliveryStatus.SENT, None),
        (DeliveryStatus.SKIPPED, "suppressed"),
        (DeliveryStatus.FAILED, "refused_address"),
        (DeliveryStatus.FAILED, "gave_up"),
    ],
)
def test_what_went_to_the_wrong_address_or_was_refused_for_it_goes_out_once_more(
    status: DeliveryStatus, reason: str | None
) -> None:
    lead = make_lead(status=LeadStatus.NOT_CLOSING, email="budi@gmial.com", product_list_id=make_product_list().id)
    row = make_delivery(lead, status=status, reason=reason, sent_at=NOW if status is DeliveryStatus.SENT else None)
    buyer_service.repair_email(lead.id, "budi@gmail.com", actor=ACTOR, now=LATER)
    row = delivery_now(row)
    assert (row.status, row.reason, row.email, row.sent_at) == (DeliveryStatus.PENDING, None, "budi@gmail.com", None)


def test_what_was_sent_for_a_role_that_the_lead_has_left_stays() -> None:
    lead = make_lead(status=LeadStatus.CLOSING, product_list_id=make_product_list().id)
    row = make_delivery(lead, role=LeadStatus.NOT_CLOSING, status=DeliveryStatus.SENT, sent_at=NOW)
    old = lead.email
    buyer_service.repair_email(lead.id, "lain@gmail.com", actor=ACTOR, now=LATER)
    assert (delivery_now(row).status, delivery_now(row).email) == (DeliveryStatus.SENT, old)


def test_nothing_is_repaired_while_a_delivery_is_on_its_way_to_the_old_address() -> None:
    lead = make_lead(product_list_id=make_product_list(follow_up_list_id="1").id)
    make_delivery(lead, role=LeadStatus.FOLLOW_UP, status=DeliveryStatus.SENDING, claimed_at=NOW)
    old = lead.email
    with pytest.raises(UserError, match="being sent"):
        buyer_service.repair_email(lead.id, "lain@gmail.com", actor=ACTOR, now=NOW)
    db.session.expire_all()
    assert (lead.email, lead.history) == (old, [])


# --- Later news ---


def test_a_repair_stays_when_scalev_reports_the_old_address_again() -> None:
    order_id = new_order_id()
    take_in(created(order_id, **address("budi@gmial.com", "0812")))
    buyer_service.repair_email(lead_of(order_id).id, "budi@gmail.com", actor=ACTOR, now=NOW)
    buyer_service.repair_phone(lead_of(order_id).id, "0812-3456-7890", actor=ACTOR, now=NOW)
    take_in(updated(order_id, NOW, **address("BUDI@gmial.com", "0812")))
    take_in(updated(order_id, LATER, **address("-", "0")))
    assert (lead_of(order_id).email, lead_of(order_id).phone) == ("budi@gmail.com", "6281234567890")


def test_an_address_that_the_buyer_changes_at_scalev_later_counts() -> None:
    order_id = new_order_id()
    take_in(created(order_id, **address("budi@gmial.com")))
    buyer_service.repair_email(lead_of(order_id).id, "budi@gmail.com", actor=ACTOR, now=NOW)
    take_in(updated(order_id, LATER, **address("budi.baru@yahoo.com")))
    assert lead_of(order_id).email == "budi.baru@yahoo.com"


def test_an_older_message_that_comes_late_does_not_undo_a_repair() -> None:
    order_id = new_order_id()
    take_in(updated(order_id, ORDERED + timedelta(minutes=30), **address("budi@gmial.com")))
    buyer_service.repair_email(lead_of(order_id).id, "budi@gmail.com", actor=ACTOR, now=NOW)
    take_in(created(order_id, ORDERED, **address("budi.lama@yahoo.com")))
    assert lead_of(order_id).email == "budi@gmail.com"


def test_an_address_that_was_missing_is_not_replaced_by_an_unusable_one() -> None:
    order_id = new_order_id()
    take_in(created(order_id, **address(None)))
    buyer_service.repair_email(lead_of(order_id).id, "budi@gmail.com", actor=ACTOR, now=NOW)
    take_in(updated(order_id, LATER, **address("tidak punya")))
    assert lead_of(order_id).email == "budi@gmail.com"


# --- Refusals ---


def test_what_can_not_be_used_or_is_there_already_is_refused() -> None:
    lead = make_lead(email="budi@gmail.com", phone="6281234567890")
    for repair, values in (
        (buyer_service.repair_email, ("", "budi", "budi@gmail.com", "x@scalev.id")),
        (buyer_service.repair_phone, ("", "12", "0812-3456-7890")),
    ):
        for value in values:
            with pytest.raises(UserError):
                repair(lead.id, value, actor=ACTOR, now=NOW)
    with pytest.raises(NotFound):
        buyer_service.repair_email(10**6, "a@gmail.com", actor=ACTOR, now=NOW)
    db.session.expire_all()
    assert lead.history == []
