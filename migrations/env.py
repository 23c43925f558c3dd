"""How Alembic reaches the database: through the program's own engine, each upgrade in one transaction."""

from typing import Any

from alembic import context
from sqlalchemy import Connection, Enum, LargeBinary, String

import models  # noqa: F401 (the tables, for --autogenerate)
import models_catalogue  # noqa: F401
import models_contact  # noqa: F401
import models_people  # noqa: F401
from database import db, writing
from services import schema
from services.schema import DatabaseUnusable


def render_item(kind: str, item: Any, _autogen: object) -> str | bool:
    """Write our own column types into new migrations by the names that they have in `database`."""
    if kind != "type":
        return False
    if type(item).__module__ == "database":
        return f"database.{type(item).__name__}()"
    if isinstance(item, Enum):
        return f"sa.String({item.length})"
    if isinstance(item, String) and item._variant_mapping:
        return f"database.key_string({item.length})"
    if isinstance(item, LargeBinary):
        return "database.raw_bytes()"
    return False


def run() -> None:
    with _connect() as connection:
        if db.engine.dialect.name != "sqlite":
            _migrate(connection)
            return
        # Batch migrations rebuild tables; with foreign keys on, dropping the old one would delete its children.
        # The switch works outside of transactions only, so it goes to the driver, and its connection is not reused.
        connection.connection.dbapi_connection.execute("PRAGMA foreign_keys=OFF")  # type: ignore[union-attr]
        try:
            _migrate(connection)
        finally:
            connection.invalidate()


def _connect() -> Connection:
    try:
        return schema.connect()
    except DatabaseUnusable as error:  # Flask-Migrate shows a RuntimeError as one line, everything else as a traceback
        raise RuntimeError(str(error)) from error


def _migrate(connection: Any) -> None:
    context.configure(
        connection=connection,
        target_metadata=db.metadata,
        render_as_batch=True,
        compare_type=True,
        transactional_ddl=True,
        render_item=render_item,
    )
    with writing(), context.begin_transaction():
        context.run_migrations()


run()
