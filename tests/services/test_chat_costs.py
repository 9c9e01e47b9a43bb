"""What answers cost: booked once for each answer, whatever becomes of it; what nobody tells is not made up."""

import asyncio

import pytest
from sqlalchemy import select

from bot.chat.errors import Unavailable
from bot.services.chat_costs import Spent, settle
from finetune.providers.estimates import ChatRate, chat_rate
from storage.database import Database
from storage.repositories import conversations as turns
from storage.repositories import ledger, people
from storage.repositories.ledger import TEAM, month_of
from storage.tables import LedgerRow
from tests.fakes.model import ModelStandIn
from tests.services.test_talking import done
from tests.services.world import World


async def booked(world: World) -> list[tuple[int | None, int | None, str]]:
    """(tokens of the question, of the answer, provider) of each answer in the ledger."""
    assert world.app is not None
    async with world.app.core.database.transaction() as session:
        rows = await session.scalars(select(LedgerRow).where(LedgerRow.kind == "chat").order_by(LedgerRow.id))
        return [(row.prompt_tokens, row.completion_tokens, row.provider) for row in rows]


async def test_usage_of_the_last_chunk_is_booked_and_shown(world: World) -> None:
    ann = await world.owner()
    await ann.says("Shall I go?")
    await world.chats.until(lambda: done(world))
    assert await booked(world) == [(7, 4, "scripted")]
    await ann.says("/usage")
    await world.chats.until(lambda: "('Chat tokens', '7 asked, 4 answered')" in world.chats.text())
    assert "('No price published for', '1 answer')" in world.chats.text()
    assert "('Chat cost (by price list)', 'none')" in world.chats.text()


async def test_a_stopped_answer_is_booked_without_invented_usage(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    model.hold = asyncio.Event()
    await ann.says("Shall I go?")
    await asyncio.wait_for(model.spoke.wait(), 20)
    await world.chats.until(lambda: "leaves" in world.chats.text())
    await ann.presses("Stop")
    await asyncio.wait_for(model.left.wait(), 20)
    await world.chats.until(lambda: done(world))
    assert await booked(world) == [(None, None, "scripted")]
    await ann.says("/usage")
    await world.chats.until(lambda: "('Usage not told for', '1 answer')" in world.chats.text())
    assert "No price published for" not in world.chats.text()


async def test_a_kill_in_the_middle_books_once_and_one_after_it_nothing_more(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    await ann.says("first")
    await world.chats.until(lambda: done(world))
    model.hold = asyncio.Event()
    model.spoke.clear()
    await ann.says("second")
    await asyncio.wait_for(model.spoke.wait(), 20)
    await world.chats.until(lambda: world.chats.text().count("leaves") >= 2)
    await world.kill()
    await world.start()
    await world.chats.until(lambda: "interrupted" in world.chats.text().lower())
    assert await booked(world) == [(7, 4, "scripted"), (None, None, "")]
    await world.kill()
    await world.start()
    assert len(await booked(world)) == 2


async def test_an_answer_that_cannot_be_shown_is_booked(world: World) -> None:
    ann = await world.owner()
    world.chats.troubles = [Unavailable() for _ in range(3)]
    await ann.says("Shall I go?")
    await world.chats.until(lambda: done(world))
    assert await booked(world) == [(7, 4, "scripted")]


async def test_whoever_is_refused_pays_nothing(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    model.status = 401
    await ann.says("Shall I go?")
    await world.chats.until(lambda: done(world))
    assert await booked(world) == []


async def test_an_answer_that_took_a_forgotten_ones_number_is_booked(world: World) -> None:
    ann = await world.owner()
    await ann.says("first")
    await world.chats.until(lambda: done(world))
    assert world.app is not None
    await world.app._conversations.forget(await world.app.core.access.member(ann.account))
    await ann.says("second")
    await world.chats.until(lambda: done(world, 2))
    assert len(await booked(world)) == 2


RATE = ChatRate("x", ".*", 2.0, 8.0, "CNY", "https://example.org/chat", "2026-11-25")


@pytest.mark.parametrize(
    ("prompt", "completion", "micros", "source"),
    [
        (1_000_000, 500_000, 6_000_000, "https://example.org/chat (2026-11-25)"),
        (None, 500_000, 4_000_000, "https://example.org/chat (2026-11-25)"),
        (7, None, 0, ""),
    ],
)
async def test_a_published_price_and_once(
    database: Database, prompt: int | None, completion: int | None, micros: int, source: str
) -> None:
    """On both databases; the price only where tokens were told."""
    async with database.transaction() as session:
        person = await people.create(session, "Ann", "user", None)
        talk = await turns.at(session, "web", "room", "", "private")
        answer = await turns.add(session, talk.id, "assistant", "", "answering", language="en")
    for _ in range(2):
        async with database.transaction() as session:
            await settle(session, answer, person.id, Spent("x", "b", prompt, completion), lambda _p, _b: RATE)
    month = month_of(answer.created_at)
    async with database.transaction() as session:
        (found,) = await ledger.answers(session, TEAM, month)
        assert await ledger.booked(session, TEAM, "CNY", month) == micros
        assert await ledger.sums(session, TEAM, month) == []
    assert (found.count, found.told, found.micros, found.priced) == (
        1,
        int(completion is not None),
        micros,
        bool(source),
    )


def test_this_machine_is_free_and_no_other_price_is_made_up() -> None:
    here = chat_rate("local", "anything")
    assert here is not None
    assert (here.price(10, 10), here.currency) == (0.0, "")
    for provider in ("nebius", "siliconflow", "dashscope", "openai", "zhipu", "together"):
        assert chat_rate(provider, "anything") is None
