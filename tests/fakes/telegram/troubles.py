"""What can go wrong with one call, as a test wishes."""

import asyncio
from dataclasses import dataclass, field


@dataclass
class Throttle:
    """429 with ``retry_after`` seconds."""

    retry_after: int


@dataclass
class Failure:
    """An answer of the API itself with ``ok`` false."""

    code: int
    description: str


@dataclass
class HtmlPage:
    """What a proxy before the server says."""

    status: int = 502


@dataclass
class BrokenJson:
    """Half an answer with status 200; the call was done."""

    body: str = '{"ok":true,"resu'


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


Trouble = Slow | Throttle | Failure | HtmlPage | BrokenJson | DropBefore | DropAfter | Held
