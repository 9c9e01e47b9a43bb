"""Where events are handled: authorised, handed to the right command, their effects stored."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace

from bot.answering.courier import Courier
from bot.chat.content import Card, Paragraph, Tone
from bot.chat.errors import PlatformError, UserError
from bot.chat.events import Ack, Edit, Event, Message, Moved, Presence, Press
from bot.chat.places import Account, MessageRef, Place, PlaceKind
from bot.commands.context import Context
from bot.commands.registry import Registry
from bot.locales import DEFAULT_LANGUAGE, Translator, language_of, translator
from bot.services.access import Access, Member, Role
from bot.services.conversations import Conversations
from bot.services.keys import Keys
from finetune.errors import FineTuneError, ParameterError
from storage import hints
from storage.database import Database, away
from storage.repositories import updates

log = logging.getLogger(__name__)

Handle = Callable[[Context, Message], Awaitable[None]]


class Desk:
    """Handles what was taken in."""

    def __init__(
        self,
        database: Database,
        access: Access,
        keys: Keys,
        courier: Courier,
        registry: Registry,
        *,
        talk: Handle,
        receive: Callable[[Context, Message], Awaitable[list[int]]],
        redeem: Handle,
        reword: Callable[[Edit], Awaitable[None]],
        missed: Callable[[Context], Awaitable[None]],
        conversations: Conversations,
    ) -> None:
        self._database = database
        self._access = access
        self._keys = keys
        self._courier = courier
        self._registry = registry
        self._talk = talk
        self._receive = receive
        self._redeem = redeem
        self._reword = reword
        self._missed = missed
        self._conversations = conversations
        self._presses: dict[str, asyncio.Lock] = {}

    def takes_long(self, text: str) -> bool:
        """Whether this is a command that must not hold up what comes after it."""
        found = self._registry.find(text)
        return found is not None and found[0] is not None and found[0].beside

    async def handle(self, event: Event, *, again: bool) -> Ack | None:
        """Do what an event asks for, once. ``again``: a process that died had begun to."""
        if not await self._attempted(event):
            return Ack() if isinstance(event, Press) else None
        if isinstance(event, Press):
            return await self._handle_press(event, again=again)
        if isinstance(event, Message):
            await self._handle_message(event, again=again)
        else:
            await self._note(event)
        return None

    async def give_up(self, event: Event) -> Ack | None:
        """Handling it ended the process again and again: whoever sent it is told, and it is left alone."""
        if not await self._attempted(event):
            return None
        error_id = secrets.token_hex(4)
        log.error("error %s: event %s on %s is given up", error_id, event.id, event.place.platform)
        if isinstance(event, Message):
            context = await self._context(event)
            await self._say(context, _internal(context.t, error_id))
        await self._handled(event)
        return None

    async def _note(self, event: Edit | Moved | Presence) -> None:
        """What happened to a chat or a message, of which nobody awaits a word."""
        try:
            if isinstance(event, Edit):
                await self._reword_question(event)
            elif isinstance(event, Moved):
                await self._conversations.moved(event.place, event.chat)
            else:
                await self._conversations.presence(event.place, writable=event.writable)
        except UserError as error:
            log.info("an edit was not taken: %s", error.key)
        except Exception as error:
            if away(error):
                raise
            log.exception("error %s", secrets.token_hex(4))
        await self._handled(event)

    async def _reword_question(self, event: Edit) -> None:
        """Of a command only what is asked; an edit makes no command of a question, nor another one of a command."""
        found = self._registry.find(event.text)
        if found is None:
            await self._reword(event)
        elif found[0] is not None and found[0].name == "ask":
            await self._reword(replace(event, text=found[1]))

    async def _handle_message(self, event: Message, *, again: bool) -> None:
        context = await self._context(event, again=again)
        try:
            if context.member.role is not Role.GUEST:
                await self._tell_missed(context)
            await self._route(context, event)
        except (UserError, FineTuneError) as error:
            await self._say(context, _problem_card(context.t, error))
        except PlatformError as error:
            log.warning("a reply on %s was not taken: %s", event.place.platform, type(error).__name__)
        except Exception as error:
            if away(error):
                raise  # it is still stored as open, and is handled when the database is back
            error_id = secrets.token_hex(4)
            log.exception("error %s", error_id)
            await self._say(context, _internal(context.t, error_id))
        await self._handled(event)

    async def _tell_missed(self, context: Context) -> None:
        """That this cannot be shown must not cost the person what they ask for now."""
        try:
            await self._missed(context)
        except PlatformError as error:
            log.warning("what was missed on %s could not be told: %s", context.place.platform, type(error).__name__)

    async def _say(self, context: Context, card: Card) -> None:
        try:
            await context.reply(card, part="problem")
        except PlatformError as error:
            log.warning("a reply on %s was not taken: %s", context.place.platform, type(error).__name__)

    async def _route(self, context: Context, event: Message) -> None:
        group = event.place.kind is PlaceKind.GROUP
        found = self._registry.find(event.text)
        if event.uploads:
            if group and not event.addressed and context.member.role < Role.TRAINER:
                return  # files that a group's people send each other are not ours to comment on
            made = await self._receive(context, event)
            if found is None:
                return
            if found[0] is not None and len(made) < len(event.uploads):
                raise UserError("file_not_ready", word=found[2])
            context = replace(context, dataset=made[-1] if made else None)
        if found is not None:
            command, arguments, word = found
            if command is None:
                near = self._registry.nearest(word)
                if group and near is None:
                    return  # another bot's command
                raise (
                    UserError("command_unknown_near", word=word, near=near)
                    if near
                    else UserError("command_unknown", word=word)
                )
            if command.role is not Role.GUEST:
                context.member.must_be(command.role)
            await command.handler(context, arguments)
        elif event.text.strip() and (event.addressed or not group):
            if context.member.role is Role.GUEST:
                await self._redeem(context, event)
            else:
                await self._talk(context, event)

    async def _handle_press(self, event: Press, *, again: bool) -> Ack:
        # One press of a button at a time: a double tap must find the first one's mark.
        lock = self._presses.setdefault(event.token, asyncio.Lock())
        async with lock:
            context = await self._context(event, again=again)
            try:
                ack = await self._press(context, event)
            except (UserError, FineTuneError) as error:
                ack = Ack(problem(context.t, error), alert=True)
            except PlatformError as error:
                log.warning("a press on %s could not be shown: %s", event.place.platform, type(error).__name__)
                ack = Ack()
            except Exception as error:
                if away(error):
                    raise
                error_id = secrets.token_hex(4)
                log.exception("error %s", error_id)
                ack = Ack(_internal(context.t, error_id).title, alert=True)
            await self._handled(event, ack)
        if not lock.locked():
            self._presses.pop(event.token, None)
        return ack

    async def _press(self, context: Context, event: Press) -> Ack:
        action_name, payload, once, used = await self._keys.meaning(event.token, context.member)
        action = self._registry.actions.get(action_name)
        if action is None:
            raise UserError("button_old")
        context.member.must_be(action.role)
        if once and used:
            return Ack(context.t(f"pressed.{action_name}"))
        ack = await action.handler(context, payload)
        if once:
            # After the effect: a process that dies in between does it again, which each such action bears.
            await self._keys.use(event.token)
        return ack or Ack()

    async def _context(self, event: Message | Press, *, again: bool = False) -> Context:
        member = await self._access.member(event.author)
        if member.id is not None:
            await self._access.reached(event.author, event.place)
        text = event.text if isinstance(event, Message) else ""
        return self.context(member, event.author, event.place, event.ref, event.id, text, again=again)

    def context(
        self,
        member: Member,
        account: Account,
        place: Place,
        ref: MessageRef,
        event_id: str,
        text: str = "",
        *,
        again: bool = False,
    ) -> Context:
        """What a handler is given."""
        t = translator(choose_language(member, account, text))
        replies = _Replies(self._database, place.platform, event_id, again=again)
        return Context(member, account, place, ref, event_id, t, self._courier, self._keys, replies)

    async def _attempted(self, event: Event) -> bool:
        """Count a try. False if it was handled meanwhile."""
        async with self._database.transaction() as session:
            return await updates.attempted(session, event.place.platform, event.id)

    async def _handled(self, event: Event, ack: Ack | None = None) -> None:
        platform, update_id = event.place.platform, event.id
        async with self._database.transaction() as session:
            await updates.handled(session, platform, update_id, None if ack is None else asdict(ack))
            if ack is not None:
                await hints.give(session, "answered", f"{platform} {update_id}")


class _Replies:
    """Implements :class:`bot.commands.context.Replies` on the stored event."""

    def __init__(self, database: Database, platform: str, event_id: str, *, again: bool) -> None:
        self._database = database
        self._platform = platform
        self._event_id = event_id
        self._again = again

    async def former(self, part: str) -> str | None:
        if not self._again:
            return None
        async with self._database.transaction() as session:
            return (await updates.shown(session, self._platform, self._event_id)).get(part)

    async def note(self, part: str, message: str) -> None:
        async with self._database.transaction() as session:
            await updates.note_shown(session, self._platform, self._event_id, part, message)


def choose_language(member: Member, account: Account, text: str = "") -> str:
    """The person's choice, else their client's, else that of what they wrote."""
    chosen = language_of(member.language) or language_of(account.language)
    return chosen or language_of_text(text) or DEFAULT_LANGUAGE


def language_of_text(text: str) -> str | None:
    """Chinese if there are Chinese characters, English if there are Latin letters only."""
    if any("\u4e00" <= character <= "\u9fff" for character in text):
        return "zh"
    return "en" if any(character.isalpha() and character.isascii() for character in text) else None


def problem(t: Translator, error: UserError | FineTuneError) -> str:
    """What a person is told of an error."""
    key = error.key if isinstance(error, UserError) else error.code
    fields = dict(error.fields)
    # Roles are words of the language, too; and hyperparameters, where that is what is named.
    named = (("needed", "role."), ("have", "role."))
    for name, prefix in (("name", "parameter."), *named) if isinstance(error, ParameterError) else named:
        value = fields.get(name)
        if isinstance(value, str) and t.has(prefix + value):
            fields[name] = t(prefix + value)
    return t(f"error.{key}", **fields)


def _problem_card(t: Translator, error: UserError | FineTuneError) -> Card:
    return Card(blocks=(Paragraph(problem(t, error)),), tone=Tone.ERROR)


def _internal(t: Translator, error_id: str) -> Card:
    return Card(t("error.internal", id=error_id), (Paragraph(t("error.internal.next")),), tone=Tone.ERROR)
