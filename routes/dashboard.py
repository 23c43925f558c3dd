"""The first page in the morning: what came in, what is stuck, what to do next."""

from dataclasses import dataclass

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString
from flask_login import current_user

from routes import context
from routes.guards import declare, login_required
from services import delivery_service, lead_queries, setup_service
from services.setup_service import Progress, Step

bp = declare(Blueprint("dashboard", __name__), login_required)

# The tick boxes on ScaleV's webhook page that this program uses.
EVENTS_TO_TICK = (
    "order.created",
    "order.updated",
    "order.epayment_created",
    "order.payment_status_changed",
    "order.status_changed",
    "order.deleted",
    "order.spam_created",
    "payment.received",
)

# What each step of the set-up is called, why it is needed, and where it is done.
_STEPS = {
    Step.SCALEV_KEY: (
        lazy_gettext("Save and test the API key of ScaleV"),
        lazy_gettext("With it an order is looked up once more before its lead moves to Not closing."),
        "settings.index",
    ),
    Step.SIGNING_SECRET: (
        lazy_gettext("Save the signing secret of ScaleV"),
        lazy_gettext("Without it the program can't tell ScaleV's webhooks from forged ones."),
        "settings.index",
    ),
    Step.TEST_EVENT: (
        lazy_gettext("Enter the webhook address at ScaleV"),
        lazy_gettext("ScaleV sends a test as soon as you save there; it shows up here."),
        "settings.index",
    ),
    Step.MAILKETING: (
        lazy_gettext("Save and test the API token of Mailketing"),
        lazy_gettext("With it buyers are added to your lists."),
        "settings.index",
    ),
    Step.PRODUCT_LIST: (
        lazy_gettext("Add a product list"),
        lazy_gettext("It tells which product's buyers go to which Mailketing list."),
        "product_lists.index",
    ),
    Step.FIRST_ORDER: (
        lazy_gettext("Receive the first order"),
        lazy_gettext("It comes by itself with your next order at ScaleV. Until then, try it with the simulator."),
        "tools.index",
    ),
}


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of the set-up as the page shows it."""

    title: LazyString
    text: LazyString
    url: str
    done: bool
    problem: str | None


@bp.get("/")
def index() -> ResponseReturnValue:
    steps = setup_service.progress() if current_user.is_admin else []
    return render_template(
        "index.html",
        figures=lead_queries.overview(context.now(), context.zone()),
        hold=delivery_service.hold(),
        steps=[_view(step) for step in steps],
        scalev_reached_us=any(step.done for step in steps if step.step is Step.TEST_EVENT),
        webhook_address=webhook_address(),
        events_to_tick=EVENTS_TO_TICK,
        demo_url=context.config().demo_url,
    )


def webhook_address() -> str:
    """Return the address to enter at ScaleV."""
    return f"{context.config().base_url}/webhook/scalev"


def _view(progress: Progress) -> StepView:
    title, text, endpoint = _STEPS[progress.step]
    return StepView(title, text, url_for(endpoint), progress.done, progress.problem)
