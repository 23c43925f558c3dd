"""What a request knows: its moment, the zone and the language of the person, each read once."""

from datetime import date, datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

from flask import Flask, Response, current_app, g, request
from flask_babel import Babel, lazy_gettext

from config import Config
from services import clock, settings_service

LANGUAGES = {"id": "Indonesia", "en": "English"}
DEFAULT_LANGUAGE = "id"
LANGUAGE_COOKIE = "language"
THEME_COOKIE = "theme"
THEMES = {"": lazy_gettext("System"), "light": lazy_gettext("Light"), "dark": lazy_gettext("Dark")}
_YEAR = 365 * 24 * 3600


def set_up(app: Flask) -> None:
    Babel(app, default_locale=DEFAULT_LANGUAGE, locale_selector=language)
    app.add_template_global(language)
    app.add_template_global(theme)
    app.jinja_env.globals["languages"] = LANGUAGES
    app.jinja_env.globals["themes"] = THEMES


def now() -> datetime:
    """Return the request's one clock reading."""
    if "now" not in g:
        g.now = clock.utc_now()
    return cast(datetime, g.now)


def zone() -> ZoneInfo:
    """Return the zone that times are shown in."""
    if "zone" not in g:
        g.zone = settings_service.zone()
    return cast(ZoneInfo, g.zone)


def tomorrow() -> date:
    """Return tomorrow's date in the configured zone."""
    return now().astimezone(zone()).date() + timedelta(days=1)


def config() -> Config:
    return cast(Config, current_app.extensions["config"])


def language() -> str:
    """Return the language that the person chose, Bahasa Indonesia else."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "") if request else ""
    return chosen if chosen in LANGUAGES else DEFAULT_LANGUAGE


def theme() -> str:
    """Return the look that the person chose: light or dark, "" to follow the system."""
    chosen = request.cookies.get(THEME_COOKIE, "") if request else ""
    return chosen if chosen in THEMES else ""


def remember(response: Response, cookie: str, chosen: str) -> None:
    """Keep a choice for a year. A cookie of its own, because it is to outlive the login."""
    response.set_cookie(cookie, chosen, max_age=_YEAR, secure=config().https, httponly=True, samesite="Lax")
