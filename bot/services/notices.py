"""The outbox: what must be shown is stored with the fact that it tells, and sent from there.

A push is sent at most once. Where its acceptance is not known it is not sent again, unless the platform recognises a
repeat: then the outcome shows through what can be repeated, the edit of the job's card and ``/jobs``.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.answering.courier import Courier
from bot.chat.content import Content
from bot.chat.errors import Blocked, Refused, Throttled, Unavailable, Unconfirmed, Vanished
from bot.chat.places import MessageRef, Place, PlaceKind
from bot.chat.platform import Platform
from storage.clock import now
from storage.database import Database
from storage.repositories import outbox
from storage.tables import Job, OutboxRow

log = logging.getLogger(__name__)

# From what a notice is about (``job``, ``done``) and its payload to what is shown, in a language.
Render = Callable[[str, Mapping[str, Any], str], Awaitable[Content]]
# Told the message that a push became.
Sent = Callable[[OutboxRow, MessageRef], Awaitable[None]]

# Jobs asked for on the command line: the terminal looks for itself.
TERMINAL = "terminal"

_BATCH = 20
_RETRY = timedelta(seconds=30)


def job_place(job: Job) -> Place:
    """Where a job was asked for."""
    return Place(job.platform, job.chat, job.thread, PlaceKind(job.place_kind))


async def push(session: AsyncSession, job: Job, key: str, subject: str, payload: Mapping[str, Any]) -> None:
    """Tell something new about a job, in reply to its request."""
    if job.platform == TERMINAL:
        return
    await outbox.add(session, _row(job, key, "push", subject, payload, reply_to=job.request_message))


async def edit(session: AsyncSession, job: Job, key: str, subject: str, payload: Mapping[str, Any]) -> None:
    """Bring a job's card up to date, for good."""
    if job.card_message is not None:
        await outbox.add(session, _row(job, key, "edit", subject, payload, message=job.card_message))


def _row(
    job: Job,
    key: str,
    kind: str,
    subject: str,
    payload: Mapping[str, Any],
    *,
    message: str | None = None,
    reply_to: str | None = None,
) -> OutboxRow:
    return OutboxRow(
        key=key,
        kind=kind,
        subject=subject,
        platform=job.platform,
        chat=job.chat,
        thread=job.thread,
        place_kind=job.place_kind,
        message=message,
        reply_to=reply_to,
        language=job.language,
        payload=dict(payload),
        state="pending",
        due_at=now(),
        created_at=now(),
    )


class _TakenByAnother(Exception):
    """Another process has begun to send this entry."""


class Notices:
    """Empties the outbox."""

    def __init__(
        self, database: Database, courier: Courier, platforms: Mapping[str, Platform], render: Render, sent: Sent
    ) -> None:
        self._database = database
        self._courier = courier
        self._platforms = platforms
        self._render = render
        self._sent = sent
        self._wake = asyncio.Event()
        self._in_hand: dict[int, asyncio.Task[None]] = {}

    def wake(self) -> None:
        """Something was put in: look at once."""
        self._wake.set()

    async def recover(self) -> None:
        """Decide on what a dead process was sending. Before anything else is sent."""
        async with self._database.transaction() as session:
            for row in await outbox.left_sending(session):
                platform = self._platforms.get(row.platform)
                if row.kind == "edit" or (platform is not None and platform.limits.repeatable_sends):
                    await outbox.postpone(session, row.id, now())
                else:
                    await outbox.settle(session, row.id, "unknown")
                    log.warning("whether notice %s arrived is not known; it is not sent again", row.id)

    async def run(self) -> None:
        """Send what is due, for ever. A cancelled run leaves nothing half-stored."""
        while True:
            self._wake.clear()
            try:
                async with self._database.transaction() as session:
                    rows = await outbox.due(session, _BATCH, self._in_hand)
            except Exception:
                log.exception("the outbox could not be read; the next look comes in a second")
                rows = []
            for row in rows:
                task = self._in_hand[row.id] = asyncio.create_task(self._send(row))
                task.add_done_callback(partial(self._done, row.id))
            if not rows:
                try:
                    # Not wait_for: until Python 3.12 it swallows a cancellation that comes with the event.
                    async with asyncio.timeout(1.0):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    def _done(self, row_id: int, _task: asyncio.Task[None]) -> None:
        self._in_hand.pop(row_id, None)

    async def drain(self, seconds: float) -> None:
        """Wait for what is being sent, for so long at most."""
        tasks = list(self._in_hand.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _send(self, row: OutboxRow) -> None:
        place = Place(row.platform, row.chat, row.thread, PlaceKind(row.place_kind))
        if row.platform not in self._platforms:
            # The platform is switched off: it may come back.
            await self._postpone(row)
            return
        try:
            content = await self._render(row.subject, row.payload, row.language)
            if row.kind == "edit":
                assert row.message is not None
                await self._courier.edit(MessageRef(place, row.message), content)
                await self._settle(row, "sent")
                return
            reply_to = MessageRef(place, row.reply_to) if row.reply_to else None
            ref = await self._courier.send(
                place, content, key=f"outbox:{row.key}", reply_to=reply_to, around=lambda call: self._attempt(row, call)
            )
        except _TakenByAnother:
            return
        except Unconfirmed:
            log.warning("whether notice %s arrived is not known; it is not sent again", row.id)
            await self._settle(row, "unknown")
        except (Refused, Blocked, Vanished) as error:
            log.warning("notice %s was not taken: %s", row.id, type(error).__name__)
            await self._settle(row, "failed")
        except Exception:
            log.exception("notice %s could not be made", row.id)
            await self._postpone(row)
        else:
            await self._sent(row, ref)
            await self._settle(row, "sent", ref.id)

    async def _attempt(self, row: OutboxRow, call: Callable[[], Awaitable[MessageRef]]) -> MessageRef:
        """One attempt. Only while it is under way is a dead process's notice in doubt."""
        async with self._database.transaction() as session:
            if not await outbox.begin(session, row.id):
                raise _TakenByAnother
        try:
            return await call()
        except (Throttled, Unavailable):
            await self._postpone(row, now())
            raise

    async def _settle(self, row: OutboxRow, state: str, message: str | None = None) -> None:
        async with self._database.transaction() as session:
            await outbox.settle(session, row.id, state, message)

    async def _postpone(self, row: OutboxRow, until: datetime | None = None) -> None:
        async with self._database.transaction() as session:
            await outbox.postpone(session, row.id, until or now() + _RETRY)
