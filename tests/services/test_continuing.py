"""The rest of an answer that reached its greatest length: wished for, made, broken off, through kills."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from bot.services.replies import Reply
from storage.tables import LedgerRow, Turn
from tests.fakes.model import ModelStandIn
from tests.services.test_talking import done, last_words
from tests.services.world import World


def shows_last_words_first(world: World) -> None:
    """A short answer is whole before anything of it is shown."""
    assert world.platform is not None
    world.platform.limits = replace(world.platform.limits, private_placeholder=60.0, first_units=1000)


async def test_continue_goes_on_with_the_answer(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    model.finish = "length"
    await ann.says("hello")
    await world.chats.until(lambda: done(world))
    model.finish, model.words = "stop", [" Then ", "rain."]
    ack = await ann.presses("Continue")
    assert ack is not None
    assert ack.text == "Going on"
    await world.chats.until(lambda: done(world, 2))
    # This endpoint does not go on with an assistant's words by itself: it is asked to.
    assert [m["role"] for m in model.requests[-1]["messages"]] == ["user", "assistant", "user"]
    assert last_words(world) == " Then rain."
    await ann.says("and?")
    await world.chats.until(lambda: done(world, 3))
    assert model.requests[-1]["messages"][1]["content"] == "The tea leaves settle. Then rain."
    again = await ann.presses("Continue")
    assert again is not None
    assert again.text == "Already going on"


async def test_a_rest_that_breaks_off_can_be_gone_on_with(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    model.finish = "length"
    await ann.says("hello")
    await world.chats.until(lambda: done(world))
    model.words, model.cut = [" Then ", "rain,"], True
    await ann.presses("Continue")
    await world.chats.until(lambda: done(world, 2))
    assert "cut off in the middle" in world.chats.answers()[-1].note
    model.words, model.cut, model.finish = [" then ", "sun."], False, "stop"
    await ann.presses("Continue")
    await world.chats.until(lambda: done(world, 3))
    assert model.requests[-1]["messages"][1]["content"] == "The tea leaves settle. Then rain,"
    assert last_words(world) == " then sun."


async def test_a_rest_that_was_wished_for_at_the_kill_is_made_after_it(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    shows_last_words_first(world)
    model.finish = "length"
    await ann.says("hello")
    await world.chats.until(lambda: done(world))
    model.silent = asyncio.Event()
    ack = await ann.presses("Continue")
    assert ack is not None
    assert ack.text == "Going on"
    await world.kill()
    model.silent, model.finish, model.words = None, "stop", [" Then ", "rain."]
    await world.start()
    ann.platform = world.platform  # type: ignore[assignment]
    await world.chats.until(lambda: done(world, 2))
    assert [m["role"] for m in model.requests[-1]["messages"]] == ["user", "assistant", "user"]
    assert last_words(world) == " Then rain."
    await ann.says("and?")
    await world.chats.until(lambda: done(world, 3))
    assert model.requests[-1]["messages"][1]["content"] == "The tea leaves settle. Then rain."


async def test_what_was_asked_after_a_rest_was_wished_for_comes_after_it_also_after_a_kill(
    world: World, model: ModelStandIn
) -> None:
    ann = await world.owner()
    shows_last_words_first(world)
    model.finish = "length"
    await ann.says("hello")
    await world.chats.until(lambda: done(world))
    model.silent = asyncio.Event()
    await ann.presses("Continue")
    await ann.says("and?")
    await world.chats.until(lambda: "One answer at a time" in world.chats.text())
    await world.kill()
    model.silent, model.finish, model.words = None, "stop", [" Then ", "rain."]
    await world.start()
    await world.chats.until(lambda: done(world, 3))
    # The rest was made first, and belongs to what it goes on from.
    assert [m["content"] for m in model.requests[-1]["messages"]] == [
        "hello",
        "The tea leaves settle. Then rain.",
        "and?",
    ]


async def test_a_rest_that_was_given_up_for_another_answer_is_not_made(
    world: World, model: ModelStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await world.owner()
    model.finish = "length"
    await ann.says("hello")
    await world.chats.until(lambda: done(world))
    run = Reply.run

    async def late(reply: Reply) -> None:
        monkeypatch.setattr(Reply, "run", run)
        assert world.app is not None
        # Between the look at what is to be made and its beginning.
        async with world.app.core.database.transaction() as session:
            await session.execute(update(Turn).where(Turn.state == "answering").values(state="superseded", owed=False))
            await session.execute(update(Turn).where(Turn.role == "user").values(state="waiting"))
        await run(reply)

    monkeypatch.setattr(Reply, "run", late)
    model.finish = "stop"
    await ann.presses("Continue")
    await world.chats.until(lambda: done(world, 2))
    assert len(model.requests) == 2
    assert [m["role"] for m in model.requests[-1]["messages"]][-1] == "user"
    assert last_words(world) == "The tea leaves settle."


async def test_a_rest_of_which_something_was_seen_at_the_kill_is_ended_and_can_be_gone_on_with(
    world: World, model: ModelStandIn
) -> None:
    ann = await world.owner()
    model.finish = "length"
    await ann.says("hello")
    await world.chats.until(lambda: done(world))
    model.words, model.hold = [" Then ", "rain."], asyncio.Event()
    await ann.presses("Continue")
    await world.chats.until(lambda: last_words(world).startswith(" Then"))
    await world.kill()
    model.hold, model.finish = None, "stop"
    await world.start()
    ann.platform = world.platform  # type: ignore[assignment]
    await world.chats.until(lambda: done(world, 2))
    await ann.presses("Continue")
    await world.chats.until(lambda: done(world, 3))
    # Of what was seen at the kill as much is known as was kept last.
    assert model.requests[-1]["messages"][1]["content"].startswith("The tea leaves settle.")
    assert last_words(world) == " Then rain."


async def test_a_rest_is_not_taken_for_what_a_dead_process_left(
    world: World, model: ModelStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await world.owner()
    model.finish = "length"
    await ann.says("hello")
    await world.chats.until(lambda: done(world))
    assert world.app is not None
    talks = world.app._conversations
    begin = talks._begin

    def late(conversation_id: int, chat: tuple[str, str]) -> None:
        looking.append(asyncio.ensure_future(talks.adopt(*chat)))
        monkeypatch.setattr(talks, "_begin", begin)
        looking[0].add_done_callback(lambda _: begin(conversation_id, chat))

    looking: list[asyncio.Future[None]] = []
    monkeypatch.setattr(talks, "_begin", late)
    model.finish = "stop"
    await ann.presses("Continue")
    await world.chats.until(lambda: done(world, 2))
    await looking[0]
    async with world.app.core.database.reading() as session:
        booked = list(await session.scalars(select(LedgerRow.key).where(LedgerRow.kind == "chat")))
    assert len(booked) == 2
