"""Several bots on one PostgreSQL: what comes in anywhere is handled once, in order, by whoever has the chat."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from bot.chat.codec import encode
from bot.chat.content import AnswerState
from bot.chat.events import Ack, Event, Message, Press
from bot.chat.places import Account, MessageRef, Place
from bot.services.access import Role
from bot.services.watch import watch_lease
from storage.database import Database
from storage.repositories import leases, updates
from tests.fakes.model import ModelStandIn
from tests.services.world import World

# SQLite has one process.
pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@asynccontextmanager
async def replicas(
    folder: Path, database: str, model: ModelStandIn, count: int = 3, lease: float = 15.0
) -> AsyncIterator[list[World]]:
    """So many bots that share everything."""
    found: list[World] = []
    async with AsyncExitStack() as stack:
        for number in range(count):
            beside = found[0] if found else None
            world = World(folder, model.endpoint, database=database, beside=beside, replica=f"r{number}", lease=lease)
            await world.start()
            stack.push_async_callback(world.stop)
            found.append(world)
        yield found


def owner_of(worlds: Sequence[World], chat: str) -> World:
    """Who has a chat."""
    (found,) = [world for world in worlds if world.app and world.app.leases.has(f"chat:chats:{chat}")]
    return found


async def deliver(world: World, event: Event) -> Ack | None:
    assert world.platform is not None
    return await world.platform.hand_over(event)


def said(chat: str, number: int, words: str) -> Message:
    place = Place("chats", chat)
    return Message(
        f"{chat}-{number}",
        place,
        Account("chats", chat, chat.title(), "en"),
        MessageRef(place, f"{chat}-m{number}"),
        words,
    )


async def test_what_comes_to_another_process_is_handled_by_the_one_that_has_the_chat(
    tmp_path: Path, database_url: str, model: ModelStandIn
) -> None:
    async with replicas(tmp_path, database_url, model, 2) as (first, second):
        ann = await first.owner()
        assert owner_of((first, second), "ann") is first
        await deliver(second, said("ann", 1, "Should I move?"))
        await first.chats.until(lambda: any(each.state is AnswerState.DONE for each in first.chats.answers()))
        assert owner_of((first, second), "ann") is first
        assert len(model.requests) == 1
        # A press that comes to the other process gets the answer of the one that handles it.
        number, button = ann.button("👍")
        press = Press("p1", ann.place, ann.account, MessageRef(ann.place, number), button.token)
        ack = await deliver(second, press)
        assert ack is not None
        assert ack.text
        assert await deliver(first, press) == ack, "a repeat is told the same"


async def test_order_holds_whoever_is_told(tmp_path: Path, database_url: str, model: ModelStandIn) -> None:
    dice = random.Random(7)  # noqa: S311
    async with replicas(tmp_path, database_url, model) as worlds:
        await worlds[0].owner()
        for number in range(40):
            # Telegram gives a chat's next update when the one before was taken.
            await deliver(dice.choice(worlds), said("ann", number, f"question {number}"))
        await worlds[0].chats.until(lambda: _answered(model, "question 39"))
    asked = "\n".join(line for request in model.requests for line in [request["messages"][-1]["content"]])
    assert asked.split("\n") == [f"question {number}" for number in range(40)]


async def test_what_another_stored_goes_before_what_comes_here_after(
    tmp_path: Path, database_url: str, model: ModelStandIn
) -> None:
    async with replicas(tmp_path, database_url, model, 1) as (owner,):
        await owner.owner()
        assert owner.app is not None
        # As another process stores it, whose word of it is still on its way.
        first = said("ann", 1, "first")
        async with owner.app.core.database.transaction() as session:
            await updates.add(session, "chats", first.id, "ann", encode(first))
        await deliver(owner, said("ann", 2, "second"))
        await owner.chats.until(lambda: _answered(model, "second"))
        await owner.chats.until(lambda: _answered(model, "first"))
    asked = "\n".join(request["messages"][-1]["content"] for request in model.requests)
    assert asked.split("\n") == ["first", "second"]


def _answered(model: ModelStandIn, words: str) -> bool:
    return any(words in request["messages"][-1]["content"] for request in model.requests)


async def test_whoever_stops_leaves_the_chat_to_another(tmp_path: Path, database_url: str, model: ModelStandIn) -> None:
    async with replicas(tmp_path, database_url, model, 2) as (first, second):
        await first.owner()
        await first.stop()
        await deliver(second, said("ann", 1, "Should I move?"))
        await second.chats.until(lambda: any(each.state is AnswerState.DONE for each in second.chats.answers()))
        assert owner_of((first, second), "ann") is second


async def test_a_process_that_falls_silent_stores_nothing_more_and_is_replaced(
    tmp_path: Path, database_url: str, model: ModelStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with replicas(tmp_path, database_url, model, 2, lease=1.0) as (first, second):
        ann = await first.owner()
        await first.running(ann)
        assert first.app is not None
        watcher, other = (first, second) if first.app.leases.has(watch_lease("scripted")) else (second, first)
        assert watcher.app is not None
        assert other.app is not None

        async def silent() -> None:
            raise ConnectionError("the network is cut")

        monkeypatch.setattr(watcher.app.leases, "_renew", silent)
        while not other.app.leases.has(watch_lease("scripted")):  # noqa: ASYNC110 - leases have no event
            await asyncio.sleep(0.05)
        assert not watcher.app.leases.has(watch_lease("scripted"))
        first.trainings.finish()
        await first.chats.until(lambda: first.titles("is done"))
        assert len(first.titles("is done")) == 1
        database = Database(database_url)
        with pytest.raises(leases.LeaseLost):
            async with database.transaction() as session:
                await leases.guard(session, watch_lease("scripted"), watcher.app.leases.replica)
        await database.close()


async def test_two_bots_start_one_job(tmp_path: Path, database_url: str, model: ModelStandIn) -> None:
    async with replicas(tmp_path, database_url, model, 2) as (first, second):
        ann = await first.owner()
        await first.uploaded(ann)
        await ann.says("/train")
        await first.chats.until(lambda: "label='Start'" in first.chats.text())
        number, button = ann.button("Start")
        presses = [
            Press(f"p{tap}", ann.place, ann.account, MessageRef(ann.place, number), button.token) for tap in range(4)
        ]
        acks = await asyncio.gather(*(deliver(world, press) for press in presses for world in (first, second)))
        await first.chats.until(lambda: "· training'" in first.chats.text())
        assert len(first.trainings.started) == 1
        assert all(ack is not None for ack in acks)


SCRIPT = (
    "/lang zh",
    "Should I move house?",
    "/new",
    "And the garden?",
    "/lang en",
    "Will it rain?",
    "/settings quiet 22-8 +2",
    "/settings quiet off",
    "/settings quiet 23-7",
)
CHATS = ("ann", "bob", "cid")


async def state(database_url: str) -> dict[str, Any]:
    """What is stored, without what differs from run to run."""
    database = Database(database_url)
    queries = {
        "people": "SELECT name, role, language, CAST(notify AS TEXT) FROM people ORDER BY name",
        "turns": (
            "SELECT c.chat, t.role, t.text, t.state, t.owed FROM turns t JOIN conversations c"
            " ON c.id = t.conversation_id ORDER BY c.chat, t.id"
        ),
        "updates": "SELECT id FROM updates WHERE handled_at IS NULL",
    }
    async with database.transaction() as session:
        found = {name: [tuple(row) for row in await session.execute(text(query))] for name, query in queries.items()}
    await database.close()
    return found


async def let_in(world: World) -> None:
    """Three people, each with a chat of their own."""
    await world.owner(CHATS[0])
    assert world.app is not None
    for name in CHATS[1:]:
        code = await world.app.core.access.invite(Role.TRAINER)
        before = len(world.chats.messages)
        await world.someone(name).says(f"/start {code}")
        await world.chats.more_than(before)


async def quiet(database: Database, chat: str, handled: int) -> None:
    """Wait until all that was said in a chat has had its effect."""
    query = text(
        "SELECT (SELECT count(*) FROM updates WHERE chat = :chat AND handled_at IS NOT NULL AND id LIKE :mine),"
        " (SELECT count(*) FROM turns t JOIN conversations c ON c.id = t.conversation_id WHERE c.chat = :chat"
        " AND (t.owed OR t.state IN ('waiting', 'answering')))"
    )
    async with asyncio.timeout(30):
        while True:
            async with database.transaction() as session:
                done, open_ = (await session.execute(query, {"chat": chat, "mine": f"{chat}-%"})).one()
            if done >= handled and not open_:
                return
            await asyncio.sleep(0.02)


async def play(worlds: Sequence[World], database_url: str, repeats: int, dice: random.Random) -> None:
    """Everybody says their part: in order in each chat, each event at any of the bots, and repeated at any later."""
    database = Database(database_url)
    repeated: list[asyncio.Task[Ack | None]] = []

    async def one(chat: str) -> None:
        events = [said(chat, number, words) for number, words in enumerate(SCRIPT)]
        for number, event in enumerate(events):
            await deliver(dice.choice(worlds), event)
            for _ in range(repeats):
                again = dice.choice(events[: number + 1])
                repeated.append(asyncio.create_task(deliver(dice.choice(worlds), again)))
            await quiet(database, chat, number + 1)
        for event in dice.sample(events * repeats, len(events) * repeats):
            await deliver(dice.choice(worlds), event)

    await asyncio.gather(*(one(chat) for chat in CHATS))
    await asyncio.gather(*repeated)
    await database.close()


async def test_every_update_three_times_to_any_of_three_ends_in_the_same_state(
    tmp_path: Path, database_url: str, model: ModelStandIn
) -> None:
    alone = World(tmp_path / "alone", model.endpoint)
    await alone.start()
    await let_in(alone)
    await play([alone], alone.settings.database_url, 0, random.Random(1))  # noqa: S311
    expected = await state(alone.settings.database_url)
    asked = len(model.requests)
    await alone.stop()
    async with replicas(tmp_path / "many", database_url, model) as worlds:
        await let_in(worlds[0])
        await play(worlds, database_url, 3, random.Random(2))  # noqa: S311
        assert await state(database_url) == expected
        assert len(model.requests) == 2 * asked
        assert len(worlds[0].chats.messages) == len(alone.chats.messages)
