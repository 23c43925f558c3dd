"""The connection to the database: column types, SQLite's settings and the program's only commit."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session
from sqlalchemy import (
    JSON,
    Connection,
    DateTime,
    Dialect,
    Enum,
    Insert,
    LargeBinary,
    MetaData,
    Row,
    Select,
    String,
    Table,
    event,
    insert,
)
from sqlalchemy.dialects.mysql import DATETIME, MEDIUMBLOB, VARCHAR
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, registry, scoped_session
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.types import TypeDecorator, TypeEngine

from services.errors import Conflict

SQLITE_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000", "foreign_keys=ON")

_POSTGRESQL_DEADLOCK = "40P01"
_MARIADB_DEADLOCKS = {1213, 1020}  # deadlock found; record has changed since last read

# True while a transaction() is open in this thread: SQLite then begins with the write lock in hand, because a read
# that turns into a write fails at once when another writer got in between, whatever the busy time-out.
_writing: ContextVar[bool] = ContextVar("writing", default=False)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment. Stored as UTC without zone, which all three databases keep exactly; naive values are refused."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name in {"mysql", "mariadb"}:
            return dialect.type_descriptor(DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A moment without a time zone can't be stored; use clock.utc_now() or an aware datetime.")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


def key_string(length: int) -> String:
    """Return a text type that compares byte for byte on every database; MariaDB would ignore case otherwise."""
    return String(length).with_variant(VARCHAR(length, collation="utf8mb4_bin"), "mysql", "mariadb")


def raw_bytes() -> LargeBinary:
    """Return a type for bodies of up to 1 MiB and more; MariaDB's plain BLOB ends at 64 KiB."""
    return LargeBinary().with_variant(MEDIUMBLOB(), "mysql", "mariadb")


def words(enum: type[StrEnum]) -> Enum:
    """Return a column type for a `StrEnum`: its values as text, so that a new word needs no new column type."""
    return Enum(enum, native_enum=False, length=20, values_callable=lambda kind: [member.value for member in kind])


class Base(DeclarativeBase):
    """Constraint names are fixed so that migrations can name them on every database."""

    registry = registry(
        metadata=MetaData(
            naming_convention={
                "ix": "ix_%(table_name)s_%(column_0_N_name)s",
                "uq": "uq_%(table_name)s_%(column_0_N_name)s",
                "ck": "ck_%(table_name)s_%(constraint_name)s",
                "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
                "pk": "pk_%(table_name)s",
            }
        ),
        type_annotation_map={datetime: UtcDateTime(), dict[str, Any]: JSON, list[Any]: JSON},
    )


db = SQLAlchemy(model_class=Base)

if TYPE_CHECKING:
    Model = Base  # what the checker needs to know of db.Model, which is made at run time
else:
    Model = db.Model


# SQLite has one writer at a time, and one that finds it taken sleeps and tries again, so that under load some wait for
# seconds while others pass. Inside this process writers take turns instead.
_turns = threading.Lock()
_TURN_SECONDS = 5  # then SQLite itself decides: behind another process's lock a queue would wait once for each in it
_has_asked: ContextVar[bool] = ContextVar("has_asked", default=False)


@contextmanager
def turn() -> Iterator[None]:
    """Be this process's only writer on SQLite; a transaction, or several that are to follow each other at once."""
    if _has_asked.get() or db.engine.dialect.name != "sqlite":
        yield
        return
    token, taken = _has_asked.set(True), _turns.acquire(timeout=_TURN_SECONDS)
    try:
        yield
    finally:
        _has_asked.reset(token)
        if taken:
            _turns.release()


@contextmanager
def writing() -> Iterator[None]:
    """Make transactions that begin inside take SQLite's write lock at once."""
    token = _writing.set(True)
    try:
        yield
    finally:
        _writing.reset(token)


@contextmanager
def transaction() -> Iterator[scoped_session[Session]]:
    """Open the one write transaction of an operation; an inner call joins the outer one.

    Commits when the block ends, rolls everything back when it raises. A read that the page began before is ended
    first, so that the block sees the newest rows. Never call a vendor inside.

    Raises:
        Conflict: a row with a version was changed by somebody else since it was read, or two transactions waited for
            each other and the database ended this one.
        RuntimeError: something was changed on the session before the transaction began.
    """
    if _writing.get():
        yield db.session
        return
    if db.session.new or db.session.dirty or db.session.deleted:
        raise RuntimeError("Rows were changed outside of models.transaction(); move the change into the block.")
    db.session.rollback()
    with turn(), writing():
        try:
            yield db.session
            db.session.commit()
        except (StaleDataError, OperationalError) as error:
            db.session.rollback()
            if isinstance(error, OperationalError) and not _is_deadlock(error):
                raise
            raise Conflict("This was changed by somebody else meanwhile. Load the page again.") from error
        except BaseException:
            db.session.rollback()
            raise


def read_committed(statement: Select[Any]) -> list[Row[Any]]:
    """Read on a connection of its own that is given back at once, so that the session holds none for a single look;
    in an open transaction, read what that sees."""
    if _writing.get():
        return list(db.session.execute(statement))
    with db.engine.connect() as connection:
        return list(connection.execute(statement))


def _is_deadlock(error: OperationalError) -> bool:
    """Whether the database ended this of two transactions that waited for each other (SQLite never does)."""
    code = next(iter(error.orig.args), None) if error.orig else None
    return code in _MARIADB_DEADLOCKS or getattr(error.orig, "sqlstate", None) == _POSTGRESQL_DEADLOCK


def insert_rows(rows: Sequence[Base]) -> None:
    """Insert new rows of one table at once, in the open transaction; a single row gets its `id`.

    For the webhook's way: the session's unit of work, which finds out by itself what has to be written in which order,
    costs more there than all other work together (bench/webhook.py).
    """
    if not rows:
        return
    values = [_values(row) for row in rows]
    result = db.session.execute(_insert_into(type(rows[0])), values if len(values) > 1 else values[0])
    if len(rows) == 1:
        rows[0].id = result.inserted_primary_key[0]  # type: ignore[attr-defined]


@cache
def _insert_into(model: type[Base]) -> Insert:
    return insert(cast(Table, model.__table__))


def _values(row: Base) -> dict[str, Any]:
    """All columns without a default of their own, so that every row of a table makes the same statement."""
    given = vars(row)
    columns = [column for column in row.__table__.columns if not column.primary_key]
    return {column.key: given.get(column.key) for column in columns if column.key in given or column.default is None}


def engine_options(url: str) -> dict[str, Any]:
    """Return SQLAlchemy's engine options for a database URL."""
    # A failing statement's values are buyers' data; its error goes to the log without them. Every thread may have a
    # connection and keep it: what is above pool_size would be opened anew for each request.
    options: dict[str, Any] = {"hide_parameters": True, "pool_size": 16}
    if url.startswith("sqlite"):
        return options
    # READ COMMITTED everywhere: a guarded UPDATE then sees what others have committed, on MariaDB as on PostgreSQL.
    return options | {"pool_pre_ping": True, "isolation_level": "READ COMMITTED"}


@event.listens_for(Engine, "connect")
def _set_up_sqlite(connection: Any, _record: object) -> None:
    if not type(connection).__module__.startswith("sqlite3"):
        return
    connection.isolation_level = None  # the driver begins nothing by itself; _begin_sqlite does
    for pragma in SQLITE_PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


@event.listens_for(Engine, "begin")
def _begin_sqlite(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE" if _writing.get() else "BEGIN")
