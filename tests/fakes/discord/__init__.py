"""A stand-in of Discord on loopback: gateway and REST, for one bot and the real discord.py."""

from tests.fakes.discord.people import Person
from tests.fakes.discord.server import DiscordStandIn, Limits
from tests.fakes.discord.state import Call, Channel, Guild, Interaction, Shown, plain
from tests.fakes.discord.troubles import Banned, DropAfter, DropBefore, Failure, Held, Slow, Throttle

__all__ = [
    "Banned",
    "Call",
    "Channel",
    "DiscordStandIn",
    "DropAfter",
    "DropBefore",
    "Failure",
    "Guild",
    "Held",
    "Interaction",
    "Limits",
    "Person",
    "Shown",
    "Slow",
    "Throttle",
    "plain",
]
