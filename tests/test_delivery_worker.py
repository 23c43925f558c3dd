"""The outbox's worker: claim, check once more, call with no transaction open, settle, hold, release."""

import random
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from models import (
    AccountHold,
    ArchiveReason,
    Delivery,
    DeliveryAttempt,
    DeliveryStatus,
    Lead,
    LeadStatus,
    ListMember,
    OrderLine,
    ProductList,
    Suppression,
    db,
    transaction,
)
from services import delivery_service, delivery_worker, event_service, product_list_service
from services.clock import utc_now
from services.delivery_worker import CLAIM_LIFE, RETRY_DELAYS, claim_next, send_due, settle
from services.errors import Conflict, VendorAuthError, VendorUnreachable
from services.mailketing_service import AddResult, AnswerKind
from services.outbox_run import Pace, Run
from services.product_list_service import Fields
from tests import builders, fakes, messages
from tests.builders import NOW
from tests.fakes import FakeMailketing
from tests.frozen import clock  # noqa: F401 (a fixture)

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app", "clock")]

NOT_CLOSING, CLOSING, FOLLOW_UP = LeadStatus.NOT_CLOSING, LeadStatus.CLOSING, LeadStatus.FOLLOW_UP
PENDING, SENDING, SENT = DeliveryStatus.PENDING, DeliveryStatus.SENDING, DeliveryStatus.SENT
FAILED, SKIPPED = DeliveryStatus.FAILED, DeliveryStatus.SKIPPED


@pytest.fixture
def mailketing() -> FakeMailketing:
    return FakeMailketing()


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """No jitter."""
    monkeypatch.setattr(random, "uniform", lambda low, high: (low + high) / 2)


@pytest.fixture(autouse=True)
def sleeps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    asked: list[float] = []
    monkeypatch.setattr(delivery_worker.time, "sleep", asked.append)
    yield asked


def new_run(cutoff: datetime = NOW) -> Run:
    return Run(cutoff, Pace(Decimal(20), sleep=lambda _seconds: None))


def due(**fields: object) -> Delivery:
    """A delivery that is due, of a lead that is in its role and has a product list of its own."""
    lead_fields = {"status": fields.pop("role", NOT_CLOSING), "product_name": f"Ebook {random.random()}"}  # noqa: S311
    lead_fields |= fields.pop("lead", {})  # type: ignore[operator]
    if "product_list_id" not in lead_fields:
        lists = {f"{lead_fields['status']}_list_id": fields.get("list_id", "103")}
        lead_fields["product_list_id"] = builders.make_product_list(**lists).id
    lead = builders.make_lead(**lead_fields)
    return builders.make_delivery(lead, role=lead.status, **fields)


def send(mailketing: FakeMailketing, cutoff: datetime = NOW) -> Run:
    run = new_run(cutoff)
    send_due(mailketing, run)
    db.session.expire_all()
    return run


def attempts(row: Delivery) -> list[str | None]:
    query = select(DeliveryAttempt.kind).where(DeliveryAttempt.delivery_id == row.id).order_by(DeliveryAttempt.id)
    return list(db.session.scalars(query))


# --- Sending ---


def test_a_due_delivery_is_sent_and_recorded(mailketing: FakeMailketing) -> None:
    row = due(lead={"name": "Siti Nur Rahmawati", "phone": "6281234567801", "email": "siti@gmail.com"})
    run = send(mailketing)
    assert mailketing.members == {"103": ["siti@gmail.com"]}
    assert mailketing.names == {"siti@gmail.com": ("Siti", "Nur Rahmawati", "6281234567801")}
    assert (row.status, row.reason, row.tries, row.sent_at) == (SENT, None, 1, NOW)
    assert (row.claimed_by, row.claimed_at, row.message) == (None, None, "Subscriber added")
    (attempt,) = row.attempts
    assert (attempt.kind, attempt.http_status, attempt.duration_ms) == ("ok", 200, 12)
    assert (attempt.started_at, attempt.answer) == (NOW, '{"status":"success"}')
    member = db.session.get_one(ListMember, ("103", "siti@gmail.com"))
    assert (member.delivery_id, member.added_at) == (row.id, NOW)
    assert run.summary() == "1 sent, 0 skipped, 0 retry, 0 failed"


def test_what_is_not_due_yet_waits(mailketing: FakeMailketing) -> None:
    row = due(next_attempt_at=NOW + timedelta(microseconds=1))
    assert not delivery_worker.has_due(NOW)
    send(mailketing)
    assert (row.status, mailketing.calls) == (PENDING, [])
    assert delivery_worker.has_due(NOW + timedelta(microseconds=1))


@pytest.mark.parametrize("status", [status for status in DeliveryStatus if status is not PENDING])
def test_only_pending_deliveries_are_sent(mailketing: FakeMailketing, status: DeliveryStatus) -> None:
    due(status=status)
    send(mailketing)
    assert mailketing.calls == []


def test_the_longest_due_goes_first(mailketing: FakeMailketing) -> None:
    for minute in (5, 1, 3):
        due(lead={"email": f"m{minute}@gmail.com"}, next_attempt_at=NOW - timedelta(minutes=minute))
    send(mailketing)
    assert [email for _, email in mailketing.calls] == ["m5@gmail.com", "m3@gmail.com", "m1@gmail.com"]


def test_an_attempt_is_on_disk_before_the_call(mailketing: FakeMailketing, monkeypatch: pytest.MonkeyPatch) -> None:
    row = due()
    seen: list[tuple[DeliveryStatus, list[str | None]]] = []

    def look(*_args: object, **_kwargs: object) -> AddResult:
        seen.append((db.session.scalar(select(Delivery.status)), attempts(row)))  # type: ignore[arg-type]
        db.session.rollback()
        return fakes.OK

    monkeypatch.setattr(mailketing, "add_subscriber", look)
    send(mailketing)
    assert seen == [(SENDING, [None])]


def test_an_address_that_was_on_the_list_already_counts_as_sent(mailketing: FakeMailketing) -> None:
    mailketing.always = fakes.DUPLICATE
    row = due()
    send(mailketing)
    assert (row.status, row.reason) == (SENT, "already_on_list")
    assert db.session.get_one(ListMember, ("103", row.email)).added_at == NOW


# --- The checks right before sending ---


@pytest.mark.parametrize(
    ("lead", "fields", "reason"),
    [
        ({"archived_at": NOW, "archive_reason": ArchiveReason.SPAM}, {}, "archived"),
        ({"email": "a@scalev.id"}, {}, "invalid_address"),
        ({"email": "Not@Lower.com"}, {}, "invalid_address"),
        ({}, {"email": None}, "invalid_address"),
        ({}, {"list_id": None}, "invalid_address"),
    ],
)
def test_what_should_not_go_is_skipped_with_its_reason(
    mailketing: FakeMailketing, lead: dict[str, object], fields: dict[str, object], reason: str
) -> None:
    row = due(lead=lead, **fields)
    run = send(mailketing)
    assert (row.status, row.reason, attempts(row), mailketing.calls) == (SKIPPED, reason, [], [])
    assert run.summary() == "0 sent, 1 skipped, 0 retry, 0 failed"


def test_a_lead_that_left_the_role_is_skipped(mailketing: FakeMailketing) -> None:
    row = builders.make_delivery(builders.make_lead(status=CLOSING), role=NOT_CLOSING)
    send(mailketing)
    assert (row.status, row.reason) == (SKIPPED, "status_changed")


@pytest.mark.parametrize(
    ("until", "reason"), [(None, "suppressed"), (NOW + timedelta(hours=1), "suppressed"), (NOW, None)]
)
def test_a_suppressed_address_is_skipped_while_the_suppression_lasts(
    mailketing: FakeMailketing, until: datetime | None, reason: str | None
) -> None:
    row = due(lead={"email": "no@gmail.com"})
    with transaction() as session:
        session.add(Suppression(email="no@gmail.com", reason="bounced", until=until, created_at=NOW))
    send(mailketing)
    assert row.reason == reason
    assert (mailketing.calls == []) is (reason is not None)


@pytest.mark.parametrize("same", ["email", "phone"])
@pytest.mark.parametrize("role", [FOLLOW_UP, NOT_CLOSING])
def test_who_paid_for_the_same_product_in_another_order_is_not_chased(
    mailketing: FakeMailketing, same: str, role: LeadStatus
) -> None:
    product_list = builders.make_product_list()
    row = due(role=role, lead={"product_list_id": product_list.id})
    buyer = {same: getattr(row.lead, same)}
    builders.make_lead(status=CLOSING, product_list_id=product_list.id, **buyer)
    send(mailketing)
    assert (row.status, row.reason) == (SKIPPED, "paid_elsewhere")


def test_goods_in_common_count_as_the_same_product_without_a_product_list(mailketing: FakeMailketing) -> None:
    row = due()
    other = builders.make_lead(status=CLOSING, email=row.email)
    with transaction() as session:
        session.add_all(OrderLine(lead_id=lead.id, product_name="Madu") for lead in (row.lead, other))
    send(mailketing)
    assert row.reason == "paid_elsewhere"


@pytest.mark.parametrize("case", ["other buyer", "other product", "unpaid", "closing role", "no phone"])
def test_what_is_no_payment_elsewhere_does_not_hold_a_delivery(mailketing: FakeMailketing, case: str) -> None:
    product_list = builders.make_product_list()
    lead: dict[str, object] = {"product_list_id": product_list.id}
    row = due(
        role=CLOSING if case == "closing role" else NOT_CLOSING,
        lead=lead | ({"phone": None} if case == "no phone" else {}),
    )
    other = {"email": row.lead.email, "status": CLOSING, "product_list_id": product_list.id}
    if case == "other buyer":
        other |= {"email": "else@gmail.com"}
    elif case == "other product":
        other |= {"product_list_id": builders.make_product_list().id}
    elif case == "unpaid":
        other |= {"status": FOLLOW_UP}
    elif case == "no phone":
        other |= {"email": "else@gmail.com", "phone": None}
    builders.make_lead(**other)
    send(mailketing)
    assert row.status is SENT


def test_one_address_is_added_to_one_list_once(mailketing: FakeMailketing) -> None:
    rows = [due(lead={"email": "siti@gmail.com", "phone": None}) for _ in range(3)]
    send(mailketing)
    assert mailketing.members == {"103": ["siti@gmail.com"]}
    assert [(row.status, row.reason) for row in rows] == [
        (SENT, None),
        (SKIPPED, "already_on_list"),
        (SKIPPED, "already_on_list"),
    ]


def test_the_same_address_goes_to_another_list(mailketing: FakeMailketing) -> None:
    for list_id in ("103", "203"):
        due(lead={"email": "siti@gmail.com", "phone": None}, list_id=list_id)
    send(mailketing)
    assert mailketing.members == {"103": ["siti@gmail.com"], "203": ["siti@gmail.com"]}


def test_a_pair_that_is_on_its_way_is_left_for_later(mailketing: FakeMailketing) -> None:
    first, second = (due(lead={"email": "siti@gmail.com", "phone": None}) for _ in range(2))
    run = new_run()
    claim = claim_next(run)
    assert claim is not None and claim.delivery_id == first.id
    assert claim_next(run) is None
    db.session.expire_all()
    assert (second.status, second.next_attempt_at) == (PENDING, NOW + CLAIM_LIFE)
    settle(claim, fakes.OK, run, NOW)
    send(mailketing, NOW + CLAIM_LIFE)
    assert (second.status, second.reason, mailketing.calls) == (SKIPPED, "already_on_list", [])


def test_a_pair_that_failed_is_free_for_the_next_delivery(mailketing: FakeMailketing) -> None:
    first, second = (due(lead={"email": "siti@gmail.com", "phone": None}) for _ in range(2))
    mailketing.answers.append(fakes.BAD_ADDRESS)
    send(mailketing)
    assert (first.status, second.status) == (FAILED, SENT)


def test_a_pair_whose_first_delivery_waits_for_another_try_is_taken_over(mailketing: FakeMailketing) -> None:
    first, second = (due(lead={"email": "siti@gmail.com", "phone": None}) for _ in range(2))
    mailketing.answers.append(fakes.SERVER_ERROR)
    send(mailketing)
    assert (first.status, second.status) == (PENDING, SENT)
    send(mailketing, NOW + timedelta(hours=1))
    assert (first.status, first.reason) == (SKIPPED, "already_on_list")
    assert mailketing.doubles() == []


def test_a_pair_that_another_process_settled_between_look_and_lock_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    row = due(lead={"email": "siti@gmail.com"})
    with transaction() as session:
        session.add(ListMember(list_id="103", email="siti@gmail.com", delivery_id=None, added_at=NOW))
    monkeypatch.setattr(delivery_worker, "_is_member", lambda _row: False)  # the look came too early
    assert claim_next(new_run()) is None
    db.session.expire_all()
    assert row.status is PENDING


# --- Failures ---


@pytest.mark.usefixtures("steady")
def test_retries_follow_the_schedule_and_then_a_person_decides(
    mailketing: FakeMailketing,
    clock: time_machine.Traveller,  # noqa: F811
) -> None:
    row = due()
    mailketing.always = fakes.SERVER_ERROR
    seconds = [int(delay.total_seconds()) for delay in RETRY_DELAYS]
    assert seconds == [30, 120, 600, 1800, 7200, 21600, 43200, 86400]
    now = NOW
    for tries, delay in enumerate(RETRY_DELAYS, 1):
        send(mailketing, now)
        assert (row.status, row.reason, row.tries, row.next_attempt_at) == (PENDING, "retry", tries, now + delay)
        now += delay
        clock.move_to(now)
    send(mailketing, now)
    assert (row.status, row.reason, row.tries, row.next_attempt_at) == (FAILED, "gave_up", 9, None)
    assert attempts(row) == ["retry"] * 9
    assert db.session.scalars(select(ListMember)).all() == []


def test_jitter_stays_within_a_fifth(mailketing: FakeMailketing) -> None:
    rows = [due() for _ in range(30)]
    mailketing.always = fakes.SERVER_ERROR
    send(mailketing)
    waits = [(row.next_attempt_at - NOW).total_seconds() for row in rows if row.next_attempt_at]
    assert all(24 <= wait <= 36 for wait in waits)
    assert len(set(waits)) > 1


@pytest.mark.usefixtures("steady")
@pytest.mark.parametrize(("asked", "wait"), [(300.0, 300), (5.0, 30), (None, 30), (86400.0, 86400)])
def test_a_longer_retry_after_is_honoured(mailketing: FakeMailketing, asked: float | None, wait: int) -> None:
    row = due()
    mailketing.always = AddResult(AnswerKind.RETRY, "too many", 429, retry_after=asked)
    send(mailketing)
    assert row.next_attempt_at == NOW + timedelta(seconds=wait)


def test_an_unknown_refusal_is_kept_word_for_word_and_tried_three_times(
    mailketing: FakeMailketing,
    clock: time_machine.Traveller,  # noqa: F811
) -> None:
    row = due()
    mailketing.always = fakes.ODD_REFUSAL
    for hour in range(3):
        assert row.status is PENDING
        clock.move_to(NOW + timedelta(hours=hour))
        send(mailketing, NOW + timedelta(hours=hour))
    assert (row.status, row.reason, row.message) == (FAILED, "gave_up", "Maaf, coba lagi nanti")
    assert attempts(row) == ["unknown"] * 3


@pytest.mark.parametrize(
    ("answer", "reason"), [(fakes.BAD_ADDRESS, "refused_address"), (fakes.UNKNOWN_LIST, "refused_list")]
)
def test_a_permanent_refusal_fails_at_once(mailketing: FakeMailketing, answer: AddResult, reason: str) -> None:
    row = due()
    mailketing.always = answer
    run = send(mailketing)
    assert (row.status, row.reason, row.tries, row.next_attempt_at) == (FAILED, reason, 1, None)
    assert run.summary() == "0 sent, 0 skipped, 0 retry, 1 failed"
    assert db.session.scalars(select(Suppression)).all() == []


def test_a_blacklisted_address_is_suppressed_for_all_lists(mailketing: FakeMailketing) -> None:
    rows = [due(lead={"email": "siti@gmail.com", "phone": None}, list_id=list_id) for list_id in ("103", "203")]
    mailketing.always = fakes.BLACKLISTED
    send(mailketing)
    assert [(row.status, row.reason) for row in rows] == [(FAILED, "refused_address"), (SKIPPED, "suppressed")]
    assert db.session.scalars(select(Suppression)).one().reason == "blacklisted"


def test_one_bad_row_does_not_stop_the_rest(mailketing: FakeMailketing) -> None:
    bad = due(lead={"email": "bad@gmail.com"})
    good = due(lead={"email": "good@gmail.com"})
    mailketing.for_email["bad@gmail.com"] = ValueError("odd name of bad@gmail.com")
    run = send(mailketing)
    assert (good.status, run.problem) == (SENT, None)
    assert (bad.status, bad.reason, bad.tries) == (PENDING, "unknown", 1)
    assert bad.message is not None and "ValueError: odd name of b***" in bad.message
    assert attempts(bad) == ["unknown"]


def test_silence_ends_the_run_after_five_and_the_rest_keep_their_tries(mailketing: FakeMailketing) -> None:
    rows = [due(next_attempt_at=NOW - timedelta(minutes=9 - number)) for number in range(8)]
    mailketing.always = fakes.NO_ANSWER
    run = send(mailketing)
    assert [row.tries for row in rows] == [1, 1, 1, 1, 1, 0, 0, 0]
    assert run.problem == "Mailketing does not answer: no answer in time"


def test_silences_that_are_not_in_a_row_do_not_end_the_run(mailketing: FakeMailketing) -> None:
    for _ in range(9):
        due()
    mailketing.answers.extend([fakes.NO_ANSWER] * 4 + [fakes.SERVER_ERROR] + [fakes.NO_ANSWER] * 4)
    assert send(mailketing).problem is None
    assert len(mailketing.calls) == 9


def test_too_many_calls_slow_the_run_down(mailketing: FakeMailketing) -> None:
    waits: list[float] = []
    run = Run(NOW, Pace(Decimal(20), sleep=waits.append))
    due()
    mailketing.answers.append(AddResult(AnswerKind.RETRY, "too many", 429))
    send_due(mailketing, run)
    for _ in range(2):
        run.pace.wait()
    assert waits[-1] > 9


def test_calls_are_spaced_evenly() -> None:
    waits: list[float] = []
    pace = Pace(Decimal(2), sleep=waits.append)
    for _ in range(4):
        pace.wait()
    assert waits == pytest.approx([0, 0.5, 1.0, 1.5], abs=0.2)


# --- The account's hold ---


@pytest.mark.parametrize("answer", [fakes.NO_CREDITS, fakes.WRONG_TOKEN])
def test_a_refused_account_pauses_all_and_burns_no_try(mailketing: FakeMailketing, answer: AddResult) -> None:
    rows = [due(next_attempt_at=NOW - timedelta(minutes=number)) for number in (3, 2, 1)]
    mailketing.always = answer
    run = send(mailketing)
    assert len(mailketing.calls) == 1
    assert [(row.status, row.tries) for row in rows] == [(PENDING, 0)] * 3
    assert rows[0].reason == "hold"
    assert run.problem == f"Mailketing refuses the account: {answer.message}"
    hold = delivery_service.hold()
    assert hold is not None
    assert (hold.reason, hold.since) == (answer.message, NOW)


def put_on_hold() -> None:
    with transaction() as session:
        session.add(AccountHold(reason="no credits", since=NOW, checked_at=NOW))


def test_a_hold_ends_when_mailketing_answers_with_credits(mailketing: FakeMailketing) -> None:
    put_on_hold()
    assert delivery_worker.ends_hold(mailketing, NOW + timedelta(seconds=10))
    assert delivery_service.hold() is None


@pytest.mark.parametrize(
    "balance",
    [0, -5, None, VendorAuthError("Mailketing", "wrong token"), VendorUnreachable("Mailketing", "no answer in time")],
)
def test_a_hold_goes_on_without_credits_and_is_asked_about_once_a_minute(
    mailketing: FakeMailketing, balance: int | None
) -> None:
    put_on_hold()
    mailketing.balance = balance
    for seconds, calls in ((10, 1), (20, 1), (69, 1), (70, 2), (100, 2)):
        assert not delivery_worker.ends_hold(mailketing, NOW + timedelta(seconds=seconds))
        assert mailketing.credit_calls == calls
    mailketing.balance = 5
    assert delivery_worker.ends_hold(mailketing, NOW + timedelta(seconds=130))


def test_an_account_with_credits_that_is_refused_all_the_same_is_tried_once_a_minute(
    mailketing: FakeMailketing,
    clock: time_machine.Traveller,  # noqa: F811
) -> None:
    due()
    mailketing.always, mailketing.balance = fakes.NO_CREDITS, 50
    send(mailketing)
    for _ in range(7):
        clock.shift(10)
        moment = utc_now()
        if delivery_worker.ends_hold(mailketing, moment):
            send(mailketing, moment)
    assert (mailketing.credit_calls, len(mailketing.calls)) == (2, 3)


def test_without_a_hold_nobody_is_asked(mailketing: FakeMailketing) -> None:
    assert delivery_worker.ends_hold(mailketing, NOW)
    assert mailketing.credit_calls == 0


def test_what_has_unread_news_in_the_inbox_waits_until_it_is_read(mailketing: FakeMailketing) -> None:
    row, other = due(role=FOLLOW_UP), due()
    event, _ = messages.receive(messages.payment(row.lead.order_id, "paid", NOW))
    assert event is not None
    send(mailketing)
    assert (row.status, other.status) == (PENDING, SENT)
    event_service.act_on(event, NOW)
    send(mailketing)
    assert (row.status, row.lead.status) == (DeliveryStatus.CANCELLED, CLOSING)


@pytest.mark.parametrize("role", [FOLLOW_UP, NOT_CLOSING, CLOSING])
def test_unread_news_of_the_same_buyers_other_order_holds_what_chases(
    mailketing: FakeMailketing, role: LeadStatus
) -> None:
    product_list = builders.make_product_list()
    row = due(role=role, lead={"product_list_id": product_list.id})
    other = builders.make_lead(product_list_id=product_list.id, email=row.email)
    event, _ = messages.receive(messages.payment(other.order_id, "paid", NOW))
    assert event is not None
    send(mailketing)
    if role is CLOSING:
        assert row.status is SENT
        return
    assert (row.status, row.reason, mailketing.calls) == (PENDING, "unread_elsewhere", [])
    assert row.next_attempt_at == NOW + delivery_worker.NEWS_CHECK_EVERY
    event_service.act_on(event, NOW)
    send(mailketing, row.next_attempt_at)
    assert (row.status, row.reason, mailketing.calls) == (SKIPPED, "paid_elsewhere", [])


@pytest.mark.parametrize("case", ["other product", "other buyer", "read"])
def test_other_news_holds_nothing(mailketing: FakeMailketing, case: str) -> None:
    product_list = builders.make_product_list()
    row = due(lead={"product_list_id": product_list.id})
    other = builders.make_lead(
        product_list_id=builders.make_product_list().id if case == "other product" else product_list.id,
        email="somebody.else@example.com" if case == "other buyer" else row.email,
    )
    event, _ = messages.receive(messages.payment(other.order_id, "unpaid", NOW))
    assert event is not None
    if case == "read":
        event_service.act_on(event, NOW)
    send(mailketing)
    assert row.status is SENT


class Locked:
    """A database that fails for a while, from the moment on at which Mailketing has answered."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: int, error: Exception) -> None:
        real, self.left = delivery_worker.settle, times

        def settle_or_fail(*args: Any) -> None:
            if self.left:
                self.left -= 1
                raise error
            real(*args)

        monkeypatch.setattr(delivery_worker, "settle", settle_or_fail)


@pytest.mark.parametrize("error", [OperationalError("update", {}, Exception("locked")), Conflict("locked")])
def test_an_answer_is_written_down_once_the_database_works_again(
    mailketing: FakeMailketing, sleeps: list[float], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    row, again = due(), due()
    Locked(monkeypatch, 20, error)
    send(mailketing)
    assert (row.status, again.status, attempts(row)) == (SENT, SENT, ["ok"])
    assert len(mailketing.calls) == 2
    assert sleeps == [delivery_worker.SETTLE_AGAIN_SECONDS] * 20


def test_a_process_that_has_to_end_does_not_wait_for_the_database(
    mailketing: FakeMailketing, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, answers = due(), iter([True, False])
    Locked(monkeypatch, 20, OperationalError("update", {}, Exception("locked")))
    with pytest.raises(OperationalError):
        send_due(mailketing, Run(NOW, Pace(Decimal(20), sleep=lambda _: None), keep_going=lambda: next(answers)))
    db.session.expire_all()
    assert row.status is SENDING


def test_a_claim_that_ran_out_is_given_up(
    mailketing: FakeMailketing, sleeps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    due()
    Locked(monkeypatch, 10**6, OperationalError("update", {}, Exception("locked")))
    begin = time.monotonic()
    monkeypatch.setattr(delivery_worker.time, "monotonic", lambda: begin + sum(sleeps))
    with pytest.raises(OperationalError):
        send(mailketing)
    assert sum(sleeps) == pytest.approx(CLAIM_LIFE.total_seconds(), abs=2)


def claimed(row: Delivery) -> tuple[delivery_worker.Claim, Run, ProductList]:
    """A delivery that is being sent, with its product list."""
    run = new_run()
    claim = claim_next(run)
    assert claim is not None and row.lead.product_list is not None
    return claim, run, row.lead.product_list


def edit(product_list: ProductList, **lists: str) -> None:
    fields = Fields(product_list.name, product_list.product_id, **lists)
    product_list_service.edit(product_list.id, fields, NOW)


def test_a_list_that_is_changed_during_the_call_is_the_next_try_s(mailketing: FakeMailketing) -> None:
    row = due()
    claim, run, product_list = claimed(row)
    edit(product_list, not_closing_list_id="203")
    settle(claim, fakes.SERVER_ERROR, run, NOW)
    send(mailketing, NOW + timedelta(hours=1))
    assert mailketing.calls == [("203", row.email)]


def test_a_list_that_is_mended_while_mailketing_refuses_it_is_tried_at_once(mailketing: FakeMailketing) -> None:
    row = due()
    claim, run, product_list = claimed(row)
    edit(product_list, not_closing_list_id="203")
    settle(claim, fakes.UNKNOWN_LIST, run, NOW)
    send(mailketing)
    assert (row.status, mailketing.calls) == (SENT, [("203", row.email)])


@pytest.mark.parametrize("what", ["emptied", "deleted"])
def test_a_list_that_is_taken_off_during_the_call_is_not_tried_again(mailketing: FakeMailketing, what: str) -> None:
    row = due()
    claim, run, product_list = claimed(row)
    if what == "emptied":
        edit(product_list, closing_list_id="9")
    else:
        product_list_service.delete(product_list.id, NOW)
    settle(claim, fakes.SERVER_ERROR, run, NOW)
    send(mailketing, NOW + timedelta(hours=1))
    expected = DeliveryStatus.CANCELLED if what == "emptied" else DeliveryStatus.BLOCKED
    assert (row.status, mailketing.calls) == (expected, [])


def test_an_address_that_is_mended_during_the_call_is_the_next_try_s(mailketing: FakeMailketing) -> None:
    row = due(lead={"email": "old@gmail.com"})
    claim, run, _ = claimed(row)
    with transaction():
        row.lead.email = "new@gmail.com"
    settle(claim, fakes.SERVER_ERROR, run, NOW)
    send(mailketing, NOW + timedelta(hours=1))
    assert mailketing.calls == [("103", "new@gmail.com")]


def test_a_claim_that_is_released_follows_its_product_list(mailketing: FakeMailketing) -> None:
    row = due()
    _, _, product_list = claimed(row)
    edit(product_list, not_closing_list_id="203")
    later = NOW + CLAIM_LIFE + timedelta(seconds=1)
    delivery_worker.release_stuck(later)
    send(mailketing, later)
    assert mailketing.calls == [("203", row.email)]


def test_a_buyer_who_pays_while_the_pace_is_kept_is_not_added(mailketing: FakeMailketing) -> None:
    row = due(role=FOLLOW_UP)

    def pay(_seconds: float) -> None:
        with transaction():
            row.lead.status = CLOSING

    send_due(mailketing, Run(NOW, Pace(Decimal(20), sleep=pay)))
    db.session.expire_all()
    assert (row.status, row.reason, mailketing.calls) == (SKIPPED, "status_changed", [])


def test_after_a_hold_every_delivery_goes_once(mailketing: FakeMailketing) -> None:
    rows = [due() for _ in range(3)]
    mailketing.answers.append(fakes.NO_CREDITS)
    send(mailketing)
    assert delivery_worker.ends_hold(mailketing, NOW + timedelta(seconds=10))
    send(mailketing)
    assert [row.status for row in rows] == [SENT] * 3
    assert mailketing.doubles() == []
    assert [row.tries for row in rows] == [1] * 3


def test_a_second_refusal_makes_no_second_banner(mailketing: FakeMailketing) -> None:
    due()
    put_on_hold()
    mailketing.always = fakes.NO_CREDITS
    send(mailketing)
    assert db.session.scalar(select(func.count()).select_from(AccountHold)) == 1


# --- Senders that die ---


def test_a_stuck_claim_is_released_after_five_minutes(mailketing: FakeMailketing) -> None:
    row = due()
    claim_next(new_run())
    assert delivery_worker.release_stuck(NOW + CLAIM_LIFE) == 0
    later = NOW + CLAIM_LIFE + timedelta(microseconds=1)
    assert delivery_worker.release_stuck(later) == 1
    db.session.expire_all()
    assert (row.status, row.tries, row.claimed_by, row.next_attempt_at) == (PENDING, 0, None, later)
    assert attempts(row) == ["interrupted"]
    send(mailketing, later)
    assert row.status is SENT
    assert attempts(row) == ["interrupted", "ok"]


def test_a_late_answer_is_recorded_but_does_not_settle_a_released_claim(mailketing: FakeMailketing) -> None:
    row = due()
    claim = claim_next(new_run())
    assert claim is not None
    delivery_worker.release_stuck(NOW + timedelta(minutes=6))
    settle(claim, fakes.SERVER_ERROR, new_run(), NOW + timedelta(minutes=6))
    db.session.expire_all()
    assert (row.status, row.tries) == (PENDING, 0)
    assert attempts(row) == ["retry"]


def test_a_late_success_keeps_the_address_from_being_added_again(mailketing: FakeMailketing) -> None:
    row = due()
    claim = claim_next(new_run())
    assert claim is not None
    delivery_worker.release_stuck(NOW + timedelta(minutes=6))
    settle(claim, fakes.OK, new_run(), NOW + timedelta(minutes=6))
    send(mailketing, NOW + timedelta(minutes=7))
    assert mailketing.calls == []
    assert (row.status, row.reason) == (SKIPPED, "already_on_list")


def test_a_late_answer_does_not_touch_the_claim_of_the_next_sender(mailketing: FakeMailketing) -> None:
    row = due()
    first = claim_next(new_run())
    later = NOW + timedelta(minutes=6)
    delivery_worker.release_stuck(later)
    second = claim_next(new_run(later))
    assert first is not None and second is not None and first.owner != second.owner
    settle(first, fakes.BAD_ADDRESS, new_run(), later)
    db.session.expire_all()
    assert (row.status, row.claimed_by) == (SENDING, second.owner)
    settle(second, fakes.OK, new_run(), later)
    db.session.expire_all()
    assert row.status is SENT


def test_a_lead_that_moved_while_being_sent_keeps_what_happened(mailketing: FakeMailketing) -> None:
    row = due()
    run = new_run()
    claim = claim_next(run)
    assert claim is not None
    with transaction():
        lead = db.session.get_one(Lead, row.lead_id)
        lead.status = CLOSING
        delivery_service.enter_role(lead, CLOSING, NOW)
    settle(claim, fakes.OK, run, NOW)
    db.session.expire_all()
    assert row.status is SENT


def test_a_try_that_failed_while_the_lead_moved_is_not_repeated(mailketing: FakeMailketing) -> None:
    row = due()
    run = new_run()
    claim = claim_next(run)
    assert claim is not None
    with transaction():
        lead = db.session.get_one(Lead, row.lead_id)
        lead.status = CLOSING
    settle(claim, fakes.SERVER_ERROR, run, NOW)
    send(mailketing, NOW + timedelta(hours=1))
    assert (row.status, row.reason, mailketing.calls) == (SKIPPED, "status_changed", [])
