"""The one clock. Read it once per operation and pass the value down as `now`."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the present moment as an aware datetime in UTC."""
    return datetime.now(UTC)
