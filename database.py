"""The connection to the database: column types, SQLite's settings and the program's only commit."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session
from sqlalchemy import JSON, Connection, DateTime, Dialect, Enum, MetaData, String, event
from sqlalchemy.dialects.mysql import DATETIME, VARCHAR
from sqlalchemy.engine import Engine
from sqlalchemy.orm import DeclarativeBase, registry, scoped_session
from sqlalchemy.types import TypeDecorator, TypeEngine

SQLITE_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000", "foreign_keys=ON")

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
        RuntimeError: something was changed on the session before the transaction began.
    """
    if _writing.get():
        yield db.session
        return
    if db.session.new or db.session.dirty or db.session.deleted:
        raise RuntimeError("Rows were changed outside of models.transaction(); move the change into the block.")
    db.session.rollback()
    with writing():
        try:
            yield db.session
            db.session.commit()
        except BaseException:
            db.session.rollback()
            raise


def engine_options(url: str) -> dict[str, Any]:
    """Return SQLAlchemy's engine options for a database URL."""
    if url.startswith("sqlite"):
        return {}
    # READ COMMITTED everywhere: a guarded UPDATE then sees what others have committed, on MariaDB as on PostgreSQL.
    return {"pool_pre_ping": True, "isolation_level": "READ COMMITTED"}


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
