"""What a restored database must not do again: it is older than the world."""

from collections.abc import Collection

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage.clock import now
from storage.repositories import jobs, outbox
from storage.tables import Code, Conversation, Job, Lease, OutboxRow, Replica, Setting, Turn, UpdateRow, WebSession

BUTTONS_SECRET = "buttons.secret"  # noqa: S105 - the name of the setting, not its value


def end_key(job: Job) -> str:
    """The outbox key of the push that tells the end of a job's run."""
    return f"job:{job.id}:done" if job.run == 1 else f"job:{job.id}:done:{job.run}"


async def settle(session: AsyncSession, own: Collection[str]) -> None:
    """Make a database that was put back safe to go on with. Doing it twice changes nothing.

    ``own``: platforms whose messages stand in this very database. What was said there since the backup is gone with
    it, so saying it is not saying it twice.
    """
    # Whoever lived then lives no more.
    await session.execute(delete(Lease))
    await session.execute(delete(Replica))
    await _outbox(session, own)
    await _incoming(session, own)
    await _access(session)


async def _outbox(session: AsyncSession, own: Collection[str]) -> None:
    # Pushes that were open then have been sent since, as far as anybody knows. Edits may be repeated.
    waiting = OutboxRow.state.in_(("pending", "sending")) & OutboxRow.platform.not_in(own)
    await session.execute(update(OutboxRow).where(OutboxRow.kind == "push", waiting).values(state="unknown"))
    await session.execute(update(OutboxRow).where(OutboxRow.kind == "edit", waiting).values(state="pending"))
    for job in await jobs.open_jobs(session):
        if job.platform not in own:
            await outbox.hold(session, _end_of(job))


def _end_of(job: Job) -> OutboxRow:
    return OutboxRow(
        key=end_key(job),
        kind="push",
        subject="done",
        platform=job.platform,
        chat=job.chat,
        thread=job.thread,
        place_kind=job.place_kind,
        reply_to=job.request_message,
        language=job.language,
        payload={"job": job.id},
        due_at=now(),
        created_at=now(),
    )


async def _incoming(session: AsyncSession, own: Collection[str]) -> None:
    # What was in hand then was handled by the bot that went on from there: answering it again would be the second time.
    open_updates = UpdateRow.handled_at.is_(None) & UpdateRow.platform.not_in(own)
    await session.execute(update(UpdateRow).where(open_updates).values(handled_at=now(), event=""))
    elsewhere = Turn.conversation_id.in_(select(Conversation.id).where(Conversation.platform.not_in(own)))
    asked = elsewhere & (Turn.role == "user") & Turn.state.in_(("waiting", "answering"))
    await session.execute(update(Turn).where(asked).values(state="answered"))
    answering = elsewhere & (Turn.role == "assistant") & (Turn.state == "answering")
    await session.execute(update(Turn).where(answering).values(state="interrupted"))
    await session.execute(update(Turn).where(elsewhere & Turn.owed).values(owed=False))


async def _access(session: AsyncSession) -> None:
    # Whether a code was spent, or a browser signed out, since then is not known: none of them is good any more.
    await session.execute(delete(Code).where(Code.spent_at.is_(None)))
    await session.execute(delete(WebSession))
    # Numbers of jobs, datasets and models are given a second time from here on. With another secret, buttons of cards
    # that were shown since the backup mean nothing, instead of something else.
    await session.execute(delete(Setting).where(Setting.name == BUTTONS_SECRET))
