"""What the gateway brings: messages, edits, commands, presses, and what became of servers and channels."""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from discord.utils import time_snowflake, utcnow

from bot.chat.content import MenuEntry
from bot.chat.errors import PlatformError
from bot.chat.events import Ack, Deliver, Message, Presence, Press, Upload
from bot.chat.places import Account, MessageRef, PlaceKind
from bot.locales import DEFAULT_LANGUAGE, Translator, language_of, translator
from bot.platforms.discord import components
from bot.platforms.discord.commands import FILE, MOST_CHOICES, UPLOAD, line_of
from bot.platforms.discord.intake import Intake
from bot.platforms.discord.interactions import (
    CHOICES,
    EPHEMERAL,
    FORM,
    LATER,
    MESSAGE,
    NO_MENTIONS,
    UPDATE_LATER,
    Answered,
    Interactions,
    Open,
)
from bot.platforms.discord.markdown import MOST_CONTENT, clipped, escaped, fenced
from bot.platforms.discord.ports import ChannelStore, Completion
from bot.platforms.discord.redaction import safe_logger
from bot.platforms.discord.rest import Json
from bot.platforms.discord.roles import Roles
from bot.platforms.discord.updates import (
    Me,
    account_of,
    command_ref,
    edit_of,
    message_of,
    place_of,
    upload_of,
    written,
)

log = safe_logger(__name__)

# Discord waits three seconds for the first answer; a press that takes longer is told to wait.
PATIENCE_SECONDS = 1.5
# Kinds of interactions.
_COMMAND, _COMPONENT, _COMPLETE, _FORM = 2, 3, 4, 5
_MOST_SHOWN = 1800
_MOST_LANGUAGES = 5000


class Traffic:
    """``now`` is the event loop's clock, ``me`` is asked for late: we learn who we are when we come in."""

    def __init__(
        self,
        deliver: Deliver,
        intake: Intake,
        interactions: Interactions,
        store: ChannelStore,
        roles: Roles,
        completion: Completion,
        menu: Sequence[MenuEntry],
        me: Callable[[], Me],
        now: Callable[[], float],
    ) -> None:
        self._deliver = deliver
        self._intake = intake
        self._interactions = interactions
        self._store = store
        self._roles = roles
        self._completion = completion
        self._menu = {entry.name: entry for entry in menu}
        self._me = me
        self._now = now
        self._tasks: set[asyncio.Future[None]] = set()
        # Only interactions tell somebody's language; what they write later is answered in it, too.
        self._languages: OrderedDict[str, str] = OrderedDict()

    def take(self, kind: str, raw: Json) -> None:
        """One event of the gateway; anything that is not ours is passed over."""
        channel = str(raw.get("channel_id", ""))
        match kind:
            case "READY":
                self._intake.catch_up(self.hand)
            case "MESSAGE_CREATE" if written(raw):
                self._intake.add(channel, lambda: self.hand(raw, str(raw.get("guild_id") or "")))
            case "MESSAGE_UPDATE" if written(raw):
                self._intake.add(channel, lambda: self._edited(raw))
            case "INTERACTION_CREATE":
                self._spawn(self._interaction(raw))
            case "CHANNEL_DELETE" | "THREAD_DELETE":
                gone = str(raw["id"])
                self._intake.add(gone, lambda: self._presence(lambda known: known == gone, writable=False))
            case "GUILD_DELETE" if not raw.get("unavailable"):
                log.info("the bot was taken out of a server")
                self._intake.add("", lambda: self._guild(str(raw["id"]), writable=False))
            case "GUILD_CREATE":
                self._intake.add("", lambda: self._guild(str(raw["id"]), writable=True))

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Future[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("error %s: an interaction came to nothing", secrets.token_hex(4), exc_info=error)

    async def close(self, seconds: float) -> None:
        """Let what is under way come to its end, for a while."""
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def hand(self, raw: Json, guild: str) -> None:
        """A message; returns once it is stored. Raises what ``deliver`` raises."""
        if not written(raw):
            return
        member = raw.get("member")
        author = str(raw["author"]["id"])
        role = await self._roles.of(author, member)
        message = message_of(raw, guild, self._me(), role, self._languages.get(author))
        if message is None:
            return
        await self._deliver(message)
        if message.addressed:
            await self._store.saw(message.place.chat, guild, int(raw["id"]))

    async def _edited(self, raw: Json) -> None:
        edit = edit_of(raw, str(raw.get("guild_id") or ""), self._me())
        if edit is not None:
            await self._deliver(edit)

    async def _guild(self, guild: str, *, writable: bool) -> None:
        channels = {known.channel for known in await self._store.known() if known.guild == guild}
        await self._presence(channels.__contains__, writable=writable)

    async def _presence(self, which: Callable[[str], bool], *, writable: bool) -> None:
        for known in await self._store.known():
            if which(known.channel) and known.open is not writable:
                # The gateway gives these no id. A second one of the same is harmless, and kept away by what is known.
                event = f"p{known.channel}.{time_snowflake(utcnow())}"
                await self._deliver(Presence(event, place_of(known.channel, known.guild), writable))
                await self._store.opened(known.channel, writable)

    async def _interaction(self, raw: Json) -> None:
        guild = str(raw.get("guild_id") or "")
        member: Mapping[str, Any] | None = raw.get("member")
        user = (member or {}).get("user") or raw["user"]
        place = place_of(str(raw["channel_id"]), guild)
        opened = Open(str(raw["id"]), str(raw["token"]), str(user["id"]), place, guild, self._now())
        role = await self._roles.of(opened.user, member)
        language = str(raw.get("locale") or "")
        account = account_of(user, member, language or None, role)
        self._languages[opened.user] = language
        self._languages.move_to_end(opened.user)
        while len(self._languages) > _MOST_LANGUAGES:
            self._languages.popitem(last=False)
        self._interactions.add(opened)
        data: Json = raw.get("data") or {}
        match raw["type"]:
            case n if n == _COMPLETE:
                await self._complete(opened, account, data)
            case n if n == _COMMAND:
                await self._command(opened, account, data)
            case n if n == _FORM:
                await self._form(opened, account, raw, data)
            case n if n == _COMPONENT:
                await self._component(opened, account, raw, data)

    async def _complete(self, opened: Open, account: Account, data: Json) -> None:
        entry = self._menu.get(str(data.get("name")))
        focused = next((each for each in data.get("options", ()) if each.get("focused")), None)
        kind = "" if entry is None or focused is None else _completes(entry, str(focused["name"]))
        found: Sequence[tuple[str, str]] = ()
        if kind and focused is not None:
            found = await self._completion.complete(account, kind, str(focused.get("value", "")))
        choices = [{"name": clipped(name, 100), "value": value[:100]} for name, value in found[:MOST_CHOICES]]
        await self._interactions.respond(opened, CHOICES, {"choices": choices})

    async def _command(self, opened: Open, account: Account, data: Json) -> None:
        opened.command = True
        given = {str(each["name"]): each.get("value") for each in data.get("options", ())}
        ref = command_ref(opened.place, opened.id, opened.user)
        uploads: tuple[Upload, ...] = ()
        text = ""
        name = str(data["name"])
        if name == UPLOAD:
            attachment = data["resolved"]["attachments"][str(given[FILE])]
            uploads, shown = (upload_of(attachment),), f"/{UPLOAD} {attachment.get('filename', '')}"
        else:
            entry = self._menu.get(name, MenuEntry(name, "user"))
            opened.personal = entry.personal
            text = shown = line_of(entry, given)
        event = Message(f"i{opened.id}", opened.place, account, ref, text, uploads)
        alone = opened.personal and opened.place.kind is PlaceKind.GROUP
        later = {"flags": EPHEMERAL} if alone else None
        opened.shown = _anchor(shown)
        storing = asyncio.ensure_future(self._stored(opened, account, event))
        done, _ = await asyncio.wait({storing}, timeout=PATIENCE_SECONDS)
        if not done:
            await self._answer(opened, LATER, later)
        if not await storing:
            return
        if alone:
            await self._answer(opened, LATER, later)
        elif await self._answer(opened, MESSAGE, opened.shown) and opened.anchor:
            await self._store.anchored(opened.id, opened.anchor)

    async def _stored(self, opened: Open, account: Account, event: Message) -> bool:
        """Store first, acknowledge after. What cannot be stored is not taken in, and the person is told."""
        try:
            await self._deliver(event)
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever asked is told, and it is in the log
            await self._failed(opened, account, error)
            return False
        # Beside: Discord waits for the answer.
        self._spawn(self._seen(opened))
        return True

    async def _seen(self, opened: Open) -> None:
        try:
            await self._store.saw(opened.place.chat, opened.guild, int(opened.id))
        except Exception:
            # The event itself is stored: at worst something is read again and recognised.
            log.exception("error %s: how far a channel was read could not be kept", secrets.token_hex(4))

    async def _failed(self, opened: Open, account: Account, error: Exception) -> None:
        error_id = secrets.token_hex(4)
        log.error("error %s: an interaction was not taken in", error_id, exc_info=error)
        said = _said(_translator(account)("discord.press_failed", error_id=error_id))
        try:
            await self._interactions.quietly(opened, said)
            await self._interactions.withdraw(opened)
        except PlatformError as failed:
            log.info("who used an interaction was not told that it failed: %s", type(failed).__name__)

    async def _answer(self, opened: Open, kind: int, data: Json | None = None) -> bool:
        try:
            await self._interactions.respond(opened, kind, data)
        except PlatformError as error:
            # Too late, or the way is broken: the person has the outcome in the channel.
            log.info("an interaction was not answered: %s", type(error).__name__)
            return False
        return True

    async def _form(self, opened: Open, account: Account, raw: Json, data: Json) -> None:
        token = str(data["custom_id"]).removeprefix(components.FORM)
        opened.typed = True
        ack = await self._press(opened, account, raw, token)
        if ack is None or ack.alert:
            return
        ref = command_ref(opened.place, opened.id, opened.user)
        text = components.typed(data.get("components", []))
        await self._stored(opened, account, Message(f"i{opened.id}t", opened.place, account, ref, text))

    async def _component(self, opened: Open, account: Account, raw: Json, data: Json) -> None:
        chosen = str(data["custom_id"])
        if chosen.startswith(components.CHOICE):
            chosen = str(data["values"][0])
        message = str(raw["message"]["id"])
        if self._interactions.hidden(message) is not None:
            self._interactions.shown_at(opened, message)
        if chosen.startswith("/"):
            ref = command_ref(opened.place, opened.id, opened.user)
            if await self._stored(opened, account, Message(f"i{opened.id}", opened.place, account, ref, chosen)):
                await self._answer(opened, UPDATE_LATER)
        elif chosen.startswith(components.COPY):
            await self._answer(opened, MESSAGE, _hidden(fenced(chosen.removeprefix(components.COPY))))
        elif chosen.startswith(components.ASK):
            asked = components.form(chosen.removeprefix(components.ASK), _translator(account))
            await self._answer(opened, FORM, asked)
        else:
            await self._press(opened, account, raw, chosen.removeprefix(components.PRESS))

    async def _press(self, opened: Open, account: Account, raw: Json, token: str) -> Ack | None:
        """Hand a press over; whoever pressed is answered in time, however long it takes. None: it was not taken in."""
        ref = MessageRef(opened.place, str(raw["message"]["id"]))
        event = Press(f"i{opened.id}", opened.place, account, ref, token)
        handling = asyncio.ensure_future(self._deliver(event))
        done, _ = await asyncio.wait({handling}, timeout=PATIENCE_SECONDS)
        if not done:
            await self._answer(opened, UPDATE_LATER)
        try:
            ack = await handling or Ack()
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever asked is told, and it is in the log
            await self._failed(opened, account, error)
            return None
        if not ack.text:
            await self._answer(opened, UPDATE_LATER)
        elif opened.state is Answered.NOT:
            await self._answer(opened, MESSAGE, _said(ack.text))
        else:
            try:
                await self._interactions.quietly(opened, _said(ack.text))
            except PlatformError as error:
                log.info("a press was answered too late: %s", type(error).__name__)
        return ack


def _completes(entry: MenuEntry, name: str) -> str:
    return next((option.completes for option in entry.options if option.name == name), "")


def _anchor(line: str) -> Json:
    name, _, rest = line.partition(" ")
    if name == "/ask":
        # What is asked is read by everybody who reads the answer.
        shown = "\n".join(f"> {each}" for each in escaped(clipped(rest, _MOST_SHOWN)).split("\n"))
    else:
        shown = f"`{clipped(line, _MOST_SHOWN).replace('`', chr(39))}`"
    return {"content": clipped(shown, MOST_CONTENT), "allowed_mentions": NO_MENTIONS}


def _said(text: str) -> Json:
    return _hidden(clipped(escaped(text), MOST_CONTENT))


def _hidden(content: str) -> Json:
    return {"content": clipped(content, MOST_CONTENT), "flags": EPHEMERAL, "allowed_mentions": NO_MENTIONS}


def _translator(account: Account) -> Translator:
    return translator(language_of(account.language) or DEFAULT_LANGUAGE)
