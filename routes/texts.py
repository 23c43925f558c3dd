"""The WhatsApp texts: what each step of the follow-up says, with a preview for a real lead."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import current_user

from routes import context
from routes.chase_forms import TextsForm
from routes.guards import admin_required, declare
from services import contact_service, message_texts, queue_service, settings_service

bp = declare(Blueprint("texts", __name__, url_prefix="/settings/texts"), admin_required)


@bp.get("")
def index() -> ResponseReturnValue:
    return _page(TextsForm(formdata=None, data=_saved()))


@bp.post("")
def save() -> ResponseReturnValue:
    form = TextsForm()
    if not form.validate():
        return _page(form)
    saved = _saved()
    typed = {name: form[name].data or "" for name in settings_service.TEXTS}
    settings_service.change({name: text for name, text in typed.items() if text != saved[name]}, context.now())
    flash(gettext("Saved."), "success")
    return redirect(url_for(".index"))


@bp.post("/preview")
def preview() -> ResponseReturnValue:
    """Show what is typed, filled in; nothing is saved."""
    form = TextsForm()
    form.validate()
    return _page(form)


def _page(form: TextsForm) -> str:
    order_id = request.values.get("order", "").strip()
    lead = queue_service.sample_lead(order_id)
    previews = {}
    if lead is not None:
        greeting = form[settings_service.GREETING].data or message_texts.DEFAULT_GREETING
        previews = {
            field.name: contact_service.fill_in(lead, field.data or "", greeting, current_user.email, context.now())
            for field in form.texts()
            if not field.errors
        }
    return render_template(
        "settings_texts.html",
        form=form,
        previews=previews,
        lead=lead,
        order_id=order_id,
        variables=message_texts.VARIABLES,
    )


def _saved() -> dict[str, str]:
    return {name: settings_service.text(name) or "" for name in settings_service.TEXTS}
