"""What the vendors' accounts hold, as last listed: a cache for drop-downs and labels that may be emptied at any time.

Rows that a vendor no longer lists stay, with the moment at which they went missing, so that a product list that points
to one can be marked.
"""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import ForeignKey, Numeric, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from database import Model, key_string


class CatalogueStore(Model):
    """A ScaleV store. Webhooks name it only; REST gives both ids."""

    __tablename__ = "catalogue_stores"

    scalev_id: Mapped[str] = mapped_column(key_string(40), primary_key=True)
    unique_id: Mapped[str | None] = mapped_column(key_string(120), index=True)
    name: Mapped[str] = mapped_column(String(255))
    seen_at: Mapped[datetime]
    missing_since: Mapped[datetime | None]


class CatalogueProduct(Model):
    __tablename__ = "catalogue_products"

    scalev_id: Mapped[str] = mapped_column(key_string(40), primary_key=True)
    uuid: Mapped[str | None] = mapped_column(key_string(120), index=True)
    name: Mapped[str] = mapped_column(String(255))
    seen_at: Mapped[datetime]
    missing_since: Mapped[datetime | None]

    variants: Mapped[list["CatalogueVariant"]] = relationship(
        back_populates="product", cascade="all, delete-orphan", order_by="CatalogueVariant.name"
    )


class CatalogueVariant(Model):
    """A variant, by both of its ids: webhook lines name `unique_id`, REST lines the integer."""

    __tablename__ = "catalogue_variants"

    scalev_id: Mapped[str] = mapped_column(key_string(40), primary_key=True)
    unique_id: Mapped[str | None] = mapped_column(key_string(120), unique=True)
    product_id: Mapped[str] = mapped_column(
        key_string(40), ForeignKey("catalogue_products.scalev_id", ondelete="CASCADE"), index=True
    )
    sku: Mapped[str | None] = mapped_column(key_string(120), index=True)
    name: Mapped[str] = mapped_column(String(255))
    price: Mapped[Decimal | None] = mapped_column(Numeric(15, 2))
    seen_at: Mapped[datetime]
    missing_since: Mapped[datetime | None]

    product: Mapped[CatalogueProduct] = relationship(back_populates="variants")


class CatalogueSalesPerson(Model):
    """A CS. An order's handler is known by the user's id, not by the row's (observed by integrators)."""

    __tablename__ = "catalogue_sales_people"

    user_id: Mapped[str] = mapped_column(key_string(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    email: Mapped[str | None] = mapped_column(String(254))
    seen_at: Mapped[datetime]
    missing_since: Mapped[datetime | None]


class CatalogueList(Model):
    """A Mailketing list."""

    __tablename__ = "catalogue_lists"

    list_id: Mapped[str] = mapped_column(key_string(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    seen_at: Mapped[datetime]
    missing_since: Mapped[datetime | None]
