"""The API test tools against the sandbox and a server that really listens: what they ask, and what they never do."""

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import requests
from flask import Flask
from sqlalchemy import func, select

from models import Delivery, EventStatus, Heartbeat, Lead, LeadStatus, WebhookEvent, db
from sandbox.app import serve_in_thread
from sandbox.state import Sandbox, Settings
from services import settings_service, signatures, simulator, suppression_service, tool_service
from services.errors import UserError, VendorAuthError, VendorUnreachable
from services.http_session import HttpSession
from services.mailketing_service import AnswerKind
from services.rate_limit import TooManyTries
from services.setup_service import Vendor
from services.tool_service import Listed, Verdict
from tests import messages
from tests.builders import NOW, make_lead
from tests.own_server import listening

KEY = "sk_uji"
TOKEN = "fedcba9876543210fedcba9876543210"
SECRET = "a-signing-secret"


@pytest.fixture(autouse=True)
def no_open_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse network calls while a transaction is open."""

    def guarded(real: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            assert not db.session().in_transaction(), "a transaction is open during a network call"
            return real(*args, **kwargs)

        return call

    monkeypatch.setattr(HttpSession, "send", guarded(HttpSession.send))
    monkeypatch.setattr(tool_service, "_post", guarded(tool_service._post))


@pytest.fixture
def sandbox(app: Flask) -> Iterator[str]:
    with serve_in_thread(Sandbox(Settings(scalev_key=KEY, mailketing_token=TOKEN))) as url:
        app.extensions["config"] = replace(
            app.extensions["config"], scalev_api_url=f"{url}/scalev", mailketing_api_url=f"{url}/mailketing/api/v1"
        )
        yield url


# --- The vendors ---


def test_a_typed_key_is_tried_before_the_saved_one(sandbox: str) -> None:
    settings_service.change({"scalev_api_key": "sk_saved_but_wrong"}, NOW)
    assert tool_service.try_key(Vendor.SCALEV, f" {KEY} ", NOW).problem is None
    assert "Invalid API key" in (tool_service.try_key(Vendor.SCALEV, "", NOW).problem or "")


def test_a_working_token_shows_whose_it_is(sandbox: str) -> None:
    result = tool_service.try_key(Vendor.MAILKETING, TOKEN, NOW)
    assert result.problem is None and result.account and result.amount == 1000
    assert any("41201" in name for name in result.names)


def test_a_test_is_remembered_for_the_checklist(sandbox: str) -> None:
    tool_service.try_key(Vendor.SCALEV, KEY, NOW)
    beat = db.session.get_one(Heartbeat, "scalev-key")
    assert (beat.succeeded_at, beat.error) == (NOW, None)


def test_without_a_key_nobody_is_asked(app: Flask) -> None:
    for work in (lambda: tool_service.try_key(Vendor.SCALEV, " ", NOW), lambda: tool_service.credits_left("", NOW)):
        with pytest.raises(UserError, match="no key yet"):
            work()


def test_stores_products_and_lists_are_names_and_ids(sandbox: str) -> None:
    stores = tool_service.listing(Listed.STORES, KEY, NOW)
    products = tool_service.listing(Listed.PRODUCTS, KEY, NOW)
    lists = tool_service.listing(Listed.LISTS, TOKEN, NOW)
    assert stores.entries and all(entry.id.isdigit() and entry.name for entry in stores.entries)
    assert products.entries and all(entry.id.startswith("variant_") and entry.name for entry in products.entries)
    assert "41201" in [entry.id for entry in lists.entries]
    assert not products.has_more


def test_a_long_list_ends_at_the_cap_and_says_that_there_is_more(sandbox: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool_service, "MAX_ROWS", 2)
    listing = tool_service.listing(Listed.PRODUCTS, KEY, NOW)
    assert (len(listing.entries), listing.has_more) == (2, True)


def test_a_vendor_that_refuses_or_is_silent_is_told_as_such(sandbox: str) -> None:
    with pytest.raises(VendorAuthError, match="Invalid API key"):
        tool_service.listing(Listed.STORES, "sk_wrong", NOW)
    requests.post(f"{sandbox}/_control/switches", json={"vendor": "mailketing", "mode": "html"}, timeout=5)
    with pytest.raises(VendorUnreachable):
        tool_service.credits_left(TOKEN, NOW)


def test_credits_are_mailketings_own_number(sandbox: str) -> None:
    requests.put(f"{sandbox}/_control/credits", json={"credits": 77}, timeout=5)
    assert tool_service.credits_left(TOKEN, NOW).amount == 77


def test_ten_tests_a_minute_are_the_most(sandbox: str) -> None:
    for _ in range(5):
        tool_service.credits_left(TOKEN, NOW)
        tool_service.try_key(Vendor.SCALEV, KEY, NOW)
    with pytest.raises(TooManyTries):
        tool_service.listing(Listed.LISTS, TOKEN, NOW)
    tool_service.credits_left(TOKEN, NOW + timedelta(seconds=61))


def test_a_test_subscriber_is_really_added(sandbox: str) -> None:
    settings_service.change({"mailketing_api_key": TOKEN}, NOW)
    result = tool_service.add_subscriber("41201", "ani@example.com", "Ani", "6281234567801", NOW)
    assert result.kind is AnswerKind.OK
    (subscriber,) = requests.get(f"{sandbox}/_control/lists/41201/subscribers", timeout=5).json()
    assert (subscriber["email"], subscriber["first_name"], subscriber["mobile"]) == (
        "ani@example.com",
        "Ani",
        "6281234567801",
    )


def test_a_refused_subscriber_is_told_in_mailketings_words(sandbox: str) -> None:
    settings_service.change({"mailketing_api_key": TOKEN}, NOW)
    result = tool_service.add_subscriber("99999", "ani@example.com", "", "", NOW)
    assert (result.kind, result.message) == (AnswerKind.CONFIG, "List Not Found")


def test_an_address_that_must_not_be_sent_to_is_not_added(sandbox: str) -> None:
    settings_service.change({"mailketing_api_key": TOKEN}, NOW)
    suppression_service.suppress("ani@example.com", "bounced", None, NOW)
    with pytest.raises(UserError, match="bounced"):
        tool_service.add_subscriber("41201", "ani@example.com", "", "", NOW)
    assert requests.get(f"{sandbox}/_control/lists/41201/subscribers", timeout=5).json() == []


# --- The simulator ---


@pytest.fixture
def port(app: Flask) -> Iterator[str]:
    settings_service.change({"scalev_webhook_secret": SECRET}, NOW)
    with listening(app) as port:
        yield port


def _lead(order_id: str) -> Lead:
    return db.session.scalars(select(Lead).where(Lead.order_id == order_id)).one()


def test_a_simulated_order_comes_in_by_the_front_door(port: str) -> None:
    result = tool_service.simulate(tool_service.sample("order.created", "", NOW), port, NOW)
    assert (result.status, json.loads(result.answer)["status"]) == (200, "accepted")
    assert result.event and result.event.status is EventStatus.PROCESSED and result.event.matched_secret == "current"
    assert result.event.lead and result.event.lead.status is LeadStatus.FOLLOW_UP


def test_the_same_text_again_is_a_duplicate(port: str) -> None:
    first = tool_service.simulate(tool_service.sample("order.created", "", NOW), port, NOW)
    again = tool_service.simulate(first.body.replace("\n", "\r\n"), port, NOW)
    assert json.loads(again.answer)["status"] == "duplicate"
    assert again.event and first.event and again.event.id == first.event.id and again.event.duplicates == 1


@pytest.mark.parametrize(
    ("event", "status", "archived"),
    [
        ("order.payment_status_changed", LeadStatus.CLOSING, False),
        ("payment.received", LeadStatus.CLOSING, False),
        ("payment.failed", LeadStatus.FOLLOW_UP, False),
        ("order.updated", LeadStatus.FOLLOW_UP, False),
        ("order.epayment_created", LeadStatus.FOLLOW_UP, False),
        ("order.status_changed", LeadStatus.FOLLOW_UP, False),
        ("order.spam_created", LeadStatus.FOLLOW_UP, True),
        ("order.deleted", LeadStatus.FOLLOW_UP, True),
    ],
)
def test_a_sample_about_a_known_order_moves_its_lead(port: str, event: str, status: LeadStatus, archived: bool) -> None:
    order_id = simulator.new_order_id()
    tool_service.simulate(tool_service.sample("order.created", order_id, NOW), port, NOW)
    later = NOW + timedelta(minutes=1)
    result = tool_service.simulate(tool_service.sample(event, order_id, later), port, NOW)
    lead = _lead(order_id)
    assert result.event and (result.event.status, result.event.reason) == (EventStatus.PROCESSED, None)
    assert (lead.status, lead.is_archived, lead.ordered_at) == (status, archived, NOW)


def test_a_simulated_test_event_makes_no_lead(port: str) -> None:
    result = tool_service.simulate(tool_service.sample("business.test_event", "", NOW), port, NOW)
    assert result.status == 200 and result.event and result.event.reason == "test"
    assert db.session.scalar(select(func.count()).select_from(Lead)) == 0


def test_a_sample_sends_nothing_to_mailketing(port: str) -> None:
    tool_service.simulate(tool_service.sample("order.created", "", NOW), port, NOW)
    assert db.session.scalars(select(Delivery.status)).all() == ["blocked"]


def test_a_broken_body_is_refused_as_scalevs_would_be(port: str) -> None:
    result = tool_service.simulate('{"event": "order.created"', port, NOW)
    assert result.status == 400 and result.event and result.event.reason == "not_json"


def test_personal_data_in_an_answer_is_masked(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Loud:
        status_code, text = 500, "broken for ani@example.com " + "x" * 5000

    monkeypatch.setattr(tool_service, "_post", lambda *_: Loud)
    answer = tool_service.simulate("{}", port, NOW).answer
    assert "ani@example.com" not in answer and len(answer) <= 2000


def test_without_a_signing_secret_nothing_is_sent(app: Flask) -> None:
    with pytest.raises(UserError, match="No signing secret"):
        tool_service.simulate("{}", "1", NOW)


def test_a_program_that_does_not_listen_there_says_so(app: Flask) -> None:
    settings_service.change({"scalev_webhook_secret": SECRET}, NOW)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    with pytest.raises(UserError, match="did not answer itself"):
        tool_service.simulate("{}", str(free), NOW)


def test_simulated_webhooks_count_as_tests(port: str) -> None:
    for _ in range(10):
        tool_service.simulate("{}", port, NOW)
    with pytest.raises(TooManyTries):
        tool_service.simulate("{}", port, NOW)
    assert db.session.scalar(select(func.count()).select_from(WebhookEvent)) == 1


# --- Samples ---

_FIXTURES = {
    "order.created": "order_created",
    "order.updated": "order_updated",
    "order.epayment_created": "order_epayment_created",
    "order.payment_status_changed": "payment_status_changed_paid",
    "payment.received": "payment_received",
    "order.status_changed": "order_status_changed_canceled",
    "order.spam_created": "order_spam_created",
    "order.deleted": "order_deleted",
    "business.test_event": "test_event",
}


@pytest.mark.parametrize("event", simulator.EVENTS)
def test_a_sample_has_scalevs_shape(event: str) -> None:
    sample = json.loads(simulator.sample(event, "SIM-1", NOW, NOW))
    documented = json.loads(messages.fixture(_FIXTURES.get(event, "payment_received")))
    assert sample["event"] == event and len(sample["unique_id"]) == 30
    assert sample["data"].keys() <= documented["data"].keys() | {"pg_paid_info", "pg_payment_info", "pg_reference_id"}


def test_every_sample_is_another_event_about_another_order(app: Flask) -> None:
    samples = [json.loads(tool_service.sample("order.created", "", NOW)) for _ in range(5)]
    assert len({sample["unique_id"] for sample in samples}) == 5
    assert len({sample["data"]["order_id"] for sample in samples}) == 5


def test_a_sample_knows_when_its_order_was_made(app: Flask) -> None:
    lead = make_lead(ordered_at=NOW - timedelta(days=2))
    sample = json.loads(tool_service.sample("payment.received", lead.order_id, NOW))
    assert sample["data"]["created_at"] == messages.iso(NOW - timedelta(days=2))


# --- The signature checker ---


def test_the_checker_tells_which_secret_signed(app: Flask) -> None:
    for secret in ("the-first-secret", "the-second-secret"):
        settings_service.change({"scalev_webhook_secret": secret}, NOW)
    body = '{"event":"order.created"}'
    verdicts = [
        tool_service.check_signature(body, signatures.sign(secret, body.encode()), NOW)
        for secret in ("the-second-secret", "the-first-secret", "another-secret")
    ]
    assert verdicts == [Verdict.CURRENT, Verdict.PREVIOUS, Verdict.NONE]
    assert tool_service.check_signature(body, "no base64 ✗", NOW) is Verdict.NONE


@pytest.mark.parametrize("signed", ['{"a":\n1}', '{"a":\r\n1}', '{"a":\n1}\n'])
def test_line_ends_that_the_browser_changed_do_no_harm(app: Flask, signed: str) -> None:
    settings_service.change({"scalev_webhook_secret": SECRET}, NOW)
    header = signatures.sign(SECRET, signed.encode())
    assert tool_service.check_signature('{"a":\r\n1}', header, NOW) is Verdict.CURRENT


def test_without_a_secret_there_is_nothing_to_check_by(app: Flask) -> None:
    with pytest.raises(UserError, match="No signing secret"):
        tool_service.check_signature("{}", "x", NOW)
