"""The sandbox's ScaleV in a thread of this process, its control API, and a client for it that keeps no pace."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from models import db
from sandbox.app import serve_in_thread
from sandbox.state import Sandbox, Settings
from services.scalev_service import ScalevClient

KEY = "sk_sandbox"
# Every way in which ScaleV can fail to answer; `slow` alone still answers.
FAILURES = (
    "refuse",
    "wrong_token",
    "forbidden",
    "html",
    "redirect",
    "rate_limit",
    "server_error",
    "drop",
    "drop_after",
)


class Shop:
    """A make-believe ScaleV: orders come in and change without a webhook being sent."""

    def __init__(self, base_url: str) -> None:
        self.api_url = f"{base_url}/scalev"
        self.client = CarefulClient(self.api_url, KEY, sleep=lambda seconds: None)
        self._control_url = f"{base_url}/_control"

    def order(self, **wish: object) -> str:
        order_id: str = self._call("POST", "orders", {"emit": False, **wish})["order_id"]
        return order_id

    def orders(self, count: int, **wish: object) -> list[str]:
        """Many orders; returned newest first where `spread_days` makes their ages differ."""
        order_ids: list[str] = self._call("POST", "orders/bulk", {"count": count, **wish})["order_ids"]
        return order_ids

    def act(self, order_id: str, *actions: str, **options: object) -> None:
        for action in actions:
            self._call("POST", f"orders/{order_id}/{action}", {"emit": False, **options})

    def switch(self, mode: str, **options: object) -> None:
        self._call("POST", "switches", {"vendor": "scalev", "mode": mode, **options})

    def clear_switches(self) -> None:
        self._call("DELETE", "switches")

    def look_ups(self) -> list[str]:
        """The names by which single orders were asked for, so far."""
        paths = [call["path"] for call in self._call("GET", "calls?vendor=scalev")]
        return [path.rpartition("/")[2] for path in paths if "/orders/" in path]

    def list_calls(self) -> int:
        return len([call for call in self._call("GET", "calls?vendor=scalev") if call["path"].endswith("/orders")])

    def _call(self, method: str, path: str, body: object = None) -> Any:
        answer = requests.request(method, f"{self._control_url}/{path}", json=body, timeout=30)
        assert answer.ok, f"{method} {path}: {answer.text}"
        return answer.json()


class CarefulClient(ScalevClient):
    """Fails the test when a transaction is open while ScaleV is asked."""

    def _send(self, *args: Any, **options: Any) -> Any:
        assert not db.session().in_transaction(), "a transaction is open while ScaleV is asked"
        return super()._send(*args, **options)


@contextmanager
def open_shop() -> Iterator[Shop]:
    with serve_in_thread(Sandbox(Settings(scalev_key=KEY))) as base_url:
        yield Shop(base_url)
