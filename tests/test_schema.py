"""The schema: made by the migrations alone, equal to the models, up and down, and whole or not at all."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import flask_migrate
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from sqlalchemy import inspect, text

from app import create_app
from config import BASE_DIR, Config
from database import UtcDateTime
from models import db
from services import schema
from services.schema import SchemaOutdated
from tests import builders, databases

pytestmark = pytest.mark.each_database


@pytest.fixture
def bare(config: Config) -> Iterator[Flask]:
    """The application on a database without any table; afterwards it is whole again for the other tests."""
    app = create_app(config)
    with app.app_context():
        databases.drop_all_tables()
        yield app
        db.session.remove()
        if config.database_url:
            databases.drop_all_tables()
            flask_migrate.upgrade(directory=str(BASE_DIR / "migrations"))
        db.engine.dispose()


def tables() -> set[str]:
    return set(inspect(db.engine).get_table_names()) - {"alembic_version"}


def differences() -> list[object]:
    def same_type(
        _context: object, _column: object, _meta_column: object, found: object, wanted: object
    ) -> bool | None:
        return False if isinstance(wanted, UtcDateTime) else None  # the driver tells a plain DATETIME

    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": same_type})
        return list(compare_metadata(context, db.metadata))


def test_the_migrations_make_exactly_the_models(bare: Flask) -> None:
    schema.upgrade()
    assert tables() == set(db.metadata.tables)
    assert differences() == []


def test_the_way_down_leaves_nothing_and_the_way_up_again_works(bare: Flask) -> None:
    schema.upgrade()
    flask_migrate.downgrade(revision="base")
    assert tables() == set()
    schema.upgrade()
    assert differences() == []


def test_an_upgrade_of_what_is_up_to_date_changes_nothing(bare: Flask) -> None:
    schema.upgrade()
    lead = builders.make_lead()
    schema.upgrade()
    assert db.session.get_one(type(lead), lead.id)


def test_an_empty_database_is_told_from_an_outdated_one(bare: Flask) -> None:
    assert schema.is_empty()
    with pytest.raises(SchemaOutdated, match="db upgrade"):
        schema.check()
    schema.upgrade()
    assert not schema.is_empty()
    schema.check()
    assert schema.revision() == schema.head()


def test_a_database_of_a_newer_program_is_refused(bare: Flask) -> None:
    schema.upgrade()
    with db.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaOutdated):
        schema.check()


def test_every_revision_has_one_follower() -> None:
    names = sorted(path.name for path in (BASE_DIR / "migrations" / "versions").glob("*.py"))
    assert [name[:4] for name in names] == [f"{number:04d}" for number in range(1, len(names) + 1)]


_BROKEN = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "9999", "{head}", None, None


def upgrade():
    op.create_table("half_made", sa.Column("id", sa.Integer(), primary_key=True))
    with op.batch_alter_table("leads") as batch:
        batch.add_column(sa.Column("half", sa.Integer()))
    op.execute("UPDATE leads SET name = 'changed'")
    raise RuntimeError("this migration fails")
"""


def test_a_failed_migration_rolls_back(bare: Flask, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """On MariaDB each statement of a migration stands for itself; there a backup is the way back."""
    schema.upgrade()
    lead = builders.make_lead(name="Siti")
    builders.make_delivery(lead)
    broken = tmp_path / "migrations"
    shutil.copytree(BASE_DIR / "migrations", broken, ignore=shutil.ignore_patterns("__pycache__"))
    (broken / "versions" / "9999_broken.py").write_text(_BROKEN.format(head=schema.head()))
    before = schema.revision()
    with pytest.raises(SystemExit):
        flask_migrate.upgrade(directory=str(broken))
    assert "this migration fails" in caplog.text
    db.session.rollback()
    db.session.expire_all()
    assert schema.revision() == before
    if db.engine.dialect.name == "mysql":
        return
    assert differences() == []
    assert (lead.name, len(lead.deliveries)) == ("Siti", 1)


def test_a_migration_that_rebuilds_a_table_keeps_its_children(bare: Flask, tmp_path: Path) -> None:
    schema.upgrade()
    lead = builders.make_lead()
    builders.make_delivery(lead)
    works = tmp_path / "migrations"
    shutil.copytree(BASE_DIR / "migrations", works, ignore=shutil.ignore_patterns("__pycache__"))
    fine = _BROKEN.format(head=schema.head()).replace('    raise RuntimeError("this migration fails")\n', "")
    fine = fine.replace('batch_alter_table("leads")', 'batch_alter_table("leads", recreate="auto")')
    fine = fine.replace(
        'batch.add_column(sa.Column("half", sa.Integer()))',
        'batch.alter_column("name", existing_type=sa.String(255), type_=sa.String(300))',
    )
    (works / "versions" / "9999_fine.py").write_text(fine)
    flask_migrate.upgrade(directory=str(works))
    db.session.rollback()
    db.session.expire_all()
    assert (lead.name, len(lead.deliveries)) == ("changed", 1)
