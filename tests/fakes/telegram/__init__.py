"""A strict stand-in for Telegram's Bot API server, over real HTTP on loopback."""

from tests.fakes.telegram.people import Person
from tests.fakes.telegram.server import TelegramStandIn
from tests.fakes.telegram.state import Group, Shown
from tests.fakes.telegram.troubles import (
    BrokenJson,
    DropAfter,
    DropBefore,
    Failure,
    Held,
    HtmlPage,
    Throttle,
)

__all__ = [
    "BrokenJson",
    "DropAfter",
    "DropBefore",
    "Failure",
    "Group",
    "Held",
    "HtmlPage",
    "Person",
    "Shown",
    "TelegramStandIn",
    "Throttle",
]
