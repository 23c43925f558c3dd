"""`python app.py`: one process that migrates, serves with waitress and runs the jobs. Works on Windows too."""

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import click
from flask import Flask
from sqlalchemy.exc import DBAPIError
from waitress import create_server

from config import Config
from services import schema, user_service
from services.clock import utc_now
from services.scheduler import Scheduler

THREADS = 8
CONNECTIONS = 400  # waitress' own 100 are soon held by clients that say nothing; Windows can watch 512
MAX_BODY_BYTES = 16 * 1024 * 1024  # waitress reads a body to its end before the application sees it


def run(app: Flask, begin: Callable[[], None] | None = None) -> None:
    """Serve until Ctrl-C or SIGTERM.

    The address comes first: a second start must not touch the database of the program that runs already.

    Args:
        app: the application.
        begin: what is to happen once the address is ours, before the database is opened.

    Raises:
        SystemExit: the address is taken or the database can't be used; one line says which.
    """
    config: Config = app.extensions["config"]
    with _listening(app, config) as web:
        if begin is not None:
            begin()
        prepare(app)
        with _jobs(app, config.scheduler_enabled):
            signal.signal(signal.SIGTERM, _stop)
            click.echo(f"Serving on {config.base_url}  (stop with Ctrl-C)")
            _greet(app, config)
            web.run()


def prepare(app: Flask) -> None:
    """Bring the database up to date and make the first admin where the environment names one.

    Raises:
        SystemExit: the database can't be used; one line says so.
    """
    config: Config = app.extensions["config"]
    try:
        with app.app_context():
            schema.upgrade()
            if config.admin_email and config.admin_password:
                user_service.ensure_admin(config.admin_email, config.admin_password, utc_now())
    except DBAPIError as error:
        reason = str(error.orig).partition("\n")[0]
        raise SystemExit(f"The database can't be used: {reason}. Where it is: DATABASE_URL.") from error


def _greet(app: Flask, config: Config) -> None:
    with app.app_context():
        token = user_service.setup_token(config.instance_path)
    if token:
        click.echo(f"First start: make your account at {config.base_url}/setup?token={token}")


@contextlib.contextmanager
def _listening(app: Flask, config: Config) -> Iterator[Any]:
    try:
        if os.name == "nt":
            refuse_second_listener(config.host, config.port)
        web = create_server(
            app,
            host=config.host,
            port=config.port,
            threads=THREADS,
            connection_limit=CONNECTIONS,
            asyncore_use_poll=True,
            max_request_body_size=MAX_BODY_BYTES,
            ident=None,
            # waitress would drop X-Forwarded-*; which proxies to believe is TRUSTED_PROXIES' word (routes.set_up).
            clear_untrusted_proxy_headers=False,
        )
    except ValueError as error:
        raise SystemExit(f"Can't listen on {config.host}: HOST must be an address of this machine.") from error
    except OSError as error:
        raise SystemExit(
            f"Can't listen on {config.host} port {config.port}: {error.strerror}. "
            "Is the program running already? Another port: set PORT."
        ) from error
    try:
        yield web
    finally:
        web.close()


def refuse_second_listener(host: str, port: int) -> None:
    """Windows lets two programs listen at one address when both ask for that, as waitress does (SO_REUSEADDR); Python's
    own way of listening does not ask there, and so finds out whether somebody is at this address.

    Raises:
        OSError: the address is taken or is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    socket.create_server((host, port), family=family).close()


@contextlib.contextmanager
def _jobs(app: Flask, enabled: bool) -> Iterator[None]:
    if not enabled:
        yield
        return
    scheduler = Scheduler(app)
    scheduler.start()
    try:
        yield
    finally:
        scheduler.stop()


def _stop(*_: object) -> None:
    raise SystemExit(0)
