"""Messages on their way out: one attempt each, and what they become when Telegram does not take them as they are."""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from telegram import Bot, InlineKeyboardMarkup, LinkPreviewOptions, ReplyParameters
from telegram.constants import FileSizeLimit, MessageLimit
from telegram.constants import MessageEntityType as Kind
from telegram.error import BadRequest, ChatMigrated, InvalidToken

from bot.chat.content import Answer, Attachment, AttachmentKind, Card, Content
from bot.chat.errors import Refused, Vanished
from bot.chat.places import MessageRef, Place
from bot.locales import LANGUAGES, translator
from bot.platforms.telegram.cards import fitting, render_card
from bot.platforms.telegram.errors import NOT_MODIFIED, TOO_LARGE, telegram_errors
from bot.platforms.telegram.keyboards import keyboard, too_long_to_copy
from bot.platforms.telegram.markdown import render_answer
from bot.platforms.telegram.redaction import safe_logger
from bot.platforms.telegram.styled import Builder, Styled, clean, clipped

log = safe_logger(__name__)

T = TypeVar("T")
_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)
_MOST_CAPTION = int(MessageLimit.CAPTION_LENGTH)
_MOST_NAME = 200
_WHOLE_CARD = "card.txt"


@dataclass(frozen=True, slots=True)
class Page:
    """Content as one Telegram message: formatted, plain in case that is refused, and what goes with it."""

    text: Styled
    plain: Styled
    keyboard: InlineKeyboardMarkup | None
    quiet: bool = False
    attachments: tuple[Attachment, ...] = ()


def page_of(content: Content) -> Page:
    """The message that shows this content."""
    if isinstance(content, Answer):
        formatted, plain = render_answer(content)
        return Page(formatted, plain, keyboard(content.buttons))
    whole = _with_copies(render_card(content), content)
    shown = fitting(whole)
    attachments = content.attachments
    if shown is not whole:
        attachments = (*attachments, Attachment(_WHOLE_CARD, "text/plain", whole.text.encode()))
    return Page(shown, Styled(shown.text), keyboard(content.buttons), not content.rings, attachments)


def _with_copies(body: Styled, card: Card) -> Styled:
    builder = Builder()
    builder.include(body)
    for text in too_long_to_copy(card.buttons):
        if text not in body.text:
            builder.add("\n\n")
            builder.add(text, Kind.PRE)
    return builder.build()


class Outgoing:
    """Calls the Bot API. Raises what ``bot.chat.errors`` lists, and nothing else."""

    def __init__(self, bot: Bot, most_document: int) -> None:
        self._bot = bot
        self._most_document = most_document
        self._moved: dict[str, str] = {}

    async def send(self, place: Place, page: Page, reply_to: MessageRef | None) -> MessageRef:
        """A new message; follows a group that became a supergroup."""

        async def attempt(place: Place, text: Styled) -> MessageRef:
            message = await self._bot.send_message(
                chat_id=int(place.chat),
                text=text.text,
                entities=text.entities,
                reply_markup=page.keyboard,
                disable_notification=page.quiet,
                link_preview_options=_NO_PREVIEW,
                reply_parameters=_reply(place, reply_to),
                message_thread_id=_thread(place),
            )
            return MessageRef(place, str(message.message_id))

        with telegram_errors():
            return await self._following(place, lambda there: _formatted_or_plain(page, lambda t: attempt(there, t)))

    async def edit(self, ref: MessageRef, page: Page) -> None:
        """Replace a message's text and buttons."""

        async def attempt(text: Styled) -> None:
            await self._bot.edit_message_text(
                text.text,
                chat_id=int(ref.place.chat),
                message_id=int(ref.id),
                entities=text.entities,
                reply_markup=page.keyboard,
                link_preview_options=_NO_PREVIEW,
            )

        with telegram_errors():
            try:
                await _formatted_or_plain(page, attempt)
            except ChatMigrated as error:
                # What was said in the group stays there; the supergroup numbers its own messages.
                self.follow(ref.place.chat, str(error.new_chat_id))
                raise Vanished("the group became a supergroup") from error
            except BadRequest as error:
                if NOT_MODIFIED not in error.message.lower():
                    raise

    async def react(self, ref: MessageRef, emoji: str) -> None:
        """Set our reaction to a message; the same once more changes nothing."""
        with telegram_errors():
            await self._bot.set_message_reaction(int(ref.place.chat), int(ref.id), emoji)

    async def draft(self, place: Place, page: Page, draft_id: int) -> None:
        """Show or replace what is being written in a private chat. Drafts have no buttons.

        Raises ``Refused`` also where the server does not know drafts.
        """

        async def attempt(text: Styled) -> None:
            await self._bot.send_message_draft(
                int(place.chat), draft_id, text.text, message_thread_id=_thread(place), entities=text.entities
            )

        with telegram_errors():
            try:
                await _formatted_or_plain(page, attempt)
            except InvalidToken as error:
                # The library takes every 404 for that; messages go out with this token.
                raise BadRequest(error.message) from None

    async def attach(self, ref: MessageRef, attachment: Attachment) -> None:
        """A file under a message that was just sent, or a sentence that it is too large. It never rings: the message
        did.
        """
        size = len(attachment.data)
        if size > self._most_document:
            await self._say_too_large(ref, attachment)
            return
        if attachment.kind is AttachmentKind.PICTURE and size <= FileSizeLimit.PHOTOSIZE_UPLOAD:
            try:
                await self._attach(ref, self._bot.send_photo, attachment, photo=attachment.data)
            except Refused as error:
                log.info("a picture was not taken as one (%s); it goes as a file", error)
            else:
                return
        try:
            await self._attach(
                ref,
                self._bot.send_document,
                attachment,
                document=attachment.data,
                disable_content_type_detection=True,
            )
        except Refused as error:
            if TOO_LARGE not in str(error):
                raise
            await self._say_too_large(ref, attachment)

    async def _attach(
        self, ref: MessageRef, send: Callable[..., Awaitable[object]], attachment: Attachment, **content: object
    ) -> None:
        with telegram_errors():
            await send(
                chat_id=int(ref.place.chat),
                filename=clean(attachment.name),
                caption=clipped(clean(attachment.alt), _MOST_CAPTION) or None,
                disable_notification=True,
                reply_parameters=_reply(ref.place, ref),
                message_thread_id=_thread(ref.place),
                **content,
            )

    async def say_missing(self, ref: MessageRef, attachment: Attachment, *, known: bool) -> None:
        """A sentence where a file should be. ``known``: that it is not there."""
        await self._say_of(ref, attachment, "telegram.file_not_sent" if known else "telegram.file_unsure")

    async def _say_too_large(self, ref: MessageRef, attachment: Attachment) -> None:
        size, most = (math.ceil(count / 1_000_000) for count in (len(attachment.data), self._most_document))
        log.warning("a file of %s MB is too large for Telegram; its place is taken by a sentence", size)
        await self._say_of(ref, attachment, "telegram.file_too_large", size=size, most=most)

    async def _say_of(self, ref: MessageRef, attachment: Attachment, key: str, **fields: object) -> None:
        # A file has no language, nor does the card tell its own: whoever reads finds theirs.
        name = clipped(clean(attachment.name), _MOST_NAME)
        text = "\n".join(translator(language)(key, name=name, **fields) for language in LANGUAGES)
        await self.send(ref.place, Page(Styled(text), Styled(text), None, quiet=True), ref)

    def follow(self, old: str, new: str) -> None:
        """From now on what goes to the one chat goes to the other."""
        if self._moved.get(old) != new:
            log.info("group %s became supergroup %s; following", old, new)
        self._moved[old] = new

    def there(self, place: Place) -> Place:
        """Where a place is now."""
        return replace(place, chat=self._moved.get(place.chat, place.chat))

    async def _following(self, place: Place, call: Callable[[Place], Awaitable[T]]) -> T:
        try:
            return await call(self.there(place))
        except ChatMigrated as error:
            self.follow(place.chat, str(error.new_chat_id))
            return await call(self.there(place))


async def _formatted_or_plain(page: Page, attempt: Callable[[Styled], Awaitable[T]]) -> T:
    try:
        return await attempt(page.text)
    except BadRequest as error:
        reason = error.message.lower()
        if page.plain == page.text or not ("entit" in reason or "too long" in reason):
            raise
        log.warning("Telegram refused a formatted message; it goes as plain text")
    return await attempt(page.plain)


def _reply(place: Place, to: MessageRef | None) -> ReplyParameters | None:
    if to is None or to.place.chat != place.chat or not to.id.isdecimal():
        return None
    return ReplyParameters(message_id=int(to.id), allow_sending_without_reply=True)


def _thread(place: Place) -> int | None:
    return int(place.thread) if place.thread else None
