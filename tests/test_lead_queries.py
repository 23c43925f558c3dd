from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from models import ArchiveReason, DeliveryStatus, EventStatus, Lead, LeadStatus
from services import lead_queries
from services.errors import NotFound
from services.lead_queries import PAGE_SIZE, Tab
from tests.builders import make_attempt, make_delivery, make_event, make_history, make_lead

JAKARTA = ZoneInfo("Asia/Jakarta")
pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app")]


def _archived(now: datetime, **fields: object) -> Lead:
    return make_lead(archived_at=now, archive_reason=ArchiveReason.SPAM, **fields)


def _names(tab: Tab | None = None, search: str = "") -> set[str | None]:
    return {lead.name for lead in lead_queries.leads(tab, search).rows}


# --- The list of leads ---


def test_each_tab_shows_its_leads_and_all_shows_archived_ones_too(now: datetime) -> None:
    for status in LeadStatus:
        make_lead(name=status.value, status=status)
    _archived(now, name="archived")
    assert _names() == {"follow_up", "closing", "not_closing", "archived"}
    assert all(_names(tab) == {tab.value} for tab in Tab)
    assert lead_queries.tab_counts() == dict.fromkeys(Tab, 1)


@pytest.mark.parametrize(
    "search",
    ["Budi", "budi san", "SANTOSO", "bud@gm", "260802ABC", "260802abcdef", "0812-3456-7890", "+62 812", "567890"],
)
def test_a_lead_is_found_by_name_email_order_id_and_end_of_phone(search: str) -> None:
    make_lead(name="Budi Santoso", email="bud@gmail.com", order_id="260802ABCDEF", phone="6281234567890")
    make_lead(name="Siti", email="siti@yahoo.com", order_id="260803ZZZZZZ", phone="6285700001111")
    expected = set() if search == "+62 812" else {"Budi Santoso"}  # the beginning of a phone number finds nothing
    assert _names(search=search) == expected


@pytest.mark.parametrize("search", ["%", "_", "\\", "' or 1=1 --", "\x00"])
def test_odd_characters_in_a_search_mean_themselves(search: str) -> None:
    make_lead(name="Budi")
    assert _names(search=search) == ({"Budi"} if search == "\x00" else set())


def test_a_search_stays_within_its_tab() -> None:
    make_lead(name="Budi")
    assert _names(Tab.CLOSING, "Budi") == set()
    assert lead_queries.tab_counts("Budi") == {**dict.fromkeys(Tab, 0), Tab.FOLLOW_UP: 1}
    assert not any(lead_queries.tab_counts("Siti").values())


def test_the_newest_order_comes_first_and_equal_moments_are_told_apart(now: datetime) -> None:
    older = make_lead(ordered_at=now - timedelta(days=1))
    first, second = make_lead(ordered_at=now), make_lead(ordered_at=now)
    assert [lead.id for lead in lead_queries.leads().rows] == [second.id, first.id, older.id]


def test_paging_there_and_back_shows_every_lead_once(now: datetime) -> None:
    for number in range(2 * PAGE_SIZE + 1):
        make_lead(ordered_at=now - timedelta(minutes=number // 3))
    first = lead_queries.leads()
    second = lead_queries.leads(cursor=first.older)
    third = lead_queries.leads(cursor=second.older)
    seen = [lead.id for page in (first, second, third) for lead in page.rows]
    assert len(seen) == len(set(seen)) == 2 * PAGE_SIZE + 1
    assert (first.newer, third.older) == (None, None)
    back = lead_queries.leads(cursor=third.newer)
    assert [lead.id for lead in back.rows] == [lead.id for lead in second.rows]
    home = lead_queries.leads(cursor=back.newer)
    assert [lead.id for lead in home.rows] == [lead.id for lead in first.rows]
    assert home.newer is None


def test_a_page_that_is_just_full_has_no_next_one() -> None:
    for _ in range(PAGE_SIZE):
        make_lead()
    page = lead_queries.leads()
    assert (len(page.rows), page.newer, page.older) == (PAGE_SIZE, None, None)


@pytest.mark.parametrize("cursor", ["", "x", ">", ">1", ">1.2.3", ">1.99999999999", ">" + "9" * 30 + ".1", "<1.-1"])
def test_a_nonsensical_cursor_means_the_first_page(cursor: str) -> None:
    lead = make_lead()
    assert [row.id for row in lead_queries.leads(cursor=cursor).rows] == [lead.id]


# --- One lead ---


def test_one_lead_comes_with_its_history_and_attempts() -> None:
    lead = make_lead()
    make_history(lead)
    make_attempt(make_delivery(lead))
    found = lead_queries.lead(lead.id)
    assert (len(found.history), len(found.deliveries[0].attempts)) == (1, 1)


def test_a_lead_or_event_that_does_not_exist_is_not_found() -> None:
    for find in (lead_queries.lead, lead_queries.event):
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


# --- Events and deliveries ---


def test_events_and_deliveries_are_filtered_by_state_and_paged() -> None:
    for _ in range(PAGE_SIZE + 1):
        make_event(status=EventStatus.FAILED)
    make_event(status=EventStatus.DEAD)
    page = lead_queries.events(EventStatus.FAILED)
    assert len(page.rows) == PAGE_SIZE
    assert len(lead_queries.events(EventStatus.FAILED, page.older).rows) == 1
    failed, _sent = make_delivery(status=DeliveryStatus.FAILED), make_delivery(status=DeliveryStatus.SENT)
    assert [row.id for row in lead_queries.deliveries(DeliveryStatus.FAILED).rows] == [failed.id]
    assert len(lead_queries.deliveries().rows) == 2
