"""One deed on many rows: each on its own, nothing lost when it is stopped, every refusal told."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from models import Delivery, DeliveryStatus, EventStatus, Lead, LeadStatus, WebhookEvent, db
from models_people import BulkRun
from services import bulk_service, jobs, lead_service
from services.clock import utc_now
from services.errors import NotFound, UserError
from services.statuses import ArchiveReason, BulkDeed, BulkStatus
from tests.builders import NOW, make_delivery, make_event, make_lead, make_product_list

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app")]


def begin(deed: BulkDeed, ids: list[int], note: str | None = None) -> int:
    return bulk_service.start(deed, ids, actor="sari@example.com", note=note, now=NOW).id


def do(deed: BulkDeed, ids: list[int], note: str | None = None) -> BulkRun:
    return bulk_service.work_off(begin(deed, ids, note), lambda: True)


def times(number: int) -> Callable[[], bool]:
    """Says yes so often."""
    left = iter(range(number))
    return lambda: next(left, None) is not None


def sentences(run: BulkRun) -> set[str]:
    return {why for _row_id, why in run.refused}


@pytest.mark.parametrize(
    ("deed", "status"),
    [
        (BulkDeed.MOVE_CLOSING, LeadStatus.CLOSING),
        (BulkDeed.MOVE_NOT_CLOSING, LeadStatus.NOT_CLOSING),
        (BulkDeed.MOVE_FOLLOW_UP, LeadStatus.FOLLOW_UP),
    ],
)
def test_leads_are_moved_with_the_persons_name_and_note(deed: BulkDeed, status: LeadStatus) -> None:
    other = LeadStatus.CLOSING if status is not LeadStatus.CLOSING else LeadStatus.FOLLOW_UP
    ids = [make_lead(status=other, product_list_id=make_product_list(closing_list_id="7").id).id for _ in range(3)]
    there = make_lead(status=status).id
    run = do(deed, [*ids, there], "pesta")
    assert (run.status, run.done, run.refused_count, run.position) == (BulkStatus.DONE, 3, 1, 4)
    assert run.refused == [[there, "This lead already has that status."]]
    for lead in db.session.query(Lead).where(Lead.id.in_(ids)):
        assert (lead.status, lead.history[-1].actor, lead.history[-1].note) == (status, "sari@example.com", "pesta")


def test_leads_are_archived() -> None:
    ids = [make_lead().id, make_lead(archived_at=NOW, archive_reason=ArchiveReason.SPAM).id]
    run = do(BulkDeed.ARCHIVE, ids)
    assert (run.done, sentences(run)) == (1, {"This lead is archived already."})
    assert db.session.get_one(Lead, ids[0]).archive_reason is ArchiveReason.MANUAL


def test_a_leads_failed_deliveries_are_sent_again_and_no_others() -> None:
    lead, fine = make_lead(product_list_id=make_product_list().id), make_lead()
    failed = make_delivery(lead, status=DeliveryStatus.FAILED, reason="gave_up").id
    sent = make_delivery(lead, status=DeliveryStatus.SENT, role=LeadStatus.FOLLOW_UP).id
    run = do(BulkDeed.RETRY_LEADS, [lead.id, fine.id])
    assert (run.done, run.refused) == (1, [[fine.id, "This lead has no failed delivery."]])
    assert db.session.get_one(Delivery, failed).status is DeliveryStatus.PENDING
    assert db.session.get_one(Delivery, sent).status is DeliveryStatus.SENT


def test_deliveries_are_sent_again_but_for_those_that_were_sent() -> None:
    failed, sent = make_delivery(status=DeliveryStatus.FAILED), make_delivery(status=DeliveryStatus.SENT)
    run = do(BulkDeed.RETRY_DELIVERIES, [failed.id, sent.id])
    assert (run.done, sentences(run)) == (1, {"This delivery was sent already."})
    assert bulk_service.lead_ids(run) == {sent.id: sent.lead_id}


def test_events_are_processed_again_and_those_that_fail_again_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    fine = make_event(status=EventStatus.DEAD, body=b'{"event":"shop.opened","data":{}}').id
    poisoned = make_event(status=EventStatus.DEAD, body=b'{"event":"order.created","data":{"order_id":"A1"}}').id

    def fail(*_: object) -> None:
        raise ValueError("odd")

    monkeypatch.setattr(lead_service, "apply_order", fail)
    run = do(BulkDeed.REPLAY_EVENTS, [fine, poisoned])
    assert (run.done, run.refused) == (1, [[poisoned, "It failed again; its page says why."]])
    assert db.session.get_one(WebhookEvent, fine).status is EventStatus.IGNORED


def test_rows_that_are_gone_keep_no_other_waiting() -> None:
    lead_id = make_lead().id
    run = do(BulkDeed.ARCHIVE, [lead_id + 1000, lead_id])
    assert (run.done, sentences(run)) == (1, {"There is no such lead."})


def test_what_fails_unexpectedly_is_told_and_keeps_no_other_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [make_lead().id, make_lead().id]
    real = lead_service.archive

    def archive(lead_id: int, **rest: object) -> None:
        if lead_id == ids[0]:
            raise RuntimeError("odd")
        real(lead_id, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(lead_service, "archive", archive)
    run = do(BulkDeed.ARCHIVE, ids)
    assert (run.done, run.refused) == (1, [[ids[0], bulk_service.UNEXPECTED]])


def test_a_run_goes_on_where_it_was_and_does_no_row_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_service, "_BATCH", 2)
    ids = [make_lead().id for _ in range(5)]
    run_id = begin(BulkDeed.MOVE_CLOSING, ids)
    run = bulk_service.work_off(run_id, times(2))
    assert (run.status, run.position, run.done) == (BulkStatus.RUNNING, 4, 4)
    run = bulk_service.work_off(run_id, times(9))
    assert (run.status, run.position, run.done, run.refused) == (BulkStatus.DONE, 5, 5, [])


def test_nobody_takes_rows_that_somebody_is_at() -> None:
    ids = [make_lead().id for _ in range(3)]
    run_id = begin(BulkDeed.MOVE_CLOSING, ids)
    assert bulk_service._claim(run_id, utc_now()) is not None
    run = bulk_service.work_off(run_id, lambda: True)
    assert (run.status, run.position) == (BulkStatus.RUNNING, 0)


def test_rows_of_a_process_that_was_killed_are_taken_later_and_counted_once() -> None:
    ids = [make_lead().id for _ in range(3)]
    run_id = begin(BulkDeed.MOVE_CLOSING, ids)
    late = bulk_service._claim(run_id, utc_now() - bulk_service.CLAIM)
    assert late is not None
    run = bulk_service.work_off(run_id, lambda: True)
    assert (run.status, run.done) == (BulkStatus.DONE, 3)
    bulk_service._settle(run_id, late, ["This lead already has that status."] * 3, NOW)
    assert (run.status, run.done, run.refused_count) == (BulkStatus.DONE, 3, 0)


def test_a_stopped_run_leaves_the_rest_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_service, "_BATCH", 1)
    ids = [make_lead().id for _ in range(3)]
    run_id = begin(BulkDeed.MOVE_CLOSING, ids)
    bulk_service.work_off(run_id, times(1))
    bulk_service.stop(run_id, NOW)
    run = bulk_service.work_off(run_id, lambda: True)
    assert (run.status, run.position) == (BulkStatus.STOPPED, 1)
    assert db.session.get_one(Lead, ids[2]).status is LeadStatus.FOLLOW_UP
    with pytest.raises(UserError, match="ended already"):
        bulk_service.stop(run_id, NOW)


def test_the_job_goes_on_with_what_nobody_looks_at_any_more() -> None:
    lead_id = make_lead().id
    run_id = begin(BulkDeed.ARCHIVE, [lead_id])
    assert bulk_service.abandoned_ids(NOW + timedelta(seconds=29)) == []
    assert jobs.bulk(NOW + timedelta(seconds=31)).summary == "bulk: archive done, 1 done"
    assert bulk_service.get(run_id).status is BulkStatus.DONE
    assert jobs.bulk(NOW + timedelta(days=1)).summary == "bulk: nothing to do"


def test_only_so_many_refusals_are_kept_word_for_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_service, "MAX_REFUSED", 2)
    run = do(BulkDeed.ARCHIVE, [make_lead(archived_at=NOW, archive_reason=ArchiveReason.SPAM).id for _ in range(4)])
    assert (run.refused_count, len(run.refused)) == (4, 2)


def test_nothing_and_too_much_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_service, "MAX_ROWS", 1)
    for ids, words in (([], "Nothing is chosen"), ([1, 2], "too many")):
        with pytest.raises(UserError, match=words):
            begin(BulkDeed.ARCHIVE, ids)
    for look_up in (bulk_service.get, lambda run_id: bulk_service.stop(run_id, NOW)):
        with pytest.raises(NotFound):
            look_up(99)
