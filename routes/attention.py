"""What needs a person: the dashboard's list, and the pages behind those of its lines that have no page elsewhere."""

from dataclasses import dataclass

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString
from flask_login import current_user

from routes.guards import declare, login_required
from services import attention_queries
from services.attention_queries import Concern

bp = declare(Blueprint("attention", __name__, url_prefix="/attention"), login_required)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the list; without an address where only an admin may mend it."""

    number: int
    words: LazyString
    url: str | None


@dataclass(frozen=True, slots=True)
class _Place:
    words: LazyString
    endpoint: str
    values: dict[str, str]
    is_for_admins: bool = False

    def line(self, number: int) -> Line:
        is_open = current_user.is_admin or not self.is_for_admins
        return Line(number, self.words, url_for(self.endpoint, **self.values) if is_open else None)


_PLACES = {
    Concern.HOLD: _Place(
        lazy_gettext("deliveries wait because Mailketing refuses the account"), "settings.index", {}, True
    ),
    Concern.UNMAPPED: _Place(
        lazy_gettext("leads of products that no product list covers"),
        "product_lists.index",
        {"_anchor": "unmapped"},
        True,
    ),
    Concern.FAILED_DELIVERIES: _Place(
        lazy_gettext("deliveries that Mailketing did not take"), "deliveries.index", {"status": "failed"}
    ),
    Concern.PAYMENT_CONFLICT: _Place(
        lazy_gettext("transfers that ScaleV can't match: look at the payment"), "attention.payments", {}
    ),
    Concern.TYPOS: _Place(lazy_gettext("e-mail addresses that look mistyped"), "attention.addresses", {}),
    Concern.DEAD_EVENTS: _Place(
        lazy_gettext("events that could not be processed"), "events.index", {"status": "dead"}, True
    ),
}


@bp.get("/addresses")
def addresses() -> ResponseReturnValue:
    return render_template("attention_addresses.html", rows=attention_queries.mistyped_leads())


@bp.get("/payments")
def payments() -> ResponseReturnValue:
    return render_template("attention_payments.html", leads=attention_queries.conflicting_leads())


def lines() -> list[Line]:
    """Return the dashboard's list: each kind of trouble that there is, how much of it, and where it is mended."""
    return [_PLACES[concern].line(number) for concern, number in attention_queries.concerns().items()]
