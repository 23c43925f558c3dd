"""The Settings page: keys, rules, the change of the signing secret, and trying the keys."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_wtf import FlaskForm

from routes import context, wording
from routes.dashboard import EVENTS_TO_TICK, webhook_address
from routes.forms import SettingsForm, focus_first_mistake
from routes.guards import admin_required, declare
from services import delivery_service, lead_service, settings_service, tool_service
from services.errors import UserError
from services.setup_service import KEY_SETTING, Vendor
from services.tool_service import KeyTest

bp = declare(Blueprint("settings", __name__, url_prefix="/settings"), admin_required)

DAYS = "follow_up_days"
RULES = [name for name in settings_service.SETTINGS if name not in settings_service.KEYS]


@bp.get("")
def index() -> ResponseReturnValue:
    return _page(SettingsForm(formdata=None, data=_saved_rules()))


@bp.post("")
def save() -> ResponseReturnValue:
    form = SettingsForm(data=_saved_rules())
    if not form.validate():
        focus_first_mistake(form)
        return _page(form)
    changes = _changes(form)
    if not changes:
        flash(gettext("Nothing has changed."), "info")
        return redirect(url_for(".index"))
    days = changes.pop(DAYS, None)
    settings_service.change(changes, context.now())
    _warn_of_swapped(changes)
    if days is None:
        flash(gettext("Saved."), "success")
        return redirect(url_for(".index"))
    return _change_days(days)


@bp.post("/end-rotation")
def end_rotation() -> ResponseReturnValue:
    settings_service.end_rotation(context.now())
    flash(gettext("Only the new signing secret is accepted from now on."), "success")
    return redirect(url_for(".index"))


@bp.post("/test/<any(scalev, mailketing):vendor>")
def test(vendor: str) -> ResponseReturnValue:
    """Try the key that is typed, else the saved one. htmx takes the result alone, without it the page comes whole."""
    typed = request.form.get(KEY_SETTING[Vendor(vendor)], "")
    result, is_typed = _try_key(Vendor(vendor), typed), bool(typed.strip())
    if "HX-Request" in request.headers:
        return render_template("_test_result.html", answer=result, is_typed=is_typed, is_still_typed=True)
    return _page(SettingsForm(data=_saved_rules()), {vendor: result}, is_typed)


def _page(form: FlaskForm, results: dict[str, KeyTest] | None = None, is_typed: bool = False) -> str:
    return render_template(
        "settings.html",
        form=form,
        rules=RULES,
        masked=masked_keys(),
        results=results or {},
        is_typed=is_typed,
        account_hold=delivery_service.hold(),
        rotation_until=settings_service.rotation_until(),
        webhook_address=webhook_address(),
        events_to_tick=EVENTS_TO_TICK,
    )


def _saved_rules() -> dict[str, str | None]:
    return {name: settings_service.text(name) for name in RULES}


def _changes(form: FlaskForm) -> dict[str, str]:
    """Return what was posted and differs, so that values from the environment are not frozen by saving others."""
    saved = _saved_rules()
    posted = {name: form[name].data or "" for name in settings_service.SETTINGS if name in request.form}
    return {name: value for name, value in posted.items() if value != saved.get(name, "")}


def _warn_of_swapped(changes: dict[str, str]) -> None:
    for name, value in changes.items():
        if value and settings_service.looks_swapped(name, value):
            flash(str(wording.SWAPPED_KEY[name]), "warning")


def _change_days(days: str) -> ResponseReturnValue:
    """Change the days; when open leads are touched, ask first."""
    touched = lead_service.open_leads_with_default_days()
    if touched and "confirmed" not in request.form:
        return render_template("settings_days.html", days=days, old_days=settings_service.number(DAYS), touched=touched)
    settings_service.change({DAYS: days}, context.now())
    lead_service.recompute_due(context.now())
    flash(gettext("Saved."), "success")
    return redirect(url_for(".index"))


def masked_keys() -> dict[str, str | None]:
    """Return what may be shown of each saved key."""
    return {name: _masked(name) for name in settings_service.KEYS}


def _masked(name: str) -> str | None:
    """Return a secret's last characters; one that can't be read any more is told in the field instead."""
    try:
        return settings_service.masked(name)
    except UserError:
        return gettext("can't be read, type it again")


def _try_key(vendor: Vendor, typed: str) -> KeyTest:
    try:
        return tool_service.try_key(vendor, typed, context.now())
    except UserError as error:
        return KeyTest(vendor, problem=str(error))
