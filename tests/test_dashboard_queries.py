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
    """A lead that came to its status an hour after it was ordered."""
    return builders.make_lead(ordered_at=at, status=status, status_changed_at=at + timedelta(hours=1), **fields)


def test_a_period_of_days_ends_today_in_the_zone() -> None:
    late = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)  # 01.00 WIB
    assert last_days(7, late, JAKARTA) == Period(date(2026, 11, 16), TODAY, JAKARTA)
    assert last_days(1, late, JAKARTA).begin == MIDNIGHT


def test_the_period_before_is_as_long_and_ends_where_this_one_begins() -> None:
    week = Period(date(2026, 11, 9), date(2026, 11, 15), JAKARTA)
    assert week.before(NOW) == Period(date(2026, 11, 2), date(2026, 11, 8), JAKARTA)
    assert week.before(NOW).end == week.begin


def test_a_period_that_is_not_over_is_held_against_one_up_to_the_same_time_of_day() -> None:
    today, month = last_days(1, NOW, JAKARTA), last_days(30, NOW, JAKARTA)
    assert (today.before(NOW).begin, today.before(NOW).end) == (MIDNIGHT - timedelta(days=1), NOW - timedelta(days=1))
    assert (month.before(NOW).days, month.before(NOW).end) == (30, NOW - timedelta(days=30))
    for at in (NOW - timedelta(days=1, minutes=1), NOW - timedelta(days=1), NOW):
        ordered(at)
    assert dashboard_queries.flow(today.before(NOW)).arrived == 1
    assert dashboard_queries.flow(today).arrived == 1


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
    week, before = last_days(7, NOW, JAKARTA), last_days(7, NOW, JAKARTA).before(NOW)
    flow = dashboard_queries.flow(week)
    assert (flow.arrived, flow.closed, flow.expired) == (2, 1, 0)
    assert (flow.money_closed, flow.money_open, flow.money_lost) == (Decimal("100.5"), Decimal(30), Decimal(0))
    assert flow.closing_rate == 0.5
    flow = dashboard_queries.flow(before)
    assert (flow.arrived, flow.closed, flow.expired, flow.money_lost) == (1, 0, 1, Decimal(70))


def test_what_an_import_brings_counts_when_it_happened_not_when_we_heard_of_it() -> None:
    long_ago = NOW - timedelta(days=20)
    builders.make_lead(
        ordered_at=long_ago, status=LeadStatus.CLOSING, status_changed_at=NOW, ended_at=long_ago + timedelta(hours=2)
    )
    assert dashboard_queries.flow(last_days(7, NOW, JAKARTA)).closed == 0
    assert dashboard_queries.flow(last_days(30, NOW, JAKARTA)).closed == 1


def test_closings_and_expiries_of_a_day_begin_and_end_at_midnight_in_the_zone() -> None:
    for ended_at in (MIDNIGHT - SECOND, MIDNIGHT, MIDNIGHT + timedelta(days=1) - SECOND):
        ordered(NOW - timedelta(days=40), LeadStatus.CLOSING, ended_at=ended_at, gross_revenue=Decimal(10))
        ordered(NOW - timedelta(days=40), LeadStatus.NOT_CLOSING, ended_at=ended_at, gross_revenue=Decimal(20))
    today = Period(TODAY, TODAY, JAKARTA)
    assert dashboard_queries.by_day(today) == [Day(TODAY, 0, 2, 2)]
    flow = dashboard_queries.flow(today)
    assert (flow.closed, flow.expired, flow.money_closed, flow.money_lost) == (2, 2, Decimal(20), Decimal(40))


def test_a_day_of_23_hours_is_counted_whole() -> None:
    berlin, sunday = ZoneInfo("Europe/Berlin"), date(2026, 3, 29)
    for hour in (23, 24 + 21, 24 + 22):  # 00.00 and 23.00 of that Sunday, 00.00 of Monday
        ordered(datetime(2026, 3, 28, tzinfo=UTC) + timedelta(hours=hour))
    assert dashboard_queries.by_day(Period(sunday, sunday, berlin)) == [Day(sunday, 2, 0, 0)]


def test_the_time_to_payment_is_the_middle_one() -> None:
    assert dashboard_queries.time_to_payment(last_days(7, NOW, JAKARTA)) is None
    at = NOW - timedelta(days=3)
    for hours in (1, 2, 60):
        ordered(at, LeadStatus.CLOSING, ended_at=at + timedelta(hours=hours))
    ordered(NOW - timedelta(days=1))
    assert dashboard_queries.time_to_payment(last_days(7, NOW, JAKARTA)) == timedelta(hours=2)


def test_due_leads_are_counted_by_their_hour_in_the_zone() -> None:
    for due_at in (NOW + timedelta(minutes=1), NOW + timedelta(minutes=2), NOW + timedelta(hours=3)):
        builders.make_lead(due_at=due_at)
    for due_at in (MIDNIGHT, MIDNIGHT - SECOND, MIDNIGHT + timedelta(days=1)):
        builders.make_lead(due_at=due_at)
    builders.make_lead(due_at=NOW, status=LeadStatus.CLOSING)
    builders.make_lead(due_at=NOW, archived_at=NOW)
    builders.make_lead(due_at=NOW, payment_status="conflict")
    hours = dashboard_queries.due_by_hour(last_days(1, NOW, JAKARTA))
    assert [(hour.begin.astimezone(JAKARTA).hour, hour.due) for hour in hours] == [(0, 1), (11, 2), (14, 1)]


def test_products_and_cs_are_ranked_by_their_closing_rate() -> None:
    at = NOW - timedelta(days=1)
    closing, open_ = LeadStatus.CLOSING, LeadStatus.FOLLOW_UP
    for status, product, handler in [
        *[(closing, "Madu", "Rina")] * 2,
        *[(open_, "Madu", "Rina")] * 3,
        *[(closing, "Kopi", "Rina")] * 3,
        *[(open_, "Kopi", None)] * 2,
        (closing, "Teh", "Budi"),
        (open_, None, None),
    ]:
        ordered(at, status, product_name=product, handler_name=handler, gross_revenue=Decimal(50))
    period = last_days(7, NOW, JAKARTA)
    products, handlers = dashboard_queries.top_products(period), dashboard_queries.top_handlers(period)
    assert [(row.name, row.leads, row.closed, row.money, row.rate) for row in products] == [
        ("Kopi", 5, 3, Decimal(150), 0.6),
        ("Madu", 5, 2, Decimal(100), 0.4),
        ("Teh", 1, 1, Decimal(50), 1),  # a single lead says little
    ]
    assert [(row.name, row.rate) for row in handlers] == [("Rina", 0.625), ("Budi", 1)]


def test_a_period_without_leads_has_no_rates_and_no_rows() -> None:
    period = last_days(90, NOW, JAKARTA)
    flow = dashboard_queries.flow(period)
    assert (flow.arrived, flow.closing_rate, dashboard_queries.time_to_payment(period)) == (0, None, None)
    assert (flow.money_closed, flow.money_open, flow.money_lost) == (Decimal(0), Decimal(0), Decimal(0))
    assert dashboard_queries.top_products(period) == []
    assert {(day.arrived, day.closed, day.expired) for day in dashboard_queries.by_day(period)} == {(0, 0, 0)}
