"""What people do about leads is logged, seen by the others, and moves the next chase."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from flask import Flask

from models import ArchiveReason, Lead, LeadStatus, db, transaction
from models_catalogue import CatalogueSalesPerson
from models_contact import Contact
from services import chase_service, contact_service, settings_service
from services.contact_service import JustContacted
from services.errors import NotFound, UserError
from services.statuses import ChaseStep, ContactKind
from tests.builders import NOW, make_contact, make_lead, make_product_list

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app")]

SARI, RINA = "sari@example.com", "rina@example.com"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TOMORROW = date(2026, 11, 23)


def lead_now(lead: Lead) -> Lead:
    db.session.rollback()
    return db.session.get_one(Lead, lead.id)


def logged(lead: Lead) -> list[Contact]:
    return contact_service.contacts(lead.id)


def add_sales_person(email: str, name: str) -> None:
    with transaction() as session:
        session.add(CatalogueSalesPerson(user_id=name, name=name, email=email, seen_at=NOW))


# --- WhatsApp ---


def test_opening_whatsapp_logs_who_when_and_which_text_and_plans_the_next_chase() -> None:
    add_sales_person("SARI@example.com", "Sari Dewi")
    lead = make_lead(name="Budi", product_name="Madu", bank_name="BCA", account_number="123")
    contact = contact_service.open_chat(lead.id, ChaseStep.H0, actor=SARI, now=NOW)
    assert (contact.actor, contact.at, contact.step, contact.kind) == (SARI, NOW, ChaseStep.H0, ContactKind.WHATSAPP)
    assert contact.text and contact.text.startswith("Halo Kak Budi,") and contact.text.endswith("Salam, Sari Dewi")
    assert lead_now(lead).chase_at == lead.follow_up_start + DAY
    assert contact_service.last_chats([lead.id])[lead.id].id == contact.id


def test_without_a_wish_the_text_that_fits_is_opened() -> None:
    lead = make_lead(ordered_at=NOW - 4 * DAY)
    assert contact_service.open_chat(lead.id, None, actor=SARI, now=NOW).step is ChaseStep.H3


def test_a_button_that_was_pressed_twice_counts_once() -> None:
    lead = make_lead()
    first = contact_service.open_chat(lead.id, None, actor=SARI, now=NOW)
    again = contact_service.open_chat(lead.id, None, actor=SARI, now=NOW + timedelta(seconds=20))
    assert again.id == first.id and len(logged(lead)) == 1
    contact_service.open_chat(lead.id, ChaseStep.H3, actor=SARI, now=NOW + timedelta(seconds=30))
    assert len(logged(lead)) == 2


def test_a_second_person_is_asked_first_and_may_write_all_the_same() -> None:
    lead = make_lead()
    contact_service.open_chat(lead.id, None, actor=RINA, now=NOW)
    with pytest.raises(JustContacted) as refusal:
        contact_service.open_chat(lead.id, None, actor=SARI, now=NOW + HOUR)
    assert refusal.value.contact.actor == RINA and len(logged(lead)) == 1
    contact_service.open_chat(lead.id, None, actor=SARI, now=NOW + HOUR, anyway=True)
    assert [row.actor for row in logged(lead)] == [SARI, RINA]


def test_of_people_who_press_at_the_same_moment_one_writes_and_the_others_are_asked(app: Flask) -> None:
    lead_id, count = make_lead().id, 4
    db.session.rollback()
    start = threading.Barrier(count)

    def press(number: int) -> bool:
        with app.app_context():
            start.wait(10)
            try:
                contact_service.open_chat(lead_id, None, actor=f"cs{number}@example.com", now=NOW)
            except JustContacted:
                return False
            return True

    with ThreadPoolExecutor(count) as pool:
        assert sorted(pool.map(press, range(count))) == [False] * (count - 1) + [True]
    assert len(contact_service.contacts(lead_id)) == 1


def test_after_a_few_hours_nobody_is_asked() -> None:
    lead = make_lead()
    contact_service.open_chat(lead.id, None, actor=RINA, now=NOW)
    contact_service.open_chat(lead.id, None, actor=SARI, now=NOW + contact_service.RECENT)
    assert len(logged(lead)) == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"status": LeadStatus.CLOSING},
        {"status": LeadStatus.NOT_CLOSING},
        {"archived_at": NOW, "archive_reason": ArchiveReason.SPAM},
        {"phone": None},
        {"phone": "622112345678"},  # a landline
    ],
)
def test_who_is_not_to_be_chased_is_refused_and_nothing_is_logged(fields: dict[str, object]) -> None:
    lead = make_lead(**fields)
    with pytest.raises(UserError):
        contact_service.open_chat(lead.id, None, actor=SARI, now=NOW)
    assert logged(lead) == []


def test_who_paid_for_the_same_product_in_another_order_is_not_chased() -> None:
    product_list = make_product_list()
    make_lead(status=LeadStatus.CLOSING, phone="6281234567890", product_list_id=product_list.id)
    lead = make_lead(phone="6281234567890", product_list_id=product_list.id)
    with pytest.raises(UserError, match="paid for the same product"):
        contact_service.open_chat(lead.id, None, actor=SARI, now=NOW)


def test_a_text_names_the_deadline_only_while_it_is_ahead_and_never_an_e_mail_as_cs() -> None:
    lead = make_lead(handler_name="cs@toko.example")
    text = contact_service.compose(lead, ChaseStep.LAST, SARI, NOW)
    assert "Batas waktu: Minggu, 29 November pukul 10.05 WIB" in text and "@" not in text and "Salam" not in text
    assert "Batas waktu" not in contact_service.compose(lead, ChaseStep.LAST, SARI, lead.due_at)


def test_texts_come_from_the_settings() -> None:
    settings_service.change({"text_h1": "Hai {sapaan} {nama_depan}", "greeting": "Bun"}, NOW)
    assert contact_service.compose(make_lead(name="Ani"), ChaseStep.H1, SARI, NOW) == "Hai Bun Ani"


# --- Notes, snoozes, results ---


def test_a_note_is_kept_and_moves_nothing() -> None:
    lead = make_lead()
    contact_service.add_note(lead.id, "  minta\nongkir\u202e ", actor=SARI, now=NOW)
    assert [(row.kind, row.text) for row in logged(lead)] == [(ContactKind.NOTE, "minta ongkir")]
    assert lead_now(lead).chase_at == lead.ordered_at
    with pytest.raises(UserError):
        contact_service.add_note(lead.id, " \u200b ", actor=SARI, now=NOW)
    with pytest.raises(NotFound):
        contact_service.add_note(10**6, "x", actor=SARI, now=NOW)


def test_a_snooze_hides_a_lead_until_the_morning_of_its_day() -> None:
    lead = make_lead()
    contact_service.snooze(lead.id, TOMORROW, actor=SARI, now=NOW, note="lagi rapat")
    stored = lead_now(lead)
    morning = stored.snoozed_until.astimezone(settings_service.zone())
    assert (morning.date(), morning.hour) == (TOMORROW, 8)
    assert stored.chase_at == stored.snoozed_until
    assert (logged(lead)[0].until, logged(lead)[0].text) == (stored.snoozed_until, "lagi rapat")


@pytest.mark.parametrize("day", [date(2026, 11, 22), date(2026, 1, 1), date(2027, 11, 23), date(9999, 12, 31)])
def test_a_snooze_ends_in_the_coming_year(day: date) -> None:
    lead = make_lead()
    with pytest.raises(UserError):
        contact_service.snooze(lead.id, day, actor=SARI, now=NOW)
    assert lead_now(lead).snoozed_until is None


def test_a_lead_that_left_follow_up_is_not_put_off() -> None:
    with pytest.raises(UserError):
        contact_service.snooze(make_lead(status=LeadStatus.CLOSING).id, TOMORROW, actor=SARI, now=NOW)


def test_whatsapp_before_the_day_leaves_a_snooze_alone_and_after_it_ends_it() -> None:
    lead = make_lead()
    contact_service.snooze(lead.id, TOMORROW, actor=SARI, now=NOW)
    contact_service.open_chat(lead.id, None, actor=SARI, now=NOW + HOUR)
    until = lead_now(lead).snoozed_until
    assert lead_now(lead).chase_at == until
    contact_service.open_chat(lead.id, ChaseStep.H1, actor=SARI, now=until + HOUR)
    assert lead_now(lead).snoozed_until is None
    assert lead_now(lead).chase_at == lead.follow_up_start + 3 * DAY


def test_a_snoozed_lead_is_woken() -> None:
    lead = make_lead()
    contact_service.snooze(lead.id, TOMORROW, actor=SARI, now=NOW)
    contact_service.wake(lead.id, now=NOW)
    assert (lead_now(lead).snoozed_until, lead_now(lead).chase_at) == (None, lead.ordered_at)


def test_no_answer_brings_the_lead_back_tomorrow() -> None:
    lead = make_lead()
    contact_service.note_no_answer(lead.id, actor=SARI, now=NOW)
    assert lead_now(lead).snoozed_until.astimezone(settings_service.zone()).date() == TOMORROW
    assert logged(lead)[0].kind is ContactKind.NO_ANSWER


def test_called_off_is_noted_and_moves_nothing_by_itself() -> None:
    lead = make_lead()
    contact_service.note_called_off(lead.id, actor=SARI, now=NOW, note="beli di tempat lain")
    assert lead_now(lead).status is LeadStatus.FOLLOW_UP
    assert (logged(lead)[0].kind, logged(lead)[0].text) == (ContactKind.CALLED_OFF, "beli di tempat lain")


def test_the_last_chat_and_the_last_note_of_many_leads_are_found_at_once() -> None:
    one, two, three = make_lead(), make_lead(), make_lead()
    make_contact(one)
    newest = make_contact(one, step=ChaseStep.H1)
    note = make_contact(one, kind=ContactKind.NOTE, text="x")
    make_contact(two, kind=ContactKind.SNOOZE)
    ids = [one.id, two.id, three.id]
    assert {lead_id: row.id for lead_id, row in contact_service.last_chats(ids).items()} == {one.id: newest.id}
    assert contact_service.last_notes(ids)[one.id].id == note.id
    assert contact_service.last_notes([]) == {}


def test_a_contact_belongs_to_its_lead_alone() -> None:
    one, two = make_lead(), make_lead()
    contact = make_contact(one)
    assert contact_service.contact(one.id, contact.id) is not None
    assert contact_service.contact(two.id, contact.id) is None


# --- Who is to be chased at all ---


@pytest.mark.parametrize(
    ("fields", "is_chased"),
    [
        ({}, True),
        ({"payment_status": "conflict"}, True),
        ({"status": LeadStatus.CLOSING}, False),
        ({"archived_at": NOW}, False),
        ({"payment_method": "cod", "order_status": "shipped"}, False),
        ({"payment_method": "cod", "order_status": "pending"}, True),
    ],
)
def test_only_who_may_still_pay_by_themselves_is_chased(fields: dict[str, object], is_chased: bool) -> None:
    lead = make_lead(**fields)
    chase_service.plan_chase(lead)
    assert (lead.chase_at is not None) == is_chased
    db.session.rollback()
