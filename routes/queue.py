"""The queue "Hari ini": whom to chase now, for the person who does it, mostly on a phone."""

from collections.abc import Collection

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from routes import context
from routes.guards import declare, login_required, safe_path
from services import contact_service, lead_queries, queue_service
from services.queue_service import Card, View

bp = declare(Blueprint("queue", __name__, url_prefix="/queue"), login_required)

EVERYBODY, MINE = "all", "me"


@bp.get("")
def index() -> ResponseReturnValue:
    names = queue_service.handler_names()
    mine = _mine(names)
    view = View.SNOOZED if request.args.get("view") == View.SNOOZED else View.QUEUE
    chosen = request.args.get("cs") or (MINE if mine and not current_user.is_admin else EVERYBODY)
    handlers = {EVERYBODY: None, MINE: mine}.get(chosen, [chosen])
    now, zone = context.now(), context.zone()
    page = queue_service.page(view, handlers, request.args.get("cursor"), now, zone)
    return render_template(
        "queue.html",
        view=view,
        page=page,
        counts=queue_service.counts(handlers, now, zone),
        handler_names=names,
        mine=mine,
        chosen=chosen,
        people=_people(page.cards),
        back=request.full_path,
        is_later_page="cursor" in request.args,
        max_count=queue_service.MAX_COUNT,
        tomorrow=context.tomorrow(),
    )


@bp.get("/<row:lead_id>")
def card(lead_id: int) -> ResponseReturnValue:
    """Return one card anew, for the page that was left for WhatsApp; nothing when the lead is not chased any more."""
    lead = lead_queries.lead(lead_id)
    cards = queue_service.cards([lead], context.now(), context.zone()) if lead.chase_at else []
    if not cards:
        return ""
    back = safe_path(request.args.get("next"), url_for(".index"))
    tomorrow = context.tomorrow()
    return render_template("_queue_card.html", card=cards[0], people=_people(cards), back=back, tomorrow=tomorrow)


def _people(cards: Collection[Card]) -> dict[str, str]:
    """Return e-mail -> name of those who wrote or noted something."""
    return contact_service.names_of({row.actor for card in cards for row in (card.chat, card.note) if row})


def _mine(names: list[str]) -> list[str]:
    own = {name.casefold() for name in queue_service.own_names(current_user.email)}
    return [name for name in names if name.casefold() in own]
