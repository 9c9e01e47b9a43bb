"""Names beside the live alias: what a conversation talks to by name, and which name a release moved

Revision: 0011, after 0010.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. Columns are added only; what was released before was released to everybody."""
    op.add_column("trials", sa.Column("alias", sa.String(), nullable=True))
    op.add_column("releases", sa.Column("alias", sa.String(), nullable=False, server_default="live"))
