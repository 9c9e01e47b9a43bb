"""What holds for updates however they come: by polling and by webhook."""

import logging

import pytest

from bot.chat.errors import NotStored
from bot.chat.events import Event, Message
from bot.platforms.telegram import TelegramPlatform
from bot.platforms.telegram.handing import MOST_TRIES
from tests.fakes.telegram import Person, TelegramStandIn
from tests.platforms.telegram.helpers import Inbox


class IntakeContract:
    """A test module of each way subclasses this and brings the running ``platform``."""

    async def test_nothing_is_given_up_while_the_database_is_away(
        self, platform: TelegramPlatform, tg: TelegramStandIn, ming: Person, inbox: Inbox
    ) -> None:
        failures = 3 * MOST_TRIES

        async def away(event: Event) -> None:
            nonlocal failures
            if failures:
                failures -= 1
                raise NotStored

        inbox.before = away
        await ming.says("one")
        await ming.says("two")
        await tg.wait_for(lambda: len(tg.updates.confirmed) == 2)
        assert inbox.texts == ["one", "two"]
        assert not failures

    async def test_a_poison_update_is_given_up_loudly_and_the_next_arrives(
        self,
        platform: TelegramPlatform,
        tg: TelegramStandIn,
        ming: Person,
        inbox: Inbox,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        async def refuse(event: Event) -> None:
            if isinstance(event, Message) and event.text == "poison":
                raise ValueError("cannot be stored")

        inbox.before = refuse
        await ming.says("poison")
        await ming.says("food")
        await tg.wait_for(lambda: len(tg.updates.confirmed) == 2)
        assert inbox.texts == ["food"]
        assert len(inbox.tried) == MOST_TRIES + 1
        assert any("is given up" in record.getMessage() for record in caplog.records if record.levelno == logging.ERROR)
