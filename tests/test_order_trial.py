"""The dry run: which product list an order would get, and why; nothing is changed by it."""

import json

import pytest
from sqlalchemy import func, select

from models import Lead, WebhookEvent, db
from services import order_trial
from services.errors import NotFound, UserError
from services.product_matching import Way
from tests import builders, messages
from tests.messages import created, lead_of, take_in

pytestmark = pytest.mark.usefixtures("app")

HONEY = "variant_Pq8-sLw2Zt5YvB1nKc4Xd_7E"


def test_a_pasted_webhook_is_matched_and_not_taken_in() -> None:
    wanted = builders.make_product_list(product_id=HONEY)
    body = created(messages.new_order_id()).decode()
    trial = order_trial.try_text(body)
    assert trial.winner == wanted
    assert [(match.way, match.key) for match in trial.matches] == [(Way.ID, HONEY)]
    assert db.session.scalar(select(func.count()).select_from(WebhookEvent)) == 0
    assert db.session.scalar(select(func.count()).select_from(Lead)) == 0


def test_an_order_of_the_api_is_read_with_and_without_its_envelope() -> None:
    wanted = builders.make_product_list(product_id=HONEY)
    data = json.loads(created(messages.new_order_id()))["data"]
    for document in (data, {"data": data}):
        assert order_trial.try_text(json.dumps(document)).winner == wanted


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", "{}", '{"data": []}', '{"event": "order.created"}', "[" * 100_000]
)
def test_what_is_no_order_is_refused_in_words(text: str) -> None:
    with pytest.raises(UserError):
        order_trial.try_text(text)


def test_a_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(UserError):
        order_trial.try_text(" " * (order_trial.MAX_CHARACTERS + 1))


def test_a_recent_lead_is_tried_and_stays_as_it_is() -> None:
    order_id = messages.new_order_id()
    take_in(created(order_id))
    lead = lead_of(order_id)
    other = builders.make_product_list(product_id=HONEY, store_name="Toko lain")
    trial = order_trial.try_lead(lead.id)
    assert (trial.order_id, trial.winner) == (order_id, None)
    assert [match.product_list for match in trial.matches] == [other]
    assert lead in order_trial.recent_leads()
    with pytest.raises(NotFound):
        order_trial.try_lead(999_999)
