"""By which press a rating changed, and in which message a better answer came

Revision: 0014, after 0013.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. Columns are added only."""
    op.add_column("ratings", sa.Column("event", sa.String(), nullable=True))
    op.add_column("suggestions", sa.Column("message", sa.String(), nullable=True))
