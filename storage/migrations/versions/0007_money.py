"""Ledger, budgets, approvals

Revision: 0007, after 0006.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply. Tables are added only."""
    op.create_table(
        "ledger",
        sa.Column("id", _BIG, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("month", sa.String(), nullable=False),
        sa.Column("person_id", _BIG, nullable=False),
        sa.Column("job_id", _BIG, nullable=True),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("micros", _BIG, nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_ledger_job_id_jobs")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_ledger_person_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger")),
        sa.UniqueConstraint("key", name=op.f("uq_ledger_key")),
    )
    op.create_index("ix_ledger_month_currency", "ledger", ["month", "currency"])
    op.create_index(op.f("ix_ledger_person_id"), "ledger", ["person_id"])
    op.create_index(op.f("ix_ledger_job_id"), "ledger", ["job_id"])
    op.create_table(
        "budgets",
        sa.Column("id", _BIG, nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("micros", _BIG, nullable=True),
        sa.Column("set_by", _BIG, nullable=True),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["set_by"], ["people.id"], name=op.f("fk_budgets_set_by_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budgets")),
    )
    op.create_index("ix_budgets_scope_currency", "budgets", ["scope", "currency"])
    op.create_table(
        "approvals",
        sa.Column("id", _BIG, nullable=False),
        sa.Column("intent", sa.String(), nullable=False),
        sa.Column("person_id", _BIG, nullable=False),
        sa.Column("run", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("request", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("estimate", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("decided_by", _BIG, nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("job_id", _BIG, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["decided_by"], ["people.id"], name=op.f("fk_approvals_decided_by_people")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_approvals_job_id_jobs")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_approvals_person_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
        sa.UniqueConstraint("intent", name=op.f("uq_approvals_intent")),
    )
    op.create_index(op.f("ix_approvals_state"), "approvals", ["state"])
