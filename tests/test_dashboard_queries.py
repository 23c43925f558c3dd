"""The dashboard's figures over a period, on each database; a day is a day in Jakarta."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from models import Lead, LeadStatus
from services import dashboard_queries
from services.dashboard_queries import Day, Period, last_days, own_range
from tests import builders
from tests.builders import NOW

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app")]

JAKARTA = ZoneInfo("Asia/Jakarta")
TODAY = date(2026, 11, 22)
MIDNIGHT = datetime(2026, 11, 21, 17, 0, tzinfo=UTC)  # 00.00 WIB of the 22nd
SECOND = timedelta(seconds=1)


def ordered(at: datetime, status: LeadStatus = LeadStatus.FOLLOW_UP, **fields: Any) -> Lead:
    """A lead with the history of how it came to its status, an hour after it was ordered."""
    lead = builders.make_lead(ordered_at=at, status=status, status_changed_at=at + timedelta(hours=1), **fields)
    builders.make_history(lead, to_status=LeadStatus.FOLLOW_UP, at=at)
    if status is not LeadStatus.FOLLOW_UP:
        moved = {"from_status": LeadStatus.FOLLOW_UP, "to_status": status, "at": at + timedelta(hours=1)}
        builders.make_history(lead, **moved)
    return lead


def test_a_period_of_days_ends_today_in_the_zone() -> None:
    late = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)  # 01.00 WIB
    assert last_days(7, late, JAKARTA) == Period(date(2026, 11, 16), TODAY, JAKARTA)
    assert last_days(1, late, JAKARTA).begin == MIDNIGHT


def test_the_period_before_is_as_long_and_ends_where_this_one_begins() -> None:
    period = last_days(30, NOW, JAKARTA)
    assert (period.before().days, period.before().end) == (30, period.begin)


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        ("2026-11-01", "2026-11-03", (date(2026, 11, 1), date(2026, 11, 3))),
        ("2026-11-01", "2027-01-01", (date(2026, 11, 1), TODAY)),
        ("2026-11-20", "", (date(2026, 11, 20), TODAY)),
        ("2026-11-03", "2026-11-01", None),
        ("2024-11-03", "2026-11-01", None),
        ("0001-01-01", "0001-01-02", None),
        ("soon", "", None),
        ("", "", None),
    ],
)
def test_an_own_range_is_taken_when_it_is_one(since: str, until: str, expected: tuple[date, date] | None) -> None:
    found = own_range(since, until, NOW, JAKARTA)
    assert (found and (found.first, found.last)) == expected


def test_a_day_begins_and_ends_at_midnight_in_the_zone() -> None:
    for at in (MIDNIGHT - SECOND, MIDNIGHT, MIDNIGHT + timedelta(days=1) - SECOND):
        ordered(at)
    days = dashboard_queries.by_day(Period(date(2026, 11, 21), TODAY, JAKARTA))
    assert days == [Day(date(2026, 11, 21), 1, 0, 0), Day(TODAY, 2, 0, 0)]


def test_a_zone_of_half_hours_has_its_own_midnight() -> None:
    ordered(datetime(2026, 11, 21, 18, 29, tzinfo=UTC))
    ordered(datetime(2026, 11, 21, 18, 30, tzinfo=UTC))
    period = last_days(2, NOW, ZoneInfo("Asia/Kolkata"))
    assert [day.arrived for day in dashboard_queries.by_day(period)] == [1, 1]


def test_what_happened_is_counted_in_the_period_in_which_it_did() -> None:
    ordered(NOW - timedelta(days=9), LeadStatus.NOT_CLOSING, gross_revenue=Decimal(70))
    ordered(NOW - timedelta(days=2), LeadStatus.CLOSING, gross_revenue=Decimal("100.50"))
    ordered(NOW - timedelta(days=2), gross_revenue=Decimal(30))
    ordered(NOW - timedelta(days=2), archived_at=NOW, gross_revenue=Decimal(9))
    week, before = last_days(7, NOW, JAKARTA), last_days(7, NOW, JAKARTA).before()
    flow = dashboard_queries.flow(week)
    assert (flow.arrived, flow.closed, flow.expired) == (2, 1, 0)
    assert (flow.money_closed, flow.money_open, flow.money_lost) == (Decimal("100.5"), Decimal(30), Decimal(0))
    assert flow.closing_rate == 0.5
    flow = dashboard_queries.flow(before)
    assert (flow.arrived, flow.closed, flow.expired, flow.money_lost) == (1, 0, 1, Decimal(70))


def test_a_lead_that_closed_twice_is_one_closing() -> None:
    lead = ordered(NOW - timedelta(days=2), LeadStatus.CLOSING)
    again = {"to_status": LeadStatus.CLOSING, "from_status": LeadStatus.FOLLOW_UP, "at": NOW - timedelta(days=1)}
    builders.make_history(lead, **again)
    assert dashboard_queries.flow(last_days(7, NOW, JAKARTA)).closed == 1


def test_the_time_to_payment_is_the_middle_one() -> None:
    assert dashboard_queries.flow(last_days(7, NOW, JAKARTA)).time_to_payment is None
    at = NOW - timedelta(days=3)
    for hours in (1, 2, 60):
        ordered(at, LeadStatus.CLOSING, paid_at=at + timedelta(hours=hours))
    ordered(NOW - timedelta(days=1))
    assert dashboard_queries.flow(last_days(7, NOW, JAKARTA)).time_to_payment == timedelta(hours=2)


def test_due_leads_are_counted_by_their_hour_in_the_zone() -> None:
    for due_at in (NOW + timedelta(minutes=1), NOW + timedelta(minutes=2), NOW + timedelta(hours=3)):
        builders.make_lead(due_at=due_at)
    builders.make_lead(due_at=NOW, status=LeadStatus.CLOSING)
    assert dashboard_queries.due_by_hour(NOW, MIDNIGHT + timedelta(days=1), JAKARTA) == {11: 2, 14: 1}


def test_products_and_cs_are_ranked_by_their_closings() -> None:
    at = NOW - timedelta(days=1)
    for status, product, handler in [
        (LeadStatus.CLOSING, "Madu", "Rina"),
        (LeadStatus.FOLLOW_UP, "Madu", "Budi"),
        (LeadStatus.FOLLOW_UP, "Kopi", "Rina"),
        (LeadStatus.FOLLOW_UP, None, None),
    ]:
        ordered(at, status, product_name=product, handler_name=handler, gross_revenue=Decimal(50))
    period = last_days(7, NOW, JAKARTA)
    products, handlers = dashboard_queries.top_products(period), dashboard_queries.top_handlers(period)
    assert [(row.name, row.leads, row.closed, row.money, row.rate) for row in products] == [
        ("Madu", 2, 1, Decimal(50), 0.5),
        ("Kopi", 1, 0, Decimal(0), 0),
    ]
    assert [(row.name, row.rate) for row in handlers] == [("Rina", 0.5), ("Budi", 0)]
