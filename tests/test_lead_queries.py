from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from models import ArchiveReason, LeadStatus
from services import lead_queries, log_queries
from services.errors import NotFound
from services.lead_filters import LeadFilter, Sort, Tab
from tests.builders import NOW, make_attempt, make_delivery, make_history, make_lead, make_product_list

WIB = ZoneInfo("Asia/Jakarta")
ALL = LeadFilter()
pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app")]


# --- Many leads ---


def test_tabs_count_what_a_filter_lets_through() -> None:
    for status in LeadStatus:
        make_lead(name="Wati", status=status)
    make_lead(name="Siti", archived_at=NOW, archive_reason=ArchiveReason.SPAM)
    make_lead(name="Siti", status=LeadStatus.CLOSING, archived_at=NOW, archive_reason=ArchiveReason.SPAM)
    counts = {None: 5, Tab.FOLLOW_UP: 1, Tab.CLOSING: 1, Tab.NOT_CLOSING: 1, Tab.ARCHIVED: 2}
    assert lead_queries.tab_counts(ALL, NOW, WIB) == counts
    assert lead_queries.tab_counts(LeadFilter(status=Tab.CLOSING), NOW, WIB) == counts
    assert lead_queries.tab_counts(LeadFilter(q="Wati"), NOW, WIB) == {**counts, None: 3, Tab.ARCHIVED: 0}


def test_a_text_that_few_leads_have_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lead_queries, "_FEW", 1)
    wati, closed = make_lead(name="Wati"), make_lead(name="Siti", status=LeadStatus.CLOSING)
    make_lead(name="Siti")
    few = lead_queries.find_few(LeadFilter(q="wati"))
    assert few.found == (wati.id,) and "found" not in few.args()
    assert lead_queries.find_few(LeadFilter(q="nobody")).found == ()
    many = lead_queries.find_few(LeadFilter(q="siti", status=Tab.CLOSING))
    assert many.found is None
    shown = [lead_queries.leads(wanted, None, NOW, WIB).rows for wanted in (few, many)]
    assert [[lead.id for lead in rows] for rows in shown] == [[wati.id], [closed.id]]
    assert lead_queries.tab_counts(few, NOW, WIB)[Tab.FOLLOW_UP] == 1
    assert lead_queries.find_few(ALL) == ALL


def test_counts_of_a_filter_end_where_the_number_is_worth_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lead_queries, "MAX_COUNT", 2)
    for _ in range(3):
        make_lead(name="Budi")
    budi = LeadFilter(q="Budi")
    assert lead_queries.tab_counts(budi, NOW, WIB) == {None: 2}
    closed = replace(budi, status=Tab.CLOSING)
    assert lead_queries.tab_counts(closed, NOW, WIB) == {None: 2, Tab.CLOSING: 0}
    make_lead(name="Siti", email=None)
    assert lead_queries.count(LeadFilter(q="Budi"), NOW, WIB) == 3
    assert lead_queries.count(ALL, NOW, WIB) == 4


@pytest.mark.parametrize(
    ("sort", "names"),
    [(Sort.NEWEST, "bca"), (Sort.OLDEST, "acb"), (Sort.TOTAL, "abc"), (Sort.DUE, "cab")],
)
def test_a_list_a_file_and_a_deed_have_the_chosen_order(sort: Sort, names: str) -> None:
    day = timedelta(days=1)
    a = make_lead(name="a", ordered_at=NOW - 3 * day, gross_revenue=Decimal(300), due_at=NOW + 2 * day)
    b = make_lead(name="b", ordered_at=NOW - 1 * day, gross_revenue=Decimal(200), due_at=NOW + 3 * day)
    c = make_lead(name="c", ordered_at=NOW - 2 * day, gross_revenue=None, due_at=NOW + 1 * day)
    wanted = LeadFilter(status=Tab.FOLLOW_UP, sort=sort)
    ids = [{"a": a.id, "b": b.id, "c": c.id}[name] for name in names]
    assert [lead.id for lead in lead_queries.leads(wanted, None, NOW, WIB).rows] == ids
    assert lead_queries.lead_ids(wanted, 10, NOW, WIB) == ids
    assert lead_queries.lead_ids(wanted, 2, NOW, WIB) == ids[:2]


def test_the_leads_of_a_file_can_be_named() -> None:
    first, second = make_lead(), make_lead(status=LeadStatus.CLOSING)
    query = lead_queries.all_leads(LeadFilter(status=Tab.CLOSING), NOW, WIB, only=[first.id, second.id])
    assert [lead.id for lead in lead_queries.db.session.scalars(query)] == [second.id]


def test_some_leads_are_counted_by_tab() -> None:
    ids = [make_lead().id, make_lead().id, make_lead(status=LeadStatus.CLOSING).id]
    make_lead()
    assert lead_queries.tabs_of(ids) == {Tab.FOLLOW_UP: 2, Tab.CLOSING: 1}


def test_filters_offer_what_leads_have_and_what_is_chosen() -> None:
    make_lead(store_name="Toko", handler_name="Sari", payment_method="cod")
    make_lead(store_name="Toko", handler_name=None, payment_method=None)
    number = make_product_list(name="Madu").id
    choices = lead_queries.choices(replace(ALL, store="Lama", cs="-"))
    assert (choices.stores, choices.handlers, choices.payment_methods) == (["Lama", "Toko"], ["Sari"], ["cod"])
    assert choices.product_lists == {str(number): "Madu"}


# --- One lead ---


def test_one_lead_comes_with_its_history_and_attempts() -> None:
    lead = make_lead()
    make_history(lead)
    make_attempt(make_delivery(lead))
    found = lead_queries.lead(lead.id)
    assert (len(found.history), len(found.deliveries[0].attempts)) == (1, 1)


def test_a_lead_or_event_that_does_not_exist_is_not_found() -> None:
    for find in (lead_queries.lead, log_queries.event):
        with pytest.raises(NotFound):
            find(1)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, None),
        ({"payment_status": "conflict"}, "payment_conflict"),
        ({"payment_method": "cod", "order_status": "shipped"}, "cod_under_way"),
        ({"payment_method": "cod", "order_status": "pending"}, None),
    ],
)
def test_what_holds_a_lead_is_what_the_rules_say(fields: dict[str, str], reason: str | None) -> None:
    assert lead_queries.hold_reason(make_lead(**fields)) == reason
