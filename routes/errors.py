"""Error pages in plain words. They read no database, because its failure is one of them."""

import logging

from flask import Flask, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException

from services.errors import NotFound

log = logging.getLogger(__name__)

_RETRY_AFTER_SECONDS = 10

_PAGES = {
    400: (lazy_gettext("That did not work"), lazy_gettext("The request was incomplete. Go back and try again.")),
    403: (
        lazy_gettext("Only for admins"),
        lazy_gettext("Your account may not open this page. Ask your admin if you need it."),
    ),
    404: (lazy_gettext("Not found"), lazy_gettext("This page does not exist, or what it showed was removed.")),
    405: (
        lazy_gettext("Not in this way"),
        lazy_gettext("This address can't be opened like this. Go back and use the button on the page."),
    ),
    413: (lazy_gettext("Too large"), lazy_gettext("What you sent is too large. Send less at once.")),
    429: (lazy_gettext("Too many tries"), lazy_gettext("Wait a while, then try again.")),
    500: (
        lazy_gettext("Something went wrong here"),
        lazy_gettext("The mistake is ours and was recorded. Nothing you sent was half done. Try again in a moment."),
    ),
    503: (
        lazy_gettext("Busy right now"),
        lazy_gettext("The database can't answer at the moment. Try again in a few seconds."),
    ),
}


def set_up(app: Flask) -> None:
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(CSRFError, _csrf_error)
    app.register_error_handler(NotFound, lambda _: error_page(404))
    app.register_error_handler(OperationalError, _database_error)


def error_page(code: int, sentence: str | None = None) -> tuple[str, int]:
    """Render the page for a status code, with its own sentence or another one."""
    title, usual = _PAGES[code if code in _PAGES else 400 if code < 500 else 500]
    return render_template("error.html", code=code, title=title, sentence=sentence or usual), code


def _http_error(error: HTTPException) -> ResponseReturnValue:
    if error.response is not None or error.code is None or error.code < 400:
        return error.get_response()
    page, code = error_page(error.code)
    # What belongs to the status stays, such as the Allow of 405; the body's length and type are the page's own.
    kept = {name: value for name, value in error.get_headers() if name not in {"Content-Type", "Content-Length"}}
    return page, code, kept


def _csrf_error(_: CSRFError) -> ResponseReturnValue:
    return error_page(
        400,
        gettext(
            "This form was open too long or came from elsewhere, so nothing was done. Open the page again and repeat."
        ),
    )


def _database_error(error: OperationalError) -> ResponseReturnValue:
    # Its own words only: the whole exception would write the statement's values, so buyers' data, into the log.
    log.error("The database failed during %s %s: %s", request.method, request.path, error.orig)
    page, code = error_page(503)
    return page, code, {"Retry-After": str(_RETRY_AFTER_SECONDS)}
