"""Rounds: work that nobody does is found and begun, whoever left it: a process that died, a database that was away.

Each chat is worked on by the process that has its lease. Whoever takes a chat begins by ending what was left there.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from bot.answering.courier import Courier
from bot.chat.platform import Platform
from bot.commands.intake import Intake
from bot.services.conversations import Conversations
from bot.services.leases import Leases
from bot.services.notices import WEBHOOK, Notices
from storage.clock import now
from storage.database import Database, away
from storage.repositories import buttons, conversations, outbox, updates
from storage.repositories.leases import chat_lease

log = logging.getLogger(__name__)

SECONDS = 1.0
_AT_ONCE = 8
_BUTTON_LIFE = timedelta(days=60)
_TIDY_EVERY = 3600.0  # seconds
_CHAT = "chat:"


class Rounds:
    """Looks after all chats of this process, and takes those that nobody has."""

    def __init__(
        self,
        database: Database,
        leases: Leases,
        platforms: Mapping[str, Platform],
        courier: Courier,
        intake: Intake,
        talks: Conversations,
        notices: Notices,
    ) -> None:
        self._database = database
        self._leases = leases
        self._platforms = platforms
        self._courier = courier
        self._intake = intake
        self._talks = talks
        self._notices = notices
        self._tasks: set[asyncio.Task[None]] = set()
        # However many chats there are to see to, people's words find a free connection.
        self._gate = asyncio.Semaphore(_AT_ONCE)
        leases.taken, leases.lost, leases.busy = self._taken, self._lost, self._busy

    async def run(self) -> None:
        """Look, for ever."""
        tidied = float("-inf")
        while True:
            try:
                await self.look()
                if asyncio.get_running_loop().time() - tidied > _TIDY_EVERY:
                    await self._tidy()
                    tidied = asyncio.get_running_loop().time()
            except Exception as error:
                log.error("looking for what was left over failed", exc_info=None if away(error) else error)
            await asyncio.sleep(SECONDS)

    async def look(self) -> None:
        """One look at all chats with something to do."""
        replica = self._leases.replica
        self._courier.shared_by(self._leases.alive)
        async with self._database.reading() as session:
            events = await updates.open_events(session, replica)
            talks = await conversations.chats_open(session, replica)
            sending = await outbox.chats_sending(session, replica)
        idle = {(platform, chat) for platform, chat, id_ in events if self._intake.unknown((platform, id_))}
        idle |= {chat for chat in talks if not self._talks.busy(*chat)}
        idle |= {chat for chat in sending if not self._notices.busy(*chat)}
        known = [chat for chat in sorted(idle) if self._known(chat[0])]
        # One chat's trouble is not another's; the next look begins when all are done with.
        outcomes = await asyncio.gather(*(self._see_to(*chat) for chat in known), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                log.error("a chat could not be seen to", exc_info=None if away(outcome) else outcome)

    def _known(self, platform: str) -> bool:
        return platform in self._platforms or platform == WEBHOOK

    async def _see_to(self, platform: str, chat: str) -> None:
        lease = chat_lease(platform, chat)
        async with self._gate:
            if self._leases.has(lease):
                await self._adopt(platform, chat)
            else:
                await self._leases.hold(lease)

    async def _tidy(self) -> None:
        async with self._database.transaction() as session:
            await updates.sweep(session, now() - updates.SWEEP_AFTER)
            await buttons.sweep(session, now() - _BUTTON_LIFE)

    def heard(self, subject: str) -> None:
        """Another process has stored an event of a chat (``telegram 42``) that may be this one's."""
        platform, _, chat = subject.partition(" ")
        if self._leases.has(chat_lease(platform, chat)):
            self.spawn(self._intake.adopt(platform, chat))

    def spawn(self, work: Awaitable[None]) -> None:
        """Do something beside, of which nobody awaits the end; what fails is found on the next round."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("something beside was not done", exc_info=None if away(error) else error)

    async def _taken(self, lease: str) -> None:
        if lease.startswith(_CHAT):
            await self._adopt(*_chat_of(lease))

    async def _adopt(self, platform: str, chat: str) -> None:
        if not self._known(platform):
            return
        await self._notices.adopt(platform, chat)
        await self._talks.adopt(platform, chat)
        await self._intake.adopt(platform, chat)

    def _lost(self, names: list[str]) -> None:
        parts: list[Callable[[str, str], None]] = [
            self._intake.abandon,
            self._talks.abandon,
            self._notices.abandon,
            self._courier.abandon,
        ]
        for name in names:
            if name.startswith(_CHAT):
                for abandon in parts:
                    abandon(*_chat_of(name))

    def _busy(self, lease: str) -> bool:
        if not lease.startswith(_CHAT):
            return True
        chat = _chat_of(lease)
        return any(part.busy(*chat) for part in (self._intake, self._talks, self._notices, self._courier))


def _chat_of(lease: str) -> tuple[str, str]:
    platform, _, chat = lease.removeprefix(_CHAT).partition(":")
    return platform, chat
