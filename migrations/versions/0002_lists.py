"""lists

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

import database

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "bulk_runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("deed", sa.String(20), nullable=False),
        sa.Column("ids", sa.JSON(), nullable=False),
        sa.Column("note", sa.String(length=1000), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("refused", sa.JSON(), nullable=False),
        sa.Column("refused_count", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("claimed_until", database.UtcDateTime(), nullable=True),
        sa.Column("actor", sa.String(length=254), nullable=False),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.Column("updated_at", database.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_runs")),
    )
    op.create_table(
        "saved_views",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("name", database.key_string(60), nullable=False),
        sa.Column("filter", sa.JSON(), nullable=False),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_saved_views_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_views")),
        sa.UniqueConstraint("user_id", "name", name=op.f("uq_saved_views_user_id_name")),
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index("ix_deliveries_status_reason", ["status", "reason"], unique=False)

    with op.batch_alter_table("leads", schema=None) as batch_op:
        batch_op.create_index("ix_leads_gross_revenue_id", ["gross_revenue", "id"], unique=False)
        batch_op.create_index("ix_leads_handler_name_ordered_at_id", ["handler_name", "ordered_at", "id"], unique=False)
        batch_op.create_index(
            "ix_leads_payment_method_ordered_at_id", ["payment_method", "ordered_at", "id"], unique=False
        )
        batch_op.create_index(
            "ix_leads_product_list_id_ordered_at_id", ["product_list_id", "ordered_at", "id"], unique=False
        )
        batch_op.create_index("ix_leads_search", ["name", "email", "order_id", "phone"], unique=False)
        batch_op.create_index("ix_leads_status_gross_revenue_id", ["status", "gross_revenue", "id"], unique=False)
        batch_op.create_index("ix_leads_store_name_ordered_at_id", ["store_name", "ordered_at", "id"], unique=False)
        # After its successor is there: MariaDB wants an index for the foreign key at any moment.
        batch_op.drop_index(batch_op.f("ix_leads_product_list_id"))

    with op.batch_alter_table("webhook_events", schema=None) as batch_op:
        batch_op.create_index("ix_webhook_events_status_reason", ["status", "reason"], unique=False)


def downgrade():
    with op.batch_alter_table("webhook_events", schema=None) as batch_op:
        batch_op.drop_index("ix_webhook_events_status_reason")

    with op.batch_alter_table("leads", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_leads_product_list_id"), ["product_list_id"], unique=False)
        batch_op.drop_index("ix_leads_store_name_ordered_at_id")
        batch_op.drop_index("ix_leads_status_gross_revenue_id")
        batch_op.drop_index("ix_leads_search")
        batch_op.drop_index("ix_leads_product_list_id_ordered_at_id")
        batch_op.drop_index("ix_leads_payment_method_ordered_at_id")
        batch_op.drop_index("ix_leads_handler_name_ordered_at_id")
        batch_op.drop_index("ix_leads_gross_revenue_id")

    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.drop_index("ix_deliveries_status_reason")

    op.drop_table("saved_views")
    op.drop_table("bulk_runs")
