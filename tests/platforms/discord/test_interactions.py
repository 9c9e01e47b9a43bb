"""Commands, presses, menus and forms: answered in time, in public or alone, never tied to the fifteen minutes."""

import asyncio
from functools import partial

import pytest

from bot.chat.content import Button, Card, Items, Paragraph, Tone
from bot.chat.errors import Blocked
from bot.chat.events import Ack, Event, Message, Press
from bot.chat.places import PlaceKind
from bot.platforms.discord.platform import DiscordPlatform
from tests.fakes.discord import Channel, DiscordStandIn, Person
from tests.fakes.discord.state import Interaction
from tests.platforms.discord.helpers import Completes, Memory, place
from tests.platforms.telegram.helpers import Inbox

SECRET = Card("Only yours", (Paragraph("a code"),), rings=False, personal=True)
REFUSAL = Card(blocks=(Paragraph("That is not for you."),), tone=Tone.ERROR)


def key(event: Event, part: str = "reply") -> str:
    return f"discord:{event.id}:{part}"


async def test_typed_options_become_the_line_that_they_stand_for(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person, channel: Channel, inbox: Inbox
) -> None:
    made = await ming.uses(
        "train", channel, dataset="3", preset="quality", epochs=2, lr=0.0001, val=10, name="my teller", yes=True
    )
    message = await inbox.message()
    assert message.text == '/train 3 --preset quality --epochs 2 --lr 0.0001 --val 10% --name "my teller" --yes'
    assert message.id == f"i{made.id}"
    assert message.addressed
    assert message.place == place(channel)
    assert message.author.id == ming.id
    assert message.author.language == "zh-CN"
    await discord.wait_for(lambda: discord.messages(channel))
    (anchor,) = discord.messages(channel)
    assert anchor.text == message.text
    await ming.uses("datasets", channel, one="7")
    assert (await inbox.message(1)).text == "/ds_7"


async def test_what_is_public_stands_under_the_command_as_a_message_of_our_own(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person, lan: Person, channel: Channel, inbox: Inbox
) -> None:
    made = await ming.uses("train", channel, dataset="3")
    message = await inbox.message()
    await discord.wait_for(lambda: made.original)
    ref = await platform.send(message.place, Card("Job 1"), key=key(message), reply_to=message.ref)
    sent = discord.shown[ref.id]
    assert sent.reply_to == made.original
    assert sent.to == ""
    # A quarter of an hour later it is edited all the same, and a notice still finds the command and rings.
    made.expired = True
    await platform.edit(ref, Card("Job 1, done"))
    assert "done" in sent.text
    done = await platform.send(message.place, Card("Done"), key="discord:done:1", reply_to=message.ref)
    assert discord.shown[done.id].reply_to == made.original
    assert discord.shown[done.id].body["allowed_mentions"] == {"parse": [], "users": [ming.id]}
    assert discord.messages(channel, lan) == discord.messages(channel, ming)


async def test_what_is_personal_is_seen_by_one(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person, lan: Person, channel: Channel, inbox: Inbox
) -> None:
    made = await ming.uses("whoami", channel)
    message = await inbox.message()
    ref = await platform.send(message.place, SECRET, key=key(message), reply_to=message.ref)
    assert "a code" in ming.was_told(made)
    assert discord.messages(channel, lan) == []
    await platform.edit(ref, Card("Later", personal=True))
    assert "Later" in ming.was_told(made)
    again = await platform.send(message.place, SECRET, key=key(message, "more"), reply_to=message.ref)
    assert discord.shown[again.id].to == ming.id


async def test_a_refusal_is_seen_by_one_and_the_command_leaves_no_trace(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person, lan: Person, channel: Channel, inbox: Inbox
) -> None:
    made = await ming.uses("train", channel)
    message = await inbox.message()
    await discord.wait_for(lambda: made.original)
    await platform.send(message.place, REFUSAL, key=key(message, "problem"), reply_to=message.ref)
    assert "not for you" in ming.was_told(made)
    assert discord.messages(channel, lan) == []


async def test_that_a_training_failed_is_told_to_all_who_saw_it_begin(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person, lan: Person, channel: Channel, inbox: Inbox
) -> None:
    made = await ming.uses("train", channel)
    message = await inbox.message()
    await discord.wait_for(lambda: made.original)
    await platform.send(message.place, Card("It failed", tone=Tone.ERROR), key="job:1:done", reply_to=message.ref)
    assert [shown.text for shown in discord.messages(channel, lan)][1:] == [f"<@{ming.id}>\n❌ It failed"]


async def test_what_is_personal_goes_to_private_messages_once_the_interaction_is_over(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person, channel: Channel, inbox: Inbox, memory: Memory
) -> None:
    await ming.uses("whoami", channel)
    message = await inbox.message()
    # Another process has stored it, and died.
    platform._interactions._open.clear()
    ref = await platform.send(message.place, SECRET, key=key(message), reply_to=message.ref)
    assert ref.place.kind is PlaceKind.PRIVATE
    assert "a code" in discord.messages(ming)[0].text
    assert not [shown for shown in discord.messages(channel, ming) if "a code" in shown.text]


async def test_in_private_everything_is_a_plain_message(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person, inbox: Inbox
) -> None:
    await ming.uses("whoami")
    message = await inbox.message()
    assert message.place.kind is PlaceKind.PRIVATE
    await platform.send(message.place, SECRET, key=key(message), reply_to=message.ref)
    assert [shown.to for shown in discord.messages(ming)] == ["", ""]


async def test_what_cannot_be_stored_is_told_at_once(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person, channel: Channel, inbox: Inbox
) -> None:
    async def fails(event: Event) -> None:
        raise OSError("no room")

    inbox.before = fails
    made = await ming.uses("train", channel)
    await discord.wait_for(lambda: "错误编号" in ming.was_told(made))
    assert made.hidden


@pytest.mark.parametrize("command", ["train", "whoami"])
async def test_a_command_that_takes_long_to_store_is_told_to_wait_and_then_answered_as_any_other(
    command: str, discord: DiscordStandIn, platform: DiscordPlatform, ming: Person, lan: Person, channel: Channel,
    inbox: Inbox, memory: Memory, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("bot.platforms.discord.traffic.PATIENCE_SECONDS", 0.01)
    release = asyncio.Event()

    async def slow(event: Event) -> None:
        await release.wait()

    inbox.before = slow
    made = await ming.uses(command, channel)
    await discord.wait_for(lambda: made.answer)
    assert made.answer is not None
    assert made.answer["type"] == 5
    assert made.hidden is (command == "whoami")
    release.set()
    message = await inbox.message()
    shown = SECRET if command == "whoami" else Card("Job 1")
    ref = await platform.send(message.place, shown, key=key(message), reply_to=message.ref)
    if command == "whoami":
        assert "a code" in ming.was_told(made)
        assert discord.messages(channel, lan) == []
    else:
        anchor, reply = discord.messages(channel, lan)
        assert anchor.text == "/train"
        assert (reply.id, reply.reply_to) == (ref.id, made.original)
        await discord.wait_for(lambda: memory.anchors)
        assert memory.anchors == {made.id: made.original}


async def test_what_is_personal_stays_so_where_a_public_command_was_told_to_wait(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person, lan: Person, channel: Channel, inbox: Inbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("bot.platforms.discord.traffic.PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr("bot.platforms.discord.interactions.SETTLE_SECONDS", 0.01)
    release = asyncio.Event()

    async def slow(event: Event) -> None:
        await release.wait()

    inbox.before = slow
    made = await ming.uses("train", channel)
    await discord.wait_for(lambda: made.answer)
    # Another process found it stored before this one heard that it is.
    event = inbox.tried[0]
    assert isinstance(event, Message)
    await platform.send(event.place, SECRET, key=key(event), reply_to=event.ref)
    assert "a code" in ming.was_told(made)
    assert [each.text for each in discord.messages(channel, lan)] == ["/train"]
    release.set()


def _told_an_error(person: Person, made: Interaction) -> bool:
    return "错误编号" in person.was_told(made)


async def test_what_could_not_be_stored_after_a_while_is_told_to_its_author(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person, lan: Person, channel: Channel, inbox: Inbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("bot.platforms.discord.traffic.PATIENCE_SECONDS", 0.01)
    release = asyncio.Event()

    async def fails(event: Event) -> None:
        await release.wait()
        raise OSError("no room")

    await platform.send(place(channel), Card("Job", buttons=((Button("Start", token="go"),),)), key="a")
    inbox.before = fails
    used = [
        await ming.uses("train", channel),
        await ming.uses("whoami", channel),
        await ming.presses(discord.messages(channel)[0], "Start"),
    ]
    await discord.wait_for(lambda: all(made.answer for made in used))
    assert [made.answer and made.answer["type"] for made in used] == [5, 5, 6]
    release.set()
    for made in used:
        await discord.wait_for(partial(_told_an_error, ming, made))
    await discord.wait_for(lambda: len(discord.messages(channel, lan)) == 1)


async def test_a_file_comes_with_the_command(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person, channel: Channel, inbox: Inbox
) -> None:
    data = b'{"messages": []}\n' * 1000
    await ming.uses("dataset", channel, ("数据.jsonl", data))
    message = await inbox.message()
    (upload,) = message.uploads
    assert upload.name == "数据.jsonl"
    assert b"".join([piece async for piece in platform.fetch(upload)]) == data


async def test_a_word_is_completed_for_whoever_types(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person, completes: Completes, channel: Channel
) -> None:
    assert await ming.types("train", "dataset", "2", channel) == [{"name": "2 · teller", "value": "2"}]
    assert completes.asked == [(ming.id, "datasets", "2")]


async def test_a_press_that_takes_long_is_told_to_wait_and_answered_alone(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person, channel: Channel, inbox: Inbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("bot.platforms.discord.traffic.PATIENCE_SECONDS", 0.01)
    release = asyncio.Event()

    async def slow(event: Event) -> None:
        await release.wait()

    inbox.before = slow
    inbox.ack = Ack("已开始", alert=True)
    await platform.send(place(channel), Card("Job", buttons=((Button("Start", token="go"),),)), key="a")
    made = await ming.presses(discord.messages(channel)[0], "Start")
    await discord.wait_for(lambda: made.answer)
    assert made.answer == {"type": 6}
    release.set()
    await discord.wait_for(lambda: "已开始" in ming.was_told(made))


async def test_a_copy_is_shown_alone_and_no_press(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person, channel: Channel, inbox: Inbox
) -> None:
    card = Card("Run", buttons=((Button("Copy", copy="/train 3"), Button("Long", copy="x" * 150)),))
    await platform.send(place(channel), card, key="a")
    shown = discord.messages(channel)[0]
    assert shown.labels == ["Copy"]
    assert "x" * 150 in shown.text
    made = await ming.presses(shown, "Copy")
    await discord.wait_for(lambda: made.answer)
    assert ming.was_told(made) == "/train 3"
    assert inbox.tried == []


async def test_a_form_brings_a_press_and_then_the_text(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person, channel: Channel, inbox: Inbox
) -> None:
    await platform.send(place(channel), Card("A", buttons=((Button("✏️", token="better", asks=True),),)), key="a")
    form = await ming.presses(discord.messages(channel)[0], "✏️")
    sent = await ming.fills(form, "要搬，\n就这个月。")
    press, message = await inbox.press(), await inbox.message(1)
    assert press.token == "better"
    assert message.text == "要搬，\n就这个月。"
    assert press.ref.id == discord.messages(channel)[0].id
    # What would ask for the text is not shown: it has come. Thanks for it are for its author.
    await platform.send(press.place, SECRET, key=key(press), reply_to=press.ref)
    await platform.send(message.place, SECRET, key=key(message), reply_to=message.ref)
    assert len(ming.told(sent)) == 1
    assert len(discord.messages(channel)) == 1


async def test_a_form_whose_button_is_refused_brings_no_text(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person, channel: Channel, inbox: Inbox
) -> None:
    inbox.ack = Ack("旧按钮", alert=True)
    await platform.send(place(channel), Card("A", buttons=((Button("✏️", token="better", asks=True),),)), key="a")
    form = await ming.presses(discord.messages(channel)[0], "✏️")
    sent = await ming.fills(form, "x")
    await discord.wait_for(lambda: sent.answer)
    assert "旧按钮" in ming.was_told(sent)
    await platform.quiet()
    assert [type(event) for event in inbox.events] == [Press]


async def test_what_a_list_names_can_be_chosen(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person, channel: Channel, inbox: Inbox
) -> None:
    items = tuple(f"/ds_{number} · teller" for number in range(1, 40))
    buttons = tuple((Button(f"B{row}", token=f"t{row}"),) for row in range(8))
    await platform.send(place(channel), Card("Datasets", (Items(items),), buttons), key="a")
    shown = discord.messages(channel)[0]
    assert "/ds_39" in shown.text
    assert shown.labels == ["B0", "B1", "B2"]
    await ming.presses(shown, "/ds_3 · teller")
    message = await inbox.message()
    assert isinstance(message, Message)
    assert message.text == "/ds_3"
    await ming.presses(shown, "B7")
    assert (await inbox.press(1)).token == "t7"


async def test_where_we_may_not_write_the_person_is_told_why(
    discord: DiscordStandIn, platform: DiscordPlatform, ming: Person, channel: Channel, inbox: Inbox
) -> None:
    channel.writable = False
    made = await ming.uses("train", channel)
    message = await inbox.message()
    with pytest.raises(Blocked):
        await platform.send(message.place, Card("Job"), key=key(message), reply_to=message.ref)
    assert "发送消息" in ming.was_told(made)


def test_commands_are_named_in_both_languages(discord: DiscordStandIn) -> None:
    from bot.app import App
    from bot.platforms.discord.commands import payload
    from bot.settings import read
    from tests.fakes.discord.rules import check_commands

    app = App(read({}, None), {})
    commands = payload(app.registry.menu())
    check_commands(commands)
    for entry in app.registry.menu():
        made = next(command for command in commands if command["name"] == entry.name)
        assert set(made["name_localizations"]) == {"zh-CN", "en-US", "en-GB"}
        assert set(made["description_localizations"]) == {"zh-CN", "en-US", "en-GB"}
        # Nothing that a command takes is missing among its typed options.
        assert bool(entry.options) or not entry.arguments, entry.name
        assert all(len(text) <= 100 for text in entry.descriptions.values()), entry.name
