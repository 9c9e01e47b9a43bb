"""Runs migrations on the connection that ``storage.database`` hands over, in its transaction."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from storage.tables import Table
from storage.types import LongText, ShortText, UtcDateTime


def render_item(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    """Write our column types as what they are in the database: a migration must not change with our code."""
    if kind == "type":
        if isinstance(item, LongText):
            return "sa.Text()"
        if isinstance(item, ShortText):
            return "sa.String()"
        if isinstance(item, UtcDateTime):
            return "sa.DateTime(timezone=True)"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,
    render_item=render_item,
    transactional_ddl=False,
)
context.run_migrations()
