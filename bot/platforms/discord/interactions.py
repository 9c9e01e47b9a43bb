"""Interactions on their way: answered within three seconds, and nothing that matters tied to them.

A command shows itself to its channel by a message (the anchor) under which the answers stand, or, where its answer is
personal, by a line that only its author sees. Cards, notices and answers are messages of our own; what is personal and
what is refused goes to its author alone, for as long as Discord lets us (fifteen minutes), and by direct message after.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from bot.chat.content import Attachment
from bot.chat.errors import PlatformError
from bot.chat.places import MessageRef, Place
from bot.platforms.discord.redaction import safe_logger
from bot.platforms.discord.rest import Json, Rest
from bot.platforms.discord.updates import command_of

log = safe_logger(__name__)

# Types of answers to an interaction.
MESSAGE, LATER, UPDATE_LATER, CHOICES, FORM = 4, 5, 6, 8, 9
EPHEMERAL, SUPPRESS_EMBEDS = 1 << 6, 1 << 2
NO_MENTIONS: Json = {"parse": []}
# Discord forgets an interaction after fifteen minutes.
LIFE_SECONDS = 14 * 60.0
_MOST_OPEN = 2000
# Discord gives up on the first answer after three.
SETTLE_SECONDS = 3.0


class Answered(Enum):
    """What an interaction got so far."""

    NOT = "not"
    ANCHOR = "anchor"
    # Before everybody's eyes, and before its author's alone.
    THINKING = "thinking"
    WAITING = "waiting"
    QUIETLY = "quietly"


@dataclass(slots=True, eq=False)
class Open:
    """An interaction. ``token`` is good for :data:`LIFE_SECONDS`; ``typed``: a text came with it; ``shown``: how a
    command shows itself to its channel.
    """

    id: str
    token: str
    user: str
    place: Place
    guild: str
    born: float
    personal: bool = False
    command: bool = False
    typed: bool = False
    shown: Json | None = None
    state: Answered = Answered.NOT
    anchor: str = ""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    settled: asyncio.Event = field(default_factory=asyncio.Event)


class Interactions:
    """Those of the last quarter of an hour, and the messages that only one person sees."""

    def __init__(self, rest: Rest, now: Callable[[], float]) -> None:
        self._rest = rest
        self._now = now
        self._open: OrderedDict[str, Open] = OrderedDict()
        self._quiet: OrderedDict[str, tuple[Open, str]] = OrderedDict()

    def add(self, opened: Open) -> Open:
        """One came."""
        self._open[opened.id] = opened
        while len(self._open) > _MOST_OPEN:
            self._open.popitem(last=False)
        return opened

    def find(self, key: str, reply_to: MessageRef | None) -> Open | None:
        """The interaction that a message answers: by what it replies to, or by its key (``discord:i123:reply``)."""
        named = command_of(reply_to)
        parts = key.split(":")
        event = parts[1] if len(parts) > 2 else ""
        opened = self._open.get(named[0] if named else event.removeprefix("i"))
        return opened if opened is not None and self._lives(opened) else None

    def _lives(self, opened: Open) -> bool:
        return self._now() - opened.born < LIFE_SECONDS

    async def respond(self, opened: Open, kind: int, data: Json | None = None) -> None:
        """The first answer, or the message that a public command was told to wait for. Raises ``PlatformError``; a
        second one is not made.
        """
        async with opened.lock:
            waits = opened.state is Answered.THINKING and kind == MESSAGE
            if opened.state is not Answered.NOT and not waits:
                return
            quietly = kind in (UPDATE_LATER, FORM) or bool((data or {}).get("flags", 0) & EPHEMERAL)
            thinking = kind == LATER and not quietly
            try:
                if waits:
                    made = await self._rest.edit_followed(opened.token, "@original", data or {})
                else:
                    payload: Json = {"type": kind} if data is None else {"type": kind, "data": data}
                    made = await self._rest.respond(opened.id, opened.token, payload)
            except BaseException:
                opened.settled.set()
                raise
            if thinking:
                opened.state = Answered.THINKING
                return
            opened.settled.set()
            opened.state = Answered.WAITING if kind == LATER else Answered.QUIETLY if quietly else Answered.ANCHOR
            opened.anchor = made if opened.state is Answered.ANCHOR else ""

    async def settle(self, opened: Open) -> None:
        """Wait until a command has its first answer: what replies to it has to know its anchor."""
        if opened.command:
            try:
                async with asyncio.timeout(SETTLE_SECONDS):
                    await opened.settled.wait()
                    async with opened.lock:
                        return
            except TimeoutError:
                log.info("a command has no answer yet; its reply does not wait for it")

    async def quietly(self, opened: Open, payload: Json, files: tuple[Attachment, ...] = ()) -> str:
        """A message that only the author sees; its id. Raises ``PlatformError``."""
        if opened.state is Answered.NOT:
            await self.respond(opened, LATER if opened.command else UPDATE_LATER, _hidden(opened))
        # Whatever comes first after a public wait is public.
        if opened.state is Answered.THINKING:
            await self.respond(opened, MESSAGE, opened.shown)
        hidden = {**payload, "flags": payload.get("flags", 0) | EPHEMERAL}
        shown = {name: value for name, value in payload.items() if name != "flags"}
        async with opened.lock:
            if opened.state is Answered.WAITING:
                opened.state = Answered.QUIETLY
                made = await self._rest.edit_followed(opened.token, "@original", shown, files)
            else:
                made = await self._rest.follow(opened.token, hidden, files)
        self._quiet[made] = (opened, made)
        while len(self._quiet) > _MOST_OPEN:
            self._quiet.popitem(last=False)
        return made

    async def withdraw(self, opened: Open) -> None:
        """Nothing comes of this command: its anchor need not stand in the channel."""
        if opened.anchor:
            opened.anchor = ""
            try:
                await self._rest.delete_original(opened.token)
            except PlatformError as error:
                log.info("the trace of a refused command stays: %s", type(error).__name__)

    def hidden(self, message: str) -> Open | None:
        """The interaction through which a message that only one person sees can be edited."""
        opened = self._quiet.get(message, (None, ""))[0]
        return opened if opened is not None and self._lives(opened) else None

    def shown_at(self, opened: Open, message: str) -> None:
        """This hidden message is edited through the newest interaction that came from it."""
        self._quiet[message] = (opened, message)


def _hidden(opened: Open) -> Json | None:
    return {"flags": EPHEMERAL} if opened.command else None
