"""Coming in, staying in, coming in again; what was missed; who may what by a server's roles."""

from collections.abc import AsyncIterator, Sequence

import pytest

from bot.chat.errors import NotStored, UserError
from bot.chat.events import Edit, Event, Message, Presence
from bot.platforms.discord.check import invitation, look
from bot.platforms.discord.intake import MOST_TRIES
from bot.platforms.discord.platform import DiscordPlatform
from bot.platforms.discord.ports import Known
from tests.fakes.discord import Channel, DiscordStandIn, Guild, Person
from tests.fakes.discord.troubles import Failure
from tests.platforms.discord.helpers import Memory, Pauses, place, platform_for
from tests.platforms.telegram.helpers import Inbox


async def test_a_wrong_token_is_said_at_once(discord: DiscordStandIn) -> None:
    made = platform_for(discord, token="MTAwMDAwMDAwMDAwMDAwMDAx.GaBcDe.wrong")
    with pytest.raises(UserError, match="discord_token_refused"):
        await made.start(Inbox().deliver)
    await made.stop()


async def test_a_discord_that_is_away_is_tried_until_it_is_there(discord: DiscordStandIn, ming: Person) -> None:
    await discord.shut()
    inbox, pauses = Inbox(), Pauses()
    made = platform_for(discord, pauses=pauses)
    await made.start(inbox.deliver)
    await pauses.until(1)
    await discord.open()
    await discord.wait_for(lambda: discord.gateway.connected)
    await ming.says("hello")
    assert (await inbox.message()).text == "hello"
    await made.stop()


async def test_a_database_that_is_away_ends_no_reading(discord: DiscordStandIn, ming: Person) -> None:
    inbox, asked = Inbox(), 0

    async def turn() -> bool:
        nonlocal asked
        asked += 1
        if asked == 2:
            # As the database's own errors: none that the network knows.
            raise LookupError("whose turn it is cannot be asked")
        return True

    made = platform_for(discord, turn=turn)
    await made.start(inbox.deliver)
    await discord.wait_for(lambda: asked > 2 and discord.gateway.connected)
    await ming.says("hello")
    assert (await inbox.message()).text == "hello"
    await made.stop()


@pytest.mark.parametrize("way", ["closed", "cut", "asked", "invalid"])
async def test_a_broken_connection_loses_nothing(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person, inbox: Inbox, way: str
) -> None:
    await ming.says("before")
    await inbox.message()
    if way == "closed":
        await discord.gateway.drop(4000)
    elif way == "cut":
        await discord.gateway.drop(None)
    elif way == "asked":
        await discord.gateway.ask_to_reconnect()
    else:
        await discord.gateway.invalidate()
    if way == "invalid":
        await discord.wait_for(lambda: not discord.gateway.connected)
    await ming.says("meanwhile")
    await discord.wait_for(lambda: discord.gateway.connected, 20)
    await ming.says("after")
    await inbox.until(lambda inbox: {"before", "meanwhile", "after"} <= set(inbox.texts))
    assert inbox.texts.index("meanwhile") < inbox.texts.index("after")
    assert discord.gateway.resumed == (0 if way == "invalid" else 1)


async def test_what_was_missed_while_we_were_away_is_read_from_the_history_first(
    discord: DiscordStandIn, ming: Person, channel: Channel
) -> None:
    memory, inbox = Memory(), Inbox()
    first = platform_for(discord, memory)
    await first.start(inbox.deliver)
    await discord.wait_for(lambda: discord.gateway.connected)
    await ming.says("one")
    await ming.says(f"<@{discord.me['id']}> in the team", channel)
    await inbox.message(1)
    await inbox.until(lambda inbox: len(memory.channels) == 2)
    await first.stop()
    await ming.says("two")
    await ming.says("not for us", channel)
    await ming.says(f"<@{discord.me['id']}> three", channel)
    second = platform_for(discord, memory)
    await second.start(inbox.deliver)
    await discord.wait_for(lambda: discord.gateway.connected)
    await ming.says("four")
    await inbox.until(lambda inbox: {"two", "three", "four"} <= set(inbox.texts))
    assert inbox.texts.index("two") < inbox.texts.index("four")
    # Without the message content intent, what does not name us is empty in the history, too.
    assert "not for us" not in inbox.texts
    ids = [event.id for event in inbox.events]
    assert len(ids) == len(set(ids))
    await second.stop()


async def test_what_was_missed_is_read_however_often_discord_or_the_database_fails_first(
    discord: DiscordStandIn, ming: Person, channel: Channel
) -> None:
    inbox, fails = Inbox(), 2

    class Away(Memory):
        async def known(self) -> Sequence[Known]:
            nonlocal fails
            if fails:
                fails -= 1
                raise NotStored
            return await super().known()

    memory = Away()
    await memory.saw(channel.id, channel.guild, 1)
    await ming.says(f"<@{discord.me['id']}> missed", channel)
    discord.next("GET messages", Failure(503), Failure(503))
    made = platform_for(discord, memory)
    await made.start(inbox.deliver)
    await discord.wait_for(lambda: discord.gateway.connected)
    await ming.says(f"<@{discord.me['id']}> after", channel)
    await inbox.until(lambda inbox: len(inbox.texts) == 2)
    assert inbox.texts == ["missed", "after"]
    assert fails == 0
    await made.stop()


async def test_a_message_is_not_given_up_because_the_database_is_away(
    discord: DiscordStandIn, ming: Person, channel: Channel
) -> None:
    inbox = Inbox()
    left = MOST_TRIES + 5

    async def away(event: Event) -> None:
        nonlocal left
        left -= 1
        if left > 0:
            raise NotStored

    inbox.before = away
    made = platform_for(discord)
    await made.start(inbox.deliver)
    await discord.wait_for(lambda: discord.gateway.connected)
    await ming.says("hello")
    assert (await inbox.message()).text == "hello"
    await made.stop()


async def test_a_history_that_may_not_be_read_stops_nothing(
    discord: DiscordStandIn, ming: Person, channel: Channel
) -> None:
    memory, inbox = Memory(), Inbox()
    await memory.saw(channel.id, channel.guild, 1)
    channel.readable = False
    made = platform_for(discord, memory)
    await made.start(inbox.deliver)
    await discord.wait_for(lambda: discord.gateway.connected)
    await ming.says(f"<@{discord.me['id']}> hello", channel)
    assert (await inbox.message()).text == "hello"
    await made.stop()


@pytest.fixture(params=[True, False])
async def reading(
    request: pytest.FixtureRequest, discord: DiscordStandIn, channel: Channel, inbox: Inbox
) -> AsyncIterator[bool]:
    """Whether the message content intent is on."""
    discord.content_intent = request.param
    discord.gateway.allowed = 1 << 15 if request.param else 0
    made = platform_for(discord)
    await made.start(inbox.deliver)
    await discord.wait_for(lambda: discord.gateway.connected)
    yield request.param
    await made.stop()


async def test_the_message_content_intent_is_asked_for_where_it_is_on(
    discord: DiscordStandIn, ming: Person, channel: Channel, inbox: Inbox, reading: bool
) -> None:
    await ming.says("/ds_3", channel)
    await ming.says("among people", channel)
    await ming.says(f"<@{discord.me['id']}>, well?", channel)
    await inbox.until(lambda inbox: "well?" in inbox.texts)
    assert ("/ds_3" in inbox.texts) is reading
    heard = {event.text: event.addressed for event in inbox.events if isinstance(event, Message)}
    assert heard == ({"/ds_3": True, "among people": False, "well?": True} if reading else {"well?": True})
    found = await look(discord.token, discord.api_base)
    assert found is not None
    assert found.content is reading


async def test_who_looks_with_a_wrong_token_finds_nothing(discord: DiscordStandIn) -> None:
    assert await look("MTAwMDAwMDAwMDAwMDAwMDAx.GaBcDe.wrong", discord.api_base) is None
    assert "permissions=" in invitation("123")


async def test_an_intent_that_was_switched_off_under_way_is_done_without(discord: DiscordStandIn, ming: Person) -> None:
    discord.content_intent = True
    discord.gateway.allowed = 0
    inbox, pauses = Inbox(), Pauses()
    made = platform_for(discord, pauses=pauses)
    await made.start(inbox.deliver)
    await pauses.until(2)
    discord.content_intent = False
    await discord.wait_for(lambda: discord.gateway.connected)
    await ming.says("hello")
    assert (await inbox.message()).text == "hello"
    await made.stop()


async def test_threads_are_conversations_and_replies_are_for_us(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person, guild: Guild, channel: Channel, inbox: Inbox
) -> None:
    thread = discord.channel(guild, channel)
    await ming.says(f"<@{discord.me['id']}> in the thread", thread)
    message = await inbox.message()
    assert message.place == place(thread)
    assert message.place != place(channel)


async def test_an_edit_comes_in_and_a_preview_of_a_link_does_not(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person, inbox: Inbox
) -> None:
    said = await ming.says("should I https://a.b")
    await discord.announce("MESSAGE_UPDATE", said)
    await ming.changes(said, "should I go")
    await inbox.until(lambda inbox: len(inbox.events) == 2)
    edit = inbox.events[1]
    assert isinstance(edit, Edit)
    assert edit.text == "should I go"


async def test_bots_and_webhooks_are_not_people(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person, lan: Person, channel: Channel, inbox: Inbox
) -> None:
    said = await ming.says("as a webhook")
    raw = discord.raw(said)
    for body in ({**raw, "webhook_id": "5"}, {**raw, "author": {**raw["author"], "bot": True}}, {**raw, "type": 7}):
        await discord.gateway.dispatch("MESSAGE_CREATE", lambda session, body=body: body)  # type: ignore[misc]
    await ming.says("last")
    await inbox.until(lambda inbox: "last" in inbox.texts)
    assert inbox.texts == ["as a webhook", "last"]


async def test_a_deleted_channel_and_a_server_that_throws_us_out_are_told(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person, guild: Guild, channel: Channel, inbox: Inbox,
    memory: Memory,
) -> None:  # fmt: skip
    other = discord.channel(guild)
    for each in (channel, other):
        await ming.says(f"<@{discord.me['id']}> hello", each)
    await inbox.until(lambda inbox: len(memory.channels) == 2)
    await discord.deletes_channel(channel)
    await inbox.until(lambda inbox: len(inbox.events) == 3)
    await discord.throws_out(guild)
    await inbox.until(lambda inbox: len(inbox.events) == 4)
    await discord.lets_in(guild)
    await inbox.until(lambda inbox: len(inbox.events) >= 5)
    told = [(event.place, event.writable) for event in inbox.events if isinstance(event, Presence)]
    assert told[:2] == [(place(channel), False), (place(other), False)]
    assert (place(other), True) in told[2:]


@pytest.mark.parametrize("private", [True, False])
async def test_a_servers_role_stands_for_one_of_ours(
    discord: DiscordStandIn, ming: Person, lan: Person, guild: Guild, channel: Channel, private: bool
) -> None:
    guild.roles = {"900000000000000001": "Trainers", "900000000000000002": "Leads"}
    guild.members[ming.id] = list(guild.roles)
    inbox = Inbox()
    mapping = {"900000000000000001": "trainer", "900000000000000002": "lead", "900000000000000003": "admin"}
    made = platform_for(discord, roles=mapping)
    await made.start(inbox.deliver)
    await discord.wait_for(lambda: discord.gateway.connected)
    await discord.lets_in(guild)
    mention = "" if private else f"<@{discord.me['id']}> "
    for person in (ming, lan):
        await person.says(f"{mention}hello", None if private else channel)
    await inbox.until(lambda inbox: len(inbox.events) == 2)
    roles = {event.author.id: event.author.role for event in inbox.events if isinstance(event, Message)}
    assert roles == {ming.id: "lead", lan.id: None}
    await made.stop()


async def test_a_file_whose_address_is_over_is_found_again(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person, inbox: Inbox
) -> None:
    await ming.sends_file("a.jsonl", b"{}" * 100)
    (upload,) = (await inbox.message()).uploads
    discord.expired |= set(discord.files)
    assert b"".join([piece async for piece in platform.fetch(upload)]) == b"{}" * 100
