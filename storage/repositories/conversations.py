"""Conversations and their turns: the context of every answer, kept through restarts."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select, bindparam, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage.clock import now
from storage.repositories import leases
from storage.tables import Conversation, Turn


async def at(session: AsyncSession, platform: str, chat: str, thread: str, kind: str) -> Conversation:
    """The conversation of a place, made when it is new."""
    query = select(Conversation).where(
        Conversation.platform == platform, Conversation.chat == chat, Conversation.thread == thread
    )
    found = await session.scalar(query)
    if found is None:
        found = Conversation(platform=platform, chat=chat, thread=thread, kind=kind)
        session.add(found)
        await session.flush()
    return found


async def get(session: AsyncSession, conversation_id: int) -> Conversation | None:
    """By number."""
    return await session.get(Conversation, conversation_id)


async def add(session: AsyncSession, conversation_id: int, role: str, text: str, state: str, **values: Any) -> Turn:
    """Store something said."""
    turn = Turn(conversation_id=conversation_id, role=role, text=text, state=state, created_at=now(), **values)
    session.add(turn)
    await session.flush()
    return turn


async def begin(session: AsyncSession, conversation_id: int, question: int, language: str) -> Turn:
    """Begin an answer, or the rest of one, to a question (its turn's number)."""
    return await add(
        session, conversation_id, "assistant", "", "answering", language=language, answer_to=question, owed=True
    )


async def is_made(session: AsyncSession, answer_id: int) -> bool:
    """Whether an answer is still to be made."""
    return await session.scalar(select(Turn.state).where(Turn.id == answer_id)) == "answering"


async def asked(session: AsyncSession, conversation_id: int, message: str) -> bool:
    """Whether a person's message is a turn already."""
    query = select(Turn.id).where(Turn.conversation_id == conversation_id, Turn.role == "user", Turn.message == message)
    return await session.scalar(query.limit(1)) is not None


async def turn(session: AsyncSession, turn_id: int) -> Turn | None:
    """By number."""
    return await session.get(Turn, turn_id)


async def revise(session: AsyncSession, turn_id: int, **values: Any) -> None:
    """Change a turn's facts."""
    await session.execute(update(Turn).where(Turn.id == turn_id).values(**values))


async def revise_made(session: AsyncSession, answer_id: int, **values: Any) -> None:
    """The same of an answer that is being made; one that was forgotten meanwhile stays so."""
    await session.execute(update(Turn).where(Turn.id == answer_id, Turn.state == "answering").values(**values))


async def place(session: AsyncSession, answer_id: int, message: str, page: int, model: str | None) -> None:
    """Where an answer stands now, and whose it is; of one that was forgotten nothing is kept."""
    await session.execute(
        update(Turn)
        .where(Turn.id == answer_id, Turn.answer_to.is_not(None))
        .values(message=message, page=page, model=func.coalesce(model, Turn.model))
    )


async def grow(session: AsyncSession, texts: Mapping[int, str]) -> None:
    """Keep more of answers that are being made, by their numbers; one that has ended meanwhile stays as it ended."""
    statement = (
        update(Turn.__table__)  # type: ignore[arg-type]
        .where(Turn.id == bindparam("answer"), Turn.state == "answering")
        .values(text=bindparam("said"))
    )
    connection = await session.connection()
    await connection.execute(statement, [{"answer": number, "said": text} for number, text in texts.items()])


async def reword(session: AsyncSession, conversation_id: int, message: str, text: str) -> bool:
    """Change what somebody asked, as long as it waits. False if there is no such question or it says so already."""
    result = await session.execute(
        update(Turn)
        .where(
            Turn.conversation_id == conversation_id,
            Turn.role == "user",
            Turn.message == message,
            Turn.state == "waiting",
            Turn.text != text,
        )
        .values(text=text)
        .returning(Turn.id)
    )
    return result.first() is not None


async def waiting(session: AsyncSession, conversation_id: int) -> list[Turn]:
    """What people said that has no answer under way yet, in order."""
    query = select(Turn).where(Turn.conversation_id == conversation_id, Turn.state == "waiting")
    return list(await session.scalars(query.order_by(Turn.id)))


async def history(session: AsyncSession, conversation: Conversation, before: int, limit: int = 200) -> list[Turn]:
    """The context: finished turns since it was cleared, before turn ``before``, oldest first."""
    query = select(Turn).where(
        Turn.conversation_id == conversation.id,
        Turn.id > conversation.cleared_at_turn,
        Turn.id < before,
        or_(
            (Turn.role == "user") & (Turn.state == "answered"),
            (Turn.role == "assistant") & Turn.state.in_(("done", "stopped", "interrupted")),
        ),
        Turn.text != "",
    )
    return list(await session.scalars(query.order_by(Turn.id.desc()).limit(limit)))[::-1]


async def clear(session: AsyncSession, conversation_id: int) -> int:
    """Begin anew: nothing said so far is context any more. Returns how many turns were in it."""
    conversation = await session.get_one(Conversation, conversation_id)
    # Who waits is still answered: that belongs to what comes.
    waits = select(func.min(Turn.id)).where(Turn.conversation_id == conversation_id, Turn.state == "waiting")
    first = await session.scalar(waits)
    said = select(func.max(Turn.id)).where(Turn.conversation_id == conversation_id)
    newest = await session.scalar(said if first is None else said.where(Turn.id < first)) or 0
    newest = max(newest, conversation.cleared_at_turn)
    count = await session.scalar(
        select(func.count())
        .select_from(Turn)
        .where(
            Turn.conversation_id == conversation_id,
            Turn.id > conversation.cleared_at_turn,
            Turn.id <= newest,
        )
    )
    conversation.cleared_at_turn = newest
    conversation.trim_told = False
    return count or 0


async def last_answer(session: AsyncSession, conversation: Conversation) -> Turn | None:
    """The newest answer of the context that was not replaced."""
    query = select(Turn).where(
        Turn.conversation_id == conversation.id,
        Turn.role == "assistant",
        Turn.id > conversation.cleared_at_turn,
        Turn.state != "superseded",
    )
    return await session.scalar(query.order_by(Turn.id.desc()).limit(1))


async def owed_in(session: AsyncSession, platform: str, chat: str) -> list[tuple[Turn, Conversation]]:
    """Answers in a chat whose last word a dead process still owes."""
    query = (
        select(Turn, Conversation)
        .join(Conversation, Turn.conversation_id == Conversation.id)
        .where(Turn.owed, Conversation.platform == platform, Conversation.chat == chat)
    )
    return [(turn, talk) for turn, talk in await session.execute(query.order_by(Turn.id))]


async def chats_open(session: AsyncSession, replica: str) -> set[tuple[str, str]]:
    """(platform, chat) in which somebody waits or is owed a word, but for those that another living process has."""
    elsewhere = leases.held_elsewhere(session, leases.chat_lease_of(Conversation.platform, Conversation.chat), replica)
    query = (
        select(Conversation.platform, Conversation.chat)
        .join(Turn, Turn.conversation_id == Conversation.id)
        .where(or_(Turn.owed, Turn.state == "waiting"), ~elsewhere)
    )
    return {(platform, chat) for platform, chat in await session.execute(query.distinct())}


async def answered(session: AsyncSession, conversation_id: int) -> None:
    """No question of a conversation is being answered any more."""
    await session.execute(
        update(Turn)
        .where(Turn.conversation_id == conversation_id, Turn.role == "user", Turn.state == "answering")
        .values(state="answered")
    )


async def ask_again(session: AsyncSession, conversation_id: int) -> None:
    """What was being answered waits again."""
    await session.execute(
        update(Turn)
        .where(Turn.conversation_id == conversation_id, Turn.role == "user", Turn.state == "answering")
        .values(state="waiting")
    )


async def answers_to(session: AsyncSession, conversation_id: int, question: int | None) -> list[Turn]:
    """An answer and all that went on from it, but for what was superseded."""
    query = select(Turn).where(
        Turn.conversation_id == conversation_id, Turn.answer_to == question, Turn.state != "superseded"
    )
    return list(await session.scalars(query.order_by(Turn.id)))


async def part_before(session: AsyncSession, answer: Turn) -> Turn | None:
    """What an answer goes on from, if it is the rest of one."""
    parts = await answers_to(session, answer.conversation_id, answer.answer_to)
    return next((part for part in reversed(parts) if part.id < answer.id), None)


async def waiting_in(session: AsyncSession, platform: str, chat: str) -> list[int]:
    """Conversations of a chat in which somebody still waits for an answer."""
    query = (
        select(Conversation.id)
        .join(Turn, Turn.conversation_id == Conversation.id)
        .where(Turn.state == "waiting", Conversation.platform == platform, Conversation.chat == chat)
    )
    return list(await session.scalars(query.distinct()))


async def questions(session: AsyncSession, answer: Turn) -> list[Turn]:
    """What an answer answers, oldest first: of all that was said since the answer before it what was asked with it."""
    if answer.answer_to is None:
        return []
    before = select(func.max(Turn.id)).where(
        Turn.conversation_id == answer.conversation_id,
        Turn.role == "assistant",
        Turn.answer_to < answer.answer_to,
        Turn.id < answer.answer_to,
    )
    earlier = await session.scalar(before) or 0
    query = select(Turn).where(
        Turn.conversation_id == answer.conversation_id,
        Turn.role == "user",
        Turn.id > earlier,
        Turn.id <= answer.answer_to,
        Turn.state.in_(("answered", "answering")),
        # What stood between may have been forgotten.
        or_(Turn.answered_with == answer.answer_to, Turn.answered_with.is_(None)),
    )
    return list(await session.scalars(query.order_by(Turn.id)))


async def forget(session: AsyncSession, person_id: int) -> int:
    """Delete what a person said and what was answered to it, and the persona that they wrote in private.

    Returns how many turns were deleted.
    """
    mine = select(Turn.id).where(Turn.person_id == person_id)
    private = select(Turn.conversation_id).where(Turn.person_id == person_id)
    await session.execute(
        update(Conversation)
        .where(Conversation.id.in_(private), Conversation.kind == "private")
        .values(persona=None)
        .execution_options(synchronize_session=False)
    )
    newest = await session.scalar(select(func.max(Turn.id)))
    gone = or_(Turn.id.in_(mine), Turn.id.in_(answers_of(person_id)))
    # SQLite would give its number to somebody else's turn: buttons, and an answer under way, would mean that one.
    nothing = dict.fromkeys(("person_id", "model", "message", "answer_to", "answered_with"))
    emptied = await session.execute(
        update(Turn)
        .where(Turn.id == newest, gone)
        .values(state="superseded", text="", owed=False, **nothing)
        .returning(Turn.id)
        .execution_options(synchronize_session=False)
    )
    count = len(emptied.all())
    deleted = await session.execute(delete(Turn).where(gone).returning(Turn.id))
    return count + len(deleted.all())


async def said_by(session: AsyncSession, person_id: int) -> list[Turn]:
    """All that a person said and was answered, oldest first."""
    mine = select(Turn.id).where(Turn.person_id == person_id)
    query = select(Turn).where(or_(Turn.id.in_(mine), Turn.id.in_(answers_of(person_id))))
    return list(await session.scalars(query.order_by(Turn.id)))


def answers_of(person_id: int) -> Select[int]:
    """The numbers of all answers to what a person asked, alone or together with others."""
    asked = select(Turn.id).where(Turn.person_id == person_id)
    together = select(Turn.answered_with).where(Turn.person_id == person_id, Turn.answered_with.is_not(None))
    return select(Turn.id).where(or_(Turn.answer_to.in_(asked), Turn.answer_to.in_(together)))
