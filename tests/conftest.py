"""Fixtures: the application on a fresh, migrated database; a browser-like client that checks every page it fetches."""

import contextvars
import shutil
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from flask import Flask, g, has_app_context
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from app import create_app
from config import DATABASE_FILE, Config
from models import User, db
from tests import builders, databases
from tests.browser import browser, open_page  # noqa: F401 (fixtures)
from tests.page_client import PageClient


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "each_database: runs on every database that is at hand, not on SQLite alone")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database_url" in metafunc.fixturenames and metafunc.definition.get_closest_marker("each_database"):
        at_hand = databases.urls()
        metafunc.parametrize("database_url", at_hand.values(), ids=at_hand.keys(), indirect=True, scope="session")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for variable in databases.missing():
        terminalreporter.write_line(f"Not tested on the database of {variable}, which is not set.")


class IsolatedClient(FlaskClient):
    """A client whose requests see nothing of the test's own application context, as requests from outside do.

    Flask would share `g` with them, and so the logged-in user and the database session.
    """

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        response = contextvars.Context().run(super().open, *args, **kwargs)
        if has_app_context():
            db.session.rollback()  # so that the test sees what the request wrote
            g.pop("settings", None)
        return response


@pytest.fixture(scope="session", autouse=True)
def builders_compiled_once() -> Iterator[None]:
    """Compile what builds each address once for all applications of a run: it depends on the address alone, and
    werkzeug's compiling it for every application took a third of the suite's time."""
    real, compiled = Rule._compile_builder, dict[object, Any]()

    def compile_once(rule: Rule, append_unknown: bool = True) -> Any:
        key = (rule.rule, tuple(rule._trace), repr(rule.defaults), append_unknown)
        if key not in compiled:
            compiled[key] = real(rule, append_unknown)
        return compiled[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", compile_once)
        yield


@pytest.fixture(autouse=True)
def no_foreign_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that would leave this machine."""
    real_connect = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        is_local = not isinstance(address, tuple) or address[0] in {"127.0.0.1", "::1", "localhost"}
        if not is_local:
            raise RuntimeError(f"A test tried to reach {address[0]}")
        real_connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file as the migrations make it, to be copied for each test."""
    folder = tmp_path_factory.mktemp("migrated")
    app = create_app(Config(instance_path=folder, secret_key="tests"))
    with app.app_context():
        flask_migrate.upgrade()
        db.engine.dispose()
    return folder / DATABASE_FILE


@pytest.fixture(scope="session")
def database_url(request: pytest.FixtureRequest) -> str | None:
    """The database to run on; None is a SQLite file of the test's own. Given to modules marked `each_database`."""
    return getattr(request, "param", None)


@pytest.fixture
def config(tmp_path: Path, database_url: str | None) -> Config:
    return Config(instance_path=tmp_path / "instance", secret_key="tests", database_url=database_url)


@pytest.fixture
def app(config: Config, migrated_file: Path) -> Iterator[Flask]:
    """The application on a database of its own, with an application context for the test itself."""
    app = create_app(config)
    app.testing = True
    app.test_client_class = IsolatedClient
    with app.app_context():
        if config.database_url:
            databases.prepare(app)
        else:
            shutil.copy(migrated_file, config.instance_path / DATABASE_FILE)
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def now() -> datetime:
    return builders.NOW


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def admin(app: Flask) -> User:
    return builders.make_user("admin@example.com")


@pytest.fixture
def pages(client: FlaskClient) -> PageClient:
    """Nobody is logged in yet."""
    return PageClient(client)


@pytest.fixture
def admin_pages(pages: PageClient, admin: User) -> PageClient:
    pages.log_in(admin.email, builders.PASSWORD)
    return pages
