"""A buyer is known by e-mail or phone, over all their orders."""

from datetime import timedelta

import pytest

from models import LeadStatus
from services import same_buyer
from services.same_buyer import MAX_OTHERS
from tests.builders import NOW, make_lead, make_product_list

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app")]

EMAIL, PHONE = "budi@gmail.com", "6281234567890"


def test_other_orders_have_the_same_e_mail_or_phone_newest_first() -> None:
    by_email = make_lead(email=EMAIL, ordered_at=NOW - timedelta(days=2))
    by_phone = make_lead(phone=PHONE, ordered_at=NOW - timedelta(days=1))
    make_lead()
    lead = make_lead(email=EMAIL, phone=PHONE)
    assert [row.id for row in same_buyer.others(lead)] == [by_phone.id, by_email.id]


def test_leads_without_e_mail_and_phone_have_nothing_in_common() -> None:
    make_lead(email=None, phone=None, status=LeadStatus.CLOSING)
    lead = make_lead(email=None, phone=None)
    assert same_buyer.others(lead) == [] and not same_buyer.paid_elsewhere(lead)


def test_a_list_of_other_orders_ends_somewhere() -> None:
    for _ in range(MAX_OTHERS + 2):
        make_lead(email=EMAIL)
    assert len(same_buyer.others(make_lead(email=EMAIL))) == MAX_OTHERS


def test_only_a_paid_order_of_the_same_buyer_for_the_same_product_counts() -> None:
    goods, other_goods = make_product_list().id, make_product_list().id
    paid = make_lead(email=EMAIL, status=LeadStatus.CLOSING, product_list_id=goods)
    same = make_lead(email=EMAIL, product_list_id=goods)
    other_product = make_lead(email=EMAIL, product_list_id=other_goods)
    other_buyer = make_lead(product_list_id=goods)
    make_lead(phone=PHONE, product_list_id=goods)  # not paid
    unpaid = make_lead(phone=PHONE, product_list_id=goods)
    leads = [paid, same, other_product, other_buyer, unpaid]
    assert same_buyer.paid_lead_ids(leads) == {same.id: paid.id}
    assert same_buyer.paid_lead_ids([]) == {}
    assert same_buyer.paid_elsewhere(same) and not same_buyer.paid_elsewhere(paid)
