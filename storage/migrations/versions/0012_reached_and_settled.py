"""Where people can be reached alone; tokens of answers in the ledger

Revision: 0012, after 0011.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# Where a person talked to the bot alone last.
_PRIVATE = """
UPDATE accounts SET private_chat = (
    SELECT c.chat FROM conversations c JOIN turns t ON t.conversation_id = c.id
    WHERE c.platform = accounts.platform AND c.kind = 'private' AND t.person_id = accounts.person_id
    ORDER BY t.id DESC LIMIT 1)
"""

# Answers of before are booked with what was told of them; who made them, and at what price, was not kept.
_ANSWERS = """
INSERT INTO ledger (key, at, month, person_id, provider, kind, micros, currency, source, prompt_tokens,
                    completion_tokens)
SELECT 'answer:' || a.id || '\\:0', a.created_at, {month}, q.person_id, '', 'chat', 0, '', '', a.prompt_tokens,
       a.completion_tokens
FROM turns a JOIN turns q ON q.id = a.answer_to
WHERE a.role = 'assistant' AND q.person_id IS NOT NULL AND a.completion_tokens IS NOT NULL
"""


def upgrade() -> None:
    """Apply. Columns and rows are added only."""
    op.add_column("accounts", sa.Column("private_chat", sa.String(), nullable=True))
    op.execute(_PRIVATE)
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("ledger", sa.Column("prompt_tokens", big, nullable=True))
    op.add_column("ledger", sa.Column("completion_tokens", big, nullable=True))
    postgresql = op.get_bind().dialect.name == "postgresql"
    month = "to_char(a.created_at AT TIME ZONE 'UTC', 'YYYY-MM')" if postgresql else "substr(a.created_at, 1, 7)"
    op.execute(_ANSWERS.format(month=month))
