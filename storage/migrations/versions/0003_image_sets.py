"""Image sets

Revision: 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply. Tables and a column are added only."""
    op.add_column("dataset_versions", sa.Column("sheets", sa.JSON(none_as_null=True), nullable=True))
    op.create_table(
        "albums",
        sa.Column("id", _BIG, nullable=False),
        sa.Column("open_key", sa.String(), nullable=True),
        sa.Column("person_id", _BIG, nullable=False),
        sa.Column("card_message", sa.String(), nullable=True),
        sa.Column("full", sa.Boolean(), nullable=False),
        sa.Column("dataset_id", _BIG, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name=op.f("fk_albums_dataset_id_datasets")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_albums_person_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_albums")),
        sa.UniqueConstraint("open_key", name=op.f("uq_albums_open_key")),
    )
    op.create_index("ix_albums_person_id", "albums", ["person_id"])
    op.create_table(
        "album_files",
        sa.Column("id", _BIG, nullable=False),
        sa.Column("album_id", _BIG, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("size", _BIG, nullable=False),
        sa.Column("picture", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["album_id"], ["albums.id"], name=op.f("fk_album_files_album_id_albums")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_album_files")),
        sa.UniqueConstraint("album_id", "key", name=op.f("uq_album_files_album_id")),
    )
