"""Client for Mailketing's API v1: add a buyer to a list, read the lists, read the credits.

All calls are POSTed forms with the field `api_token` (vendor's own client). HTTP 200 is no success until the body says
so, and the Content-Type is not reliable (observed by integrators), so every answer goes through `judge`.
"""

import json
import re
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import unquote

from services import troubles
from services.contacts import clean_text, redact
from services.errors import (
    VendorAuthError,
    VendorError,
    VendorNotFound,
    VendorRateLimited,
    VendorRefused,
    VendorUnreachable,
)
from services.http_session import Answer, HttpSession, retry_after

VENDOR = "Mailketing"
MAX_RAW = 2000
MAX_MESSAGE = 300

_LIST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class AnswerKind(StrEnum):
    """What an answer means for the delivery that asked."""

    OK = "ok"
    DUPLICATE = "duplicate"  # the address was on the list already: done, counts as sent
    RETRY = "retry"  # network, redirect, 408, 429, 5xx, unreadable body
    PERMANENT = "permanent"  # this address will never be accepted
    CONFIG = "config"  # this list or sender needs a person
    HOLD = "hold"  # the account: bad token or no credits; nothing can be sent
    UNKNOWN = "unknown"  # a refusal in words nobody recorded yet


@dataclass(frozen=True)
class AddResult:
    """The outcome of one try to add an address.

    :param message: one line for a person, redacted.
    :param status: HTTP status, None without an answer.
    :param retry_after: seconds that Mailketing asked us to wait, None if it named none.
    :param raw: the answer's text, redacted, at most 2,000 characters.
    """

    kind: AnswerKind
    message: str
    status: int | None = None
    duration_ms: int = 0
    retry_after: float | None = None
    raw: str = ""


@dataclass(frozen=True)
class MailketingList:
    id: str
    name: str


@dataclass(frozen=True)
class Credits:
    """One e-mail costs one credit. `amount` is None when the number cannot be read."""

    amount: int | None
    account: str


class MailketingClient:
    """API v1 with one account's token.

    :param base_url: with the version, e.g. `https://api.mailketing.co.id/api/v1`.
    :param token: as pasted by the user; see `clean_token`.
    """

    def __init__(self, base_url: str, token: str, *, session: HttpSession | None = None) -> None:
        self._base_url = base_url.rstrip("/")
        self._token = clean_token(token)
        self._session = session or HttpSession()

    def add_subscriber(
        self, list_id: str, email: str, *, first_name: str = "", last_name: str = "", mobile: str = ""
    ) -> AddResult:
        """Add one address to one list; every outcome is a result, nothing is raised.

        `mobile` is the field for WhatsApp numbers (`phone` is the office phone). Empty fields are left out, because
        nobody knows whether an empty value erases what Mailketing holds.
        """
        if not _LIST_ID.fullmatch(list_id):
            return AddResult(AnswerKind.CONFIG, troubles.BAD_LIST())
        wanted = {"first_name": first_name, "last_name": last_name, "mobile": mobile}
        optional = {name: text for name, value in wanted.items() if (text := clean_text(value, 100))}
        started = time.monotonic()
        try:
            answer = self._post("addsubtolist", {"list_id": list_id, "email": clean_text(email, 254), **optional})
        except VendorAuthError as error:
            return AddResult(AnswerKind.HOLD, error.message)
        except VendorUnreachable as error:
            took = round((time.monotonic() - started) * 1000)
            return AddResult(AnswerKind.RETRY, error.message, duration_ms=took)
        return self._add_result(answer)

    def _add_result(self, answer: Answer) -> AddResult:
        kind, message = judge(answer.status, answer.text)
        return AddResult(
            kind,
            redact(message, self._token),
            answer.status,
            answer.duration_ms,
            retry_after(answer.headers),
            clean_text(redact(answer.text, self._token), MAX_RAW),
        )

    def lists(self) -> list[MailketingList]:
        """The account's lists, as made by hand in its dashboard; empty only when Mailketing says that there are none.

        :raises VendorAuthError: missing or wrong token.
        :raises VendorError: every other failure.
        """
        rows = self._ask("viewlist").get("lists")
        if not isinstance(rows, list) or not all(isinstance(row, dict) and row.get("list_id") for row in rows):
            raise VendorUnreachable(VENDOR, troubles.NO_READABLE(where="lists"))
        return [MailketingList(clean_text(row["list_id"], 64), clean_text(row.get("list_name"), 200)) for row in rows]

    def credits(self) -> Credits:
        """What is left to send with.

        :raises VendorAuthError: missing or wrong token.
        :raises VendorError: every other failure.
        """
        body = self._ask("ceksaldo")
        return Credits(_whole_number(body.get("credits")), clean_text(body.get("user"), 254))

    def _ask(self, endpoint: str) -> dict[str, Any]:
        answer = self._post(endpoint, {})
        kind, message = judge(answer.status, answer.text)
        body = _json_object(answer.text)
        if kind is AnswerKind.OK and body is not None:
            return body
        raise _as_error(kind, redact(message, self._token), answer)

    def _post(self, endpoint: str, fields: dict[str, str]) -> Answer:
        if not self._token:
            raise VendorAuthError(VENDOR, troubles.NO_TOKEN())
        form = {"api_token": self._token, **fields}
        return self._session.send(VENDOR, "POST", f"{self._base_url}/{endpoint}", form=form)


def _as_error(kind: AnswerKind, message: str, answer: Answer) -> VendorError:
    status = answer.status
    if kind is AnswerKind.HOLD and not is_about_credits(message):
        return VendorAuthError(VENDOR, troubles.TOKEN_REFUSED(words=message), status=status)
    if status == 429:
        return VendorRateLimited(VENDOR, message, retry_after=retry_after(answer.headers), status=status)
    if kind in (AnswerKind.RETRY, AnswerKind.OK):  # "ok" in words but without the data that was asked for
        return VendorUnreachable(VENDOR, message, retry_after=retry_after(answer.headers), status=status)
    if status == 404:
        return VendorNotFound(VENDOR, message, status=status)
    return VendorRefused(VENDOR, message, status=status)


_PASTED_PREFIX = re.compile(r"(?i)^(?:bearer\s+|x-api-token\s*[:=]|authorization\s*[:=]|api_token[\"']?\s*[:=])")


def clean_token(text: str) -> str:
    """The bare token of what users paste: quotes, `Bearer `, `X-Api-Token:` or a whole URL around it."""
    in_url = re.search(r"(?:^|[?&])api_token=([^&#\s\"']+)", text)
    token = unquote(in_url.group(1)) if in_url else text
    token, before = clean_text(token, 500), ""
    while token != before:
        before = token
        token = _PASTED_PREFIX.sub("", token.strip(" \"'`“”‘’")).strip()
    return "".join(token.split())


# --- What an answer means -------------------------------------------------------------------------------------------

_WRONG_KEY = r"wrong api token|(?:invalid|wrong) (?:api )?(?:token|key)\b"
_NO_CREDITS = r"no credit|please top ?up"

# The refusals that Mailketing documents for `send`; that the other calls use the same words is assumed.
# In this order, before the wordings for "on the list already": an account's trouble outweighs the address's.
_KNOWN_REASONS = (
    (AnswerKind.HOLD, _WRONG_KEY),
    (AnswerKind.HOLD, _NO_CREDITS),
    (AnswerKind.CONFIG, r"unknown sender"),
    (AnswerKind.PERMANENT, r"blacklist|^\W*empty (?:from|recipient|subject|content|e-?mail)"),
    # Recorded nowhere; the obvious wordings only:
    (AnswerKind.CONFIG, r"\blist(?:[ _]?id)? (?:is )?(?:not found|invalid|does not exist)"),
    (AnswerKind.CONFIG, r"\b(?:invalid|unknown|wrong) list\b"),
    (AnswerKind.PERMANENT, r"\binvalid e-?mail|\be-?mail (?:address )?(?:is )?(?:invalid|not valid)"),
    (AnswerKind.PERMANENT, r"unsubscribed|bounced"),
)
# Not recorded either: these words, in English or Indonesian, are what a list that has the address would say.
_PRESENT = (
    r"\bexists?\b|\bduplicat|\bduplikat|\bterdaftar\b"
    r"|\balready (?:exist|subscribed|registered|added|in (?:the |this )?list|on\b|a (?:subscriber|member))"
    r"|\bsudah (?:ada|pernah|masuk|berlangganan|tergabung|menjadi|di (?:dalam )?(?:list|daftar))\b"
)
# A wrong "already there" loses a buyer for good, a wrong "unknown" only asks a person.
_NOT_PRESENT = (
    r"not exist|n'?t exist|no longer|non-?exist|not (?:yet |been )?registered|not found|no such|belum"
    r"|tidak (?:ada|terdaftar|ditemukan|valid|berlaku|aktif)|suspend|expire|limit|quota|kuota"
    r"|habis|blokir|nonaktif|revoked|deleted|dihapus|blocked|disabled|closed|token|saldo|kredit"
    r"|hitam|unsubscribe|berhenti|penuh|\bfull\b|progress|akun|account"
)

_SUCCESS_WORDS = r"\bsuccess(?:ful|fully)?\b|\badded to (?:the )?list\b"
_FAILURE_WORDS = r"\bno[tn]?\b|n't\b|fail|error|false|invalid|denied|wrong|gagal|tidak|belum"


def judge(status: int, text: str) -> tuple[AnswerKind, str]:
    """What an answer of `addsubtolist` (or any other call) means, and one line that says why.

    Pure. The message is redacted of everything that has a known shape (32-hex tokens, addresses, phones).
    """
    if status in (408, 429) or not (200 <= status < 300 or 400 <= status < 500):
        return AnswerKind.RETRY, _outage(status)
    body = _json_value(text)
    if isinstance(body, dict):
        return _judge_object(status, body, text)
    return _judge_words(status, _plain_words(body, text))


def _judge_object(status: int, body: dict[str, Any], text: str) -> tuple[AnswerKind, str]:
    says_success = str(body.get("status")).strip().lower() in ("success", "true")
    reason = _reason(body)
    message = _one_line(reason or text)
    if says_success and status < 300:
        return AnswerKind.OK, message
    if says_success:  # contradicts its HTTP status: not to be counted as sent
        return AnswerKind.UNKNOWN, message
    return _kind_of_refusal(status, reason), message


def _judge_words(status: int, words: str) -> tuple[AnswerKind, str]:
    """A body that is no JSON object; no words stand for a web page and other unreadable things."""
    message = _one_line(words) or _outage(status)
    kind = _kind_of_refusal(status, words)
    if kind is not AnswerKind.UNKNOWN:
        return kind, message
    if status < 300 and _says(_SUCCESS_WORDS, words) and not _says(_FAILURE_WORDS, words):
        return AnswerKind.OK, message
    if status < 300 or not words:
        return AnswerKind.RETRY, _outage(status)
    return AnswerKind.UNKNOWN, message


def _plain_words(body: Any, text: str) -> str:
    """A short sentence in plain text or as a JSON string; "" for all else.

    Words are not looked for in web pages or broken JSON: those hold "success" and "already" for reasons of their own.
    """
    words = body if isinstance(body, str) else text if body is None else ""
    return "" if len(words) > MAX_MESSAGE or re.search(r"[<{]", words) else words.strip()


def _kind_of_refusal(status: int, reason: str) -> AnswerKind:
    for kind, pattern in _KNOWN_REASONS:
        if _says(pattern, reason):
            return kind
    if _says(_PRESENT, reason) and not _says(_NOT_PRESENT, reason):
        return AnswerKind.DUPLICATE
    return AnswerKind.HOLD if status == 401 else AnswerKind.UNKNOWN


def is_about_credits(message: str) -> bool:
    """Whether Mailketing refuses an account because it has no credits left, not because of its token."""
    return _says(_NO_CREDITS, message)


def _says(pattern: str, words: str) -> bool:
    return re.search(pattern, words, re.IGNORECASE) is not None


def _reason(body: dict[str, Any]) -> str:
    """The vendor's words: in `response` as documented, else where integrators have looked for them."""
    for name in ("response", "message", "reason", "error"):
        value = body.get(name)
        if isinstance(value, str) and value.strip():
            return value
    return ""


def _outage(status: int) -> str:
    return troubles.NO_READABLE_ANSWER(status=status)


def _one_line(words: str) -> str:
    return clean_text(redact(words), MAX_MESSAGE)


def _json_value(text: str) -> Any:
    """The parsed body, None if it is no JSON (or JSON's null)."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _json_object(text: str) -> dict[str, Any] | None:
    value = _json_value(text)
    return value if isinstance(value, dict) else None


def _whole_number(value: object) -> int | None:
    """`ceksaldo` gives credits as a string (observed by integrators), perhaps with thousands separators."""
    text = re.sub(r"[.,][0-9]{1,2}$", "", str(value).strip())  # a fraction of a credit sends nothing
    if not re.fullmatch(r"-?(?:[0-9]{1,15}|[0-9]{1,3}(?:[.,][0-9]{3}){1,4})", text):
        return None
    return int(text.replace(",", "").replace(".", ""))
