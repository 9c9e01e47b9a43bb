"""Where events arrive: stored, recognised when repeated, authorised, handed to the right command.

``deliver`` returns when an event cannot be lost any more. Messages of one place are handled in order, places side by
side; files (and commands that take as long) are handled beside the line, so that their judging holds nobody up.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from bot.answering.courier import Courier
from bot.chat.codec import decode, encode
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
from finetune.errors import FineTuneError
from storage.clock import now
from storage.database import Database
from storage.repositories import buttons, updates

log = logging.getLogger(__name__)

# So many processes may end while they handle an event before it is held to be the reason.
_MOST_ATTEMPTS = 20
_BUTTON_LIFE = timedelta(days=60)

Handle = Callable[[Context, Message], Awaitable[None]]


class Desk:
    """Takes in what the platforms hand over."""

    def __init__(
        self,
        database: Database,
        access: Access,
        keys: Keys,
        courier: Courier,
        registry: Registry,
        *,
        talk: Handle,
        receive: Handle,
        redeem: Handle,
        reword: Callable[[Edit], Awaitable[None]],
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
        self._conversations = conversations
        self._lines: dict[tuple[str, str, str], asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._presses: dict[str, asyncio.Lock] = {}
        self._hopeless: list[Event] = []
        self._closing = False
        # Events that a process which died had begun to handle.
        self._again: set[str] = set()

    async def deliver(self, event: Event) -> Ack | None:
        """Take in an event. A message is handled after this returns, a press before."""
        async with self._database.transaction() as session:
            fresh = await updates.add(session, event.place.platform, event.id, encode(event))
        if not fresh or self._closing:
            return Ack() if isinstance(event, Press) else None
        if isinstance(event, Press):
            return await self._handle_press(event)
        if isinstance(event, Moved):
            # What is said under the new id has to find what was said under the old one.
            await self._note(event)
        else:
            self._line_up(event)
        return None

    async def left_over(self) -> list[Event]:
        """What a dead process took in and did not finish. To be asked before anything new comes in."""
        async with self._database.transaction() as session:
            rows = await updates.open_events(session, _MOST_ATTEMPTS)
            self._hopeless = [decode(row.event) for row in await updates.given_up(session, _MOST_ATTEMPTS)]
            self._again = {row.id for row in rows if row.attempts}
            await updates.sweep(session, now() - updates.SWEEP_AFTER)
            await buttons.sweep(session, now() - _BUTTON_LIFE)
        return [decode(row.event) for row in rows]

    def recover(self, events: Sequence[Event]) -> None:
        """Handle what was left over. Once, after the platforms run."""
        for event in self._hopeless:
            self._spawn(self._give_up(event))
        self._hopeless = []
        for event in events:
            if isinstance(event, Press):
                self._spawn(self._press_again(event))
            elif isinstance(event, Moved):
                self._spawn(self._note(event))
            else:
                self._line_up(event)

    async def _give_up(self, event: Event) -> None:
        """Handling it ended the process again and again: whoever sent it is told, and it is left alone."""
        error_id = secrets.token_hex(4)
        log.error("error %s: event %s on %s is given up", error_id, event.id, event.place.platform)
        if isinstance(event, Message):
            context = await self._context(event)
            await self._say(context, _internal(context.t, error_id))
        await self._handled(event)

    async def _press_again(self, event: Press) -> None:
        await self._handle_press(event)

    async def close(self, seconds: float) -> None:
        """Begin nothing more and wait for what is being handled, for so long at most.

        What comes now is only stored; that, and what is cut off, is handled at the next start.
        """
        self._closing = True
        tasks = [*self._tasks, *(line for line in self._lines.values() if not line.done())]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _spawn(self, work: Awaitable[None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # What it was to handle is still stored as open, and is handled at the next start.
            log.error("an event was not handled", exc_info=error)

    def _line_up(self, event: Message | Edit | Presence) -> None:
        key = (event.place.platform, event.place.chat, event.place.thread)
        if isinstance(event, Message) and (event.uploads or self._is_beside(event.text)):
            self._spawn(self._handle_message(event))
            return
        before = self._lines.get(key)
        line = self._spawn(self._after(before, event))
        self._lines[key] = line
        line.add_done_callback(lambda task: self._lines.pop(key) if self._lines.get(key) is task else None)

    def _is_beside(self, text: str) -> bool:
        found = self._registry.find(text)
        return found is not None and found[0] is not None and found[0].beside

    async def _after(self, before: asyncio.Task[None] | None, event: Message | Edit | Presence) -> None:
        if before is not None:
            await asyncio.wait([before])
        if isinstance(event, Message):
            await self._handle_message(event)
        else:
            await self._note(event)

    async def _note(self, event: Edit | Moved | Presence) -> None:
        """What happened to a chat or a message, of which nobody awaits a word."""
        await self._attempted(event)
        try:
            if isinstance(event, Edit):
                await self._reword(event)
            elif isinstance(event, Moved):
                await self._conversations.moved(event.place, event.chat)
            else:
                await self._conversations.presence(event.place, writable=event.writable)
        except UserError as error:
            log.info("an edit was not taken: %s", error.key)
        except Exception:
            log.exception("error %s", secrets.token_hex(4))
        await self._handled(event)

    async def _handle_message(self, event: Message) -> None:
        await self._attempted(event)
        context = await self._context(event)
        try:
            await self._route(context, event)
        except (UserError, FineTuneError) as error:
            await self._say(context, _problem_card(context.t, error))
        except PlatformError as error:
            log.warning("a reply on %s was not taken: %s", event.place.platform, type(error).__name__)
        except Exception:
            error_id = secrets.token_hex(4)
            log.exception("error %s", error_id)
            await self._say(context, _internal(context.t, error_id))
        await self._handled(event)

    async def _say(self, context: Context, card: Card) -> None:
        try:
            await context.reply(card, part="problem")
        except PlatformError as error:
            log.warning("a reply on %s was not taken: %s", context.place.platform, type(error).__name__)

    async def _route(self, context: Context, event: Message) -> None:
        group = event.place.kind is PlaceKind.GROUP
        if event.uploads:
            if group and not event.addressed and context.member.role < Role.TRAINER:
                return  # files that a group's people send each other are not ours to comment on
            await self._receive(context, event)
            return
        found = self._registry.find(event.text)
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

    async def _handle_press(self, event: Press) -> Ack:
        # One press of a button at a time: a double tap must find the first one's mark.
        lock = self._presses.setdefault(event.token, asyncio.Lock())
        async with lock:
            await self._attempted(event)
            context = await self._context(event)
            try:
                ack = await self._press(context, event)
            except (UserError, FineTuneError) as error:
                ack = Ack(problem(context.t, error), alert=True)
            except PlatformError as error:
                log.warning("a press on %s could not be shown: %s", event.place.platform, type(error).__name__)
                ack = Ack()
            except Exception:
                error_id = secrets.token_hex(4)
                log.exception("error %s", error_id)
                ack = Ack(_internal(context.t, error_id).title, alert=True)
            await self._handled(event)
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

    async def _context(self, event: Message | Press) -> Context:
        member = await self._access.member(event.author)
        text = event.text if isinstance(event, Message) else ""
        again = event.id in self._again
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

    async def _attempted(self, event: Event) -> None:
        async with self._database.transaction() as session:
            await updates.attempted(session, event.place.platform, event.id)

    async def _handled(self, event: Event) -> None:
        async with self._database.transaction() as session:
            await updates.handled(session, event.place.platform, event.id)


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
    # The names of hyperparameters and roles are words of the language, too.
    for name, prefix in (("name", "parameter."), ("needed", "role."), ("have", "role.")):
        value = fields.get(name)
        if isinstance(value, str) and t.has(prefix + value):
            fields[name] = t(prefix + value)
    return t(f"error.{key}", **fields)


def _problem_card(t: Translator, error: UserError | FineTuneError) -> Card:
    return Card(blocks=(Paragraph(problem(t, error)),), tone=Tone.ERROR)


def _internal(t: Translator, error_id: str) -> Card:
    return Card(t("error.internal", id=error_id), (Paragraph(t("error.internal.next")),), tone=Tone.ERROR)
