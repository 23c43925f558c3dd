"""What went wrong with a vendor, told on a page: our findings as sentences, and what it said itself in quotes.

Paths and exceptions' texts mean nothing to whoever reads a page; they are in the log.
"""

from collections.abc import Callable

from flask_babel import gettext, lazy_gettext
from flask_babel.speaklater import LazyString

from services.mailketing_service import VENDOR as MAILKETING
from services.scalev_service import VENDOR as SCALEV
from services.troubles import Kind, Trouble

_KEY_NAME = {SCALEV: lazy_gettext("API key"), MAILKETING: lazy_gettext("API token")}
_STATUS: dict[int, LazyString] = {
    401: lazy_gettext("access denied"),
    403: lazy_gettext("access denied"),
    404: lazy_gettext("not found"),
    408: lazy_gettext("it waited too long"),
    429: lazy_gettext("too many calls"),
}
_REDIRECT = lazy_gettext("it points to another address")
_BROKEN = lazy_gettext("trouble on its side")
_OTHER = lazy_gettext("without a readable answer")

_PLAIN: dict[Kind, LazyString] = {
    Kind.NO_KEY: lazy_gettext("There is no %(key)s of %(vendor)s yet: save it in Settings."),
    Kind.TOO_MANY_CALLS: lazy_gettext("%(vendor)s takes no more calls for the moment: there were too many."),
    Kind.NO_CONNECTION: lazy_gettext("%(vendor)s could not be reached: no connection, or it broke off."),
    Kind.NO_ANSWER_IN_TIME: lazy_gettext("%(vendor)s did not answer in time."),
    Kind.NOT_SECURE: lazy_gettext("%(vendor)s could not be reached over a secure connection (TLS)."),
    Kind.PROXY: lazy_gettext("%(vendor)s could not be reached: the proxy of this network does not let us through."),
    Kind.CALL_FAILED: lazy_gettext("%(vendor)s could not be reached: the call failed (%(words)s)."),
    Kind.UNREADABLE: lazy_gettext("%(vendor)s answered with something that can't be read."),
    Kind.TOO_LARGE: lazy_gettext("%(vendor)s answered with more than can be taken."),
    Kind.WRONG_ADDRESS: lazy_gettext("Something answers at the address of %(vendor)s, but it is not %(vendor)s."),
    Kind.TOO_LONG: lazy_gettext("The list at %(vendor)s is too long to be read to its end."),
    Kind.BAD_LIST: lazy_gettext("The list number is not a Mailketing list number."),
    Kind.OUR_FAULT: lazy_gettext("This program failed (%(words)s). The log tells more."),
}


def tell(trouble: Trouble) -> str:
    """Return the sentence for a trouble."""
    special = _SPECIAL.get(trouble.kind)
    if special is not None:
        return special(trouble)
    details = {"vendor": trouble.vendor, "words": trouble.words, "key": _KEY_NAME[trouble.vendor]}
    return str(_PLAIN[trouble.kind]) % details


def _refused_key(trouble: Trouble) -> str:
    vendor, key = trouble.vendor, _KEY_NAME[trouble.vendor]
    if trouble.words:
        return gettext("%(vendor)s refuses the %(key)s: “%(words)s”", vendor=vendor, key=key, words=trouble.words)
    return gettext("%(vendor)s refuses the %(key)s (HTTP %(status)s).", vendor=vendor, key=key, status=trouble.status)


def _not_permitted(trouble: Trouble) -> str:
    if not trouble.needs:
        return gettext("The %(vendor)s API key lacks a permission.", vendor=trouble.vendor)
    needs = ", ".join(trouble.needs)
    return gettext("The %(vendor)s API key lacks a permission. Give it: %(needs)s.", vendor=trouble.vendor, needs=needs)


def _bad_status(trouble: Trouble) -> str:
    status = trouble.status or 0
    if status < 300:
        return gettext(
            "%(vendor)s answered with something that can't be read (HTTP %(status)s).",
            vendor=trouble.vendor,
            status=status,
        )
    meaning = _STATUS.get(status) or (_REDIRECT if status < 400 else _BROKEN if status >= 500 else _OTHER)
    return gettext(
        "%(vendor)s answered with HTTP %(status)s (%(meaning)s).",
        vendor=trouble.vendor,
        status=status,
        meaning=meaning,
    )


def _not_found(trouble: Trouble) -> str:
    return gettext("%(vendor)s does not know what it was asked for.", vendor=trouble.vendor)


def _refused(trouble: Trouble) -> str:
    return f"{trouble.vendor}: “{trouble.words}”"


_SPECIAL: dict[Kind, Callable[[Trouble], str]] = {
    Kind.KEY_REFUSED: _refused_key,
    Kind.NOT_PERMITTED: _not_permitted,
    Kind.BAD_STATUS: _bad_status,
    Kind.NOT_FOUND: _not_found,
    Kind.REFUSED: _refused,
}
