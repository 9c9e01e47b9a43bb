"""Channels of a platform whose gateway has no receipts: how far each was read, and the anchors of commands there."""

from datetime import datetime

from sqlalchemy import case, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from storage.clock import now
from storage.tables import Anchor, Channel


async def known(session: AsyncSession, limit: int = 1000) -> list[Channel]:
    """Those that were spoken in last first."""
    return list(await session.scalars(select(Channel).order_by(Channel.seen.desc()).limit(limit)))


async def saw(session: AsyncSession, channel: str, guild: str, seen: int) -> None:
    """Everything up to this id is stored. Of two that come at once the later id stands."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    row = insert(Channel).values(channel=channel, guild=guild, seen=seen, open=True)
    newest = case((Channel.seen > row.excluded.seen, Channel.seen), else_=row.excluded.seen)
    await session.execute(row.on_conflict_do_update(index_elements=["channel"], set_={"seen": newest, "guild": guild}))


async def opened(session: AsyncSession, channel: str, *, open: bool) -> None:  # noqa: A002 - the column's name
    """Whether the bot may write there."""
    await session.execute(update(Channel).where(Channel.channel == channel).values(open=open))


async def anchor(session: AsyncSession, interaction: str) -> str | None:
    """The message that shows a command to its channel."""
    return await session.scalar(select(Anchor.message).where(Anchor.interaction == interaction))


async def anchored(session: AsyncSession, interaction: str, message: str) -> None:
    """Keep it."""
    await session.merge(Anchor(interaction=interaction, message=message, created_at=now()))


async def sweep(session: AsyncSession, before: datetime) -> None:
    """Forget anchors that nothing will reply to any more."""
    await session.execute(delete(Anchor).where(Anchor.created_at < before))
