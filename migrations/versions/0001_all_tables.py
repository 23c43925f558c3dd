"""all tables

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

import database

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "account_hold",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("since", database.UtcDateTime(), nullable=False),
        sa.Column("checked_at", database.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_hold")),
    )
    op.create_table(
        "catalogue_lists",
        sa.Column("list_id", database.key_string(40), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("seen_at", database.UtcDateTime(), nullable=False),
        sa.Column("missing_since", database.UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("list_id", name=op.f("pk_catalogue_lists")),
    )
    op.create_table(
        "catalogue_products",
        sa.Column("scalev_id", database.key_string(40), nullable=False),
        sa.Column("uuid", database.key_string(120), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("seen_at", database.UtcDateTime(), nullable=False),
        sa.Column("missing_since", database.UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("scalev_id", name=op.f("pk_catalogue_products")),
    )
    with op.batch_alter_table("catalogue_products", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_catalogue_products_uuid"), ["uuid"], unique=False)

    op.create_table(
        "catalogue_sales_people",
        sa.Column("user_id", database.key_string(40), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("seen_at", database.UtcDateTime(), nullable=False),
        sa.Column("missing_since", database.UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_catalogue_sales_people")),
    )
    op.create_table(
        "catalogue_stores",
        sa.Column("scalev_id", database.key_string(40), nullable=False),
        sa.Column("unique_id", database.key_string(120), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("seen_at", database.UtcDateTime(), nullable=False),
        sa.Column("missing_since", database.UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("scalev_id", name=op.f("pk_catalogue_stores")),
    )
    with op.batch_alter_table("catalogue_stores", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_catalogue_stores_unique_id"), ["unique_id"], unique=False)

    op.create_table(
        "heartbeats",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("started_at", database.UtcDateTime(), nullable=True),
        sa.Column("finished_at", database.UtcDateTime(), nullable=True),
        sa.Column("succeeded_at", database.UtcDateTime(), nullable=True),
        sa.Column("summary", sa.String(length=500), nullable=True),
        sa.Column("error", sa.String(length=500), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_heartbeats")),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("owner", sa.String(length=120), nullable=False),
        sa.Column("until", database.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "login_attempts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", database.key_string(80), nullable=False),
        sa.Column("at", database.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_attempts")),
    )
    with op.batch_alter_table("login_attempts", schema=None) as batch_op:
        batch_op.create_index("ix_login_attempts_key_at", ["key", "at"], unique=False)

    op.create_table(
        "order_imports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("since", database.UtcDateTime(), nullable=False),
        sa.Column("until", database.UtcDateTime(), nullable=False),
        sa.Column("transfer_unpaid", sa.Boolean(), nullable=False),
        sa.Column("cursor", sa.String(length=1000), nullable=True),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("recorded", sa.Integer(), nullable=False),
        sa.Column("reached", database.UtcDateTime(), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("problem", sa.String(length=500), nullable=True),
        sa.Column("actor", sa.String(length=254), nullable=False),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.Column("updated_at", database.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_imports")),
    )
    op.create_table(
        "product_lists",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("product_id", database.key_string(120), nullable=False),
        sa.Column("store_name", database.key_string(255), nullable=True),
        sa.Column("follow_up_list_id", sa.String(length=40), nullable=True),
        sa.Column("closing_list_id", sa.String(length=40), nullable=True),
        sa.Column("not_closing_list_id", sa.String(length=40), nullable=True),
        sa.Column("follow_up_days", sa.Integer(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.Column("updated_at", database.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product_lists")),
    )
    with op.batch_alter_table("product_lists", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_product_lists_name"), ["name"], unique=False)
        batch_op.create_index(batch_op.f("ix_product_lists_product_id"), ["product_id"], unique=False)

    op.create_table(
        "settings",
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("updated_at", database.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_settings")),
    )
    op.create_table(
        "suppressions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", database.key_string(254), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=True),
        sa.Column("until", database.UtcDateTime(), nullable=True),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppressions")),
        sa.UniqueConstraint("email", name=op.f("uq_suppressions_email")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("session_version", sa.Integer(), nullable=False),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.Column("last_login_at", database.UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )
    op.create_table(
        "catalogue_variants",
        sa.Column("scalev_id", database.key_string(40), nullable=False),
        sa.Column("unique_id", database.key_string(120), nullable=True),
        sa.Column("product_id", database.key_string(40), nullable=False),
        sa.Column("sku", database.key_string(120), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("price", sa.Numeric(precision=15, scale=2), nullable=True),
        sa.Column("seen_at", database.UtcDateTime(), nullable=False),
        sa.Column("missing_since", database.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["product_id"],
            ["catalogue_products.scalev_id"],
            name=op.f("fk_catalogue_variants_product_id_catalogue_products"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("scalev_id", name=op.f("pk_catalogue_variants")),
        sa.UniqueConstraint("unique_id", name=op.f("uq_catalogue_variants_unique_id")),
    )
    with op.batch_alter_table("catalogue_variants", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_catalogue_variants_product_id"), ["product_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_catalogue_variants_sku"), ["sku"], unique=False)

    op.create_table(
        "leads",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("order_id", database.key_string(64), nullable=False),
        sa.Column("scalev_id", database.key_string(64), nullable=True),
        sa.Column("product_list_id", sa.Integer(), nullable=True),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("status_changed_at", database.UtcDateTime(), nullable=False),
        sa.Column("ended_at", database.UtcDateTime(), nullable=True),
        sa.Column("closed_by", sa.String(20), nullable=True),
        sa.Column("archived_at", database.UtcDateTime(), nullable=True),
        sa.Column("archive_reason", sa.String(20), nullable=True),
        sa.Column("manual_seen", sa.JSON(), nullable=True),
        sa.Column("no_transfer", sa.Boolean(), nullable=False),
        sa.Column("restarted_at", database.UtcDateTime(), nullable=True),
        sa.Column("follow_up_start", database.UtcDateTime(), nullable=False),
        sa.Column("due_at", database.UtcDateTime(), nullable=False),
        sa.Column("chase_at", database.UtcDateTime(), nullable=True),
        sa.Column("chased_at", database.UtcDateTime(), nullable=True),
        sa.Column("chased_step", sa.String(20), nullable=True),
        sa.Column("snoozed_until", database.UtcDateTime(), nullable=True),
        sa.Column("ordered_at", database.UtcDateTime(), nullable=False),
        sa.Column("deleted_stamp", sa.String(length=60), nullable=True),
        sa.Column("order_status", sa.String(length=30), nullable=True),
        sa.Column("payment_status", sa.String(length=30), nullable=True),
        sa.Column("payment_method", sa.String(length=60), nullable=True),
        sa.Column("paid_at", database.UtcDateTime(), nullable=True),
        sa.Column("gross_revenue", sa.Numeric(precision=15, scale=2), nullable=True),
        sa.Column("quantity", sa.Integer(), nullable=True),
        sa.Column("product_name", sa.String(length=255), nullable=True),
        sa.Column("store_name", database.key_string(255), nullable=True),
        sa.Column("handler_name", sa.String(length=255), nullable=True),
        sa.Column("bank_name", sa.String(length=120), nullable=True),
        sa.Column("account_number", sa.String(length=60), nullable=True),
        sa.Column("account_holder", sa.String(length=255), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("email_given", sa.String(length=254), nullable=True),
        sa.Column("phone", sa.String(length=20), nullable=True),
        sa.Column("phone_given", sa.String(length=60), nullable=True),
        sa.Column("repairs", sa.JSON(), nullable=True),
        sa.Column("field_stamps", sa.JSON(), nullable=False),
        sa.Column("news", sa.JSON(), nullable=False),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.Column("updated_at", database.UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["product_list_id"],
            ["product_lists.id"],
            name=op.f("fk_leads_product_list_id_product_lists"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leads")),
        sa.UniqueConstraint("order_id", name=op.f("uq_leads_order_id")),
    )
    with op.batch_alter_table("leads", schema=None) as batch_op:
        batch_op.create_index(
            "ix_leads_archived_at_ordered_at",
            ["archived_at", "ordered_at", "status", "gross_revenue", "product_name", "handler_name"],
            unique=False,
        )
        batch_op.create_index(
            "ix_leads_archived_at_status_ended_at", ["archived_at", "status", "ended_at", "gross_revenue"], unique=False
        )
        batch_op.create_index("ix_leads_chase_at_id", ["chase_at", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_leads_email"), ["email"], unique=False)
        batch_op.create_index("ix_leads_handler_name_chase_at_id", ["handler_name", "chase_at", "id"], unique=False)
        batch_op.create_index("ix_leads_ordered_at_id", ["ordered_at", "id"], unique=False)
        batch_op.create_index(
            "ix_leads_payment_status_archived_at_status", ["payment_status", "archived_at", "status"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_leads_phone"), ["phone"], unique=False)
        batch_op.create_index(batch_op.f("ix_leads_product_list_id"), ["product_list_id"], unique=False)
        batch_op.create_index("ix_leads_snoozed_until_id", ["snoozed_until", "id"], unique=False)
        batch_op.create_index("ix_leads_status_due_at", ["status", "due_at"], unique=False)
        batch_op.create_index("ix_leads_status_ordered_at_id", ["status", "ordered_at", "id"], unique=False)

    op.create_table(
        "product_list_variants",
        sa.Column("product_list_id", sa.Integer(), nullable=False),
        sa.Column("variant_id", database.key_string(120), nullable=False),
        sa.ForeignKeyConstraint(
            ["product_list_id"],
            ["product_lists.id"],
            name=op.f("fk_product_list_variants_product_list_id_product_lists"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("product_list_id", "variant_id", name=op.f("pk_product_list_variants")),
    )
    with op.batch_alter_table("product_list_variants", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_product_list_variants_variant_id"), ["variant_id"], unique=False)

    op.create_table(
        "contacts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("lead_id", sa.Integer(), nullable=False),
        sa.Column("at", database.UtcDateTime(), nullable=False),
        sa.Column("actor", sa.String(length=254), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("step", sa.String(20), nullable=True),
        sa.Column("until", database.UtcDateTime(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["lead_id"], ["leads.id"], name=op.f("fk_contacts_lead_id_leads"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts")),
    )
    with op.batch_alter_table("contacts", schema=None) as batch_op:
        batch_op.create_index("ix_contacts_lead_id_at", ["lead_id", "at"], unique=False)

    op.create_table(
        "deliveries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("lead_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("list_id", sa.String(length=40), nullable=True),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("message", sa.String(length=500), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", database.UtcDateTime(), nullable=True),
        sa.Column("claimed_at", database.UtcDateTime(), nullable=True),
        sa.Column("claimed_by", sa.String(length=120), nullable=True),
        sa.Column("sent_at", database.UtcDateTime(), nullable=True),
        sa.Column("created_at", database.UtcDateTime(), nullable=False),
        sa.Column("updated_at", database.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["lead_id"], ["leads.id"], name=op.f("fk_deliveries_lead_id_leads"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("lead_id", "role", name=op.f("uq_deliveries_lead_id_role")),
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_deliveries_email"), ["email"], unique=False)
        batch_op.create_index("ix_deliveries_status_next_attempt_at", ["status", "next_attempt_at"], unique=False)

    op.create_table(
        "order_lines",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("lead_id", sa.Integer(), nullable=False),
        sa.Column("variant_unique_id", database.key_string(120), nullable=True),
        sa.Column("variant_id", database.key_string(40), nullable=True),
        sa.Column("product_id", database.key_string(120), nullable=True),
        sa.Column("sku", database.key_string(120), nullable=True),
        sa.Column("product_name", database.key_string(255), nullable=True),
        sa.Column("quantity", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["lead_id"], ["leads.id"], name=op.f("fk_order_lines_lead_id_leads"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_lines")),
    )
    with op.batch_alter_table("order_lines", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_order_lines_lead_id"), ["lead_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_order_lines_product_id"), ["product_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_order_lines_product_name"), ["product_name"], unique=False)
        batch_op.create_index(batch_op.f("ix_order_lines_sku"), ["sku"], unique=False)
        batch_op.create_index(batch_op.f("ix_order_lines_variant_id"), ["variant_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_order_lines_variant_unique_id"), ["variant_unique_id"], unique=False)

    op.create_table(
        "webhook_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(20), nullable=False),
        sa.Column("dedupe_key", database.key_string(64), nullable=False),
        sa.Column("unique_id", sa.String(length=255), nullable=True),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("order_id", database.key_string(64), nullable=True),
        sa.Column("body", database.raw_bytes(), nullable=True),
        sa.Column("matched_secret", sa.String(length=10), nullable=True),
        sa.Column("sent_at", database.UtcDateTime(), nullable=True),
        sa.Column("received_at", database.UtcDateTime(), nullable=False),
        sa.Column("duplicates", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", database.UtcDateTime(), nullable=True),
        sa.Column("processed_at", database.UtcDateTime(), nullable=True),
        sa.Column("lead_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["lead_id"], ["leads.id"], name=op.f("fk_webhook_events_lead_id_leads"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_events")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_webhook_events_dedupe_key")),
    )
    with op.batch_alter_table("webhook_events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_webhook_events_lead_id"), ["lead_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_webhook_events_name"), ["name"], unique=False)
        batch_op.create_index("ix_webhook_events_order_id_status", ["order_id", "status"], unique=False)
        batch_op.create_index(batch_op.f("ix_webhook_events_received_at"), ["received_at"], unique=False)
        batch_op.create_index("ix_webhook_events_status_next_try_at", ["status", "next_try_at"], unique=False)

    op.create_table(
        "delivery_attempts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("delivery_id", sa.Integer(), nullable=False),
        sa.Column("started_at", database.UtcDateTime(), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(length=20), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["deliveries.id"],
            name=op.f("fk_delivery_attempts_delivery_id_deliveries"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_attempts")),
    )
    with op.batch_alter_table("delivery_attempts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_delivery_attempts_delivery_id"), ["delivery_id"], unique=False)

    op.create_table(
        "lead_history",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("lead_id", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.Integer(), nullable=True),
        sa.Column("from_status", sa.String(20), nullable=True),
        sa.Column("to_status", sa.String(20), nullable=False),
        sa.Column("at", database.UtcDateTime(), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("actor", sa.String(length=254), nullable=False),
        sa.Column("note", sa.String(length=1000), nullable=True),
        sa.ForeignKeyConstraint(
            ["event_id"],
            ["webhook_events.id"],
            name=op.f("fk_lead_history_event_id_webhook_events"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["lead_id"], ["leads.id"], name=op.f("fk_lead_history_lead_id_leads"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lead_history")),
    )
    with op.batch_alter_table("lead_history", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_lead_history_at"), ["at"], unique=False)
        batch_op.create_index(batch_op.f("ix_lead_history_event_id"), ["event_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_lead_history_lead_id"), ["lead_id"], unique=False)

    op.create_table(
        "list_members",
        sa.Column("list_id", database.key_string(40), nullable=False),
        sa.Column("email", database.key_string(254), nullable=False),
        sa.Column("delivery_id", sa.Integer(), nullable=True),
        sa.Column("added_at", database.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.id"], name=op.f("fk_list_members_delivery_id_deliveries"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("list_id", "email", name=op.f("pk_list_members")),
    )
    with op.batch_alter_table("list_members", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_list_members_delivery_id"), ["delivery_id"], unique=False)


def downgrade():
    op.drop_table("list_members")
    op.drop_table("lead_history")
    op.drop_table("delivery_attempts")
    op.drop_table("webhook_events")
    op.drop_table("order_lines")
    op.drop_table("deliveries")
    op.drop_table("contacts")
    op.drop_table("product_list_variants")
    op.drop_table("leads")
    op.drop_table("catalogue_variants")
    op.drop_table("users")
    op.drop_table("suppressions")
    op.drop_table("settings")
    op.drop_table("product_lists")
    op.drop_table("order_imports")
    op.drop_table("login_attempts")
    op.drop_table("leases")
    op.drop_table("heartbeats")
    op.drop_table("catalogue_stores")
    op.drop_table("catalogue_sales_people")
    op.drop_table("catalogue_products")
    op.drop_table("catalogue_lists")
    op.drop_table("account_hold")
