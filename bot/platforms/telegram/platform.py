"""Telegram as a chat platform."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from telegram import Bot
from telegram.constants import CallbackQueryLimit, ChatAction, FileSizeLimit
from telegram.error import BadRequest, InvalidToken, TelegramError
from telegram.helpers import create_deep_linked_url

from bot.chat.content import Attachment, Content, MenuEntry
from bot.chat.errors import PlatformError, Throttled, Unavailable, Unconfirmed, UserError
from bot.chat.events import Ack, Deliver, Event, Moved, Upload
from bot.chat.places import MessageRef, Place
from bot.chat.platform import Extent, Limits
from bot.platforms.backoff import Backoff, Pause
from bot.platforms.telegram.errors import BROKEN_ANSWERS
from bot.platforms.telegram.files import Downloads
from bot.platforms.telegram.handing import Hands
from bot.platforms.telegram.markdown import measure
from bot.platforms.telegram.menu import publish
from bot.platforms.telegram.outgoing import Outgoing, Page, page_of
from bot.platforms.telegram.polling import FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS, Polling, Trouble, Turn
from bot.platforms.telegram.ports import OffsetStore, Way
from bot.platforms.telegram.redaction import hide, redacted, safe_logger
from bot.platforms.telegram.styled import MOST_ENTITIES
from bot.platforms.telegram.transport import CLOUD, Request, UpdatesRequest
from bot.platforms.telegram.updates import NAME
from bot.platforms.telegram.webhook import Webhook, WebhookAddress

log = safe_logger(__name__)

# What one page of an answer may have: a message holds 4096, and our note needs room.
TEXT_UNITS = 4000
# Telegram: one message a second to a chat, twenty a minute to a group, thirty a second over all.
PRIVATE_SECONDS = 1.1
GROUP_SECONDS = 3.1
CALLS_PER_SECOND = 30.0
WAIT_MARGIN_SECONDS = 0.2
CLOUD_UPLOAD_BYTES = 20 << 20
LOCAL_UPLOAD_BYTES = 2000 << 20
CONNECTIONS = 64
# Among the reactions that Telegram lets bots give.
GOOD_SIGN, BAD_SIGN = "🎉", "💔"
# How long the start of everything else may wait for a server that does not answer.
START_SECONDS = 5.0
# Cards whose files are still on their way; more than these are never in doubt at once.
_MOST_UNFINISHED = 256


async def _always() -> bool:
    return True


class TelegramPlatform:
    """Implements :class:`bot.chat.platform.Platform`.

    ``api_base`` is the address of another Bot API server (``http://127.0.0.1:8081``). Updates are polled, or posted to
    ``webhook``. ``pause`` waits for a number of seconds between attempts to reach Telegram; tests pass one that does
    not. ``turn`` tells whether this process is the one that polls.
    """

    name = NAME

    def __init__(
        self,
        token: str,
        *,
        api_base: str | None,
        menu: Sequence[MenuEntry],
        offset_store: OffsetStore,
        webhook: WebhookAddress | None = None,
        pause: Pause = asyncio.sleep,
        turn: Turn = _always,
    ) -> None:
        hide(token)
        self.limits = Limits(
            text_units=TEXT_UNITS,
            private_interval=PRIVATE_SECONDS,
            group_interval=GROUP_SECONDS,
            calls_per_second=CALLS_PER_SECOND,
            marks=MOST_ENTITIES,
            wait_margin=WAIT_MARGIN_SECONDS,
            files_apart=True,
            upload_bytes=CLOUD_UPLOAD_BYTES if api_base is None else LOCAL_UPLOAD_BYTES,
        )
        base = (api_base or CLOUD).rstrip("/")
        self._requests = (UpdatesRequest(base, 1), Request(base, CONNECTIONS))
        self._bot = Bot(
            token,
            base_url=f"{base}/bot",
            base_file_url=f"{base}/file/bot",
            get_updates_request=self._requests[0],
            request=self._requests[1],
        )
        self._menu = tuple(menu)
        self._pause = pause
        self._trouble = Trouble()
        self._way: Way
        if webhook is None:
            self._way = Polling(self._bot, offset_store, self._trouble, pause, turn)
        else:
            hide(webhook.secret)
            self._way = Webhook(self._bot, webhook)
        self._downloads = Downloads(
            self._bot, f"{base}/file/bot{token}", local=api_base is not None, most_bytes=self.limits.upload_bytes
        )
        self._outgoing = Outgoing(
            self._bot,
            int(FileSizeLimit.FILESIZE_UPLOAD if api_base is None else FileSizeLimit.FILESIZE_UPLOAD_LOCAL_MODE),
        )
        self._unfinished: dict[str, tuple[MessageRef, int]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def start(self, deliver: Deliver) -> None:
        """Begin to take in updates.

        Raises ``UserError`` (``telegram_token_refused``, ``telegram_webhook_refused``, ``telegram_webhook_port``). A
        server that cannot be reached is no reason to fail: it is tried again until it can.
        """
        for request in self._requests:
            await request.initialize()
        try:
            await self._way.open()
            known = await self._known()
        except BaseException:
            await self.stop()
            raise
        self._reading = asyncio.get_running_loop().create_task(self._read(deliver, known))

    async def _known(self) -> bool:
        """Whether Telegram could be reached. Raises ``UserError`` if it refused us."""
        problem = None
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._introduce()
        except InvalidToken:
            problem = UserError("telegram_token_refused")
        except BadRequest as error:
            problem = UserError("telegram_webhook_refused", reason=redacted(error.message))
        except (TelegramError, TimeoutError, *BROKEN_ANSWERS) as error:
            self._trouble.broken(error)
            return False
        if problem is not None:
            # Outside of the handler: the library's error quotes the token, and must not hang on to ours.
            raise problem
        return True

    async def _introduce(self) -> None:
        """Learn who we are, and make sure that updates come to us. Raises ``TelegramError``."""
        await self._bot.initialize()
        await self._way.arrange()

    async def quiet(self) -> None:
        """Take in nothing more, let what is being stored come to its end."""
        self._way.halt()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
            self._reading = None
        await self._way.close()

    async def stop(self) -> None:
        """The same, and close all connections."""
        await self.quiet()
        await self._bot.shutdown()
        for request in self._requests:
            await request.shutdown()

    async def send(self, place: Place, content: Content, *, key: str, reply_to: MessageRef | None = None) -> MessageRef:
        """A new message, with its files under it.

        When a file has to wait (``Throttled``, ``Unavailable``), the next call with the same ``key`` goes on there.
        """
        page = page_of(content)
        ref, done = self._unfinished.pop(key, (None, 0))
        if ref is None:
            ref = await self._outgoing.send(place, page, reply_to)
        await self._attach(key, ref, page, done)
        return ref

    async def _attach(self, key: str, ref: MessageRef, page: Page, done: int) -> None:
        for index, attachment in enumerate(page.attachments[done:], start=done):
            try:
                await self._outgoing.attach(ref, attachment)
            except (Throttled, Unavailable):
                self._unfinished[key] = (ref, index)
                while len(self._unfinished) > _MOST_UNFINISHED:
                    del self._unfinished[next(iter(self._unfinished))]
                raise
            except PlatformError as error:
                # The message itself is there; failing now would make the caller send it twice.
                log.warning("a file under a message was not taken: %s", type(error).__name__)
                await self._say_missing(ref, attachment, error)

    async def _say_missing(self, ref: MessageRef, attachment: Attachment, error: PlatformError) -> None:
        try:
            await self._outgoing.say_missing(ref, attachment, known=not isinstance(error, Unconfirmed))
        except PlatformError as again:
            log.warning("that a file is missing could not be said: %s", type(again).__name__)

    async def edit(self, ref: MessageRef, content: Content) -> None:
        """Replace what a message shows; its files stay."""
        await self._outgoing.edit(ref, page_of(content))

    async def sign(self, ref: MessageRef, *, good: bool) -> None:
        """A reaction to a message. Groups may forbid it (``Refused``)."""
        await self._outgoing.react(ref, GOOD_SIGN if good else BAD_SIGN)

    def invitation(self, word: str) -> str | None:
        """A deep link: opening it and tapping Start sends ``/start word``."""
        try:
            return create_deep_linked_url(self._bot.username, word)
        except RuntimeError:
            return None  # it was not reached yet, and does not know its own name

    def measure(self, text: str) -> Extent:
        """The room that a page takes in a message."""
        return measure(text)

    def fetch(self, upload: Upload) -> AsyncIterator[bytes]:
        """The bytes of a file, in pieces. Raises ``Vanished``, ``Unavailable``, ``Refused`` (too big)."""
        return self._downloads.read(upload)

    async def typing(self, place: Place) -> None:
        """Show "typing" for about five seconds."""
        try:
            await self._bot.send_chat_action(
                chat_id=int(self._outgoing.there(place).chat),
                action=ChatAction.TYPING,
                message_thread_id=int(place.thread) if place.thread else None,
            )
        except (TelegramError, *BROKEN_ANSWERS) as error:
            log.debug("typing was not shown: %s", type(error).__name__)

    async def _read(self, deliver: Deliver, known: bool) -> None:
        backoff = Backoff(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS)
        while not known:
            try:
                await self._introduce()
            except (TelegramError, *BROKEN_ANSWERS) as error:
                self._trouble.broken(error)
                await self._pause(backoff.next())
            else:
                self._trouble.works()
                known = True

        async def followed(event: Event, stored: Callable[[], None] = lambda: None) -> Ack | None:
            if isinstance(event, Moved):
                self._outgoing.follow(event.place.chat, event.chat)
            return await deliver(event, stored)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(publish(self._bot, self._menu))
            tasks.create_task(self._way.run(Hands(followed, self._answer, self._bot.bot)))

    async def _answer(self, query_id: str, ack: Ack) -> None:
        try:
            await self._bot.answer_callback_query(
                query_id, text=ack.text[: CallbackQueryLimit.ANSWER_CALLBACK_QUERY_TEXT_LENGTH], show_alert=ack.alert
            )
        except BadRequest as error:
            # The press took longer than Telegram waits for; the person has the outcome in the chat.
            log.debug("a press was answered too late: %s", error)
        except (TelegramError, *BROKEN_ANSWERS) as error:
            log.info("a press was not answered: %s", type(error).__name__)
