"""The message log of the web page."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import BigInteger, String, cast, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage.clock import now
from storage.repositories import settings
from storage.tables import Setting, WebMessage

_REVISION = "web.revision"


async def _next_revision(session: AsyncSession) -> int:
    # One row that every writer takes in turn: revisions are seen in the order in which they were given.
    step = cast(cast(Setting.value, BigInteger) + 1, String)
    query = update(Setting).where(Setting.name == _REVISION).values(value=step).returning(Setting.value)
    value = (await session.execute(query, execution_options={"synchronize_session": False})).scalar()
    if value is None:
        await settings.put(session, _REVISION, "1")
        return 1
    return int(value)


async def append(session: AsyncSession, room: str, author: str, body: Mapping[str, Any], key: str) -> WebMessage:
    """Add a message; the same key again gives the first, unchanged."""
    found = await session.scalar(select(WebMessage).where(WebMessage.key == key))
    if found is not None:
        return found
    revision = await _next_revision(session)
    row = WebMessage(room=room, author=author, key=key, body=dict(body), revision=revision, created_at=now())
    session.add(row)
    await session.flush()
    return row


async def revise(session: AsyncSession, room: str, message_id: int, body: Mapping[str, Any]) -> WebMessage:
    """Replace what a message shows. Raises ``KeyError`` if the room has no such message."""
    row = await session.get(WebMessage, message_id)
    if row is None or row.room != room:
        raise KeyError(message_id)
    row.body = dict(body)
    row.revision = await _next_revision(session)
    await session.flush()
    return row


async def since(session: AsyncSession, room: str, revision: int, limit: int) -> list[WebMessage]:
    """What changed after a revision, in the order of the changes."""
    query = select(WebMessage).where(WebMessage.room == room, WebMessage.revision > revision)
    return list(await session.scalars(query.order_by(WebMessage.revision).limit(limit)))


async def latest(session: AsyncSession, room: str, before: int | None, limit: int) -> list[WebMessage]:
    """The newest messages older than ``before``, oldest first."""
    query = select(WebMessage).where(WebMessage.room == room)
    if before is not None:
        query = query.where(WebMessage.id < before)
    return list(await session.scalars(query.order_by(WebMessage.id.desc()).limit(limit)))[::-1]
