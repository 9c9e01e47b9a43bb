"""Reads updates by long polling. Not the library's Updater: that one confirms updates before they are stored."""

import secrets
from collections.abc import Awaitable, Callable

from telegram import Bot
from telegram.error import BadRequest, Conflict, InvalidToken, RetryAfter, TelegramError

from bot.platforms.backoff import Backoff, Pause
from bot.platforms.telegram.errors import BROKEN_ANSWERS, seconds
from bot.platforms.telegram.handing import Hands
from bot.platforms.telegram.intake import Intake
from bot.platforms.telegram.ports import OffsetStore
from bot.platforms.telegram.redaction import safe_logger
from bot.platforms.telegram.updates import ALLOWED_UPDATES
from bot.platforms.telegram.window import Window

log = safe_logger(__name__)

POLL_SECONDS = 30
MOST_UPDATES = 100
FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 60.0
# While an update is on its way the server repeats it at once instead of waiting for news.
BUSY_SECONDS = 0.3
# The server repeats what was confirmed: a fault of its own, but no reason to ask it a thousand times a second.
REPEATED_SECONDS = 2.0
# One process at a time reads the updates; the others ask so often whether it is theirs to.
TURN_SECONDS = 2.0

# Whether it is this process's turn to read.
Turn = Callable[[], Awaitable[bool]]


class Trouble:
    """Says once when something breaks and once when it works again."""

    def __init__(self) -> None:
        self._kind = ""

    def broken(self, error: Exception) -> None:
        """It failed; logged if this kind of failure is news."""
        kind = type(error).__name__
        if kind == self._kind:
            return
        self._kind = kind
        match error:
            case Conflict():
                log.error("another process reads this bot's updates (or a webhook is set): run one bot per token")
            case InvalidToken():
                log.error("Telegram does not accept the bot's token any more")
            case BadRequest():
                log.error("Telegram refuses what it is asked for: %s", error.message)
            case _:
                log.warning("Telegram cannot be reached (%s); trying again", kind)

    def works(self) -> None:
        """It succeeded; logged if it failed before."""
        if self._kind:
            log.info("Telegram can be reached again")
        self._kind = ""


class Polling:
    """A way for updates to come in: a loop that asks for them."""

    def __init__(self, bot: Bot, store: OffsetStore, trouble: Trouble, pause: Pause, turn: Turn) -> None:
        self._bot = bot
        self._turn = turn
        self._store = store
        self._trouble = trouble
        self._pause = pause
        self._backoff = Backoff(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS)
        self._window = Window(None)
        self._intake: Intake | None = None

    async def open(self) -> None:
        """Nothing: how far updates were taken in is found out when it is our turn."""

    async def arrange(self) -> None:
        """Updates cannot be read while a webhook is set; those that wait are kept. Raises ``TelegramError``."""
        await self._bot.delete_webhook(drop_pending_updates=False)

    async def run(self, hands: Hands) -> None:
        """Ask, hand over, ask again, until cancelled; while it is another process's turn, wait."""
        while True:
            try:
                if await self._turn():
                    await self._once(self._intake or await self._begin(hands))
                else:
                    self._intake = None
                    await self._pause(TURN_SECONDS)
            except (TelegramError, *BROKEN_ANSWERS) as error:
                self._trouble.broken(error)
                await self._pause(self._delay(error))
            except Exception:
                # A mistake of ours must not end the reading for good.
                log.exception("error %s: updates were not taken in", secrets.token_hex(4))
                await self._pause(self._backoff.next())

    async def _begin(self, hands: Hands) -> Intake:
        """Go on from where whoever read before us has come to."""
        self._window = Window(await self._store.load())
        self._intake = Intake(hands, self._store, self._window, self._pause)
        return self._intake

    def halt(self) -> None:
        """Begin nothing more."""
        if self._intake is not None:
            self._intake.halt()

    async def close(self) -> None:
        """Wait for what is being stored or answered."""
        if self._intake is not None:
            await self._intake.close()
            self._intake = None

    async def _once(self, intake: Intake) -> None:
        offset = intake.offset
        updates = await self._bot.get_updates(
            offset=offset,
            limit=MOST_UPDATES,
            timeout=POLL_SECONDS,
            allowed_updates=ALLOWED_UPDATES,
        )
        self._trouble.works()
        self._backoff.reset()
        fresh = await intake.accept(updates)
        await intake.settled(BUSY_SECONDS)
        if updates and not fresh and intake.idle and intake.offset == offset:
            await self._pause(REPEATED_SECONDS)

    def _delay(self, error: Exception) -> float:
        delay = self._backoff.next()
        return max(delay, seconds(error.retry_after)) if isinstance(error, RetryAfter) else delay
