"""The inbox: every event as received, what became of it, and doing it again."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from routes import context, wording
from routes.guards import admin_required, declare
from routes.paging import flashed_refusal
from services import event_service, log_queries
from services.log_queries import INBOX

bp = declare(Blueprint("events", __name__, url_prefix="/events"), admin_required)


@bp.get("")
def index() -> ResponseReturnValue:
    wanted = INBOX.read(request.args)
    return render_template(
        "events.html",
        wanted=wanted,
        counts=INBOX.counts(),
        matching=INBOX.count(wanted),
        names={name: name for name in INBOX.values("name")},
        page=INBOX.page(wanted, request.args.get("cursor")),
    )


@bp.get("/<row:event_id>")
def detail(event_id: int) -> ResponseReturnValue:
    return render_template("event_detail.html", event=log_queries.event(event_id))


@bp.post("/<row:event_id>/replay")
def replay(event_id: int) -> ResponseReturnValue:
    with flashed_refusal():
        event = event_service.replay(event_id, context.now())
        outcome = wording.EVENT_STATUS[event.status]
        flash(gettext("The event was processed again. It is now: %(status)s.", status=outcome), "info")
    return redirect(url_for(".detail", event_id=event_id))
