"""ScaleV's webhooks: signed, sent at once, and sent again when the answer is not 2xx (facts/scalev.md section 1)."""

import base64
import hashlib
import heapq
import hmac
import itertools
import json
import secrets
import string
import threading
import time
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import requests

from sandbox.clock import read_clock

SIGNATURE_HEADER = "X-Scalev-Hmac-Sha256"
TIMEOUT_SECONDS = 5
ANSWER_CAP = 500
_ID_ALPHABET = string.ascii_letters + string.digits


@dataclass
class Target:
    """Where webhooks go. ScaleV's own number of retries and pauses are undocumented; these are ours."""

    url: str | None = None
    secret: str = "sandbox-signing-secret"  # noqa: S105 - a stand-in's default, documented in the README
    retry_delays: tuple[float, ...] = (2, 10, 30)


@dataclass(frozen=True)
class Attempt:
    at: str
    status: int | None
    answer: str
    error: str | None
    seconds: float

    @property
    def is_accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass
class Event:
    """One happening. A retry or a replay sends the same bytes with the same `unique_id` (section 1.6)."""

    name: str
    unique_id: str
    order_id: str | None
    body: bytes
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def is_accepted(self) -> bool:
        """Whether the last try was answered 2xx."""
        return bool(self.attempts) and self.attempts[-1].is_accepted

    def describe(self) -> dict[str, Any]:
        return {
            "event": self.name,
            "unique_id": self.unique_id,
            "order_id": self.order_id,
            "attempts": [asdict(attempt) for attempt in self.attempts],
        }


def make_event_id() -> str:
    """`event_` + 24 characters. Random, so that a restarted sandbox does not repeat ids the app has seen."""
    return "event_" + "".join(_ID_ALPHABET[byte % len(_ID_ALPHABET)] for byte in secrets.token_bytes(24))


def build_event(name: str, data: dict[str, Any], at: datetime, order_id: str | None = None) -> Event:
    """The envelope of section 1.2; the timestamp has microseconds."""
    unique_id = make_event_id()
    timestamp = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    envelope = {"event": name, "unique_id": unique_id, "timestamp": timestamp, "data": data}
    return Event(name, unique_id, order_id, json.dumps(envelope, ensure_ascii=False).encode())


def sign(secret: str, body: bytes) -> str:
    """Standard Base64 of the HMAC-SHA256 over the raw bytes (section 1.1)."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


class Courier:
    """Sends events, and keeps what was not accepted for a background thread to send again."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._session = requests.Session()
        # The proxy variables of the machine must not reroute calls to this same machine.
        self._session.trust_env = False
        self._due: list[tuple[float, int, Event, int]] = []
        self._tickets = itertools.count()
        self._wakeup = threading.Condition()
        self._thread: threading.Thread | None = None

    def send(self, event: Event) -> Attempt | None:
        """Send now and, if it is not accepted, line up the retries. None when no address is set."""
        attempt = self._post(event)
        if attempt and not attempt.is_accepted:
            self._schedule(event, tries_done=0)
        return attempt

    def forget_retries(self) -> None:
        with self._wakeup:
            self._due.clear()

    def _post(self, event: Event) -> Attempt | None:
        url = self.target.url
        if not url:
            return None
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Scalev-Sandbox/1",
            SIGNATURE_HEADER: sign(self.target.secret, event.body),
        }
        at, started = read_clock().isoformat(), time.monotonic()
        status, answer, error = None, "", None
        try:
            response = self._session.post(
                url, data=event.body, headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False
            )
            status, answer = response.status_code, response.text[:ANSWER_CAP]
        except requests.RequestException as problem:
            error = type(problem).__name__
        attempt = Attempt(at, status, answer, error, round(time.monotonic() - started, 3))
        event.attempts.append(attempt)
        return attempt

    def _schedule(self, event: Event, tries_done: int) -> None:
        if tries_done >= len(self.target.retry_delays):
            return
        due = time.monotonic() + self.target.retry_delays[tries_done]
        with self._wakeup:
            heapq.heappush(self._due, (due, next(self._tickets), event, tries_done + 1))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="webhook-retries", daemon=True)
                self._thread.start()
            self._wakeup.notify()

    def _work(self) -> None:
        while True:
            event, tries_done = self._take_due()
            attempt = self._post(event)
            if attempt and not attempt.is_accepted:
                self._schedule(event, tries_done)

    def _take_due(self) -> tuple[Event, int]:
        """Wait for the next retry that has come due."""
        with self._wakeup:
            while True:
                pause = self._due[0][0] - time.monotonic() if self._due else None
                if pause is not None and pause <= 0:
                    _, _, event, tries_done = heapq.heappop(self._due)
                    return event, tries_done
                self._wakeup.wait(pause)
