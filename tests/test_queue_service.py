"""The queue: who is in it, in which order, for whom, and what each card says."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from models import ArchiveReason, Lead, LeadStatus, transaction
from models_catalogue import CatalogueSalesPerson
from services import queue_service
from services.queue_service import NO_HANDLER, PAGE_SIZE, QueuePage, Section, View
from services.statuses import ChaseStep, ContactKind
from tests.builders import NOW, make_contact, make_lead, make_product_list

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app")]

WIB = ZoneInfo("Asia/Jakarta")  # NOW is 11.05 there
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def page(view: View = View.QUEUE, handlers: list[str] | None = None, cursor: str | None = None) -> QueuePage:
    return queue_service.page(view, handlers, cursor, NOW, WIB)


def ids(found: QueuePage) -> list[int]:
    return [card.lead.id for card in found.cards]


def make_due(after: timedelta, **fields: Any) -> Lead:
    return make_lead(chase_at=NOW + after, **fields)


def test_overdue_comes_first_then_today_then_later() -> None:
    later, today, overdue = make_due(2 * DAY), make_due(HOUR), make_due(-DAY)
    found = page()
    assert ids(found) == [overdue.id, today.id, later.id]
    assert [card.section for card in found.cards] == [Section.OVERDUE, Section.TODAY, Section.LATER]
    assert queue_service.counts(None, NOW, WIB).due == 2


def test_who_is_not_to_be_chased_is_not_in_the_queue() -> None:
    make_lead(status=LeadStatus.CLOSING)
    make_lead(archived_at=NOW, archive_reason=ArchiveReason.MANUAL)
    assert page().cards == []


def test_who_was_put_off_is_hidden_until_the_day_and_stands_in_a_list_of_its_own() -> None:
    put_off = make_due(DAY, snoozed_until=NOW + DAY)
    back = make_due(-HOUR, snoozed_until=NOW - HOUR)
    assert ids(page()) == [back.id]
    assert ids(page(View.SNOOZED)) == [put_off.id]
    counts = queue_service.counts(None, NOW, WIB)
    assert (counts.due, counts.snoozed) == (1, 1)


def test_the_queue_of_one_cs_and_of_leads_without_one() -> None:
    sari, rina, nobody = make_lead(handler_name="Sari"), make_lead(handler_name="Rina"), make_lead()
    assert ids(page(handlers=["Sari"])) == [sari.id]
    assert set(ids(page(handlers=["Sari", "Rina"]))) == {sari.id, rina.id}
    assert ids(page(handlers=[NO_HANDLER])) == [nobody.id]
    assert page(handlers=["Budi"]).cards == page(handlers=[]).cards == []
    assert queue_service.counts(["Rina"], NOW, WIB).due == 1
    assert queue_service.handler_names() == ["Rina", "Sari"]


def test_a_user_is_known_by_the_e_mail_that_scalev_lists() -> None:
    with transaction() as session:
        session.add(CatalogueSalesPerson(user_id="1", name="Sari Dewi", email="Sari@Toko.example", seen_at=NOW))
    assert queue_service.own_names("sari@toko.example") == ["Sari Dewi", "sari@toko.example"]


def test_pages_follow_each_other_without_gap_or_repeat_also_at_one_moment() -> None:
    made = [make_due(-HOUR).id for _ in range(PAGE_SIZE + 3)]
    first = page()
    second = page(cursor=first.next)
    assert ids(first) + ids(second) == made
    assert first.next and second.next is None


@pytest.mark.parametrize("cursor", ["", "x", "1", "-1.2", "99999999999999999999.1", "1.99999999999"])
def test_a_nonsense_cursor_shows_the_first_page(cursor: str) -> None:
    lead = make_lead()
    assert ids(page(cursor=cursor)) == [lead.id]


def test_a_card_tells_who_wrote_last_and_what_was_noted() -> None:
    lead = make_lead(ordered_at=NOW - 4 * DAY)
    chat = make_contact(lead)
    note = make_contact(lead, kind=ContactKind.NOTE, text="minta ongkir")
    card = page().cards[0]
    assert card.chat is not None and card.note is not None
    assert (card.chat.id, card.note.id, card.step) == (chat.id, note.id, ChaseStep.H3)


def test_a_card_is_marked_when_its_buyer_paid_elsewhere_is_held_or_ends_soon() -> None:
    goods = make_product_list().id
    paid = make_lead(status=LeadStatus.CLOSING, email="budi@gmail.com", product_list_id=goods)
    make_due(-3 * HOUR, email="budi@gmail.com", product_list_id=goods)
    make_due(-2 * HOUR, payment_status="conflict", ordered_at=NOW - 7 * DAY)
    make_due(-HOUR, ordered_at=NOW - 6.5 * DAY)
    first, second, third = page().cards
    assert (first.paid_lead_id, first.hold, first.ends_soon) == (paid.id, None, False)
    assert (second.paid_lead_id, second.hold, second.ends_soon) == (None, "payment_conflict", False)
    assert (third.paid_lead_id, third.hold, third.ends_soon) == (None, None, True)


def test_texts_are_previewed_with_an_order_or_with_the_newest_lead() -> None:
    first, newest = make_lead(), make_lead()
    sample = queue_service.sample_lead("")
    assert sample is not None and sample.id == newest.id
    named = queue_service.sample_lead(first.order_id)
    assert named is not None and named.id == first.id
    assert queue_service.sample_lead("nothing") is None
