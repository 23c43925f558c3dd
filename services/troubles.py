"""What can go wrong between this program and a vendor: our own findings as kinds, and their texts. Pure.

The texts are for the log, the command line and the columns that keep them. They are English and technical, so that a
page doesn't show them: it has a text read back into its kind and details, and tells those in the person's language.
One table makes and reads the texts; what none of its forms fits are the vendor's own words.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

_DETAIL = {
    "status": r"(?P<status>[0-9]{3})",
    "where": r"(?P<where>[^:\s]+)",  # a path; for whoever reads the log
    "words": r"(?P<words>.+)",
    "needs": r"(?P<needs>.+)",
    "number": r"(?P<number>[0-9.e+]+)",
}
_AND = " and "
VENDORS = ("ScaleV", "Mailketing")


class Kind(StrEnum):
    """What went wrong."""

    NO_KEY = "no_key"
    KEY_REFUSED = "key_refused"
    NOT_PERMITTED = "not_permitted"  # the key lacks a permission
    TOO_MANY_CALLS = "too_many_calls"
    NO_CONNECTION = "no_connection"
    NO_ANSWER_IN_TIME = "no_answer_in_time"
    NOT_SECURE = "not_secure"
    PROXY = "proxy"
    CALL_FAILED = "call_failed"
    BAD_STATUS = "bad_status"  # an HTTP status without a readable word
    UNREADABLE = "unreadable"
    TOO_LARGE = "too_large"
    WRONG_ADDRESS = "wrong_address"
    NOT_FOUND = "not_found"
    TOO_LONG = "too_long"  # a list with more pages than are read
    BAD_LIST = "bad_list"  # no list number of Mailketing's
    OUR_FAULT = "our_fault"
    REFUSED = "refused"  # in the vendor's own words


@dataclass(frozen=True, slots=True)
class Trouble:
    """A finding with its details.

    Args:
        vendor: "ScaleV" or "Mailketing".
        words: the vendor's own; of CALL_FAILED and OUR_FAULT the exception's name.
        status: HTTP status, None when the text names none.
        needs: the permissions that the key lacks, as ScaleV calls them.
    """

    vendor: str
    kind: Kind
    words: str = ""
    status: int | None = None
    needs: tuple[str, ...] = ()


class Form:
    """How one finding is written: called with its details, it is the text."""

    def __init__(self, kind: Kind, pattern: str) -> None:
        self.kind = kind
        self._pattern = pattern
        parts = re.split(r"\{(\w+)\}", pattern)
        texts = (_DETAIL[part] if is_name else re.escape(part) for is_name, part in _alternate(parts))
        self._regex = re.compile("".join(texts), re.DOTALL)

    def __call__(self, **details: object) -> str:
        return self._pattern.format(**details)

    def details(self, text: str) -> dict[str, str] | None:
        """Return what this form was filled with, None when the text has another one."""
        match = self._regex.fullmatch(text)
        return match.groupdict() if match else None


def _alternate(parts: list[str]) -> list[tuple[bool, str]]:
    return [(index % 2 == 1, part) for index, part in enumerate(parts)]


NO_KEY = Form(Kind.NO_KEY, "no API key is set")
NO_TOKEN = Form(Kind.NO_KEY, "no API token is set")
KEY_REFUSED_SILENTLY = Form(Kind.KEY_REFUSED, "the API key was refused: HTTP {status}")
KEY_REFUSED = Form(Kind.KEY_REFUSED, "the API key was refused: {words}")
TOKEN_REFUSED_SILENTLY = Form(Kind.KEY_REFUSED, "the API token was refused: HTTP {status} without a readable answer")
TOKEN_REFUSED = Form(Kind.KEY_REFUSED, "the API token was refused: {words}")
SCOPE_MISSING = Form(Kind.NOT_PERMITTED, "the API key may not use GET {where}: a scope is missing")
SCOPES_MISSING = Form(Kind.NOT_PERMITTED, "the API key may not use GET {where}: give it {needs}")
TOO_MANY_CALLS = Form(Kind.TOO_MANY_CALLS, "too many calls")
ALLOWANCE_USED_UP = Form(Kind.TOO_MANY_CALLS, "the allowance is used up")
BROKEN_OFF = Form(Kind.NO_CONNECTION, "no connection, or it broke off")
NOT_REACHED_IN_TIME = Form(Kind.NO_ANSWER_IN_TIME, "could not be reached in time")
NO_ANSWER_IN_TIME = Form(Kind.NO_ANSWER_IN_TIME, "no answer in time")
NO_WHOLE_ANSWER = Form(Kind.NO_ANSWER_IN_TIME, "no complete answer within {number} seconds")
NOT_SECURE = Form(Kind.NOT_SECURE, "no secure connection (TLS)")
PROXY = Form(Kind.PROXY, "the proxy does not let us through")
CALL_FAILED = Form(Kind.CALL_FAILED, "the call failed ({words})")
TOO_LARGE = Form(Kind.TOO_LARGE, "the answer is larger than {number} bytes")
BAD_STATUS = Form(Kind.BAD_STATUS, "GET {where} answered HTTP {status}")
REFUSED_SILENTLY = Form(Kind.BAD_STATUS, "GET {where}: HTTP {status}")
NO_READABLE_ANSWER = Form(Kind.BAD_STATUS, "HTTP {status} without a readable answer")
UNREADABLE = Form(Kind.UNREADABLE, "the answer to GET {where} cannot be read")
NO_READABLE = Form(Kind.UNREADABLE, "the answer holds no readable {where}")
ROWS_UNREADABLE = Form(Kind.UNREADABLE, "the rows of {where} cannot be read")
NO_WAY_ON = Form(Kind.UNREADABLE, "the answer promises a next page without saying where")
CIRCLE = Form(Kind.UNREADABLE, "the pages of {where} go round in a circle")
TOO_MANY_PAGES = Form(Kind.TOO_LONG, "{where} has more than {number} pages")
WRONG_ADDRESS = Form(Kind.WRONG_ADDRESS, "the address answers, but not as ScaleV")
NO_SUCH_ORDER = Form(Kind.NOT_FOUND, "there is no such order")
NO_ID = Form(Kind.NOT_FOUND, "what has no id cannot be looked up")
NOT_FOUND = Form(Kind.NOT_FOUND, "GET {where}: not found")
REFUSED = Form(Kind.REFUSED, "GET {where}: {words}")
BAD_LIST = Form(Kind.BAD_LIST, "The list number is not a Mailketing list number.")
OUR_FAULT = Form(Kind.OUR_FAULT, "the program failed: {words}")

# The narrower before the wider, where one text fits both.
_FORMS = [form for form in globals().values() if isinstance(form, Form)]


def read(text: str) -> Trouble | None:
    """Return the trouble that the text of a VendorError tells of, None when it is no such text."""
    vendor, separator, message = text.partition(": ")
    return read_message(vendor, message) if separator and vendor in VENDORS else None


def read_message(vendor: str, message: str) -> Trouble:
    """Return the trouble that a message tells of; the vendor's own words, when it has none of our forms."""
    for form in _FORMS:
        found = form.details(message)
        if found is not None:
            return Trouble(vendor, form.kind, found.get("words", ""), _status(found), _needs(found))
    return Trouble(vendor, Kind.REFUSED, message)


def _status(found: dict[str, str]) -> int | None:
    return int(found["status"]) if "status" in found else None


def _needs(found: dict[str, str]) -> tuple[str, ...]:
    return tuple(found["needs"].split(_AND)) if "needs" in found else ()
