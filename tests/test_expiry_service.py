"""The clock: due leads are looked up at ScaleV and then moved, whatever ScaleV answers."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from models import ArchiveReason, EventSource, EventStatus, Lead, LeadStatus, WebhookEvent, db, transaction
from services import event_service, lead_service, lookup_service
from services.errors import (
    VendorAuthError,
    VendorError,
    VendorForbidden,
    VendorNotFound,
    VendorRateLimited,
    VendorRefused,
    VendorUnreachable,
)
from services.expiry_service import VERIFY_FOR, Check, check_expired_leads
from tests import builders, messages
from tests.builders import NOW
from tests.fakes import FakeScalev
from tests.frozen import clock  # noqa: F401 (a fixture)

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app", "clock")]

FOLLOW_UP, CLOSING, NOT_CLOSING = LeadStatus.FOLLOW_UP, LeadStatus.CLOSING, LeadStatus.NOT_CLOSING
SILENCE = VendorUnreachable("ScaleV", "no answer in time")
CANNOT_ANSWER = [
    SILENCE,
    VendorRateLimited("ScaleV", "too many calls", status=429),
    VendorUnreachable("ScaleV", "HTTP 503", status=503),
    VendorAuthError("ScaleV", "Invalid API key", status=401),
    VendorForbidden("ScaleV", "Forbidden: orders", status=403),
]


def due_lead(overdue: timedelta = timedelta(hours=1), **fields: object) -> Lead:
    return builders.make_lead(ordered_at=NOW - timedelta(days=7) - overdue, **fields)


def rest(lead: Lead, **changes: object) -> dict[str, object]:
    """The order as ScaleV's API tells it."""
    data = messages.full_order(lead.order_id, NOW - timedelta(hours=1), **changes)
    return {**data, "created_at": messages.iso(lead.ordered_at)}


def knows(*leads: Lead, **changes: object) -> FakeScalev:
    return FakeScalev({lead.order_id: rest(lead, **changes) for lead in leads})


def status(lead: Lead) -> LeadStatus:
    db.session.rollback()
    db.session.refresh(lead)
    return lead.status


def note(lead: Lead) -> str | None:
    return lead.history[-1].note


def result(check: Check) -> tuple[int, int, int, str | None]:
    return check.moved, check.kept, check.waiting, check.problem


def test_without_a_key_due_leads_move_without_a_look_up() -> None:
    lead = due_lead()
    assert result(check_expired_leads(None, NOW)) == (1, 0, 0, None)
    assert (status(lead), note(lead)) == (NOT_CLOSING, None)


def test_only_leads_that_are_due_and_open_are_looked_up() -> None:
    due = due_lead(timedelta(0))
    builders.make_lead()
    due_lead(status=CLOSING)
    due_lead(status=NOT_CLOSING)
    due_lead(archived_at=NOW, archive_reason=ArchiveReason.SPAM)
    scalev = knows(due)
    assert result(check_expired_leads(scalev, NOW)) == (1, 0, 0, None)
    assert scalev.asked == [due.order_id]


def test_the_longest_overdue_is_asked_first_and_by_its_system_id() -> None:
    late, later = due_lead(timedelta(hours=2), scalev_id="uuid-1"), due_lead(timedelta(hours=3))
    scalev = FakeScalev({"uuid-1": rest(late), later.order_id: rest(later)})
    check_expired_leads(scalev, NOW)
    assert scalev.asked == [later.order_id, "uuid-1"]
    assert scalev.key_checks == 1


def test_who_has_paid_meanwhile_is_closing_and_not_chased() -> None:
    lead = due_lead()
    assert result(check_expired_leads(knows(lead, payment_status="paid"), NOW)) == (0, 1, 0, None)
    assert status(lead) is CLOSING
    event = db.session.scalars(select(WebhookEvent)).one()
    assert (event.source, event.status, event.name) == (EventSource.RECONCILE, EventStatus.PROCESSED, "order.updated")


def test_an_order_deleted_or_marked_as_spam_meanwhile_is_not_moved() -> None:
    lead = due_lead()
    assert result(check_expired_leads(knows(lead, is_probably_spam=True), NOW)) == (0, 1, 0, None)
    assert status(lead) is FOLLOW_UP
    assert lead.archive_reason is ArchiveReason.SPAM


def test_a_conflict_is_kept() -> None:
    lead = due_lead()
    assert result(check_expired_leads(knows(lead, payment_status="conflict"), NOW)) == (0, 1, 0, None)
    assert status(lead) is FOLLOW_UP


def test_an_order_that_scalev_does_not_know_moves_with_a_note() -> None:
    lead = due_lead()
    assert result(check_expired_leads(FakeScalev(), NOW)) == (1, 0, 0, None)
    assert (status(lead), note(lead)) == (NOT_CLOSING, "not known at ScaleV")


@pytest.mark.parametrize("error", CANNOT_ANSWER, ids=lambda error: type(error).__name__)
def test_while_scalev_cannot_answer_a_lead_waits(error: VendorError) -> None:
    lead = due_lead()
    assert result(check_expired_leads(FakeScalev(error=error), NOW)) == (0, 0, 1, str(error))
    assert status(lead) is FOLLOW_UP


@pytest.mark.parametrize("error", CANNOT_ANSWER, ids=lambda error: type(error).__name__)
def test_after_a_day_a_lead_moves_without_scalevs_word(error: VendorError) -> None:
    just_before, after = due_lead(VERIFY_FOR - timedelta(microseconds=1)), due_lead(VERIFY_FOR)
    assert result(check_expired_leads(FakeScalev(error=error), NOW)) == (1, 0, 1, str(error))
    assert (status(just_before), status(after)) == (FOLLOW_UP, NOT_CLOSING)
    assert note(after) == "not verified"


@pytest.mark.parametrize(
    "error", [error for error in CANNOT_ANSWER if not isinstance(error, VendorUnreachable)],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_a_refusal_that_concerns_all_orders_ends_the_asking(error: VendorError) -> None:
    leads = [due_lead() for _ in range(4)]
    scalev = FakeScalev(error=error)
    check_expired_leads(scalev, NOW)
    assert len(scalev.asked) == 1
    assert {status(lead) for lead in leads} == {FOLLOW_UP}


def test_three_silences_in_a_row_end_the_asking() -> None:
    for _ in range(6):
        due_lead()
    scalev = FakeScalev(error=SILENCE)
    assert check_expired_leads(scalev, NOW).waiting == 6
    assert len(scalev.asked) == 3


def test_a_silence_between_answers_does_not_end_the_asking() -> None:
    leads = [due_lead(timedelta(hours=9 - number)) for number in range(8)]
    scalev = knows(*leads)
    for silent in (0, 1, 3, 5):
        scalev.errors[leads[silent].order_id] = SILENCE
    assert result(check_expired_leads(scalev, NOW)) == (4, 0, 4, str(SILENCE))
    assert len(scalev.asked) == 8


def test_an_order_that_is_not_known_is_an_answer_too() -> None:
    leads = [due_lead(timedelta(hours=9 - number)) for number in range(5)]
    scalev = knows(leads[4])
    scalev.errors = {leads[number].order_id: SILENCE for number in (0, 1, 3)}
    assert check_expired_leads(scalev, NOW).moved == 2
    assert len(scalev.asked) == 5


def test_an_order_that_scalev_refuses_waits_alone() -> None:
    odd, fine = due_lead(timedelta(hours=2)), due_lead()
    scalev = knows(odd, fine)
    scalev.errors[odd.order_id] = VendorRefused("ScaleV", "Unprocessable", status=422)
    assert result(check_expired_leads(scalev, NOW)) == (1, 0, 1, "ScaleV: Unprocessable")
    assert (status(odd), status(fine)) == (FOLLOW_UP, NOT_CLOSING)


def test_behind_a_wrong_address_no_order_counts_as_unknown() -> None:
    lead = due_lead()
    for error in (VendorNotFound("ScaleV", "not found"), VendorRefused("ScaleV", "Bad request")):
        check = check_expired_leads(FakeScalev(key_error=error), NOW)
        assert result(check) == (0, 0, 1, "ScaleV: the address answers, but not as ScaleV")
    assert status(lead) is FOLLOW_UP


def test_a_key_that_may_look_up_orders_but_no_stores_is_good_enough() -> None:
    lead = due_lead()
    scalev = knows(lead)
    scalev.key_error = VendorForbidden("ScaleV", "Forbidden")
    assert check_expired_leads(scalev, NOW).moved == 1


def test_an_answer_about_no_order_is_no_word_about_this_one() -> None:
    lead = due_lead()
    scalev = FakeScalev({lead.order_id: {"id": "uuid-1", "payment_status": "paid"}})
    assert check_expired_leads(scalev, NOW).waiting == 1
    assert status(lead) is FOLLOW_UP


def test_an_answer_that_could_not_be_taken_in_is_no_word_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    lead = due_lead()

    def fail(*_args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(event_service.lead_service, "apply_order", fail)
    assert check_expired_leads(knows(lead, payment_status="paid"), NOW).waiting == 1
    assert status(lead) is FOLLOW_UP


def test_a_lead_that_cannot_be_read_does_not_keep_the_others_from_moving() -> None:
    poisoned, fine = due_lead(timedelta(hours=2)), due_lead()
    with transaction():
        poisoned.news = [{"stamp": "1", "no_such_field": True}]
    check = check_expired_leads(None, NOW)
    assert (check.moved, check.failed) == (1, 1)
    assert "1 failed" in check.summary()
    assert (status(poisoned), status(fine)) == (FOLLOW_UP, NOT_CLOSING)


def test_a_lead_that_moves_while_scalev_is_asked_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    lead = due_lead()
    scalev = knows(lead)
    answer = scalev.get_order

    def pay_meanwhile(order: str) -> dict[str, object]:
        lead_service.move(lead.id, CLOSING, actor="Rina", note=None, now=NOW)
        return answer(order)

    monkeypatch.setattr(scalev, "get_order", pay_meanwhile)
    assert result(check_expired_leads(scalev, NOW)) == (0, 1, 0, None)
    assert status(lead) is CLOSING


def test_a_payment_that_was_kept_and_not_acted_on_before_a_kill_is_acted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    lead = due_lead()
    scalev = knows(lead, payment_status="paid")
    with monkeypatch.context() as patch:
        patch.setattr(event_service, "act_on", _killed)
        with pytest.raises(KeyboardInterrupt):
            check_expired_leads(scalev, NOW)
    assert status(lead) is FOLLOW_UP
    assert result(check_expired_leads(scalev, NOW)) == (0, 0, 0, None)
    assert status(lead) is CLOSING


def test_a_payment_in_the_inbox_is_acted_on_before_its_lead_expires() -> None:
    lead = due_lead()
    messages.receive(messages.payment(lead.order_id, "paid", NOW))
    assert result(check_expired_leads(None, NOW)) == (0, 0, 0, None)
    assert status(lead) is CLOSING


@pytest.mark.parametrize("unread", [EventStatus.FAILED, EventStatus.DEAD])
def test_a_lead_whose_news_can_not_be_read_waits_for_it(unread: EventStatus) -> None:
    lead, other = due_lead(), due_lead()
    event, _ = messages.receive(messages.payment(lead.order_id, "paid", NOW))
    assert event is not None
    with transaction() as session:
        row = session.get_one(WebhookEvent, event.id)
        row.status, row.next_try_at = unread, NOW + timedelta(minutes=1)
    assert result(check_expired_leads(None, NOW)) == (1, 0, 0, None)
    assert (status(lead), status(other)) == (FOLLOW_UP, NOT_CLOSING)
    assert not lead_service.expire(lead.id, None, NOW)
    event_service.replay(event.id, NOW)
    assert status(lead) is CLOSING


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_the_same_answer_twice_is_kept_once() -> None:
    lead = due_lead()
    answer = rest(lead, payment_status="conflict")
    assert lookup_service.keep_order(answer, NOW)
    assert lookup_service.keep_order(answer, NOW)
    assert len(db.session.scalars(select(WebhookEvent)).all()) == 1


def test_a_look_up_does_not_blank_what_webhooks_told() -> None:
    lead = due_lead()
    messages.take_in(messages.created(lead.order_id))
    check_expired_leads(knows(lead, destination_address=None, orderlines=[{"variant": 4, "quantity": 1}]), NOW)
    db.session.refresh(lead)
    assert lead.email == "siti.rahmawati@example.com"
    assert lead.lines[0].variant_unique_id is not None


def test_a_payment_that_left_the_order_s_last_change_as_it_was_is_believed_when_scalev_is_asked() -> None:
    """`last_updated_at` has whole seconds: the webhook that said unpaid was sent after it, and before we asked."""
    order_id, at = messages.new_order_id(), NOW - timedelta(days=8)
    unpaid = messages.full_order(order_id, at, created_at=messages.iso(at))
    messages.take_in(messages.envelope("order.created", unpaid))
    lead = messages.lead_of(order_id)
    paid = {**unpaid, "payment_status": "paid"}
    assert result(check_expired_leads(FakeScalev({order_id: paid, str(lead.scalev_id): paid}), NOW)) == (0, 1, 0, None)
    assert status(lead) is CLOSING


def test_what_a_person_has_seen_does_not_overrule_them_when_scalev_says_it_again() -> None:
    order_id, at = messages.new_order_id(), NOW - timedelta(days=9)
    paid = messages.full_order(order_id, at, created_at=messages.iso(at), payment_status="paid")
    messages.take_in(messages.envelope("order.updated", paid))
    lead = messages.lead_of(order_id)
    lead_service.move(lead.id, FOLLOW_UP, actor="cs@example.com", note=None, now=NOW - timedelta(days=8))
    again = {**paid, "notes": "read once more"}
    check_expired_leads(FakeScalev({order_id: again, str(lead.scalev_id): again}), NOW)
    assert status(lead) is FOLLOW_UP
