"""One update on its way to whoever handles it: at most so many attempts, a press answered once it is handled."""

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from telegram import Update, User

from bot.chat.errors import NotStored
from bot.chat.events import Ack, Deliver, Event, Press
from bot.locales import DEFAULT_LANGUAGE, language_of, translator
from bot.platforms.telegram.redaction import safe_logger
from bot.platforms.telegram.updates import event_of

log = safe_logger(__name__)

MOST_TRIES = 5
# A press is confirmed when it is handled: whoever dies before that gets it again, and answers it. One that takes longer
# than this is confirmed all the same, for it is stored; Telegram tells nothing new beyond a hundred that are not.
LATE_SECONDS = 2.0
# A press may still be at work when we stop; after this long it is cut off and comes again at the next start.
GRACE_SECONDS = 10.0

# Answers a press: the callback query's id, and what to show.
Answer = Callable[[str, Ack], Coroutine[Any, Any, None]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Taken:
    """An update is done with, be it that it was given up. ``ack`` is what a press is told."""

    ack: Ack | None = None


class Hands:
    """Makes events of updates and delivers them."""

    def __init__(self, deliver: Deliver, answer: Answer, me: User) -> None:
        self._deliver = deliver
        self._answer = answer
        self._me = me
        self._answers: set[asyncio.Task[None]] = set()

    def event(self, update: Update) -> Event | None:
        """What this update is to us; ``None``: nothing."""
        tell(update)
        return event_of(update, self._me)

    async def attempt(self, update: Update, attempt: int, stored: Callable[[], None] = lambda: None) -> Taken | None:
        """Deliver an update. ``None``: it was not taken in, and there is another try. Raises ``NotStored``.

        ``stored`` is called once it cannot be lost, however long it is handled then.
        """
        event = event_of(update, self._me)
        assert event is not None
        try:
            return Taken(await self._deliver(event, stored))
        except NotStored:
            raise
        except Exception:
            error_id = secrets.token_hex(4)
            log.exception(
                "error %s: update %s was not taken in, try %s of %s", error_id, update.update_id, attempt, MOST_TRIES
            )
        if attempt < MOST_TRIES:
            return None
        log.error("error %s: update %s is given up", error_id, update.update_id)
        author = event.author.language if isinstance(event, Press) else None
        language = language_of(author) or DEFAULT_LANGUAGE
        return Taken(Ack(translator(language)("telegram.press_failed", error_id=error_id), alert=True))

    def answer(self, update: Update, taken: Taken) -> None:
        """Answer a press, beside everything else."""
        if update.callback_query is not None:
            keep(self._answers, self._answer(update.callback_query.id, taken.ack or Ack()))

    async def close(self) -> None:
        """Wait until all presses are answered."""
        await finish(self._answers)


def tell(update: Update) -> None:
    """What became of a chat is worth a line."""
    if update.my_chat_member is not None:
        log.info(
            "the bot is now %s in a %s chat",
            update.my_chat_member.new_chat_member.status,
            update.my_chat_member.chat.type,
        )


def keep(tasks: set[asyncio.Task[T]], work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Begin something that nobody waits for, without losing it."""
    task = asyncio.get_running_loop().create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task


async def finish(tasks: set[asyncio.Task[T]]) -> None:
    """Let what was begun come to its end, for a while."""
    if not tasks:
        return
    _, late = await asyncio.wait(set(tasks), timeout=GRACE_SECONDS)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
