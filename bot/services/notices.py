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
from bot.chat.platform import Platform, Signing
from bot.services.leases import Leases
from bot.services.preferences import Preferences
from bot.services.webhooks import Webhooks
from storage.clock import now
from storage.database import Database, until_there
from storage.repositories import outbox, people
from storage.repositories.leases import chat_lease
from storage.tables import Job, OutboxRow, Person

log = logging.getLogger(__name__)

# From what a notice is about (``job``, ``done``) and its payload to what is shown, in a language.
Render = Callable[[str, Mapping[str, Any], str], Awaitable[Content]]
# Told the message that a push became.
Sent = Callable[[AsyncSession, OutboxRow, MessageRef], Awaitable[None]]

# From the payload of a notice to its kind (``job.succeeded``) and facts, for programs.
Facts = Callable[[Mapping[str, Any]], Awaitable[tuple[str, Mapping[str, Any]]]]

# Jobs asked for on the command line: the terminal looks for itself.
TERMINAL = "terminal"

# The platform of posts to people's own addresses.
WEBHOOK = "webhook"
# Seconds after which a post is made again, as standardwebhooks.com recommends; it is given up after the last.
POST_AGAIN = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)

# What went well, of the kinds of notices.
_GOOD = frozenset({"job.succeeded", "approval.approved"})
_BATCH = 20
_RETRY = timedelta(seconds=30)


def _place(row: OutboxRow) -> Place:
    return Place(row.platform, row.chat, row.thread, PlaceKind(row.place_kind))


def job_place(job: Job) -> Place:
    """Where a job was asked for."""
    return Place(job.platform, job.chat, job.thread, PlaceKind(job.place_kind))


async def push(session: AsyncSession, job: Job, key: str, subject: str, payload: Mapping[str, Any]) -> None:
    """Tell something new about a job: in reply to its request, or where and when its person chose to be told."""
    person = await people.get(session, job.person_id)
    assert person is not None
    place = job_place(job)
    await tell(session, person, place, job.language, key, subject, payload, reply_to=job.request_message)


async def tell(
    session: AsyncSession,
    person: Person,
    usual: Place | None,
    language: str,
    key: str,
    subject: str,
    payload: Mapping[str, Any],
    *,
    reply_to: str | None = None,
) -> bool:
    """Tell a person something, at ``usual`` or where and when they chose; at their own address, too.

    A post is made until it is taken, for its receiver recognises the repeat. False if there is no chat to tell it in.
    """
    chosen = Preferences.of(person.notify)
    if chosen.webhook is not None:
        facts = {**payload, "address": chosen.webhook, "person": person.id}
        theirs = Place(WEBHOOK, str(person.id))
        await outbox.add(session, entry(theirs, language, f"{key}:webhook", "post", subject, facts))
    place = chosen.place or usual
    if place is None or place.platform == TERMINAL:
        return False
    row = entry(place, language, key, "push", subject, payload, reply_to=reply_to if place == usual else None)
    if chosen.quiet is not None:
        row.due_at = chosen.quiet.until(row.due_at)
    await outbox.add(session, row)
    return True


async def react(session: AsyncSession, row: OutboxRow) -> None:
    """Whether a push arrived is not known: let the outcome show at the person's own message, which may be repeated."""
    if row.kind != "push" or row.reply_to is None:
        return
    key = f"{row.key}:sign"
    sign = entry(_place(row), row.language, key, "sign", row.subject, row.payload, message=row.reply_to)
    await outbox.add(session, sign)


async def edit(session: AsyncSession, job: Job, key: str, subject: str, payload: Mapping[str, Any]) -> None:
    """Bring a job's card up to date, for good."""
    if job.card_message is not None:
        card = entry(job_place(job), job.language, key, "edit", subject, payload, message=job.card_message)
        await outbox.add(session, card)


def entry(
    place: Place,
    language: str,
    key: str,
    kind: str,
    subject: str,
    payload: Mapping[str, Any],
    *,
    message: str | None = None,
    reply_to: str | None = None,
) -> OutboxRow:
    """An entry that is due now."""
    return OutboxRow(
        key=key,
        kind=kind,
        subject=subject,
        platform=place.platform,
        chat=place.chat,
        thread=place.thread,
        place_kind=place.kind.value,
        message=message,
        reply_to=reply_to,
        language=language,
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
        self,
        database: Database,
        leases: Leases,
        courier: Courier,
        platforms: Mapping[str, Platform],
        render: Render,
        sent: Sent,
        facts: Facts,
        webhooks: Webhooks,
    ) -> None:
        self._database = database
        self._leases = leases
        self._courier = courier
        self._platforms = platforms
        self._render = render
        self._sent = sent
        self._facts = facts
        self._webhooks = webhooks
        self._wake = asyncio.Event()
        self._in_hand: dict[int, tuple[OutboxRow, asyncio.Task[None]]] = {}
        # What was sent, on its way into the database.
        self._arrivals: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Something was put in: look at once."""
        self._wake.set()

    async def adopt(self, platform: str, chat: str) -> None:
        """Decide on what a dead process was sending to a chat. Before anything else is sent there."""
        async with self._database.reading() as session:
            if not await outbox.left_sending(session, platform, chat):
                return
        async with self._database.transaction() as session:
            for row in await outbox.left_sending(session, platform, chat):
                if row.id in self._in_hand:
                    continue
                if row.kind != "push" or self._recognised(row):
                    await outbox.postpone(session, row.id, now())
                else:
                    await self._unknown(session, row)

    def _recognised(self, row: OutboxRow) -> bool:
        """Whether its platform would know a repeat of this push for one."""
        limits = self._platforms[row.platform].limits
        return limits.repeatable_sends and (now() - row.due_at).total_seconds() < limits.repeat_seconds

    async def _unknown(self, session: AsyncSession, row: OutboxRow) -> None:
        await outbox.settle(session, row.id, "unknown")
        await react(session, row)
        log.warning("whether notice %s arrived is not known; it is not sent again", row.id)

    async def last_post(self, person_id: int) -> OutboxRow | None:
        """The newest post to a person's own address, whatever became of it."""
        async with self._database.transaction() as session:
            return await outbox.last_post(session, WEBHOOK, str(person_id))

    async def missed(self, place: Place) -> list[OutboxRow]:
        """Notices to a chat whose arrival was never known: to be told now, at the next contact, and not again."""
        async with self._database.reading() as session:
            if not await outbox.unseen(session, place.platform, place.chat):
                return []
        async with self._database.transaction() as session:
            return await outbox.tell_unseen(session, place.platform, place.chat)

    def busy(self, platform: str, chat: str) -> bool:
        """Whether something is being sent to a chat."""
        return any((row.platform, row.chat) == (platform, chat) for row, _ in self._in_hand.values())

    def abandon(self, platform: str, chat: str) -> None:
        """Another process has this chat: nothing more is sent there by this one."""
        for row, task in tuple(self._in_hand.values()):
            if (row.platform, row.chat) == (platform, chat):
                task.cancel()

    async def run(self) -> None:
        """Send what is due, for ever. A cancelled run leaves nothing half-stored."""
        while True:
            self._wake.clear()
            try:
                async with self._database.reading() as session:
                    rows = await outbox.due(session, _BATCH, self._leases.replica, self._in_hand)
            except Exception:
                log.exception("the outbox could not be read; the next look comes in a second")
                rows = []
            for row in rows:
                task = asyncio.create_task(self._send(row))
                self._in_hand[row.id] = (row, task)
                task.add_done_callback(partial(self._done, row.id))
            if not rows:
                try:
                    # Not wait_for: until Python 3.12 it swallows a cancellation that comes with the event.
                    async with asyncio.timeout(1.0):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    def _done(self, row_id: int, task: asyncio.Task[None]) -> None:
        del self._in_hand[row_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("notice %s is left as it is", row_id, exc_info=error)

    async def drain(self, seconds: float) -> None:
        """Wait for what is being sent, for so long at most."""
        tasks = [*(task for _, task in self._in_hand.values()), *self._arrivals]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _send(self, row: OutboxRow) -> None:
        if row.platform not in self._platforms and row.kind != "post":
            # The platform is switched off: it may come back.
            await self._postpone(row)
            return
        try:
            if not await self._leases.hold(chat_lease(row.platform, row.chat)):
                return
            match row.kind:
                case "edit":
                    await self._edit(row)
                case "sign":
                    await self._sign(row)
                case "post":
                    await self._post(row)
                case _:
                    await self._push(row)
        except _TakenByAnother:
            return
        except Unconfirmed:
            await self._stored(lambda session: self._unknown(session, row))
        except (Refused, Blocked, Vanished) as error:
            log.warning("notice %s was not taken: %s", row.id, type(error).__name__)
            await self._settle(row, "failed")
        except Exception:
            log.exception("notice %s could not be made", row.id)
            await self._postpone(row)

    async def _push(self, row: OutboxRow) -> None:
        content = await self._render(row.subject, row.payload, row.language)
        place = _place(row)
        ref = await self._courier.send(
            place,
            content,
            key=f"outbox:{row.key}",
            reply_to=MessageRef(place, row.reply_to) if row.reply_to else None,
            around=lambda call: self._attempt(row, call),
        )
        # Whoever has this chat from now on: that it was sent is known here alone.
        noting = asyncio.get_running_loop().create_task(self._note_arrival(row, ref))
        self._arrivals.add(noting)
        noting.add_done_callback(self._arrivals.discard)
        await asyncio.shield(noting)

    async def _note_arrival(self, row: OutboxRow, ref: MessageRef) -> None:
        """Whatever goes wrong here, what was sent is not sent again."""
        try:
            await self._stored(lambda session: self._arrived(session, row, ref))
        except Exception:
            log.exception("notice %s was sent; what it is about could not be told of that", row.id)
            try:
                await self._settle(row, "sent")
            except Exception:
                log.exception("notice %s was sent, and stays as if that were not known", row.id)

    async def _edit(self, row: OutboxRow) -> None:
        assert row.message is not None
        content = await self._render(row.subject, row.payload, row.language)
        await self._courier.edit(MessageRef(_place(row), row.message), content)
        await self._settle(row, "sent")

    async def _sign(self, row: OutboxRow) -> None:
        assert row.message is not None
        platform = self._platforms[row.platform]
        if isinstance(platform, Signing):
            kind, _ = await self._facts(row.payload)
            await self._courier.sign(MessageRef(_place(row), row.message), good=kind in _GOOD)
        await self._settle(row, "sent")

    async def _post(self, row: OutboxRow) -> None:
        kind, data = await self._facts(row.payload)
        payload = row.payload
        try:
            await self._webhooks.post(payload["address"], payload["person"], row.key, kind, data)
        except (Unavailable, Throttled) as error:
            async with self._database.transaction() as session:
                attempts = await outbox.count_attempt(session, row.id)
            if attempts > len(POST_AGAIN):
                log.warning("a webhook did not take notice %s in %d attempts (%s)", row.id, attempts, error)
                await self._settle(row, "failed")
                return
            after = max(POST_AGAIN[attempts - 1], error.retry_after if isinstance(error, Throttled) else 0)
            await self._postpone(row, now() + timedelta(seconds=after))
        else:
            await self._settle(row, "sent")

    async def _arrived(self, session: AsyncSession, row: OutboxRow, ref: MessageRef) -> None:
        await self._sent(session, row, ref)
        await outbox.settle(session, row.id, "sent", ref.id)

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

    async def _settle(self, row: OutboxRow, state: str) -> None:
        await self._stored(lambda session: outbox.settle(session, row.id, state))

    async def _postpone(self, row: OutboxRow, until: datetime | None = None) -> None:
        await self._stored(lambda session: outbox.postpone(session, row.id, until or now() + _RETRY))

    async def _stored(self, work: Callable[[AsyncSession], Awaitable[None]]) -> None:
        """Store what became of an entry, however long the database is away: nobody else can know it."""

        async def once() -> None:
            async with self._database.transaction() as session:
                await work(session)

        await until_there(once, "what became of a notice")
