"""The one way the two vendor clients speak HTTP: bounded in time and size, no redirects, one exception type."""

import re
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from services import troubles
from services.clock import utc_now
from services.errors import VendorUnreachable
from version import VERSION

CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0
TOTAL_SECONDS = 45.0
MAX_BYTES = 1024 * 1024
MAX_RETRY_AFTER = 24 * 60 * 60.0

_CHUNK_BYTES = 16 * 1024


@dataclass(frozen=True)
class Answer:
    """What came back, whatever its status; `text` is read as UTF-8 with replacements, whatever its Content-Type."""

    status: int
    text: str = field(repr=False)  # may hold personal data
    headers: Mapping[str, str] = field(repr=False)  # looked up whatever the case
    duration_ms: int


class HttpSession:
    """A connection pool that may be shared between threads.

    Proxies and certificate bundles from the environment are honoured (`trust_env` stays on): a machine behind a
    corporate proxy has no other way out. Of what else `trust_env` brings, netrc is shut out, because its Basic
    credentials would replace our Authorization header. Cookies are never kept.

    :param version: of this program, for the User-Agent (ScaleV blocks some default agents, observed by integrators).
    :param read_seconds: longest silence; `total_seconds` bounds the whole call, also when bytes keep dripping in.
    """

    def __init__(
        self,
        version: str = VERSION,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._timeouts = (connect_seconds, read_seconds)
        self._total_seconds = total_seconds
        self._max_bytes = max_bytes
        self._session = requests.Session()
        self._session.headers["User-Agent"] = f"ScaleVxMailketing/{version}"
        self._session.auth = _no_auth
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.mount("http://", _WatchedAdapter())
        self._session.mount("https://", _WatchedAdapter())

    def send(
        self,
        vendor: str,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Answer:
        """Make one call, once; a redirect is returned, not followed.

        :raises VendorUnreachable: no complete answer in time, or one that is too large.
        """
        started = time.monotonic()
        watch = _Watch(self._total_seconds)
        try:
            with watch:
                status, body, answered = self._exchange(method, url, headers=headers, params=params, data=form)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            trouble = _describe(error)
        else:
            trouble = ""
        # Raised out here, so that the library's exception, whose text may quote the request, is not chained to ours.
        if watch.expired:
            raise VendorUnreachable(vendor, troubles.NO_WHOLE_ANSWER(number=f"{self._total_seconds:g}"))
        if trouble:
            raise VendorUnreachable(vendor, trouble)
        return Answer(status, body.decode("utf-8-sig", "replace"), answered, _milliseconds_since(started))

    def _exchange(self, method: str, url: str, **request: Any) -> tuple[int, bytes, Mapping[str, str]]:
        with self._session.request(
            method, url, timeout=self._timeouts, allow_redirects=False, stream=True, **request
        ) as response:
            return response.status_code, self._read_capped(response), response.headers

    def _read_capped(self, response: requests.Response) -> bytes:
        body = bytearray()
        for chunk in response.iter_content(_CHUNK_BYTES):
            body += chunk
            if len(body) > self._max_bytes:
                raise _TooLarge(self._max_bytes)
        return bytes(body)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds (0 to 24 hours) that a Retry-After header asks for, as a number or an HTTP date; None if unreadable."""
    value = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value):
        return min(float(value), MAX_RETRY_AFTER)
    try:
        seconds = (parsedate_to_datetime(value) - utc_now()).total_seconds()
    except (TypeError, ValueError, OverflowError):  # no date at all, or one without a zone
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


class _TooLarge(requests.RequestException):
    def __init__(self, max_bytes: int) -> None:
        super().__init__(troubles.TOO_LARGE(number=max_bytes))


def _describe(error: Exception) -> str:
    """Our own words: the library's messages quote addresses and header values."""
    if isinstance(error, _TooLarge):
        return str(error)
    if isinstance(error, requests.ConnectTimeout):
        return troubles.NOT_REACHED_IN_TIME()
    if isinstance(error, requests.Timeout):
        return troubles.NO_ANSWER_IN_TIME()
    if isinstance(error, requests.exceptions.SSLError):
        return troubles.NOT_SECURE()
    if isinstance(error, requests.exceptions.ProxyError):
        return troubles.PROXY()
    if isinstance(error, requests.ConnectionError):
        return troubles.BROKEN_OFF()
    return troubles.CALL_FAILED(words=type(error).__name__)


def _milliseconds_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


class _Watch:
    """Ends a call at its deadline by shutting its socket down.

    The read time-out starts again with every byte, and a blocked read of the header lines cannot look at a clock, so
    only another thread can end a call to a server that drips.
    """

    _of_thread = threading.local()

    def __init__(self, seconds: float) -> None:
        self.expired = False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._of_thread.watch = self
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._of_thread.watch = None

    @classmethod
    def see(cls, connected: object) -> None:
        """Called by the connection that serves this thread's call, which itself may forget its socket early."""
        watch: _Watch | None = getattr(cls._of_thread, "watch", None)
        if watch is not None and isinstance(connected, socket.socket):
            watch._socket = connected
            if watch.expired:  # before there was a socket to shut
                watch._expire()

    def _expire(self) -> None:
        self.expired = True
        if self._socket is not None:
            # Not SSLSocket.shutdown: it pulls the TLS state away from under the reading thread.
            with suppress(OSError):  # closed already
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class _WatchedHTTPConnection(HTTPConnection):
    def request(self, *args: Any, **kwargs: Any) -> None:
        super().request(*args, **kwargs)
        _Watch.see(self.sock)


class _WatchedHTTPSConnection(HTTPSConnection):
    def request(self, *args: Any, **kwargs: Any) -> None:
        super().request(*args, **kwargs)
        _Watch.see(self.sock)


class _WatchedHTTPPool(HTTPConnectionPool):
    ConnectionCls = _WatchedHTTPConnection


class _WatchedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedHTTPSConnection


_POOLS = {"http": _WatchedHTTPPool, "https": _WatchedHTTPSPool}


class _WatchedAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager
