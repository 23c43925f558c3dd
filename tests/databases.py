"""The databases that service tests run on: SQLite always, PostgreSQL and MariaDB where the environment names them."""

import os
from functools import cache

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import MetaData

from models import db

VARIABLES = {"postgresql": "TEST_DATABASE_URL", "mariadb": "TEST_MARIADB_URL"}


def urls() -> dict[str, str | None]:
    """Return name -> URL of every database at hand; None stands for a SQLite file of the test's own."""
    if missing() and os.environ.get("REQUIRE_ALL") == "1":
        raise pytest.UsageError(f"REQUIRE_ALL=1, but not set: {', '.join(missing())}")
    return {"sqlite": None, **{name: os.environ[variable] for name, variable in _at_hand().items()}}


def missing() -> list[str]:
    """Return the variables of the databases that are not at hand."""
    return [variable for name, variable in VARIABLES.items() if name not in _at_hand()]


def prepare(app: Flask) -> None:
    """Give the test an empty, migrated schema on a server."""
    _migrate(app.config["SQLALCHEMY_DATABASE_URI"])
    with db.engine.begin() as connection:
        for table in reversed(db.metadata.sorted_tables):
            connection.execute(table.delete())


def drop_all_tables() -> None:
    """Empty the database of the present application, whatever an earlier run left in it."""
    found = MetaData()
    found.reflect(db.engine)
    found.drop_all(db.engine)


@cache
def _migrate(_url: str) -> None:
    drop_all_tables()
    flask_migrate.upgrade()


def _at_hand() -> dict[str, str]:
    return {name: variable for name, variable in VARIABLES.items() if os.environ.get(variable)}
