"""Replies of updates, pages of answers, ratings, suggestions, chats

Revision: 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply. Tables and a column are added only."""
    op.add_column("updates", sa.Column("shown", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("turns", sa.Column("page", _BIG, nullable=True))
    op.add_column("turns", sa.Column("owed", sa.Boolean(), nullable=False, server_default=sa.false()))
    turns = sa.table("turns", sa.column("owed", sa.Boolean()), sa.column("role"), sa.column("state"))
    op.execute(turns.update().where(turns.c.role == "assistant", turns.c.state == "answering").values(owed=sa.true()))
    op.create_table(
        "chats",
        sa.Column("platform", sa.String(), nullable=False),
        sa.Column("chat", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("platform", "chat", name=op.f("pk_chats")),
    )
    op.create_table(
        "ratings",
        sa.Column("id", _BIG, nullable=False),
        sa.Column("answer_id", _BIG, nullable=False),
        sa.Column("person_id", _BIG, nullable=False),
        sa.Column("value", _BIG, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["answer_id"], ["turns.id"], name=op.f("fk_ratings_answer_id_turns")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_ratings_person_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ratings")),
        sa.UniqueConstraint("answer_id", "person_id", name=op.f("uq_ratings_answer_id")),
    )
    op.create_table(
        "suggestions",
        sa.Column("id", _BIG, nullable=False),
        sa.Column("answer_id", _BIG, nullable=False),
        sa.Column("person_id", _BIG, nullable=False),
        sa.Column("conversation_id", _BIG, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["answer_id"], ["turns.id"], name=op.f("fk_suggestions_answer_id_turns")),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("fk_suggestions_conversation_id_conversations")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_suggestions_person_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suggestions")),
    )
    op.create_index("ix_suggestions_person_id_state", "suggestions", ["person_id", "state"])
