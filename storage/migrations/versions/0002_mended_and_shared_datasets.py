"""Mended and shared datasets

Revision: 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply. Columns are added only: both databases do that in place, with rows that refer to the tables."""
    op.add_column("datasets", sa.Column("kind", sa.String(), server_default="text", nullable=False))
    op.add_column("datasets", sa.Column("current", _BIG, server_default="1", nullable=False))
    op.execute(
        "UPDATE datasets SET current = COALESCE("
        "(SELECT MAX(number) FROM dataset_versions WHERE dataset_versions.dataset_id = datasets.id), 1)"
    )
    op.add_column("dataset_versions", sa.Column("file_name", sa.String(), server_default="", nullable=False))
    op.add_column("dataset_versions", sa.Column("reading", sa.String(), nullable=True))
    op.add_column("dataset_versions", sa.Column("measures", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("dataset_versions", sa.Column("made_from", _BIG, nullable=True))
    op.add_column("dataset_versions", sa.Column("changes", sa.JSON(none_as_null=True), nullable=True))
    op.create_table(
        "dataset_shares",
        sa.Column("id", _BIG, nullable=False),
        sa.Column("dataset_id", _BIG, nullable=False),
        sa.Column("person_id", _BIG, nullable=True),
        sa.Column("right", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name=op.f("fk_dataset_shares_dataset_id_datasets")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_dataset_shares_person_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset_shares")),
    )
    op.create_index("ix_dataset_shares_dataset_id", "dataset_shares", ["dataset_id"])
