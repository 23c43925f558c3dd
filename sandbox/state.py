"""Everything the sandbox remembers, behind one lock."""

import itertools
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from flask import current_app

from sandbox.book import OrderBook
from sandbox.catalogue import MAIL_LISTS, Catalogue, build_catalogue
from sandbox.switches import Switchboard
from sandbox.webhooks import Courier, Event, Target

CALLS_KEPT = 50_000
EVENTS_KEPT = 20_000
START_CREDITS = Decimal(1000)


@dataclass
class Settings:
    """What the command line may set. The defaults are stand-ins and give access to nothing."""

    scalev_key: str = "sk_sandbox"
    mailketing_token: str = "0123456789abcdef0123456789abcdef"  # noqa: S105 - see above
    webhook: Target = field(default_factory=Target)
    lang: str = "id"
    big: bool = False


@dataclass
class Subscriber:
    """`times` counts every add of this address; the list itself holds it once."""

    email: str
    first_name: str = ""
    last_name: str = ""
    mobile: str = ""
    times: int = 0

    def describe(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class MailList:
    id: int
    name: str
    subscribers: dict[str, Subscriber] = field(default_factory=dict)


@dataclass(frozen=True)
class LoggedCall:
    """`status` is None when the socket was closed without an answer; `form` has the token redacted."""

    id: int
    vendor: str
    method: str
    path: str
    query: dict[str, str]
    form: dict[str, str]
    at: str
    status: int | None
    switch: str | None


class RateWindow:
    """ScaleV's 10,000 calls an hour (facts/scalev.md section 2.1): counted and told, never enforced.

    Refusing is a switch, so that a benchmark can page through everything.
    """

    LIMIT = 10_000
    SECONDS = 3600

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._used = 0

    def count(self) -> tuple[int, int]:
        """Count one call; answers what remains and in how many seconds the window starts anew."""
        elapsed = time.monotonic() - self._started
        if elapsed >= self.SECONDS:
            self._started, self._used, elapsed = time.monotonic(), 0, 0.0
        self._used += 1
        return max(0, self.LIMIT - self._used), int(self.SECONDS - elapsed)


class Sandbox:
    """The two vendors' memory. Hold `lock` around every read or write; never while sending a webhook."""

    catalogue: Catalogue
    orders: OrderBook
    lists: dict[int, MailList]
    credits: Decimal
    switchboard: Switchboard
    calls: deque[LoggedCall]
    events: deque[Event]

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.lock = threading.RLock()
        self.courier = Courier(self.settings.webhook)
        self.reset()

    def reset(self, big: bool | None = None) -> None:
        """Forget orders, subscribers, calls, events, switches and retries. Keys and the webhook stay as set."""
        with self.lock:
            self.courier.forget_retries()
            self.catalogue = build_catalogue(self.settings.big if big is None else big)
            self.orders = OrderBook()
            self.credits = START_CREDITS
            self.switchboard = Switchboard()
            self.calls = deque(maxlen=CALLS_KEPT)
            self.events = deque(maxlen=EVENTS_KEPT)
            self.rate = RateWindow()
            self.call_ids = itertools.count(1)
            self.lists = {list_id: MailList(list_id, name) for list_id, name in MAIL_LISTS.items()}

    def set_lists(self, names: dict[int, str]) -> None:
        """Replace the mail lists; a list that stays keeps its subscribers."""
        with self.lock:
            kept = {list_id: mail_list.subscribers for list_id, mail_list in self.lists.items()}
            self.lists = {list_id: MailList(list_id, name, kept.get(list_id, {})) for list_id, name in names.items()}


def get_sandbox() -> Sandbox:
    """The state that the running Flask program was made for."""
    sandbox: Sandbox = current_app.extensions["sandbox"]
    return sandbox
