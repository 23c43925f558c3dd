"""The program as its users run it: `python app.py`, `flask --app app …` and the sandbox, as processes of their own."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from copy import deepcopy
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from hmac import digest
from html import unescape
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import requests

from config import DATABASE_FILE, Config

ROOT = Path(__file__).resolve().parent.parent
SHARED_SECRET = "rahasia-webhook-1234"
MAILKETING_TOKEN = "0123456789abcdef0123456789abcdef"  # what the sandbox accepts
SCALEV_KEY = "sk_sandbox"
EMAIL, PASSWORD = "admin@example.com", "kopi susu gula aren"
LIST_FOLLOW_UP, LIST_CLOSING, LIST_NOT_CLOSING = "41201", "41202", "41203"  # lists that the sandbox has
PATIENCE = 20.0

FIXTURES = Path(__file__).parent / "fixtures" / "scalev"
ORDER: dict[str, Any] = json.loads((FIXTURES / "order_created.json").read_text())
VARIANT: str = ORDER["data"]["orderlines"][0]["variant_unique_id"]

_T = TypeVar("_T")
_numbers = count(1)
# Set to nothing, which counts as not set: the environment wins over a `.env` that a developer may have here.
_NOT_SET = {field.name.upper(): "" for field in fields(Config)}


def environment(instance: Path, **variables: str) -> dict[str, str]:
    """The environment of a fresh machine, on this instance folder, without the jobs unless a test asks for them."""
    system = {name: os.environ[name] for name in ("PATH", "HOME", "SYSTEMROOT", "TMPDIR") if name in os.environ}
    own = {"INSTANCE_PATH": str(instance), "SCHEDULER_ENABLED": "0", "FLASK_SKIP_DOTENV": "1", "LANG": "C.UTF-8"}
    return {**system, **_NOT_SET, **own, **variables}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_until(ask: Callable[[], _T], what: str, seconds: float = PATIENCE, log: Callable[[], str] = lambda: "") -> _T:
    """The first true answer; a test fails with `what`, and the log as it is by then, when none comes in time."""
    until = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < until, f"waited {seconds} s for {what}\n{log()}"
        time.sleep(0.02)
    return answer


class Server:
    """A running process whose output goes to a file."""

    def __init__(self, arguments: list[str], log: Path, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> None:
        self.log_file = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, *arguments], cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def wait(self, seconds: float = PATIENCE) -> int:
        return self.process.wait(seconds)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it in good order; after a test that left it hanging, with force."""
        self.terminate()
        try:
            self.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()


class Program(Server):
    """`python app.py` on a free port, or a wrapper script that starts it."""

    def __init__(self, instance: Path, arguments: tuple[str, ...] = ("app.py",), **variables: str) -> None:
        self.instance = instance
        self.port = int(variables.get("PORT", 0)) or free_port()
        self.variables = {**variables, "PORT": str(self.port)}
        self.url = f"http://127.0.0.1:{self.port}"
        instance.mkdir(parents=True, exist_ok=True)
        log = instance.with_name(f"{instance.name}.log")
        super().__init__([*arguments], log, environment(instance, **self.variables))

    def wait_until_up(self) -> None:
        def answers() -> bool:
            assert self.process.poll() is None, f"the program ended:\n{self.log}"
            try:
                return requests.get(f"{self.url}/healthz", timeout=5).status_code in {200, 503}
            except requests.ConnectionError:
                return False

        wait_until(answers, self.url, log=lambda: self.log)

    def send(self, body: bytes | Mapping[str, Any], secret: str = SHARED_SECRET, **headers: str) -> requests.Response:
        """Post a webhook, signed as ScaleV signs it."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        signed = {"Content-Type": "application/json", "X-Scalev-Hmac-Sha256": sign(raw, secret), **headers}
        return requests.post(f"{self.url}/webhook/scalev", data=raw, headers=signed, timeout=30)

    def health(self) -> tuple[int, dict[str, Any]]:
        answer = requests.get(f"{self.url}/healthz", timeout=10)
        return answer.status_code, answer.json()

    def flask(self, *arguments: str, stdin: str = "", **variables: str) -> "Output":
        """Run a command of the program on the same instance."""
        return run_flask(self.instance, *arguments, stdin=stdin, **{**self.variables, **variables})

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return rows(self.instance, query, *values)

    def write(self, statement: str, *values: object) -> None:
        write(self.instance, statement, *values)


class Demo(Program):
    """`python app.py --demo`."""

    def __init__(self, instance: Path, **variables: str) -> None:
        super().__init__(instance, ("app.py", "--demo"), **variables)
        self.data = instance / f"demo-{self.port}"

    def wait_for_samples(self) -> None:
        def are_in() -> bool:
            assert self.process.poll() is None, f"the demo ended:\n{self.log}"
            return "Sample data is in" in self.log

        wait_until(are_in, "the sample data", 60, log=lambda: self.log)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return rows(self.data, query, *values)


@contextmanager
def running(instance: Path, **variables: str) -> Iterator[Program]:
    """The program, up and answering, until the block ends."""
    program = Program(instance, **variables)
    try:
        program.wait_until_up()
        yield program
    finally:
        program.stop()


@dataclass(frozen=True)
class Output:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


def run_python(*arguments: str, env: Mapping[str, str], stdin: str = "", cwd: Path = ROOT) -> Output:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=env, input=stdin, capture_output=True, text=True, timeout=60
    )
    return Output(done.returncode, done.stdout, done.stderr)


def run_flask(instance: Path, *arguments: str, stdin: str = "", **variables: str) -> Output:
    """`flask --app app …` in a process of its own."""
    return run_python("-m", "flask", "--app", "app", *arguments, env=environment(instance, **variables), stdin=stdin)


def rows(instance: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    """What the database holds, read from outside."""
    with closing(sqlite3.connect(f"file:{instance / DATABASE_FILE}?mode=ro", uri=True, timeout=10)) as connection:
        return connection.execute(query, values).fetchall()


def write(instance: Path, statement: str, *values: object) -> None:
    """Change the database from outside: a test's way to move the clock of one row."""
    with closing(sqlite3.connect(instance / DATABASE_FILE, timeout=10)) as connection, connection:
        connection.execute(statement, values)


class Sandbox(Server):
    """The stand-ins for ScaleV and Mailketing, and their control API."""

    def __init__(self, log: Path) -> None:
        super().__init__(["-m", "sandbox", "--port", "0"], log)
        self.url = wait_until(self._address, "the sandbox")

    def _address(self) -> str:
        assert self.process.poll() is None, self.log
        found = re.search(r"listening on (http://\S+)", self.log)
        return found[1] if found else ""

    @property
    def variables(self) -> dict[str, str]:
        """What tells the program to talk to the sandbox."""
        return {
            "SCALEV_API_URL": f"{self.url}/scalev",
            "MAILKETING_API_URL": f"{self.url}/mailketing/api/v1",
        }

    def reset(self) -> None:
        """As after its start: no orders, no calls, no switches, empty lists."""
        self._call("POST", "reset")
        self._call("DELETE", "switches")

    def switch(self, mode: str, vendor: str = "mailketing", **options: object) -> None:
        self._call("POST", "switches", {"vendor": vendor, "mode": mode, **options})

    def clear_switches(self) -> None:
        self._call("DELETE", "switches")

    def subscribers(self, list_id: str) -> dict[str, int]:
        """Address -> how often it was added."""
        return {row["email"]: row["times"] for row in self._call("GET", f"lists/{list_id}/subscribers")}

    def calls(self, path: str = "addsubtolist", **query: str) -> list[dict[str, Any]]:
        return self._call("GET", f"calls?path={path}" + "".join(f"&{name}={query[name]}" for name in query))

    def connect(self, program: Program, secret: str = SHARED_SECRET) -> None:
        """Send webhooks to a program from now on."""
        url = f"{program.url}/webhook/scalev"
        self._call("PUT", "webhook", {"url": url, "secret": secret, "retry_delays": [0.2, 0.5, 1]})

    def order(self, **wish: object) -> str:
        """A buyer orders; ScaleV sends its webhook. Gives the order's id."""
        order_id: str = self._call("POST", "orders", {"order_id": unique_order_id(), **wish})["order_id"]
        return order_id

    def act(self, order_id: str, *actions: str) -> None:
        """Something happens to an order (pay, ship, complete...); ScaleV sends what it sends then."""
        for action in actions:
            self._call("POST", f"orders/{order_id}/{action}", {})

    def replay(self, **wish: object) -> None:
        """Send the newest events once more, byte for byte."""
        self._call("POST", "events/replay", wish)

    def _call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        answer = requests.request(method, f"{self.url}/_control/{path}", json=body, timeout=10)
        assert answer.ok, f"{method} {path}: {answer.text}"
        return answer.json()


def sign(body: bytes, secret: str = SHARED_SECRET) -> str:
    """As ScaleV does it, written anew here: the test must not take the program's word for it."""
    return b64encode(digest(secret.encode(), body, sha256)).decode()


def unique_order_id() -> str:
    return f"2611{next(_numbers):06d}{os.getpid() % 1000:03d}"


def moment(*, days_ago: float = 0, seconds_ago: float = 0) -> str:
    """A moment as ScaleV writes it."""
    at = datetime.now(UTC) - timedelta(days=days_ago, seconds=seconds_ago)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def order_created(order_id: str | None = None, *, days_ago: float = 0, **changes: Any) -> dict[str, Any]:
    """`order.created` of an order of its own, so many days old; `changes` replace fields of its data."""
    body = deepcopy(ORDER)
    order_id = order_id or unique_order_id()
    at = moment(days_ago=days_ago)
    body["unique_id"], body["timestamp"] = f"event_{order_id}_created", at
    body["data"] |= {"order_id": order_id, "created_at": at, "last_updated_at": at, "id": f"uuid-{order_id}"}
    body["data"]["destination_address"] |= {"email": email_of(order_id), "phone": phone_of(order_id)}
    body["data"] |= changes
    return body


def payment(order_id: str, status: str = "paid", *, days_ago: float = 0) -> dict[str, Any]:
    """`order.payment_status_changed` of an order, so many days ago."""
    at = moment(days_ago=days_ago)
    data = {"order_id": order_id, "payment_status": status, "payment_method": "bank_transfer", "last_updated_at": at}
    body = {"event": "order.payment_status_changed", "timestamp": at, "data": data}
    return {**body, "unique_id": f"event_{order_id}_{status}_{next(_numbers)}"}


def email_of(order_id: str) -> str:
    return f"pembeli{order_id}@gmail.com"


def phone_of(order_id: str) -> str:
    return f"62812{int(sha256(order_id.encode()).hexdigest(), 16) % 10**8:08d}"


class Browser:
    """Logs in and sends forms over HTTP, with the CSRF token that is really in the page."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def get(self, path: str) -> requests.Response:
        return self.session.get(self.url + path, allow_redirects=False, timeout=10)

    def send(self, path: str, form_page: str | None = None, **values: str) -> requests.Response:
        """Open a page, take its token and post the values."""
        page = self.get(form_page or path)
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
        assert token, f"{form_page or path} answered {page.status_code} without a token: {page.text[:500]}"
        form = {"csrf_token": unescape(token[1]), **values}
        return self.session.post(self.url + path, data=form, allow_redirects=False, timeout=10)

    def log_in(self, email: str = EMAIL, password: str = PASSWORD) -> requests.Response:
        return self.send("/login", email=email, password=password)
