"""Channels of Discord, anchors of commands, people who turned out to be one

Revision: 0008, after 0007.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply. Tables are added only."""
    op.create_table(
        "channels",
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("guild", sa.String(), nullable=False),
        sa.Column("seen", _BIG, nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("channel", name=op.f("pk_channels")),
    )
    op.create_index("ix_channels_seen", "channels", ["seen"])
    op.create_table(
        "anchors",
        sa.Column("interaction", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("interaction", name=op.f("pk_anchors")),
    )
    op.create_index("ix_anchors_created_at", "anchors", ["created_at"])
    op.create_table(
        "linked_people",
        sa.Column("former_id", _BIG, autoincrement=False, nullable=False),
        sa.Column("person_id", _BIG, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_linked_people_person_id_people")),
        sa.PrimaryKeyConstraint("former_id", name=op.f("pk_linked_people")),
    )
