"""Several processes on one database, where people are told, and indexes for what is open

Revision: 0006, after 0005.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_OPEN = sa.text("handled_at IS NULL")
_OWED = sa.text("owed")


def upgrade() -> None:
    """Apply. What came in before has its chat in the event that was stored."""
    op.create_table(
        "replicas",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("until", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replicas")),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("taken_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_index("ix_leases_owner", "leases", ["owner"])
    op.add_column("updates", sa.Column("chat", sa.String(), nullable=False, server_default=""))
    op.add_column("updates", sa.Column("answer", sa.JSON(none_as_null=True), nullable=True))
    _chats_of_open_updates()
    op.create_index("ix_updates_open", "updates", ["platform", "chat"], sqlite_where=_OPEN, postgresql_where=_OPEN)
    op.add_column("people", sa.Column("notify", sa.JSON(none_as_null=True), nullable=True))
    op.create_index("ix_turns_message", "turns", ["conversation_id", "message"])
    op.create_index("ix_turns_owed", "turns", ["conversation_id"], sqlite_where=_OWED, postgresql_where=_OWED)
    op.create_index("ix_jobs_card_message", "jobs", ["card_message", "platform", "chat"])
    op.create_index("ix_outbox_chat", "outbox", ["platform", "chat"])
    # Not as a batch: that makes the table anew, which SQLite refuses while rows of others refer to it.
    for column in ("lease_owner", "lease_until"):
        op.execute(f"ALTER TABLE jobs DROP COLUMN {column}")


def _chats_of_open_updates() -> None:
    # An event is stored as its kind, a space and JSON.
    place = "substring(event from position(' ' in event) + 1)::json->'place'->>'chat'"
    if op.get_bind().dialect.name == "sqlite":
        place = "json_extract(substr(event, instr(event, ' ') + 1), '$.place.chat')"
    op.execute(f"UPDATE updates SET chat = COALESCE({place}, '') WHERE handled_at IS NULL AND event <> ''")  # noqa: S608
