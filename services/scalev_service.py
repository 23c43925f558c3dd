"""Client for ScaleV's REST API v3, read-only, with the business's API key as Bearer token."""

import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from services.clock import utc_now
from services.contacts import clean_text, redact
from services.errors import (
    VendorAuthError,
    VendorError,
    VendorForbidden,
    VendorNotFound,
    VendorRateLimited,
    VendorRefused,
    VendorUnreachable,
)
from services.http_session import Answer, HttpSession, retry_after

VENDOR = "ScaleV"
PAGE_SIZE = 25  # the most that v3 gives (ScaleV's API catalogue)
MAX_PAGES = 400

# ScaleV allows 100 calls in 10 s and 10,000 an hour per key (ScaleV docs). A few are left for other programs.
BURST_CALLS = 90
BURST_SECONDS = 10.0
# The longest pause taken on the spot; a longer one is the caller's to wait for.
MAX_PAUSE = 15.0
_HOUR = 3600.0

_SYSTEM_ID = re.compile(r"[0-9]+|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SCOPES = {"orders": "order:list and order:read", "stores": "store:list and store:read"}


@dataclass(frozen=True)
class KeyCheck:
    """A key that works: the first store's name (none for a business without stores) and whether there are more."""

    store_names: tuple[str, ...]
    has_more: bool


class ScalevClient:
    """API v3 with one business's key. May be shared between threads.

    :param base_url: without the version, e.g. `https://api.scalev.com`.
    :param key: `sk_…` (all scopes) or `rk_…` (chosen scopes), as pasted by the user.
    :param sleep, clock: for tests; seconds, as `time.sleep` and `time.monotonic`.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        session: HttpSession | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._key = clean_key(key)
        self._session = session or HttpSession()
        self._pacer = Pacer(BURST_CALLS, BURST_SECONDS, sleep=sleep, clock=clock)

    def check_key(self) -> KeyCheck:
        """Prove the key with the one call that every version of the API knows.

        :raises VendorAuthError: wrong or expired key.
        :raises VendorForbidden: the key lacks the stores' scope.
        :raises VendorError: every other failure.
        """
        page = _page(self._get("/v3/stores/simplified", {"page_size": "1"}))
        return KeyCheck(tuple(clean_text(row.get("name"), 200) for row in page.rows), page.next_cursor is not None)

    def get_order(self, order: str) -> dict[str, Any]:
        """One order in ScaleV's REST shape, by its id (UUID or old number) or by its human order_id.

        The route takes ids; that it takes an order_id as well was seen by integrators only, so when it does not, the
        list is asked for the id first.

        :raises VendorNotFound: ScaleV does not know this order.
        :raises VendorError: every other failure.
        """
        try:
            return self._get_order_by_id(order)
        except (VendorNotFound, VendorRefused):
            if _SYSTEM_ID.fullmatch(order):
                raise
        return self._get_order_by_id(self._find_order(order))

    def _get_order_by_id(self, order: str) -> dict[str, Any]:
        found = _unwrap(self._get(f"/v3/orders/{_segment(order)}"))
        if not isinstance(found, dict) or not ("id" in found or "order_id" in found):
            raise VendorUnreachable(VENDOR, "the answer holds no readable order")
        return found

    def _find_order(self, order_id: str) -> str:
        # Only rows that really carry this order_id: a server that ignores the filter answers with other orders.
        page = _page(self._get("/v3/orders", {"order_id": order_id, "page_size": str(PAGE_SIZE)}))
        ids = [str(row["id"]) for row in page.rows if row.get("order_id") == order_id and row.get("id")]
        if not ids:
            raise VendorNotFound(VENDOR, "there is no such order")
        return ids[0]

    def pages(
        self, path: str, params: Mapping[str, str] | None = None, *, max_pages: int = MAX_PAGES
    ) -> Iterator[list[dict[str, Any]]]:
        """The rows of a list call, page by page (25 rows each), newest orders first.

        :param path: with the version, e.g. `/v3/orders`; ids in it go through `quote`.
        :param params: filters, kept the same for all pages as ScaleV demands.
        :raises VendorRefused: more than `max_pages` pages.
        :raises VendorError: any failure, never a silent end of the list.
        """
        query = {"page_size": str(PAGE_SIZE), **(params or {})}
        seen: set[str] = set()
        for _ in range(max_pages):
            page = _page(self._get(path, query))
            yield page.rows
            if page.next_cursor is None:
                return
            if page.next_cursor in seen:
                raise VendorUnreachable(VENDOR, f"the pages of {path} go round in a circle")
            seen.add(page.next_cursor)
            query["next_cursor"] = page.next_cursor
        raise VendorRefused(VENDOR, f"{path} has more than {max_pages} pages")

    def _get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """The parsed body of one call; a 429 is waited out once if the wait is short."""
        answer = self._send(path, params)
        if answer.status == 429:
            answer = self._send(path, params)
        if answer.status == 429:
            raise VendorRateLimited(VENDOR, "too many calls", retry_after=self._pacer.delay(), status=429)
        return self._read(path, answer)

    def _send(self, path: str, params: Mapping[str, str] | None) -> Answer:
        if not self._key:
            raise VendorAuthError(VENDOR, "no API key is set")
        self._pacer.wait()
        answer = self._session.send(
            VENDOR, "GET", self._base_url + path, headers={"Authorization": f"Bearer {self._key}"}, params=params
        )
        self._pacer.hold(allowance_pause(answer))
        return answer

    def _read(self, path: str, answer: Answer) -> Any:
        body = _json(answer.text)
        if not 200 <= answer.status < 300:
            raise _as_error(path, answer, redact(_words(body), self._key))
        if body is None:
            raise VendorUnreachable(VENDOR, f"the answer to GET {path} cannot be read", status=answer.status)
        return body


def clean_key(text: str) -> str:
    """The bare key of what users paste: without quotes, white space or `Bearer `; "" if it can be no key."""
    key = re.sub(r"(?i)^(?:authorization\s*:\s*)?bearer\s+", "", clean_text(text, 1000).strip(" \"'`“”‘’"))
    key = "".join(key.split()).strip("\"'`")
    return key if key.isascii() else ""


class Pacer:
    """Keeps calls under `limit` per `window` seconds, and silent as long as the vendor asks for it."""

    def __init__(
        self, limit: int, window: float, *, sleep: Callable[[float], None], clock: Callable[[], float]
    ) -> None:
        self._window = window
        self._sleep = sleep
        self._clock = clock
        self._calls: deque[float] = deque(maxlen=limit)
        self._not_before = float("-inf")
        self._lock = threading.Lock()

    def delay(self) -> float:
        """Seconds until the next call may go out."""
        due = self._not_before
        if len(self._calls) == self._calls.maxlen:
            due = max(due, self._calls[0] + self._window)
        return max(0.0, due - self._clock())

    def hold(self, seconds: float) -> None:
        """No call for so many seconds."""
        with self._lock:
            self._not_before = max(self._not_before, self._clock() + seconds)

    def wait(self) -> None:
        """Sleep until a call may go out, and count it.

        :raises VendorRateLimited: when that is longer than MAX_PAUSE away.
        """
        with self._lock:
            pause = self.delay()
            if pause > MAX_PAUSE:
                raise VendorRateLimited(VENDOR, "the allowance is used up", retry_after=pause)
            if pause:
                self._sleep(pause)
            self._calls.append(self._clock())


def allowance_pause(answer: Answer) -> float:
    """Seconds to stay silent after this answer: 0 while ScaleV still has allowance for us.

    ScaleV documents the header names, not whether X-Ratelimit-Reset is a moment or a number of seconds: both work.
    """
    exhausted = answer.headers.get("X-Ratelimit-Remaining", "").strip() == "0"
    if answer.status != 429 and not exhausted:
        return 0.0
    asked = retry_after(answer.headers)
    return asked if asked is not None else _until_reset(answer.headers.get("X-Ratelimit-Reset", ""))


def _until_reset(value: str) -> float:
    if not re.fullmatch(r"[0-9]{1,13}(\.[0-9]{1,9})?", value.strip()):
        return BURST_SECONDS
    seconds = float(value)
    if seconds > 1e11:  # milliseconds since 1970
        seconds /= 1000
    if seconds > 1e8:  # seconds since 1970: as a wait this would be three years
        seconds -= utc_now().timestamp()
    return min(max(seconds, 0.0), _HOUR)


@dataclass(frozen=True)
class _Page:
    rows: list[dict[str, Any]]
    next_cursor: str | None


def _page(body: Any) -> _Page:
    """One page of a list: paged with a cursor, or everything at once (ScaleV's API catalogue)."""
    rows = body.get("data") if isinstance(body, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise VendorUnreachable(VENDOR, "the answer holds no readable list")
    cursor = body.get("next_cursor")
    has_next = body.get("has_next", cursor is not None)
    if has_next and not (isinstance(cursor, str) and cursor):
        raise VendorUnreachable(VENDOR, "the answer promises a next page without saying where")
    return _Page(rows, cursor if has_next else None)


def _unwrap(body: Any) -> Any:
    """v3 gives a single object bare; v2, and perhaps others, put it into an envelope under `data`."""
    if isinstance(body, dict) and "id" not in body and isinstance(body.get("data"), dict):
        return body["data"]
    return body


def _segment(value: str) -> str:
    """One path segment; dots alone would climb to another endpoint."""
    if not value.strip(". "):
        raise VendorNotFound(VENDOR, "an order without an id cannot be looked up")
    return quote(value, safe="")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _words(body: Any) -> str:
    """The reason in ScaleV's error body: `error` (text or object), `message` or `errors` by field."""
    if not isinstance(body, dict):
        return ""
    for name in ("message", "error", "errors"):
        if value := body.get(name):
            return clean_text(value if isinstance(value, str) else json.dumps(value), 300)
    return ""


def _as_error(path: str, answer: Answer, words: str) -> VendorError:
    status, where = answer.status, f"GET {path}"
    if status == 401:
        return VendorAuthError(VENDOR, f"the API key was refused: {words or 'HTTP 401'}", status=status)
    if status == 403 and words:
        return VendorForbidden(VENDOR, f"the API key may not use {where}: {_missing_scope(path)}", status=status)
    if status == 404:
        return VendorNotFound(VENDOR, f"{where}: {words or 'not found'}", status=status)
    # A 403 without ScaleV's own words is a web page of whatever guards its servers.
    if status in (403, 408) or not 400 <= status < 500:
        wait = retry_after(answer.headers)
        return VendorUnreachable(VENDOR, f"{where} answered HTTP {status}", retry_after=wait, status=status)
    return VendorRefused(VENDOR, f"{where}: {words or f'HTTP {status}'}", status=status)


def _missing_scope(path: str) -> str:
    scopes = _SCOPES.get(path.split("/")[2])
    return f"give it {scopes}" if scopes else "a scope is missing"
