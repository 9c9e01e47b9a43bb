"""A strict stand-in for Telegram's Bot API server, over real HTTP on loopback."""

from tests.fakes.telegram.flood import Flood, Rules, Verdict
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
    Slow,
    Throttle,
)

__all__ = [
    "BrokenJson",
    "DropAfter",
    "DropBefore",
    "Failure",
    "Flood",
    "Group",
    "Held",
    "HtmlPage",
    "Person",
    "Rules",
    "Shown",
    "Slow",
    "TelegramStandIn",
    "Throttle",
    "Verdict",
]
