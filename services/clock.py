"""The one clock. Read it once per operation and pass the value down as `now`."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def utc_now() -> datetime:
    """Return the present moment as an aware datetime in UTC."""
    return datetime.now(UTC)


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """Return the midnight with which a day begins in `zone`."""
    return datetime.combine(day, time(), zone)


def end_of_day(now: datetime, zone: ZoneInfo) -> datetime:
    """Return the midnight that ends the present day in `zone`."""
    return start_of_day(now.astimezone(zone).date() + timedelta(days=1), zone)
