"""Leads, events and deliveries, as people look at them and act on them."""

import re
from datetime import timedelta

import pytest

from models import (
    AccountHold,
    ArchiveReason,
    Delivery,
    DeliveryStatus,
    EventStatus,
    Lead,
    LeadStatus,
    UserRole,
    WebhookEvent,
    db,
    transaction,
)
from models_catalogue import CatalogueList
from services import clock
from tests.builders import (
    NOW,
    PASSWORD,
    make_attempt,
    make_delivery,
    make_event,
    make_history,
    make_lead,
    make_user,
)
from tests.page_client import PageClient


def _lead(lead_id: int) -> Lead:
    return db.session.get_one(Lead, lead_id)


# --- Leads ---


def test_leads_are_filtered_and_searched_and_the_address_keeps_both(admin_pages: PageClient) -> None:
    make_lead(name="Budi", status=LeadStatus.CLOSING)
    make_lead(name="Siti")
    page = admin_pages.get("/leads?status=closing&q=bud")
    assert "Budi" in page.text and "Siti" not in page.text
    assert "/leads?status=follow_up&q=bud" in page.links
    assert "Tidak ada hasil" in admin_pages.get("/leads?q=zzz").text
    assert "Siti" in admin_pages.get("/leads?status=nonsense").text


def test_a_long_list_is_paged(admin_pages: PageClient) -> None:
    for _ in range(60):
        make_lead()
    older = [link for link in admin_pages.get("/leads?status=follow_up").links if "cursor" in link]
    assert len(older) == 1
    assert "Sebelumnya" in admin_pages.get(older[0]).text


def test_a_phone_opens_whatsapp(admin_pages: PageClient) -> None:
    lead = make_lead(phone="6281234567890", status=LeadStatus.CLOSING)
    for url in ("/leads", f"/leads/{lead.id}"):
        assert "https://wa.me/6281234567890" in admin_pages.get(url).links


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"due_at": NOW - timedelta(days=400)}, "Harinya sudah habis"),
        ({"due_at": NOW + timedelta(days=4000)}, "Pindah ke Tidak Closing"),
        ({"payment_status": "conflict"}, "Cek pembayaran"),
        ({"archived_at": NOW, "archive_reason": ArchiveReason.SPAM}, "ScaleV menandai order ini sebagai spam."),
    ],
)
def test_a_lead_tells_its_next_step(admin_pages: PageClient, fields: dict[str, object], sentence: str) -> None:
    assert sentence in admin_pages.get(f"/leads/{make_lead(**fields).id}").text


def test_a_lead_with_unread_news_says_that_it_waits_for_them(admin_pages: PageClient) -> None:
    lead, sentence = make_lead(), "di kotak masuk belum bisa dibaca"
    assert sentence not in admin_pages.get(f"/leads/{lead.id}").text
    make_event(order_id=lead.order_id, status=EventStatus.DEAD)
    assert sentence in admin_pages.get(f"/leads/{lead.id}").text


def test_a_lead_shows_what_happened_and_what_mailketing_said(admin_pages: PageClient) -> None:
    lead = make_lead(status=LeadStatus.NOT_CLOSING)
    make_history(lead, reason="expired", actor="system", note="not verified")
    delivery = make_delivery(lead, status=DeliveryStatus.FAILED, reason="refused_list", message="Invalid List")
    make_attempt(delivery, kind="config", answer='{"status":"failed"}')
    text = admin_pages.get(f"/leads/{lead.id}").text
    for part in ("Harinya habis tanpa pembayaran.", "Tidak dicek:", "Invalid List", "1 percobaan", "list ditolak"):
        assert part in text


def test_our_own_finding_is_not_put_into_mailketings_mouth(admin_pages: PageClient) -> None:
    admin_pages.client.set_cookie("language", "en")
    finding = "HTTP 429 without a readable answer"
    delivery = make_delivery(make_lead(status=LeadStatus.NOT_CLOSING), reason="retry", message=finding)
    make_attempt(delivery, kind="retry", http_status=429, answer=finding)
    for url in ("/deliveries", f"/leads/{delivery.lead_id}"):
        page = admin_pages.get(url)
        assert "Mailketing answered with HTTP 429 (too many calls)." in page.text
        assert "There was no usable answer. It is tried again by itself." in page.text
        assert finding not in page.text and "“" not in page.text.partition("429")[2]


def test_a_lead_is_moved_by_hand_with_a_note(admin_pages: PageClient) -> None:
    lead_id = make_lead().id
    url = f"/leads/{lead_id}"
    page = admin_pages.send_and_follow(url, f"{url}/move", to="closing", note=" sudah transfer ")
    assert _lead(lead_id).status is LeadStatus.CLOSING
    assert "sudah transfer" in page.text and "admin@example.com" in page.text


def test_a_lead_is_archived_by_hand_and_taken_back(admin_pages: PageClient) -> None:
    lead_id = make_lead(status=LeadStatus.CLOSING).id
    url = f"/leads/{lead_id}"
    page = admin_pages.send_and_follow(url, f"{url}/move", to="archive", note="")
    assert _lead(lead_id).is_archived
    assert "Lead sudah diarsipkan." in page.text
    assert "Diarsipkan Diarsipkan manual. " in page.text
    page = admin_pages.send_and_follow(url, f"{url}/move", to="follow_up", note="")
    assert not _lead(lead_id).is_archived
    assert "Follow Up Dikeluarkan dari arsip secara manual. " in page.text
    assert "Dipindahkan manual" not in page.text


def test_a_move_that_is_refused_says_why(admin_pages: PageClient) -> None:
    url = f"/leads/{make_lead(status=LeadStatus.CLOSING).id}"
    page = admin_pages.send_and_follow(url, f"{url}/move", to="closing")
    assert "Lead ini sudah berstatus itu." in page.text


def test_a_move_to_nowhere_or_with_a_novel_changes_nothing(admin_pages: PageClient) -> None:
    lead_id = make_lead().id
    url = f"/leads/{lead_id}"
    admin_pages.send(url, f"{url}/move", status=200, to="nowhere")
    page = admin_pages.send(url, f"{url}/move", status=200, to="closing", note="x" * 1001)
    assert "Terlalu panjang." in page.text
    assert _lead(lead_id).status is LeadStatus.FOLLOW_UP


def test_a_cs_may_move_leads(pages: PageClient) -> None:
    pages.log_in(make_user("sari@example.com", UserRole.CS).email, PASSWORD)
    lead_id = make_lead().id
    pages.send(f"/leads/{lead_id}", f"/leads/{lead_id}/move", to="not_closing")
    assert _lead(lead_id).status is LeadStatus.NOT_CLOSING


# --- Events and deliveries ---


def test_events_are_filtered_and_each_shows_its_body(admin_pages: PageClient) -> None:
    waiting = make_event(name="order.paid_early", status=EventStatus.WAITING)
    stale = make_event(name="order.updated", reason="stale")
    event = make_event(name="order.created", body=b'{"event":"order.created"}', error="ValueError: odd")
    assert _shown_events(admin_pages, "/events?status=waiting") == {waiting.id}
    assert _shown_events(admin_pages, "/events?name=order.created") == {event.id}
    assert _shown_events(admin_pages, "/events?reason=stale") == {stale.id}
    assert _shown_events(admin_pages, "/events?source=import") == set()
    text = admin_pages.get(f"/events/{event.id}").text
    assert '{"event":"order.created"}' in text and "ValueError: odd" in text


def _shown_events(pages: PageClient, url: str) -> set[int]:
    return {int(link.rpartition("/")[2]) for link in pages.get(url).links if re.fullmatch(r"/events/\d+", link)}


def test_an_event_is_processed_again(admin_pages: PageClient) -> None:
    event_id = make_event(status=EventStatus.DEAD, body=b'{"event":"shop.opened","data":{}}').id
    page = admin_pages.send_and_follow(f"/events/{event_id}", f"/events/{event_id}/replay")
    assert "Event sudah diproses ulang." in page.text
    assert db.session.get_one(WebhookEvent, event_id).status is EventStatus.IGNORED


def test_a_failed_delivery_is_sent_again_from_the_page_where_it_was_seen(admin_pages: PageClient) -> None:
    delivery = make_delivery(status=DeliveryStatus.FAILED, reason="gave_up")
    delivery_id, lead_url = delivery.id, f"/leads/{delivery.lead_id}"
    answer = admin_pages.send(lead_url, f"/deliveries/{delivery_id}/retry")
    assert answer.location == lead_url
    assert db.session.get_one(Delivery, delivery_id).status is DeliveryStatus.PENDING


def test_a_delivery_names_its_list_where_the_name_is_known(admin_pages: PageClient) -> None:
    with transaction() as session:
        session.add(CatalogueList(list_id="103", name="<b>Belum bayar", seen_at=NOW))
    delivery = make_delivery(list_id="103")
    make_delivery(list_id="104")
    for url in ("/deliveries", f"/leads/{delivery.lead_id}"):
        assert "<b>Belum bayar (103)" in admin_pages.get(url).text
    assert "list 104" in admin_pages.get("/deliveries").text


def test_a_delivery_that_waits_says_for_what(admin_pages: PageClient) -> None:
    delivery = make_delivery(next_attempt_at=clock.utc_now() - timedelta(hours=3))
    urls = ("/deliveries", f"/leads/{delivery.lead_id}")
    for url in urls:
        text = admin_pages.get(url).text
        assert "Segera dicoba" in text and "3 jam yang lalu" not in text
    with transaction() as session:
        session.add(AccountHold(reason="Wrong API Token", since=NOW, checked_at=NOW))
    for url in urls:
        text = admin_pages.get(url).text
        assert "Menunggu akun Mailketing" in text and "Segera dicoba" not in text


def test_a_delivery_that_cannot_be_sent_again_says_why(admin_pages: PageClient) -> None:
    delivery_id = make_delivery(status=DeliveryStatus.FAILED).id
    page = admin_pages.get("/deliveries")
    with transaction():
        db.session.get_one(Delivery, delivery_id).status = DeliveryStatus.SENT
    values = page.form(f"/deliveries/{delivery_id}/retry").values
    answer = admin_pages.client.post(f"/deliveries/{delivery_id}/retry", data=values)
    assert "Kiriman ini sudah terkirim." in admin_pages.get(answer.location).text
