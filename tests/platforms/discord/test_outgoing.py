"""Messages on their way out: nonces, limits, files, and Discord's errors in our words."""

import pytest

from bot.answering.courier import Courier
from bot.chat.content import Answer, AnswerState, Attachment, Button, Card, Code, Paragraph
from bot.chat.errors import Blocked, Closed, PlatformError, Refused, Throttled, Unavailable, Unconfirmed, Vanished
from bot.chat.places import MessageRef
from bot.platforms.discord.outgoing import nonce_of
from bot.platforms.discord.platform import DiscordPlatform
from tests.fakes.discord import (
    Banned,
    Channel,
    DiscordStandIn,
    DropAfter,
    DropBefore,
    Failure,
    Guild,
    Held,
    Limits,
    Person,
    Throttle,
)
from tests.platforms.discord.helpers import place, platform_for
from tests.platforms.telegram.helpers import Inbox

CARD = Card("Job 1", (Paragraph("It runs."),))


async def test_a_send_that_broke_may_be_repeated_and_shows_once(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person
) -> None:
    there = place(discord.private(ming))
    discord.next("POST messages", DropAfter())
    with pytest.raises(Unconfirmed):
        await platform.send(there, CARD, key="notice:1")
    ref = await platform.send(there, CARD, key="notice:1")
    assert [shown.id for shown in discord.messages(ming)] == [ref.id]
    (_, body) = (call.body for call in discord.calls("POST messages"))
    assert body["enforce_nonce"] is True
    assert body["nonce"] == nonce_of("notice:1")
    assert len(body["nonce"]) <= 25
    # As long as Discord says at least; nothing is promised beyond that.
    assert platform.limits.repeatable_sends
    assert 60 <= platform.limits.repeat_seconds <= 180


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        (Failure(404, 10003), Blocked),
        (Failure(403, 50001), Blocked),
        (Failure(403, 50007), Blocked),
        (Failure(403, 50013), Blocked),
        (Failure(400, 50083), Closed),
        (Failure(403, 160005), Closed),
        (Failure(400, 50035), Refused),
        (Failure(413, 40005), Refused),
        (Failure(401), Unavailable),
        (Failure(503), Unconfirmed),
        (DropBefore(), Unconfirmed),
        (Throttle(600.0), Throttled),
        (Banned(), Throttled),
    ],
)
async def test_errors_say_what_they_mean_for_the_caller(
    discord: DiscordStandIn,
    platform: DiscordPlatform,
    ming: Person,
    trouble: Failure | DropBefore | Throttle | Banned,
    expected: type[PlatformError],
) -> None:
    discord.next("POST messages", trouble)
    with pytest.raises(expected) as raised:
        await platform.send(place(discord.private(ming)), CARD, key="a")
    assert type(raised.value) is expected
    if isinstance(raised.value, Throttled):
        assert raised.value.retry_after in (600.0, 60.0)


async def test_a_server_that_is_away_is_not_reached(discord: DiscordStandIn, platform: DiscordPlatform) -> None:
    await discord.shut()
    with pytest.raises(Unavailable):
        await platform.send(place(Channel("1")), CARD, key="a")


async def test_a_short_limit_is_waited_out_by_the_library(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person
) -> None:
    discord.next("PATCH message", Throttle(0.01), Throttle(0.02, everywhere=True))
    ref = await platform.send(place(discord.private(ming)), CARD, key="a")
    await platform.edit(ref, Card("Job 2"))
    assert discord.messages(ming)[0].text == "Job 2"
    assert [call.status for call in discord.calls("PATCH message")] == [429, 429, 200]


async def test_headers_are_obeyed_before_anything_is_refused(ming: Person, discord: DiscordStandIn) -> None:
    discord.limits = Limits(calls=2, seconds=0.2)
    made = platform_for(discord)
    await made.start(Inbox().deliver)
    there = place(discord.private(ming))
    ref = await made.send(there, CARD, key="a")
    for number in range(6):
        await made.edit(ref, Card(f"Step {number}"))
    assert discord.limits.refused == 0
    assert discord.messages(ming)[0].text == "Step 5"
    await made.stop()


@pytest.mark.parametrize("gone", ["message", "channel", "server"])
async def test_an_edit_of_what_is_gone(
    discord: DiscordStandIn, platform: DiscordPlatform, channel: Channel, guild: Guild, gone: str
) -> None:
    ref = await platform.send(place(channel), CARD, key="a")
    if gone == "message":
        discord.shown[ref.id].deleted = True
    elif gone == "channel":
        channel.deleted = True
    else:
        guild.bot_inside = False
    with pytest.raises(Vanished if gone == "message" else Blocked):
        await platform.edit(ref, CARD)


async def test_a_reply_to_what_the_person_deleted_stands_by_itself(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person
) -> None:
    said = await ming.says("well?")
    await ming.deletes(said)
    there = place(discord.private(ming))
    await platform.send(there, CARD, key="a", reply_to=MessageRef(there, said.id))
    assert discord.messages(ming)[0].reply_to is None


@pytest.mark.parametrize(("tier", "size", "fits"), [(0, 11 << 20, False), (2, 11 << 20, True), (2, 51 << 20, False)])
async def test_files_are_as_large_as_the_server_allows(
    discord: DiscordStandIn, ming: Person, tier: int, size: int, fits: bool
) -> None:
    guild = discord.guild(ming, tier=tier)
    channel = discord.channel(guild)
    made, inbox = platform_for(discord), Inbox()
    await made.start(inbox.deliver)
    await discord.wait_for(lambda: discord.gateway.connected)
    # What comes after it is here, so the server is known.
    await ming.says("hello")
    await inbox.message()
    files = (Attachment("adapter.zip", "application/zip", bytes(size)), Attachment("a.log", "text/plain", b"ok"))
    await made.send(place(channel), Card("Here", attachments=files), key="a")
    (shown,) = discord.messages(channel)
    assert ("adapter.zip" in shown.files) is fits
    assert "a.log" in shown.files
    assert ("adapter.zip" in shown.text) is not fits
    await made.stop()


async def test_a_card_longer_than_an_embed_goes_whole_as_a_file(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person
) -> None:
    card = Card("T" * 300, (Paragraph("\n".join(f"line {number}" for number in range(900))), Code("x\n" * 900)))
    await platform.send(place(discord.private(ming)), card, key="a")
    (shown,) = discord.messages(ming)
    assert "line 899" in shown.files["card.txt"].decode()
    assert "line 10" in shown.text
    assert shown.text.count("```") % 2 == 0


async def test_a_preview_that_is_late_is_followed_by_the_newest_only(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person
) -> None:
    """The library waits by itself; the courier puts one call into it at a time, so the rest coalesces before it."""
    there = place(discord.private(ming))
    courier = Courier({"discord": platform})
    ref = await courier.send(there, Answer("…", AnswerState.WAITING), key="a")
    held = Held()
    discord.next("PATCH message", held)
    for number in range(50):
        courier.preview(ref, Answer(f"word {number}", AnswerState.STREAMING))
    await discord.wait_for(lambda: len(discord.calls("PATCH message")) == 1)
    for number in range(50, 100):
        courier.preview(ref, Answer(f"word {number}", AnswerState.STREAMING))
    held.release.set()
    await discord.wait_for(lambda: discord.messages(ming)[0].text == "word 99")
    assert len(discord.calls("PATCH message")) == 2
    await courier.close(1)


async def test_a_button_made_twice_is_there_once(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person
) -> None:
    twice = ((Button("A", token="same"), Button("B", token="same")),)
    await platform.send(place(discord.private(ming)), Card("x", buttons=twice), key="a")
    assert discord.messages(ming)[0].labels == ["A"]
