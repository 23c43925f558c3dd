"""The databases that service tests run on: SQLite always, PostgreSQL and MariaDB where the environment names them."""

import os
from functools import cache
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import CompoundSelect, MetaData, create_engine, exists, literal, make_url, select, text, union_all

from config import Config
from models import db

VARIABLES = {"postgresql": "TEST_DATABASE_URL", "mariadb": "TEST_MARIADB_URL"}
WORKER = os.environ.get("PYTEST_XDIST_WORKER")  # the name of this process when several run the tests


def urls() -> dict[str, str | None]:
    """Return name -> URL of every database at hand; None stands for a SQLite file of the test's own."""
    if missing() and os.environ.get("REQUIRE_ALL") == "1":
        raise pytest.UsageError(f"REQUIRE_ALL=1, but not set: {', '.join(missing())}")
    return {"sqlite": None, **{name: _own_url(os.environ[variable]) for name, variable in _at_hand().items()}}


def missing() -> list[str]:
    """Return the variables of the databases that are not at hand."""
    return [variable for name, variable in VARIABLES.items() if name not in _at_hand()]


def prepare(app: Flask) -> None:
    """Give the test an empty, migrated schema on a server."""
    _migrate(app.config["SQLALCHEMY_DATABASE_URI"])
    with db.engine.begin() as connection:
        filled = set(connection.scalars(_filled()))
        for table in reversed(db.metadata.sorted_tables):
            if table.name in filled:
                connection.execute(table.delete())


def drop_all_tables() -> None:
    """Empty the database of the present application, whatever an earlier run left in it."""
    found = MetaData()
    found.reflect(db.engine)
    found.drop_all(db.engine)


@cache
def _filled() -> CompoundSelect[Any]:
    """Ask which tables hold rows: most tests fill few, and a statement for each of all takes longer than the test."""
    tables = db.metadata.sorted_tables
    return union_all(*(select(literal(table.name)).where(exists().select_from(table)) for table in tables))


@cache
def _migrate(_url: str) -> None:
    drop_all_tables()
    flask_migrate.upgrade()


@cache
def _own_url(url: str) -> str:
    """Return the URL of a database that no other test process uses, made beside the one that is named."""
    if WORKER is None:
        return url
    name = f"{make_url(url).database}_{WORKER}"
    engine = create_engine(Config(database_url=url).sqlalchemy_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def _at_hand() -> dict[str, str]:
    return {name: variable for name, variable in VARIABLES.items() if os.environ.get(variable)}
