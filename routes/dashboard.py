"""The first page in the morning: what came in, what is stuck, what to do next."""

from dataclasses import dataclass

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import current_user

from routes import context
from routes.guards import declare, login_required
from services import delivery_service, lead_queries, product_list_service, settings_service
from services.errors import UserError
from services.lead_queries import Overview

bp = declare(Blueprint("dashboard", __name__), login_required)

# The tick boxes on ScaleV's webhook page that this program uses.
EVENTS_TO_TICK = (
    "order.created",
    "order.updated",
    "order.deleted",
    "order.status_changed",
    "order.payment_status_changed",
    "order.epayment_created",
    "order.spam_created",
    "payment.received",
    "payment.failed",
)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to set up before leads move by themselves."""

    title: str
    text: str
    url: str
    done: bool


@bp.get("/")
def index() -> ResponseReturnValue:
    figures = lead_queries.overview(context.now(), context.zone())
    return render_template(
        "index.html",
        figures=figures,
        hold=delivery_service.hold(),
        steps=_steps(figures) if current_user.is_admin else [],
        webhook_address=webhook_address(),
        events_to_tick=EVENTS_TO_TICK,
        demo_url=context.config().demo_url,
    )


def webhook_address() -> str:
    """Return the address to enter at ScaleV."""
    return f"{context.config().base_url}/webhook/scalev"


def _steps(figures: Overview) -> list[Step]:
    settings_url = url_for("settings.index")
    return [
        Step(
            gettext("Save the signing secret of ScaleV"),
            gettext("Without it the program can't tell ScaleV's webhooks from forged ones."),
            settings_url,
            _is_set("scalev_webhook_secret"),
        ),
        Step(
            gettext("Enter the webhook address at ScaleV"),
            gettext("In ScaleV: Settings, Developers, Webhooks. ScaleV sends a test at once; it shows up here."),
            settings_url,
            bool(figures.last_test or figures.last_webhook),
        ),
        Step(
            gettext("Save the API token of Mailketing"),
            gettext("With it buyers are added to your lists."),
            settings_url,
            _is_set("mailketing_api_key"),
        ),
        Step(
            gettext("Add a product list"),
            gettext("It tells which product's buyers go to which Mailketing list."),
            url_for("product_lists.index"),
            bool(product_list_service.listing()),
        ),
        Step(
            gettext("Save the API key of ScaleV"),
            gettext("Then an order is looked up once more before its lead moves to Not closing."),
            settings_url,
            _is_set("scalev_api_key"),
        ),
    ]


def _is_set(name: str) -> bool:
    try:
        return settings_service.text(name) is not None
    except UserError:  # saved with another key file: it has to be typed again
        return False
