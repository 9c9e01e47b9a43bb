"""Roles of ours that a server's roles stand for, as the operator says. Asked of Discord, never of the person."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

import discord

from bot.chat.errors import Blocked, PlatformError, Refused, Vanished
from bot.platforms.discord.redaction import safe_logger
from bot.platforms.discord.rest import Rest
from bot.platforms.discord.updates import Raw

log = safe_logger(__name__)

RANKS = ("user", "trainer", "lead", "admin")
# A role that was taken away counts for so long at most in direct messages, where Discord does not tell it.
_KEPT_SECONDS = 300.0
_MOST_KEPT = 5000


class Roles:
    """``mapping``: the id of a server's role to a word of ours."""

    def __init__(
        self, mapping: Mapping[str, str], rest: Rest, guilds: Callable[[], Sequence[discord.Guild]],
        now: Callable[[], float],
    ) -> None:  # fmt: skip
        self._mapping = dict(mapping)
        self._rest = rest
        self._guilds = guilds
        self._now = now
        self._kept: OrderedDict[str, tuple[float, str | None]] = OrderedDict()

    async def of(self, user: str, member: Raw | None) -> str | None:
        """The highest role that somebody has by the server's roles: of this server, in private of any."""
        if not self._mapping:
            return None
        if member is not None and "roles" in member:
            return self._highest([str(role) for role in member["roles"]])
        until, known = self._kept.get(user, (0.0, None))
        if self._now() < until:
            return known
        found: list[str] = []
        sure = True
        for guild in self._guilds():
            if any(str(role.id) in self._mapping for role in guild.roles):
                try:
                    found += [str(role) for role in (await self._rest.member(str(guild.id), user))["roles"]]
                except PlatformError as error:
                    # Not in this server, or Discord does not say: nothing is granted by what is not known.
                    log.debug("roles in a server are not known: %s", type(error).__name__)
                    sure = sure and isinstance(error, Vanished | Blocked | Refused)
        if not sure:
            # What it says in a moment counts, not that it could not be asked now.
            return self._highest(found)
        self._kept[user] = (self._now() + _KEPT_SECONDS, self._highest(found))
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return self._kept[user][1]

    def _highest(self, roles: Sequence[str]) -> str | None:
        words = [self._mapping[role] for role in roles if role in self._mapping]
        return max(words, key=RANKS.index, default=None)
