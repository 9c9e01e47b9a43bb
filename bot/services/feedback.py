"""What people think of answers: 👍, 👎, and a better answer of their own."""

from datetime import timedelta

from bot.chat.errors import UserError
from bot.chat.places import MessageRef, Place
from bot.services.access import Member
from storage.clock import now
from storage.database import Database
from storage.repositories import conversations as turns
from storage.repositories import feedback
from storage.tables import Turn

# So long after ✏️ the next message is the better answer; later it is a question like any other.
SUGGESTION_AWAITED = timedelta(hours=1)


class Feedback:
    """Keeps it, with who said so."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def rate(self, member: Member, answer_id: int, value: int, event: str) -> int:
        """Keep 1 or -1; the same once more takes it back. Returns what stands now, 0 for nothing.

        ``event``: the press; when it is handled again it changes nothing more. Raises ``UserError`` ``answer_gone``.
        """
        assert member.id is not None
        async with self._database.transaction() as session:
            _there(await turns.turn(session, answer_id))
            return await feedback.rate(session, answer_id, member.id, value, event)

    async def suggest(self, place: Place, member: Member, answer_id: int) -> int:
        """Await a better answer from somebody; returns its number. Raises ``UserError`` ``answer_gone``."""
        assert member.id is not None
        async with self._database.transaction() as session:
            answer = _there(await turns.turn(session, answer_id))
            return (await feedback.ask(session, answer, member.id)).id

    async def given(self, place: Place, member: Member, text: str, ref: MessageRef) -> int | None:
        """Keep a message as the better answer that is awaited from its author here; None if none is.

        ``ref``: the message; when it is handled again it is the same better answer.
        """
        if member.id is None or not text.strip():
            return None
        async with self._database.reading() as session:
            if not await feedback.awaits(session, member.id, now() - SUGGESTION_AWAITED):
                return await feedback.given_in(session, member.id, place.platform, place.chat, ref.id)
        async with self._database.transaction() as session:
            talk = await turns.at(session, place.platform, place.chat, place.thread, place.kind.value)
            suggestion = await feedback.asked(session, member.id, talk.id, now() - SUGGESTION_AWAITED)
            if suggestion is None:
                return await feedback.given_in(session, member.id, place.platform, place.chat, ref.id)
            suggestion.text, suggestion.state, suggestion.message = text.strip(), "given", ref.id
            return suggestion.id

    async def withdraw(self, member: Member, suggestion_id: int) -> bool:
        """Take a better answer back. False if that was done before."""
        assert member.id is not None
        async with self._database.transaction() as session:
            return await feedback.withdraw(session, suggestion_id, member.id)

    async def by(self, member: Member) -> list[dict[str, object]]:
        """All that somebody thought of answers, as rows of plain values."""
        assert member.id is not None
        async with self._database.transaction() as session:
            ratings, suggestions = await feedback.by(session, member.id)
        rated: list[dict[str, object]] = [
            {"at": each.created_at.isoformat(), "rated": each.value, "answer": each.answer_id} for each in ratings
        ]
        return rated + [
            {"at": each.created_at.isoformat(), "suggested": each.text, "answer": each.answer_id}
            for each in suggestions
        ]


def _there(answer: Turn | None) -> Turn:
    if answer is None:
        raise UserError("answer_gone")
    return answer
