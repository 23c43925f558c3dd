"""The demo: the program with stand-ins for ScaleV and Mailketing, on sample data in a folder of its own."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import click
import requests
from flask import Flask

import server
from config import BASE_DIR, DEMO_EMAIL, DEMO_PASSWORD, Config, ConfigError
from services import catalogue_service, contact_service, jobs, product_list_service, queue_service, settings_service
from services.clock import utc_now
from services.product_list_service import Fields
from services.queue_service import View
from services.statuses import ContactKind

SCALEV_KEY = "sk_demo"
MAILKETING_TOKEN = "0123456789abcdef0123456789abcdef"  # noqa: S105
SIGNING_SECRET = "demo-signing-secret"  # noqa: S105
FOLLOW_UP_LIST, CLOSING_LIST, NOT_CLOSING_LIST = "41201", "41202", "41203"
CALLS_PER_SECOND = "20"
START_SECONDS = 30
RETRY_AFTER_SECONDS = 6 * 3600
_EVERYWHERE = {"localhost", "0.0.0.0", "::"}  # noqa: S104 (names of addresses, nothing is bound here)
COLLEAGUES = ("rina@tokomadu.example", "bagus@tokomadu.example")


def run(create_app: Callable[[Config], Flask]) -> None:
    """Serve the demo until stopped; it begins anew each time.

    Args:
        create_app: the application's factory.
    """
    try:
        base = Config.from_env()
    except ConfigError as error:
        raise SystemExit(f"Configuration: {error}") from error
    with _sandbox(_own_address(base)) as sandbox_url:
        config = _configure(base, sandbox_url)
        app = create_app(config)
        server.run(app, begin=lambda: _begin_anew(app, config, sandbox_url))


def _begin_anew(app: Flask, config: Config, sandbox_url: str) -> None:
    """Throw the last demo's data away, and have the new one's filled in as soon as the server answers."""
    shutil.rmtree(config.instance_path, ignore_errors=True)
    config.instance_path.mkdir(mode=0o700)
    threading.Thread(target=_fill, args=(app, config, sandbox_url), daemon=True).start()
    click.echo(f"Demo account: {DEMO_EMAIL}  password: {DEMO_PASSWORD}")
    click.echo(f"Play ScaleV here: {sandbox_url}/")


def _own_address(config: Config) -> str:
    """Where this machine reaches the demo, wherever browsers do."""
    host = "127.0.0.1" if config.host in _EVERYWHERE else config.host
    return f"http://[{host}]:{config.port}" if ":" in host else f"http://{host}:{config.port}"


def _configure(base: Config, sandbox_url: str) -> Config:
    return replace(
        base,
        # One for each port, which only one process can have: what it removes at its start is nobody else's.
        instance_path=base.instance_path / f"demo-{base.port}",
        database_url=None,
        secret_key=None,
        public_url=None,
        scalev_api_key=SCALEV_KEY,
        scalev_webhook_secret=SIGNING_SECRET,
        mailketing_api_key=MAILKETING_TOKEN,
        scalev_api_url=f"{sandbox_url}/scalev",
        mailketing_api_url=f"{sandbox_url}/mailketing/api/v1",
        admin_email=DEMO_EMAIL,
        admin_password=DEMO_PASSWORD,
        check_interval_minutes=1,
        scheduler_enabled=True,
        demo_url=f"{sandbox_url}/",
    )


@contextmanager
def _sandbox(app_url: str) -> Iterator[str]:
    """Run the stand-ins as a process of their own; yield their address."""
    command = [sys.executable, "-m", "sandbox", "--port", "0"]
    command += ["--webhook-url", f"{app_url}/webhook/scalev", "--webhook-secret", SIGNING_SECRET]
    command += ["--scalev-key", SCALEV_KEY, "--mailketing-token", MAILKETING_TOKEN]
    process = subprocess.Popen(command, cwd=BASE_DIR, stdout=subprocess.PIPE, text=True)  # noqa: S603 (our own program)
    try:
        line = process.stdout.readline() if process.stdout else ""
        if "http://" not in line:
            raise SystemExit("The demo's stand-ins did not start.")
        yield line.split()[-1]
    finally:
        process.terminate()
        process.wait(timeout=10)


def _fill(app: Flask, config: Config, sandbox_url: str) -> None:
    """Put the sample data in; what the stand-ins or the demo itself don't answer is one line, and the demo goes on."""
    try:
        _wait_for(f"{_own_address(config)}/healthz")
        with app.app_context():
            click.echo(_put_sample_data(_StandIn(sandbox_url)))
    except requests.RequestException as error:
        reason = type(error).__name__
        click.echo(f"The sample data is not complete ({reason}). Stop the demo and start it again.", err=True)


def _put_sample_data(stand_in: "_StandIn") -> str:
    """Map the products, let the stand-in send its sample orders, and run the jobs once, so that every state shows."""
    settings_service.change({"calls_per_second": CALLS_PER_SECOND}, utc_now())
    jobs.run(catalogue_service.JOB)
    new_product = stand_in.get("_control/state")["new_product"]
    for product in stand_in.get("scalev/v3/products")["data"]:
        if product["name"] != new_product:
            _map(product)
    stand_in.send("test-event")
    stand_in.send("seed-demo")
    report = jobs.run("all")
    _chase(utc_now())
    _bring_about_rare_states(stand_in)
    return report.problem or "Sample data is in."


class _StandIn:
    """What the demo asks of the stand-ins."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False  # the machine's proxy must not be asked for this same machine
        self._session.headers["Authorization"] = f"Bearer {SCALEV_KEY}"

    def get(self, path: str) -> Any:
        answer = self._session.get(f"{self._url}/{path}", timeout=10)
        answer.raise_for_status()
        return answer.json()

    def send(self, control: str, **fields: object) -> Any:
        """Make the stand-ins do something; what that leads to comes by webhook, as in earnest."""
        answer = self._session.post(f"{self._url}/_control/{control}", json=fields, timeout=120)
        answer.raise_for_status()
        return answer.json()

    def order(self, **wish: object) -> str:
        order_id: str = self.send("orders", **wish)["order_id"]
        return order_id

    def fail_once(self, mode: str, email: str, **options: object) -> None:
        """Let Mailketing fail for one buyer, the next time."""
        fields = {"vendor": "mailketing", "endpoint": "addsubtolist", "email": email, "times": 1}
        self.send("switches", mode=mode, **fields, **options)


def _bring_about_rare_states(stand_in: _StandIn) -> None:
    """Deliveries that were skipped, that failed and that wait for another try, and a payment without its order."""
    mega: dict[str, object] = {"name": "Mega Puspita", "email": "mega.puspita@example.com", "product": "Propolis 30 ml"}
    stand_in.send(f"orders/{stand_in.order(**mega, age_days=2)}/pay")
    stand_in.order(**mega, age_days=1)

    tono = "tono.wijaya@example.com"
    stand_in.fail_once("failed", tono, reason="Invalid Email Address")
    stand_in.order(name="Tono Wijaya", email=tono, age_days=1)

    sari = "sari.utami@example.com"  # last, because a run that is told to slow down does so to its end
    stand_in.fail_once("rate_limit", sari, retry_after=RETRY_AFTER_SECONDS)
    stand_in.order(name="Sari Utami", email=sari, age_days=1)
    jobs.run("deliver")

    unknown = stand_in.order(name="Galih Saputra", emit=False)
    stand_in.send(f"orders/{unknown}/pay")
    stand_in.send(f"orders/{unknown}/delete", emit=False, force=True)  # so that no look-up finds it


def _chase(now: datetime) -> None:
    """Let two colleagues have worked on the queue already, so that it shows what they did."""
    rina, bagus = COLLEAGUES
    cards = queue_service.page(View.QUEUE, None, None, now, settings_service.zone()).cards
    leads = [card.lead.id for card in cards if card.hold is None and card.lead.phone and not card.paid_lead_id]
    a_while_ago, just_now = now - timedelta(hours=5), now - timedelta(minutes=10)
    tomorrow = now.astimezone(settings_service.zone()).date() + timedelta(days=1)
    for lead_id in leads[:4]:
        contact_service.open_chat(lead_id, None, actor=rina, now=a_while_ago)
    contact_service.snooze(
        leads[0], tomorrow, actor=rina, now=just_now, kind=ContactKind.PROMISED, note="Transfer setelah gajian"
    )
    contact_service.note_no_answer(leads[1], actor=bagus, now=just_now)
    contact_service.add_note(leads[2], "Minta dikirim ulang nomor rekeningnya", actor=bagus, now=just_now)
    contact_service.add_note(leads[4], "Tanya ongkir ke Makassar", actor=rina, now=a_while_ago)
    contact_service.open_chat(leads[5], None, actor=bagus, now=just_now)


def _map(product: dict[str, Any]) -> None:
    fields = Fields(
        name=product["name"],
        product_id=str(product["id"]),
        follow_up_list_id=FOLLOW_UP_LIST,
        closing_list_id=CLOSING_LIST,
        not_closing_list_id=NOT_CLOSING_LIST,
    )
    product_list_service.add(fields, utc_now())


def _wait_for(url: str) -> None:
    """Wait until the demo answers; its address is taken already, so only its database keeps it."""
    requests.get(url, timeout=START_SECONDS)
