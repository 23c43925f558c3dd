"""The queue, WhatsApp, repairs and texts as people use them, without JavaScript."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from models import Delivery, DeliveryStatus, Lead, LeadStatus, UserRole, db
from models_contact import Contact
from services import clock, contact_service, settings_service
from services.statuses import ChaseStep, ContactKind
from tests.builders import PASSWORD, make_contact, make_delivery, make_lead, make_product_list, make_user
from tests.page_client import Page, PageClient

HOSTILE = "<script>alert(1)</script>\u202e" + "x" * 300
DAY = timedelta(days=1)


@pytest.fixture
def cs_pages(pages: PageClient) -> PageClient:
    pages.log_in(make_user("sari@example.com", UserRole.CS).email, PASSWORD)
    return pages


def make_open_lead(**fields: object) -> Lead:
    """A lead ordered an hour ago by the real clock."""
    now = clock.utc_now()
    return make_lead(
        **{"ordered_at": now - timedelta(hours=1), "name": "Budi Santoso", "phone": "6281234567890", **fields}
    )


def contacts(lead_id: int) -> list[Contact]:
    db.session.rollback()
    return contact_service.contacts(lead_id)


def act(pages: PageClient, lead_id: int, do: str, **values: object) -> Page:
    return pages.send_and_follow("/queue", f"/leads/{lead_id}/contact", do=do, **values)


# --- The queue ---


def test_a_cs_opens_the_queue_from_the_menu(cs_pages: PageClient) -> None:
    make_open_lead()
    assert "/queue" in cs_pages.get("/").links
    page = cs_pages.get("/queue")
    assert "Budi Santoso" in page.text and "WA H+0" in page.text and "tel:+6281234567890" in page.links


def test_who_is_late_to_be_chased_is_not_called_overdue_as_a_deadline_is(cs_pages: PageClient) -> None:
    make_open_lead(ordered_at=clock.utc_now() - 2 * DAY, chase_at=clock.utc_now() - DAY)
    text = cs_pages.get("/queue").text
    assert "Terlambat dihubungi" in text and "Lewat tempo" not in text


def test_an_empty_queue_says_so(cs_pages: PageClient) -> None:
    assert "Tidak ada yang perlu dihubungi" in cs_pages.get("/queue").text
    assert "Tidak ada yang ditunda" in cs_pages.get("/queue?view=snoozed").text


def test_a_cs_sees_their_own_leads_first_and_may_see_all(cs_pages: PageClient) -> None:
    make_open_lead(name="Milik Sari", handler_name="sari@example.com")
    make_open_lead(name="Milik Rina", handler_name="Rina")
    own = cs_pages.get("/queue").text
    assert "Milik Sari" in own and "Milik Rina" not in own
    everybody = cs_pages.get("/queue?cs=all").text
    assert "Milik Sari" in everybody and "Milik Rina" in everybody
    assert "Milik Sari" not in cs_pages.get("/queue?cs=Rina").text


def test_a_long_queue_is_paged(cs_pages: PageClient) -> None:
    for number in range(35):
        make_open_lead(name=f"Pembeli {number}")
    first = cs_pages.get("/queue")
    more = next(link for link in first.links if "cursor=" in link)
    assert "Pembeli 34" not in first.text and "Pembeli 34" in cs_pages.get(more).text


def test_hostile_text_stays_text(cs_pages: PageClient) -> None:
    lead = make_open_lead(
        name=HOSTILE, product_name=HOSTILE, handler_name=HOSTILE.replace("\u202e", ""), phone_given=HOSTILE
    )
    make_contact(lead, actor=HOSTILE[:200], at=clock.utc_now())
    make_contact(lead, kind=ContactKind.NOTE, text=HOSTILE, actor=HOSTILE[:200])
    for url in ("/queue", f"/leads/{lead.id}", f"/leads/{lead.id}/called-off"):
        html = cs_pages.get(url).html
        assert "<script>alert" not in html and "\u202e" not in html, url


# --- WhatsApp ---


def test_the_whatsapp_button_logs_the_click_and_leads_to_wa_me(cs_pages: PageClient) -> None:
    lead_id = make_open_lead(product_name="Madu & Propolis").id
    answer = cs_pages.send("/queue", f"/leads/{lead_id}/whatsapp", status=303)
    (logged,) = contacts(lead_id)
    assert (logged.actor, logged.step) == ("sari@example.com", ChaseStep.H0)
    page = cs_pages.get(answer.location)
    link = next(link for link in page.links if link.startswith("https://wa.me/"))
    assert urlsplit(link).path == "/6281234567890"
    assert parse_qs(urlsplit(link).query)["text"] == [logged.text]
    assert 'http-equiv="refresh" content="0; url=https://wa.me/6281234567890?text=' in page.html
    assert len(contacts(lead_id)) == 1  # looking at the page logs nothing
    assert "Anda sudah WA (H+0)" in cs_pages.get("/queue").text
    assert "Anda sudah WA (H+0)" in cs_pages.get(f"/leads/{lead_id}").text


def test_a_get_logs_nothing(cs_pages: PageClient) -> None:
    lead_id = make_open_lead().id
    cs_pages.get(f"/leads/{lead_id}/whatsapp", 405)
    cs_pages.get(f"/leads/{lead_id}/whatsapp/1", 404)
    assert contacts(lead_id) == []


def test_a_colleagues_click_is_shown_and_asked_about(cs_pages: PageClient) -> None:
    lead = make_open_lead()
    make_contact(lead, actor="rina@example.com", at=clock.utc_now() - timedelta(minutes=10))
    lead_id, url = lead.id, f"/leads/{lead.id}/whatsapp"
    assert "rina sudah WA (H+0) 10 menit yang lalu" in cs_pages.get("/queue").text
    warning = cs_pages.send("/queue", url, status=200)
    assert "Rekan Anda sudah menghubungi pembeli ini" in warning.text and len(contacts(lead_id)) == 1
    answer = cs_pages.client.post(url, data=warning.form(url).values)
    assert answer.status_code == 303 and len(contacts(lead_id)) == 2


def test_who_paid_meanwhile_is_not_chased_from_an_old_page(cs_pages: PageClient) -> None:
    lead_id = make_open_lead().id
    url = f"/leads/{lead_id}/whatsapp"
    values = cs_pages.get("/queue").form(url).values
    cs_pages.send(f"/leads/{lead_id}", f"/leads/{lead_id}/move", to="closing")
    answer = cs_pages.client.post(url, data=values)
    assert answer.status_code == 200 and "Jangan tagih pembeli ini" in answer.get_data(as_text=True)
    assert contacts(lead_id) == []


def test_a_buyer_who_paid_elsewhere_has_no_whatsapp_button(cs_pages: PageClient) -> None:
    goods = make_product_list().id
    paid_id = make_open_lead(status=LeadStatus.CLOSING, product_list_id=goods).id
    lead_id = make_open_lead(product_list_id=goods).id
    page = cs_pages.get("/queue")
    assert "jangan ditagih" in page.text and f"/leads/{paid_id}" in page.links
    assert not [form for form in page.forms if form.action.endswith("/whatsapp")]
    assert "jangan ditagih" in cs_pages.get(f"/leads/{lead_id}").text


def test_an_odd_step_is_refused(cs_pages: PageClient) -> None:
    lead_id = make_open_lead().id
    cs_pages.send("/queue", f"/leads/{lead_id}/whatsapp", status=400, step="h99")


def test_the_lead_list_logs_the_click_as_well(cs_pages: PageClient) -> None:
    lead_id = make_open_lead().id
    cs_pages.send("/leads", f"/leads/{lead_id}/whatsapp", status=303)
    assert len(contacts(lead_id)) == 1


def test_a_card_is_fetched_alone_and_is_empty_when_the_lead_is_done(cs_pages: PageClient) -> None:
    lead_id = make_open_lead().id
    answer = cs_pages.client.get(f"/queue/{lead_id}?next=/queue?cs=all").get_data(as_text=True)
    assert answer.lstrip().startswith("<article") and 'value="/queue?cs=all"' in answer
    done_id = make_open_lead(status=LeadStatus.CLOSING).id
    assert cs_pages.client.get(f"/queue/{done_id}").get_data(as_text=True) == ""


# --- Notes, snoozes, results ---


def test_a_lead_is_put_off_and_woken_again(cs_pages: PageClient) -> None:
    lead_id = make_open_lead().id
    page = act(cs_pages, lead_id, "tomorrow", note="lagi rapat")
    assert "Ditunda sampai" in page.text and "Tidak ada yang perlu dihubungi" in page.text
    snoozed = cs_pages.get("/queue?view=snoozed")
    assert "Budi Santoso" in snoozed.text and "lagi rapat" in snoozed.text
    cs_pages.send("/queue?view=snoozed", f"/leads/{lead_id}/wake")
    assert "Budi Santoso" in cs_pages.get("/queue").text


def test_a_promise_needs_its_day_and_keeps_what_was_typed(cs_pages: PageClient) -> None:
    lead_id = make_open_lead().id
    url = f"/leads/{lead_id}/contact"
    for day in ("", "2020-01-01", "kapan-kapan"):
        page = cs_pages.send("/queue", url, status=200, do="promised", day=day, note="habis gajian")
        assert 'value="habis gajian"' in page.html and "is-invalid" in page.html
    assert contacts(lead_id) == []
    day = (clock.utc_now().astimezone(settings_service.zone()) + 2 * DAY).date()
    act(cs_pages, lead_id, "promised", day=day, note="habis gajian")
    assert "Janji transfer" in cs_pages.get("/queue?view=snoozed").text


def test_a_snooze_past_the_deadline_says_that_the_clock_goes_on(cs_pages: PageClient) -> None:
    lead_id = make_open_lead(ordered_at=clock.utc_now() - 6.5 * DAY).id
    assert "pindah ke Tidak Closing sebelum itu" in act(cs_pages, lead_id, "three_days").text


def test_notes_and_no_answer_are_kept(cs_pages: PageClient) -> None:
    lead_id = make_open_lead().id
    assert "minta ongkir" in act(cs_pages, lead_id, "note", note="minta ongkir").text
    act(cs_pages, lead_id, "no_answer")
    text = cs_pages.get(f"/leads/{lead_id}").text
    assert "minta ongkir" in text and "Tidak jawab" in text
    page = cs_pages.send(f"/leads/{lead_id}", f"/leads/{lead_id}/contact", status=200, do="note", note=" ")
    assert "Tulis sesuatu dulu." in page.text
    cs_pages.send(f"/leads/{lead_id}", f"/leads/{lead_id}/contact", status=200, do="nonsense")


@pytest.mark.parametrize(("to", "is_archived"), [("not_closing", False), ("archive", True)])
def test_called_off_offers_to_move_the_lead_and_does_nothing_by_itself(
    cs_pages: PageClient, to: str, is_archived: bool
) -> None:
    lead_id = make_open_lead().id
    offer = cs_pages.send("/queue", f"/leads/{lead_id}/contact", do="called_off")
    page = cs_pages.get(offer.location)
    assert "Selanjutnya bagaimana?" in page.text and db.session.get_one(Lead, lead_id).status is LeadStatus.FOLLOW_UP
    form = next(form for form in page.forms if form.values.get("to") == to)
    answer = cs_pages.client.post(form.action, data=form.values)
    assert answer.location.startswith("/queue")
    db.session.rollback()
    lead = db.session.get_one(Lead, lead_id)
    assert lead.is_archived == is_archived and lead.chase_at is None
    assert lead.history[-1].note == "Pembeli batal"


# --- The lead's page ---


def test_a_typing_error_is_repaired_by_one_click_and_sends_again(cs_pages: PageClient) -> None:
    product_list = make_product_list(follow_up_list_id="1")
    wrong = "budi@gmial.com"
    lead = make_open_lead(email=wrong, email_given=wrong, product_list_id=product_list.id)
    delivery_id = make_delivery(
        lead, role=LeadStatus.FOLLOW_UP, status=DeliveryStatus.FAILED, reason="refused_address"
    ).id
    lead_id, url = lead.id, f"/leads/{lead.id}"
    page = cs_pages.get(url)
    assert "maksudnya budi@gmail.com?" in page.text
    form = next(form for form in page.forms if form.values.get("email") == "budi@gmail.com")
    assert cs_pages.client.post(form.action, data=form.values).location == url
    after = cs_pages.get(url)
    assert "maksudnya" not in after.text and "budi@gmial.com → budi@gmail.com" in after.text
    assert db.session.get_one(Delivery, delivery_id).status is DeliveryStatus.PENDING
    assert db.session.get_one(Lead, lead_id).email == "budi@gmail.com"


def test_e_mail_and_phone_are_repaired_by_typing_and_a_mistake_is_told_beside_the_field(cs_pages: PageClient) -> None:
    lead_id = make_open_lead().id
    url = f"/leads/{lead_id}"
    page = cs_pages.send(url, f"{url}/phone", status=200, phone="12")
    assert "Ini bukan nomor telepon yang benar." in page.text and 'value="12"' in page.html
    page = cs_pages.send(url, f"{url}/email", status=200, email="budi@")
    assert 'value="budi@"' in page.html
    cs_pages.send(url, f"{url}/phone", phone="0813-1111-2222")
    assert db.session.get_one(Lead, lead_id).phone == "6281311112222"


def test_a_lead_shows_the_buyers_other_orders_and_the_exact_next_step(cs_pages: PageClient) -> None:
    other = make_open_lead(product_name="Propolis", status=LeadStatus.CLOSING)
    page = cs_pages.get(f"/leads/{make_open_lead().id}")
    assert "Order lain dari pembeli ini" in page.text and f"/leads/{other.id}" in page.links
    assert "Pindah ke Tidak Closing" in page.text and "WIB" in page.text


# --- Texts ---


def test_texts_are_previewed_unsaved_and_saved(admin_pages: PageClient) -> None:
    lead = make_open_lead()
    url = "/settings/texts"
    values = admin_pages.get(url).form(url).values | {"text_h1": "Hai {nama_depan}", "order": lead.order_id}
    shown = admin_pages.client.post(f"{url}/preview", data=values).get_data(as_text=True)
    assert "Hai Budi" in shown and settings_service.chase_text(ChaseStep.H1) != "Hai {nama_depan}"
    assert admin_pages.client.post(url, data=values).status_code == 302
    db.session.rollback()
    assert settings_service.chase_text(ChaseStep.H1) == "Hai {nama_depan}"
    assert settings_service.chase_text(ChaseStep.H0).startswith("Halo")


def test_an_unknown_variable_is_told_beside_its_field_and_nothing_is_saved(admin_pages: PageClient) -> None:
    page = admin_pages.send("/settings/texts", "/settings/texts", status=200, text_h3="Halo {nama}", greeting="Bun")
    assert "{nama} bukan salah satu variabel." in page.text and "Halo {nama}" in page.html
    assert settings_service.greeting() == "Kak"


def test_an_emptied_text_gets_its_default_back(admin_pages: PageClient) -> None:
    admin_pages.send("/settings/texts", "/settings/texts", text_h3="Halo")
    admin_pages.send("/settings/texts", "/settings/texts", text_h3="")
    assert settings_service.chase_text(ChaseStep.H3).startswith("Halo {sapaan}")


def test_without_leads_and_with_an_unknown_order_there_is_no_preview(admin_pages: PageClient) -> None:
    assert "Belum ada lead untuk contoh." in admin_pages.get("/settings/texts").text
    assert "Tidak ada lead dengan nomor order ini." in admin_pages.get("/settings/texts?order=zzz").text


def test_texts_are_for_admins(cs_pages: PageClient) -> None:
    make_open_lead()
    cs_pages.get("/settings/texts", 403)
    assert "/settings/texts" not in cs_pages.get("/queue").links
