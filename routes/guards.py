"""Who may open what. Every blueprint declares its guard; a test fails when one does not."""

from collections.abc import Callable

from flask import Blueprint, Response, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, current_user

from services import user_service

Guard = Callable[[], ResponseReturnValue | None]


def set_up(login_manager: LoginManager) -> None:
    login_manager.user_loader(user_service.for_session)


def declare(blueprint: Blueprint, guard: Guard) -> Blueprint:
    """Put a guard before all pages of a blueprint, and return the blueprint."""
    blueprint.before_request(guard)
    blueprint.guard = guard  # type: ignore[attr-defined]  # for the test that looks for blueprints without one
    return blueprint


def open_to_all() -> None:
    """Let everybody in: log-in, set-up, webhooks, health."""


def login_required() -> ResponseReturnValue | None:
    """Send people who are not logged in to the log-in page, and from there back to where they were going."""
    if current_user.is_authenticated:
        return None
    if "HX-Request" in request.headers:
        # A redirect would be followed inside the page; this header makes htmx open the log-in page as a whole.
        return Response(status=401, headers={"HX-Redirect": url_for("accounts.login")})
    return redirect(url_for("accounts.login", next=_wanted_page()))


def admin_required() -> ResponseReturnValue | None:
    """Let admins in; a CS gets the page that says so."""
    refusal = login_required()
    if refusal is None:
        only_admins()
    return refusal


def only_admins() -> None:
    """Show a CS the page that says that this is not for them."""
    if not current_user.is_admin:
        abort(403)


def safe_path(text: str | None, default: str) -> str:
    """Return `text` when it is a path on this site, else `default`.

    Browsers read `//host` and `/\\host` as another site and drop control characters on the way there.
    """
    if not text or not text.startswith("/") or text[1:2] in {"/", "\\"} or any(ord(char) < 0x20 for char in text):
        return default
    return text


def _wanted_page() -> str:
    """Return the path to come back to; what was sent by POST can't be repeated by a link."""
    if request.method not in {"GET", "HEAD"}:
        return url_for("dashboard.index")
    return request.full_path if request.query_string else request.path
