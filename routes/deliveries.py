"""The outbox: what goes to Mailketing, what Mailketing said, and trying again."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext

from routes import context
from routes.guards import declare, login_required, safe_path
from routes.paging import chosen, flashed_refusal
from services import delivery_service, lead_queries
from services.statuses import DeliveryStatus

bp = declare(Blueprint("deliveries", __name__, url_prefix="/deliveries"), login_required)


@bp.get("")
def index() -> ResponseReturnValue:
    status = chosen(DeliveryStatus)
    return render_template(
        "deliveries.html",
        status=status,
        counts=lead_queries.delivery_counts(),
        page=lead_queries.deliveries(status, request.args.get("cursor")),
        hold=delivery_service.hold(),
    )


@bp.post("/<row:delivery_id>/retry")
def retry(delivery_id: int) -> ResponseReturnValue:
    with flashed_refusal():
        delivery_service.retry(delivery_id, context.now())
        flash(gettext("It will be sent in the next minute."), "success")
    return _back()


@bp.post("/retry-failed")
def retry_failed() -> ResponseReturnValue:
    with flashed_refusal():
        count = delivery_service.retry_all_failed(context.now())
        message = ngettext("%(num)d delivery will be sent again.", "%(num)d deliveries will be sent again.", count)
        flash(message, "success")
    return _back()


def _back() -> ResponseReturnValue:
    """Go back to the page whose button was pressed."""
    return redirect(safe_path(request.form.get("next"), url_for(".index")))
