"""What we send, judged by somebody else's stand-in: simcord, which keeps its own rules of what Discord takes.

It stands in for the library's HTTP client and has no wire, so reconnects, limits and nonces are shown on ours.
"""

import discord
import pytest
import simcord

from bot.app import App
from bot.chat.content import Answer, AnswerState, Attachment, Button, Card, Content, Items
from bot.chat.errors import Refused
from bot.chat.places import Place, PlaceKind
from bot.platforms.discord.commands import payload
from bot.platforms.discord.gateway import intents
from bot.platforms.discord.interactions import Interactions
from bot.platforms.discord.outgoing import Outgoing
from bot.platforms.discord.rest import Rest
from bot.settings import read
from tests.contracts.platform_contract import EVERYTHING
from tests.platforms.discord.helpers import Memory


async def test_everything_that_we_show_is_taken() -> None:
    client = discord.Client(intents=intents(content=False))
    async with simcord.run(client) as env:
        guild = env.create_guild()
        channel = guild.create_text_channel("team")
        rest = Rest(lambda: client)
        assert client.application_id is not None
        rest.application = str(client.application_id)
        app = App(read({}, None), {})
        await rest.publish(payload(app.registry.menu()))
        outgoing = Outgoing(rest, Interactions(rest, lambda: 0.0), Memory(), lambda place: 10 << 20)
        place = Place("discord", str(channel.id), kind=PlaceKind.GROUP)
        items = Card("Datasets", (Items(tuple(f"/ds_{number} · x" for number in range(40))),))
        many = Card("x", buttons=tuple((Button(f"B{row}", token=f"t{row}"),) for row in range(9)))
        files = Card("Done", attachments=(Attachment("训练.log", "text/plain", b"step 1"),))
        shown: tuple[Content, ...] = (EVERYTHING, items, many, files, Answer("", AnswerState.WAITING))
        for number, content in enumerate(shown):
            ref = await outgoing.send(place, content, f"key {number}", None)
            await outgoing.edit(ref, Answer("The stars", AnswerState.DONE, "stopped"))
        with pytest.raises(Refused):
            await rest.send(str(channel.id), {"content": "x" * 2001})
