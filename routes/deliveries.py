"""The outbox: what goes to Mailketing, what Mailketing said, and trying again."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from routes import context
from routes.guards import declare, login_required, safe_path
from routes.paging import flashed_refusal
from services import catalogue_service, delivery_service
from services.log_queries import OUTBOX

bp = declare(Blueprint("deliveries", __name__, url_prefix="/deliveries"), login_required)


@bp.get("")
def index() -> ResponseReturnValue:
    wanted = OUTBOX.read(request.args)
    return render_template(
        "deliveries.html",
        wanted=wanted,
        counts=OUTBOX.counts(),
        matching=OUTBOX.count(wanted),
        page=OUTBOX.page(wanted, request.args.get("cursor")),
        account_hold=delivery_service.hold(),
        now=context.now(),
        list_names=catalogue_service.list_names(),
        retryable=delivery_service.RETRYABLE,
    )


@bp.post("/<row:delivery_id>/retry")
def retry(delivery_id: int) -> ResponseReturnValue:
    with flashed_refusal():
        delivery_service.retry(delivery_id, context.now())
        flash(gettext("It will be sent in the next minute."), "success")
    return redirect(safe_path(request.form.get("next"), url_for(".index")))
