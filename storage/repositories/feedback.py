"""What people think of answers: ratings, and better answers."""

from datetime import datetime

from sqlalchemy import delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage.clock import now
from storage.repositories import conversations
from storage.tables import Consent, Conversation, Rating, Review, Suggestion, Turn, Vote


async def rate(session: AsyncSession, answer_id: int, person_id: int, value: int, event: str) -> int:
    """Keep a rating of 1 or -1; the same by another event takes it back. Returns what stands now, 0 for none.

    A rating that was taken back stays as one of 0.
    """
    query = select(Rating).where(Rating.answer_id == answer_id, Rating.person_id == person_id).with_for_update()
    found = await session.scalar(query)
    if found is None:
        session.add(Rating(answer_id=answer_id, person_id=person_id, value=value, event=event, created_at=now()))
        return value
    if found.event != event:
        found.value = 0 if found.value == value else value
        found.event, found.created_at = event, now()
    return found.value


async def ask(session: AsyncSession, answer: Turn, person_id: int) -> Suggestion:
    """A person's next message in this conversation will be a better answer. Only one is awaited at a time."""
    await withdraw_asked(session, person_id)
    suggestion = Suggestion(
        answer_id=answer.id,
        person_id=person_id,
        conversation_id=answer.conversation_id,
        text="",
        state="asked",
        created_at=now(),
    )
    session.add(suggestion)
    await session.flush()
    return suggestion


async def awaits(session: AsyncSession, person_id: int, since: datetime) -> bool:
    """Whether any suggestion is awaited from a person that was asked for since then."""
    query = select(Suggestion.id).where(
        Suggestion.person_id == person_id, Suggestion.state == "asked", Suggestion.created_at >= since
    )
    return await session.scalar(query.limit(1)) is not None


async def asked(session: AsyncSession, person_id: int, conversation_id: int, since: datetime) -> Suggestion | None:
    """The suggestion that is awaited from a person in a conversation, if it was asked for since then."""
    query = select(Suggestion).where(
        Suggestion.person_id == person_id,
        Suggestion.conversation_id == conversation_id,
        Suggestion.state == "asked",
        Suggestion.created_at >= since,
    )
    return await session.scalar(query.with_for_update())


async def given_in(session: AsyncSession, person_id: int, platform: str, chat: str, message: str) -> int | None:
    """The better answer that a person's message was taken for, if it was."""
    query = (
        select(Suggestion.id)
        .join(Conversation, Conversation.id == Suggestion.conversation_id)
        .where(
            Suggestion.person_id == person_id,
            Suggestion.message == message,
            Conversation.platform == platform,
            Conversation.chat == chat,
        )
    )
    return await session.scalar(query.limit(1))


async def withdraw_asked(session: AsyncSession, person_id: int) -> None:
    """Nothing is awaited from a person any more."""
    await session.execute(
        update(Suggestion)
        .where(Suggestion.person_id == person_id, Suggestion.state == "asked")
        .values(state="withdrawn")
    )


async def withdraw(session: AsyncSession, suggestion_id: int, person_id: int) -> bool:
    """Take a suggestion back, whether it was given or only asked for. False if that was done before."""
    result = await session.execute(
        update(Suggestion)
        .where(
            Suggestion.id == suggestion_id,
            Suggestion.person_id == person_id,
            Suggestion.state.in_(("asked", "given")),
        )
        .values(state="withdrawn", text="")
        .returning(Suggestion.id)
    )
    return result.first() is not None


async def forget(session: AsyncSession, person_id: int) -> None:
    """Delete a person's ratings, suggestions, votes and consent, and what was said to answers that will be deleted."""
    answers = conversations.answers_of(person_id)
    gone = select(Suggestion.id).where(or_(Suggestion.person_id == person_id, Suggestion.answer_id.in_(answers)))
    reviewed = or_(Review.suggestion_id.in_(gone), Review.answer_id.in_(answers))
    await session.execute(delete(Review).where(reviewed))
    for personal in (Vote, Consent):
        await session.execute(delete(personal).where(personal.person_id == person_id))
    for table in (Rating, Suggestion):
        await session.execute(delete(table).where(or_(table.person_id == person_id, table.answer_id.in_(answers))))


async def by(session: AsyncSession, person_id: int) -> tuple[list[Rating], list[Suggestion]]:
    """All that a person thought of answers."""
    rated = select(Rating).where(Rating.person_id == person_id, Rating.value != 0)
    ratings = await session.scalars(rated.order_by(Rating.id))
    given = select(Suggestion).where(Suggestion.person_id == person_id, Suggestion.state == "given")
    return list(ratings), list(await session.scalars(given.order_by(Suggestion.id)))
