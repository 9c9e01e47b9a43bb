"""How people write which model they mean: ``v3``, ``@poet``, and what a promotion is to do."""

import re
from dataclasses import dataclass

from bot.chat.errors import UserError
from bot.commands.typing import dashed, normalise, number
from bot.services.releases import LIVE

_VERSION = re.compile(r"v?[0-9]{1,9}", re.IGNORECASE)
_NAME = re.compile(r"[^\W\d_](?:[\w-]{0,30}[^\W_])?")
# Words of our own, and what chats take for everybody in a room.
_TAKEN = frozenset({"off", "base", "none", "all", "everyone", "here", "channel"})
_CANARY = re.compile(r"(?P<dashes>--)?(?:canary|灰度)(?P<value>[=:]?[-+]?[0-9.]*%?)", re.IGNORECASE)
_LIKE_A_FLAG = re.compile(r"--[a-zA-Z][\w-]*")
_ONLY_DASHES = re.compile(r"[-‐‑‒–—―]+")


def version_of(word: str) -> int:
    """A version as people write it. Raises ``UserError``."""
    word = normalise(word)
    if not _VERSION.fullmatch(word) or not word.isascii():
        raise UserError("version_needed", value=word[:20])
    return int(word.lower().removeprefix("v"))


def alias_of(word: str) -> str:
    """A name as people write it, with or without ``@``. Raises ``UserError``."""
    name = normalise(word).lstrip("@").lower()
    if not _NAME.fullmatch(name) or _VERSION.fullmatch(name) or name in _TAKEN:
        raise UserError("alias_bad", name=name[:40])
    return name


def names_version(word: str) -> bool:
    """Whether a word is a version, rather than a name."""
    return _VERSION.fullmatch(normalise(word)) is not None


@dataclass(frozen=True, slots=True)
class Wish:
    """What ``/promote`` is asked for. ``canary``: percent of all conversations."""

    version: int
    alias: str = LIVE
    canary: int | None = None
    reason: str = ""


def wish_of(text: str) -> Wish:
    """Read ``v3 [@name] [--canary 20%] [why]``. Raises ``UserError``: what looks like a flag and is none starts
    nothing, for as a reason it would open a gate.
    """
    first, *rest = normalise(text).split(" ")
    version, alias, canary = version_of(first), LIVE, None
    if rest and rest[0].startswith("@"):
        alias = alias_of(rest.pop(0))
    reason: list[str] = []
    while rest:
        word = rest.pop(0)
        flag = _CANARY.fullmatch(dashed(word))
        if flag is not None and (flag["dashes"] or flag["value"] or _share_follows(reason, rest)):
            value = flag["value"].lstrip("=:") or (rest.pop(0) if rest else "")
            if rest and rest[0] == "%":
                rest.pop(0)
            canary = _percent(value)
        elif (other := _LIKE_A_FLAG.match(dashed(word))) is not None:
            raise UserError("flag_unknown_near", flag=other[0][:20], near="--canary")
        elif reason or not _ONLY_DASHES.fullmatch(word):
            reason.append(word)
    if canary is not None and alias != LIVE:
        raise UserError("canary_named", name=alias)
    return Wish(version, alias, canary, " ".join(reason))


def _share_follows(reason: list[str], rest: list[str]) -> bool:
    """``canary 20%`` without dashes, where no reason has begun: as a reason it would let everybody talk to it."""
    return not reason and bool(rest) and number(rest[0].removesuffix("%")) is not None


def _percent(value: str) -> int:
    share = number(value.removesuffix("%"))
    if share is None or share != int(share) or not 1 <= share <= 99:
        raise UserError("canary_share")
    return int(share)
