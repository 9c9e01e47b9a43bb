"""What can go wrong with one call, as a test wishes."""

import asyncio
from dataclasses import dataclass, field


@dataclass
class Throttle:
    """429 with ``retry_after`` seconds and its headers; ``everywhere``: for all calls of the bot."""

    retry_after: float
    everywhere: bool = False


@dataclass
class Banned:
    """429 of Cloudflare, before Discord: a page, no headers of the API."""


@dataclass
class Failure:
    """An answer that is not a success."""

    status: int
    code: int = 0
    message: str = "No"


class DropBefore:
    """The connection breaks before the call is done."""


class DropAfter:
    """The connection breaks after the call was done and before its answer."""


@dataclass
class Held:
    """The call waits, before it is done, until the test says so."""

    release: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Slow:
    """The call waits so many seconds before it is done."""

    seconds: float


Trouble = Throttle | Banned | Failure | DropBefore | DropAfter | Held | Slow
