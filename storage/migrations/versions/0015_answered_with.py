"""Which questions were answered together

Revision: 0015, after 0014.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# Until now an answer was taken to be one to all that was asked after what the answer before it answers to.
_TOGETHER = """
UPDATE turns SET answered_with = spans.last
FROM (
    SELECT conversation_id, last, LAG(last, 1, 0) OVER (PARTITION BY conversation_id ORDER BY last) AS earlier
    FROM (
        SELECT DISTINCT conversation_id, answer_to AS last FROM turns
        WHERE role = 'assistant' AND answer_to IS NOT NULL
    ) AS lasts
) AS spans
WHERE turns.role = 'user' AND turns.state IN ('answered', 'answering')
    AND turns.conversation_id = spans.conversation_id AND turns.id > spans.earlier AND turns.id <= spans.last
"""


def upgrade() -> None:
    """Apply. A column is added only, and filled."""
    op.add_column(
        "turns", sa.Column("answered_with", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True)
    )
    op.execute(_TOGETHER)
