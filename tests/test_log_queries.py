"""The two logs: filtered by their own columns."""

import pytest

from models import DeliveryStatus, EventSource, EventStatus, LeadStatus
from services.keyset import PAGE_SIZE
from services.log_queries import INBOX, OUTBOX
from tests.builders import make_delivery, make_event

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app")]


def test_what_makes_no_sense_asks_for_nothing() -> None:
    asked = {"status": "lost", "source": "mars", "reason": "\u202e", "role": "closing", "name": "order.created"}
    assert INBOX.read(asked) == {"name": "order.created"}
    assert OUTBOX.read(asked) == {"role": "closing"}


def test_rows_are_filtered_by_each_column_and_paged() -> None:
    stale = make_event(name="order.updated", reason="stale", source=EventSource.IMPORT)
    for _ in range(PAGE_SIZE + 1):
        make_event(status=EventStatus.FAILED)
    failed = {"status": "failed"}
    page = INBOX.page(failed, None)
    assert (len(page.rows), len(INBOX.page(failed, page.next).rows)) == (PAGE_SIZE, 1)
    for asked in ({"reason": "stale"}, {"name": "order.updated"}, {"source": "import"}):
        assert [row.id for row in INBOX.page(asked, None).rows] == [stale.id]
    assert INBOX.values("name") == ["order.created", "order.updated"]


def test_deliveries_are_filtered_by_status_reason_and_role() -> None:
    refused = make_delivery(status=DeliveryStatus.FAILED, reason="refused_address", role=LeadStatus.CLOSING)
    given_up = make_delivery(status=DeliveryStatus.FAILED, reason="gave_up")
    sent = make_delivery(status=DeliveryStatus.SENT)
    assert OUTBOX.ids({"status": "failed"}, 10) == [refused.id, given_up.id]
    assert OUTBOX.ids({"status": "failed"}, 1) == [refused.id]
    assert OUTBOX.ids({"status": "failed", "reason": "gave_up"}, 10) == [given_up.id]
    assert OUTBOX.ids({"role": "closing"}, 10) == [refused.id]
    assert [row.id for row in OUTBOX.page({}, None).rows] == [sent.id, given_up.id, refused.id]
    assert (OUTBOX.count({}), OUTBOX.count({"status": "failed"})) == (3, 2)


def test_rows_are_counted_by_status_and_reason() -> None:
    make_delivery(status=DeliveryStatus.FAILED, reason="gave_up")
    make_delivery(status=DeliveryStatus.FAILED, reason="refused_list")
    make_delivery(status=DeliveryStatus.SKIPPED, reason="suppressed")
    make_delivery(status=DeliveryStatus.SENT)
    counts = OUTBOX.counts()
    assert counts.by_status() == {"failed": 2, "skipped": 1, "sent": 1}
    assert counts.reasons("failed") == ["gave_up", "refused_list"]
    assert counts.reasons("sent") == []
    assert counts.reasons(None) == ["gave_up", "refused_list", "suppressed"]
