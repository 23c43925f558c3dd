"""The database's schema: made and changed by the migrations only."""

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from flask_migrate import upgrade as run_migrations
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from models import db
from services.errors import UserError


class SchemaOutdated(UserError):
    """The database was made by another version of the program."""


class DatabaseUnusable(UserError):
    """The database can't be opened."""


def connect() -> Connection:
    """Open the database.

    Raises:
        DatabaseUnusable: it does not answer, or its driver refuses what DATABASE_URL says.
    """
    try:
        return db.engine.connect()
    except OperationalError as error:
        raise DatabaseUnusable("The database does not answer. Check DATABASE_URL, and that its server runs.") from error
    # What drivers raise for an option, host or character set that they don't know has nothing in common.
    except (SQLAlchemyError, TypeError, ValueError, AttributeError) as error:
        reason = str(getattr(error, "orig", error)).partition("\n")[0]
        raise DatabaseUnusable(f"The database can't be opened: {reason}. Check DATABASE_URL.") from error


def upgrade() -> None:
    """Bring the database to this program's schema; makes it when there is none."""
    run_migrations(directory=current_app.extensions["migrate"].directory)


def check() -> None:
    """Refuse to work on a schema that is not this program's.

    Raises:
        SchemaOutdated: the database is older or newer than the program, or empty.
    """
    if revision() != head():
        raise SchemaOutdated("The database does not fit this version of the program. Run: flask --app app db upgrade")


def is_empty() -> bool:
    """Whether no migration ever ran here."""
    return revision() is None


def revision() -> str | None:
    """Return the database's revision, None when it is empty."""
    with db.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str | None:
    """Return the newest revision that this program knows."""
    return ScriptDirectory(current_app.extensions["migrate"].directory).get_current_head()
