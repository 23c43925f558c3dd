"""Doing one thing to many rows from the pages: the number first, then the deed, then what became of it."""

import re
from typing import Any

import pytest
from werkzeug.datastructures import MultiDict

from models import Delivery, DeliveryStatus, EventStatus, Lead, LeadStatus, UserRole, WebhookEvent, db
from routes import bulk
from services import bulk_service
from services.statuses import BulkDeed
from tests.builders import NOW, PASSWORD, make_delivery, make_event, make_lead, make_user
from tests.page_client import Page, PageClient


@pytest.fixture
def cs_pages(pages: PageClient) -> PageClient:
    pages.log_in(make_user("sari@example.com", UserRole.CS).email, PASSWORD)
    return pages


def hidden(page: Page) -> MultiDict[str, str]:
    """What the confirming form sends: the page client keeps one value of a name, and here are many."""
    form = page.html.partition('action="/bulk"')[2].partition("</form>")[0]
    return MultiDict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form))


def confirm(pages: PageClient, preview: Page, status: int = 302, **typed: str) -> Page:
    values = hidden(preview)
    for name, value in typed.items():
        values[name] = value
    answer = pages.client.post("/bulk", data=values)
    assert answer.status_code == status, answer.get_data(as_text=True)[:500]
    return pages.get(answer.headers["Location"]) if status == 302 else pages._read(answer, "/bulk", status)


def statuses(*ids: int) -> list[LeadStatus]:
    return [db.session.get_one(Lead, lead_id).status for lead_id in ids]


# --- Leads ---


def test_ticked_leads_are_moved_after_their_number_was_shown(admin_pages: PageClient) -> None:
    first, second, other = make_lead().id, make_lead().id, make_lead().id
    preview = admin_pages.get(f"/bulk/new?do=move_closing&scope=chosen&id={first}&id={second}")
    assert "2 lead" in preview.text and "Belum ada yang diubah." in preview.text
    assert statuses(first, second) == [LeadStatus.FOLLOW_UP] * 2
    report = confirm(admin_pages, preview, note="pesta")
    assert "2 berhasil." in report.text and "Selesai" in report.text
    assert statuses(first, second, other) == [LeadStatus.CLOSING, LeadStatus.CLOSING, LeadStatus.FOLLOW_UP]
    history = db.session.get_one(Lead, first).history[-1]
    assert (history.actor, history.note) == ("admin@example.com", "pesta")


def test_all_that_match_are_those_that_the_filters_let_through(admin_pages: PageClient) -> None:
    cod, bank = make_lead(payment_method="cod").id, make_lead().id
    page = admin_pages.get("/leads?cod=yes")
    assert "Semua yang cocok: 1" in page.text
    report = confirm(admin_pages, admin_pages.get("/bulk/new?do=archive&scope=all&cod=yes"))
    assert "1 berhasil." in report.text
    assert [db.session.get_one(Lead, lead_id).is_archived for lead_id in (cod, bank)] == [True, False]


def test_a_number_that_has_changed_is_shown_again_before_anything_happens(admin_pages: PageClient) -> None:
    first = make_lead().id
    preview = admin_pages.get("/bulk/new?do=archive&scope=all")
    second = make_lead().id
    again = confirm(admin_pages, preview, status=200)
    assert "2 lead" in again.text and "Jumlahnya sudah berubah." in again.text
    assert not any(db.session.get_one(Lead, lead_id).is_archived for lead_id in (first, second))
    assert "2 berhasil." in confirm(admin_pages, again).text


def test_the_preview_tells_where_the_leads_are_now(admin_pages: PageClient) -> None:
    make_lead()
    make_lead(status=LeadStatus.CLOSING)
    assert "sekarang di Closing 1" in admin_pages.get("/bulk/new?do=move_closing&scope=all").text


def test_what_was_refused_is_told_with_a_way_to_it(admin_pages: PageClient) -> None:
    lead_id = make_lead(status=LeadStatus.CLOSING).id
    report = confirm(admin_pages, admin_pages.get(f"/bulk/new?do=move_closing&id={lead_id}"))
    assert "Lead ini sudah berstatus itu." in report.text
    assert f"/leads/{lead_id}" in report.links


def test_failed_deliveries_of_leads_are_sent_again(cs_pages: PageClient) -> None:
    delivery_id = make_delivery(status=DeliveryStatus.FAILED, reason="gave_up").id
    make_lead()
    preview = cs_pages.get("/bulk/new?do=retry_leads&scope=all")
    assert "1 lead" in preview.text  # the other one has nothing that failed
    confirm(cs_pages, preview)
    assert db.session.get_one(Delivery, delivery_id).status is DeliveryStatus.PENDING


@pytest.mark.parametrize("query", ["do=archive", "do=archive&id=x", "do=archive&scope=all&q=zzz", "do=export"])
def test_nothing_chosen_leads_back_with_a_word(admin_pages: PageClient, query: str) -> None:
    make_lead()
    page = admin_pages.get(f"/bulk/new?{query}&next=/leads%3Fcod%3Dno", status=302)
    assert page.location == "/leads?cod=no"
    assert "Belum ada yang dipilih." in admin_pages.get(page.location).text


def test_the_way_back_stays_on_this_site(admin_pages: PageClient) -> None:
    page = admin_pages.get("/bulk/new?do=archive&next=//evil.example", status=302)
    assert page.location == "/leads"


@pytest.mark.parametrize("query", ["", "do=drop", "do=" + "x" * 3000])
def test_a_deed_that_does_not_exist_is_refused(admin_pages: PageClient, query: str) -> None:
    admin_pages.get(f"/bulk/new?{query}", status=400)


# --- Deliveries and events ---


def test_all_failed_deliveries_of_a_reason_are_sent_again(admin_pages: PageClient) -> None:
    gave_up = make_delivery(status=DeliveryStatus.FAILED, reason="gave_up").id
    refused = make_delivery(status=DeliveryStatus.FAILED, reason="refused_list").id
    page = admin_pages.get("/deliveries?status=failed&reason=gave_up")
    assert "Semua yang cocok: 1" in page.text
    report = confirm(admin_pages, admin_pages.get("/bulk/new?do=retry&scope=all&status=failed&reason=gave_up"))
    assert "1 berhasil." in report.text
    found = [db.session.get_one(Delivery, delivery_id).status for delivery_id in (gave_up, refused)]
    assert found == [DeliveryStatus.PENDING, DeliveryStatus.FAILED]


def test_what_was_sent_is_not_offered_to_be_sent_again(admin_pages: PageClient) -> None:
    make_delivery(status=DeliveryStatus.SENT)
    page = admin_pages.get("/deliveries?status=sent")
    assert "/bulk/new" not in page.html


def test_dead_events_are_processed_again_all_at_once(admin_pages: PageClient) -> None:
    ids = [make_event(status=EventStatus.DEAD, body=b'{"event":"shop.opened","data":{}}').id for _ in range(3)]
    assert "Semua yang cocok: 3" in admin_pages.get("/events?status=dead").text
    preview = admin_pages.get("/bulk/new?do=replay&scope=all&status=dead")
    assert "3 event" in preview.text
    assert "3 berhasil." in confirm(admin_pages, preview).text
    assert {db.session.get_one(WebhookEvent, event_id).status for event_id in ids} == {EventStatus.IGNORED}


def test_only_admins_replay_events(cs_pages: PageClient) -> None:
    event_id = make_event(status=EventStatus.DEAD).id
    cs_pages.get(f"/bulk/new?do=replay&id={event_id}", status=403)
    token = cs_pages.get("/leads").form("/logout").values["csrf_token"]
    answer = cs_pages.client.post("/bulk", data={"csrf_token": token, "do": "replay", "id": event_id, "count": 1})
    assert answer.status_code == 403
    assert db.session.get_one(WebhookEvent, event_id).status is EventStatus.DEAD


# --- Runs ---


def begun_run(actor: str, count: int = 3) -> int:
    ids = [make_lead().id for _ in range(count)]
    return bulk_service.start(BulkDeed.MOVE_CLOSING, ids, actor=actor, note=None, now=NOW).id


def step(pages: PageClient, run_id: int, **headers: Any) -> str:
    token = pages.get(f"/bulk/{run_id}").form(f"/bulk/{run_id}/step").values["csrf_token"]
    answer = pages.client.post(f"/bulk/{run_id}/step", data={"csrf_token": token}, headers=headers)
    return answer.get_data(as_text=True) if headers else str(answer.headers["Location"])


def test_a_run_goes_on_from_its_page_with_and_without_javascript(
    admin_pages: PageClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_service, "_BATCH", 1)
    monkeypatch.setattr(bulk, "_for_a_moment", lambda: iter([True, False]).__next__)
    run_id = begun_run("admin@example.com")
    assert "0 dari 3" in admin_pages.get(f"/bulk/{run_id}").text
    fragment = step(admin_pages, run_id, **{"HX-Request": "true"})
    assert "1 dari 3" in fragment and "<html" not in fragment and "hx-post" in fragment
    assert step(admin_pages, run_id) == f"/bulk/{run_id}"
    assert "2 dari 3" in admin_pages.get(f"/bulk/{run_id}").text


def test_a_run_is_stopped_from_its_page(admin_pages: PageClient) -> None:
    run_id = begun_run("admin@example.com")
    page = admin_pages.send_and_follow(f"/bulk/{run_id}", f"/bulk/{run_id}/stop")
    assert "Dihentikan" in page.text and "0 dari 3" in page.text
    assert "hx-post" not in page.html


def test_a_run_is_seen_by_who_began_it_and_by_admins(cs_pages: PageClient) -> None:
    own, foreign = begun_run("sari@example.com"), begun_run("admin@example.com")
    cs_pages.get(f"/bulk/{own}")
    cs_pages.get(f"/bulk/{foreign}", status=404)
    token = cs_pages.get(f"/bulk/{own}").form(f"/bulk/{own}/stop").values["csrf_token"]
    for action in ("step", "stop"):
        answer = cs_pages.client.post(f"/bulk/{foreign}/{action}", data={"csrf_token": token})
        assert answer.status_code == 404
    assert bulk_service.get(foreign).position == 0
