"""System prompts that people chose for a conversation

Revision: 0010, after 0009.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. A column is added only."""
    op.add_column("conversations", sa.Column("persona", sa.Text(), nullable=True))
