"""The first page in the morning: what came in, what is stuck, what to do next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString
from flask_login import current_user

from routes import attention, context, filters, wording
from routes.guards import declare, login_required
from services import attention_queries, dashboard_queries, delivery_service, setup_service
from services.dashboard_queries import DEFAULT_DAYS, PERIODS, Day, Period
from services.setup_service import Progress, Step
from services.statuses import LeadStatus

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
_IMPORT_INSTEAD = lazy_gettext("Import past orders")


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of the set-up as the page shows it."""

    title: LazyString
    text: LazyString
    url: str
    done: bool
    problem: str | None
    also: tuple[LazyString, str] | None = None


@bp.get("/")
def index() -> ResponseReturnValue:
    """The whole page; for htmx, which asks every few seconds, only what changes by itself."""
    period, steps = _period(), setup_service.progress()
    live = _live_parts(period, is_set_up=all(step.done for step in steps))
    if "HX-Request" in request.headers:
        return render_template("_dashboard_live.html", **live)
    return render_template(
        "index.html",
        **live,
        **_set_up(steps),
        periods=PERIODS,
        chosen_days=_chosen_days(period),
        demo_url=context.config().demo_url,
    )


@bp.get("/set-up")
def set_up() -> ResponseReturnValue:
    """The checklist alone, which htmx fetches while it is open; nothing once all is done."""
    return render_template("_steps.html", **_set_up(setup_service.progress()))


def _set_up(steps: Sequence[Progress]) -> dict[str, Any]:
    return {
        "steps": [_view(step) for step in steps] if current_user.is_admin else [],
        "scalev_reached_us": any(step.done for step in steps if step.step is Step.TEST_EVENT),
        "webhook_address": webhook_address(),
        "events_to_tick": EVENTS_TO_TICK,
    }


def _period() -> Period:
    now, zone = context.now(), context.zone()
    own = dashboard_queries.own_range(request.args.get("since", ""), request.args.get("until", ""), now, zone)
    days = request.args.get("days", "")
    known = int(days) if days.isdecimal() and int(days) in PERIODS else DEFAULT_DAYS
    return own or dashboard_queries.last_days(known, now, zone)


def _chosen_days(period: Period) -> int | None:
    """Return which of the offered periods is shown, None for a range of the person's own."""
    offered = {days: dashboard_queries.last_days(days, context.now(), period.zone) for days in PERIODS}
    return next((days for days, known in offered.items() if known == period), None)


def _live_parts(period: Period, *, is_set_up: bool) -> dict[str, Any]:
    today = dashboard_queries.last_days(1, context.now(), period.zone)
    days = dashboard_queries.by_day(period)
    concerns = attention.lines()
    return {
        "now": context.now(),
        "period": period,
        "flow": dashboard_queries.flow(period),
        "before": dashboard_queries.flow(period.before(context.now())),
        "time_to_payment": dashboard_queries.time_to_payment(period),
        "open_leads": attention_queries.open_leads(),
        "due": attention_queries.due(context.now(), today.end),
        "hours": dashboard_queries.due_by_hour(today),
        "concerns": concerns,
        # Where little works yet, little can be stuck: that is no praise.
        "is_all_well": not concerns and is_set_up,
        "account_hold": delivery_service.hold(),
        "pulse": attention_queries.pulse(),
        "days": days,
        "chart": _chart(days),
        "products": dashboard_queries.top_products(period),
        "handlers": dashboard_queries.top_handlers(period),
    }


def _chart(days: list[Day]) -> dict[str, Any]:
    """Return what the chart draws; the page's table shows the same numbers."""
    return {
        "labels": [filters.short_day(day.day) for day in days],
        "series": [
            {"name": str(lazy_gettext("New leads")), "values": [day.arrived for day in days]},
            {"name": str(wording.LEAD_STATUS[LeadStatus.CLOSING]), "values": [day.closed for day in days]},
            {"name": str(wording.LEAD_STATUS[LeadStatus.NOT_CLOSING]), "values": [day.expired for day in days]},
        ],
    }


def webhook_address() -> str:
    """Return the address to enter at ScaleV."""
    return f"{context.config().base_url}/webhook/scalev"


def _view(progress: Progress) -> StepView:
    title, text, endpoint = _STEPS[progress.step]
    also = (_IMPORT_INSTEAD, url_for("imports.index")) if progress.step is Step.FIRST_ORDER else None
    problem = wording.problem(progress.problem) if progress.problem else None
    return StepView(title, text, url_for(endpoint), progress.done, problem, also)
