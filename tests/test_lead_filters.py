"""Which leads a filter means, and how it stands in an address."""

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from models import ArchiveReason, DeliveryStatus, LeadStatus
from services import lead_filters, lead_queries
from services.lead_filters import Answer, DueWithin, LeadFilter, Sort, Tab
from tests.builders import NOW, make_delivery, make_lead, make_product_list

WIB = ZoneInfo("Asia/Jakarta")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def names(**asked: Any) -> set[str | None]:
    return {lead.name for lead in lead_queries.leads(LeadFilter(**asked), None, NOW, WIB).rows}


# --- In an address ---


WHOLE = LeadFilter(
    status=Tab.FOLLOW_UP,
    q="budi",
    product_list="7",
    store="Toko Sari",
    cs="-",
    since=date(2026, 11, 1),
    until=date(2026, 11, 30),
    payment="bank_transfer",
    cod=Answer.NO,
    email=Answer.YES,
    delivery=DeliveryStatus.FAILED,
    due=DueWithin.THREE_DAYS,
    sort=Sort.TOTAL,
)


def test_a_filter_survives_its_address() -> None:
    assert lead_filters.read(WHOLE.args()) == WHOLE
    assert WHOLE.args()["since"] == "2026-11-01"


def test_what_asks_for_nothing_stays_out_of_the_address() -> None:
    assert LeadFilter().args() == {}
    assert lead_filters.read({}) == LeadFilter()
    assert WHOLE.args(q="", since=None, sort=Sort.NEWEST).keys() == WHOLE.args().keys() - {"q", "since", "sort"}


@pytest.mark.parametrize(
    "args",
    [
        {"status": "x"},
        {"since": "gestern"},
        {"since": "0001-01-01"},
        {"until": "9999-12-31"},
        {"product_list": "1 or 1=1"},
        {"product_list": "99999999999999"},
        {"product_list": "٣"},
        {"cod": "maybe"},
        {"delivery": "lost"},
        {"due": "-1"},
        {"sort": "id"},
        {"store": "\u202e\x00"},
    ],
)
def test_what_makes_no_sense_asks_for_nothing(args: dict[str, str]) -> None:
    assert lead_filters.read(args) == LeadFilter()


def test_only_open_leads_are_sorted_by_their_deadline() -> None:
    assert LeadFilter(sort=Sort.DUE).order == LeadFilter().order
    by_due = LeadFilter(status=Tab.FOLLOW_UP, sort=Sort.DUE).order
    assert LeadFilter(due=DueWithin.WEEK, sort=Sort.DUE).order == by_due != LeadFilter().order


# --- In the database ---


@pytest.mark.each_database
@pytest.mark.usefixtures("app")
class TestConditions:
    def test_each_tab_holds_its_leads_and_all_holds_archived_ones_too(self) -> None:
        for status in LeadStatus:
            make_lead(name=status.value, status=status)
        make_lead(name="archived", archived_at=NOW, archive_reason=ArchiveReason.SPAM)
        assert names() == {"follow_up", "closing", "not_closing", "archived"}
        assert all(names(status=tab) == {tab.value} for tab in Tab)

    @pytest.mark.parametrize(
        "search",
        ["Budi", "budi san", "SANTOSO", "bud@gm", "260802ABC", "260802abcdef", "0812-3456-7890", "+62 812", "567890"],
    )
    def test_a_lead_is_found_by_name_email_order_id_and_end_of_phone(self, search: str) -> None:
        make_lead(name="Budi Santoso", email="bud@gmail.com", order_id="260802ABCDEF", phone="6281234567890")
        make_lead(name="Siti", email="siti@yahoo.com", order_id="260803ZZZZZZ", phone="6285700001111")
        expected = set() if search == "+62 812" else {"Budi Santoso"}  # a phone number's beginning finds nothing
        assert names(q=search) == expected

    @pytest.mark.parametrize("search", ["%", "_", "\\", "' or 1=1 --"])
    def test_odd_characters_in_a_search_mean_themselves(self, search: str) -> None:
        make_lead(name="Budi")
        assert names(q=search) == set()

    def test_store_cs_and_product_list_are_found_by_name_and_by_having_none(self) -> None:
        number = make_product_list().id
        make_lead(name="a", store_name="Toko", handler_name="Sari", product_list_id=number)
        make_lead(name="b", store_name="toko", handler_name="Rina")
        make_lead(name="c")
        assert (names(store="Toko"), names(store="-")) == ({"a"}, {"c"})
        assert (names(cs="Sari"), names(cs="-")) == ({"a"}, {"c"})
        assert (names(product_list=str(number)), names(product_list="-")) == ({"a"}, {"b", "c"})

    def test_days_are_those_of_the_sellers_zone_and_the_last_one_counts(self) -> None:
        midnight = NOW.astimezone(WIB).replace(hour=0, minute=0)
        make_lead(name="before", ordered_at=midnight - timedelta(seconds=1))
        make_lead(name="first", ordered_at=midnight)
        make_lead(name="last", ordered_at=midnight + DAY - timedelta(seconds=1))
        make_lead(name="after", ordered_at=midnight + DAY)
        day = midnight.date()
        assert names(since=day, until=day) == {"first", "last"}
        assert names(since=day) == {"first", "last", "after"}
        assert names(until=day) == {"before", "first", "last"}

    def test_payment_method_cod_and_email(self) -> None:
        make_lead(name="cod", payment_method="cod")
        make_lead(name="bank", email=None)
        make_lead(name="unknown", payment_method=None)
        assert names(payment="bank_transfer") == {"bank"}
        assert (names(cod=Answer.YES), names(cod=Answer.NO)) == ({"cod"}, {"bank", "unknown"})
        assert (names(email=Answer.YES), names(email=Answer.NO)) == ({"cod", "unknown"}, {"bank"})

    def test_a_lead_is_found_by_the_state_of_any_of_its_deliveries(self) -> None:
        lead = make_lead(name="a")
        make_delivery(lead, status=DeliveryStatus.SENT, role=LeadStatus.FOLLOW_UP)
        make_delivery(lead, status=DeliveryStatus.FAILED)
        make_lead(name="b")
        assert names(delivery=DeliveryStatus.SENT) == names(delivery=DeliveryStatus.FAILED) == {"a"}
        assert names(delivery=DeliveryStatus.SKIPPED) == set()

    def test_what_is_due_is_open_and_due_by_then(self) -> None:
        for name, due_in in {"late": -HOUR, "today": HOUR, "in 2 days": 2 * DAY, "in 6 days": 6 * DAY}.items():
            make_lead(name=name, due_at=NOW + due_in)
        make_lead(name="in 8 days", due_at=NOW + 8 * DAY)
        make_lead(name="closed", due_at=NOW - HOUR, status=LeadStatus.CLOSING)
        make_lead(name="gone", due_at=NOW - HOUR, archived_at=NOW, archive_reason=ArchiveReason.MANUAL)
        assert names(due=DueWithin.OVERDUE) == {"late"}
        assert names(due=DueWithin.TODAY) == {"late", "today"}
        assert names(due=DueWithin.THREE_DAYS) == {"late", "today", "in 2 days"}
        assert names(due=DueWithin.WEEK) == {"late", "today", "in 2 days", "in 6 days"}

    def test_filters_narrow_each_other(self) -> None:
        make_lead(name="a", store_name="Toko", payment_method="cod")
        make_lead(name="b", store_name="Toko")
        assert names(store="Toko", cod=Answer.YES, status=Tab.FOLLOW_UP) == {"a"}
