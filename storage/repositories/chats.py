"""Chats: whether the bot may write there, and what becomes of one that gets another id."""

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage.clock import now
from storage.tables import Chat, Conversation, Job, OutboxRow, Suggestion, Turn


async def mark(session: AsyncSession, platform: str, chat: str, state: str) -> None:
    """Note whether the bot may write in a chat: ``open`` or ``shut``."""
    await session.merge(Chat(platform=platform, chat=chat, state=state, changed_at=now()))


async def is_shut(session: AsyncSession, platform: str, chat: str) -> bool:
    """Whether the bot is known not to be allowed to write in a chat."""
    found = await session.get(Chat, (platform, chat))
    return found is not None and found.state == "shut"


async def move(session: AsyncSession, platform: str, old: str, new: str) -> None:
    """All that was in a chat goes on under another id. Moving it again changes nothing."""
    # Messages have other numbers there: by its old one, a question would be taken for one that was asked already, and
    # an edit would go to another message.
    moving = select(Conversation.id).where(Conversation.platform == platform, Conversation.chat == old)
    await session.execute(update(Turn).where(Turn.conversation_id.in_(moving)).values(message=None, page=None))
    await session.execute(update(Suggestion).where(Suggestion.conversation_id.in_(moving)).values(message=None))
    gone = {"card_message": None, "request_message": None}
    await session.execute(update(Job).where(Job.platform == platform, Job.chat == old).values(gone))
    rows = update(OutboxRow).where(OutboxRow.platform == platform, OutboxRow.chat == old)
    unsent = OutboxRow.state.in_(("pending", "sending")), OutboxRow.message.is_not(None)
    await session.execute(rows.where(*unsent).values(state="withdrawn"))
    await session.execute(rows.values(message=None, reply_to=None))
    taken = select(Conversation.thread).where(Conversation.platform == platform, Conversation.chat == new)
    await session.execute(
        update(Conversation)
        .where(Conversation.platform == platform, Conversation.chat == old, Conversation.thread.not_in(taken))
        .values(chat=new)
    )
    for table in (Job, OutboxRow):
        await session.execute(update(table).where(table.platform == platform, table.chat == old).values(chat=new))
