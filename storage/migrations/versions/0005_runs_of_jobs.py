"""Jobs that go on after they ended, and the data that each was made for

Revision: 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply. Columns are added only, with what they would hold had they always been there."""
    op.add_column("jobs", sa.Column("run", _BIG, nullable=False, server_default="1"))
    op.add_column("jobs", sa.Column("data_digest", sa.String(), nullable=False, server_default=""))
    op.execute(
        "UPDATE jobs SET data_digest = COALESCE((SELECT canonical_digest FROM dataset_versions"
        " WHERE dataset_versions.id = jobs.dataset_version_id), '')"
    )
