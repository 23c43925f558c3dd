"""The sandbox's one clock, and how the vendors write a moment."""

from datetime import UTC, datetime, timedelta, timezone

# Indonesia's western zone has had no daylight saving since 1964, so a fixed offset is exact.
WIB = timezone(timedelta(hours=7), "WIB")


def read_clock() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)


def format_time(moment: datetime | None) -> str | None:
    """`2026-11-14T02:11:09Z`: times inside ScaleV's bodies have whole seconds (fixtures/scalev)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def parse_time(text: str) -> datetime:
    """Read an ISO-8601 moment; one without a zone is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
