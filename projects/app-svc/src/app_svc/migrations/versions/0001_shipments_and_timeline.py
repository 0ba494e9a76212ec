"""Shipments and scans, the timeline with its feed, outbox and inbox."""

import sqlalchemy as sa
from alembic import op

from lib_one.sql import UtcDateTime, create_inbox, create_outbox

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "shipment",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("reference", sa.String(200), nullable=False, unique=True),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("destination", sa.Text, nullable=False),
        sa.Column("last_place", sa.Text),
        sa.Column("promised_at", UtcDateTime),
        sa.Column("registered_at", UtcDateTime, nullable=False),
        sa.Column("delivered_at", UtcDateTime),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.Column("seen_at", UtcDateTime),
        sa.Column("country", sa.Text),
        sa.Column("country_folded", sa.Text),
        sa.Column("search", sa.Text, nullable=False),
    )
    op.create_index("ix_shipment_newest", "shipment", ["registered_at", "id"])
    op.create_index("ix_shipment_status", "shipment", ["status", "registered_at", "id"])
    op.create_index("ix_shipment_country", "shipment", ["country_folded", "registered_at", "id", "country"])
    op.create_index("ix_shipment_promise", "shipment", ["promised_at", "delivered_at"])
    op.create_table(
        "scan",
        sa.Column("scan_id", sa.String(36), primary_key=True),
        sa.Column("shipment_id", sa.String(36), sa.ForeignKey("shipment.id"), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("biz_step", sa.String(16), nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("occurred_at", UtcDateTime, nullable=False),
        sa.Column("note", sa.Text),
        sa.UniqueConstraint("shipment_id", "revision"),
    )
    op.create_table(
        "timeline_entry",
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("event_id", sa.String(64), nullable=False, unique=True),
        sa.Column("shipment_id", sa.String(36), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("biz_step", sa.String(16)),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("occurred_at", UtcDateTime, nullable=False),
        sa.Column("recorded_at", UtcDateTime, nullable=False),
        sa.Column("recorded_by", sa.Text, nullable=False),
        sa.Column("note", sa.Text),
        sa.UniqueConstraint("shipment_id", "revision"),
    )
    op.create_index("ix_timeline_entry_shipment", "timeline_entry", ["shipment_id", "sequence"])
    feed = op.create_table(
        "feed",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(feed, [{"id": 1, "sequence": 0}])
    create_outbox(op)
    create_inbox(op)
