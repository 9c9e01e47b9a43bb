"""What comes between the end of an answer and its last word, or twice, or in another's name."""

import asyncio

import pytest
from sqlalchemy import select

from bot.answering.model import Said
from bot.chat.content import AnswerState
from bot.chat.errors import Throttled
from bot.chat.events import Edit, Message, Moved
from bot.chat.places import MessageRef, Place, PlaceKind
from bot.services.access import Role
from bot.services.feedback import Feedback
from bot.services.prompts import fit
from bot.services.replies import Voice
from storage.tables import Turn
from tests.fakes.model import ModelStandIn
from tests.services.test_talking import done, last_words
from tests.services.world import World


async def state_of(world: World, number: int) -> str:
    """What became of a turn."""
    assert world.app is not None
    async with world.app.core.database.reading() as session:
        found = await session.get(Turn, number)
        return "" if found is None else found.state


async def text_of(world: World, number: int) -> str:
    """What is kept of a turn."""
    assert world.app is not None
    async with world.app.core.database.reading() as session:
        return (await session.get_one(Turn, number)).text


async def said_in(world: World, message: str) -> str | None:
    """What a question says now."""
    assert world.app is not None
    async with world.app.core.database.reading() as session:
        return await session.scalar(select(Turn.text).where(Turn.message == message))


async def ended(world: World, number: int) -> None:
    """Wait until an answer is kept."""
    async with asyncio.timeout(10):
        while await state_of(world, number) in ("", "answering"):  # noqa: ASYNC110 - the database has no event
            await asyncio.sleep(0.01)


async def with_its_last_word_to_come(world: World, model: ModelStandIn, seconds: float) -> None:
    """The answer (turn 2) is kept, and its chat was told to wait for so long."""
    model.hold = asyncio.Event()
    await world.chats.until(lambda: last_words(world).startswith("The tea leaves"))
    world.chats.troubles.append(Throttled(seconds))
    model.hold.set()
    model.hold = None
    await ended(world, 2)


async def test_a_tap_on_stop_before_the_last_word_leaves_it_alone(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    model.hold = asyncio.Event()
    await ann.says("hello")
    await with_its_last_word_to_come(world, model, 4.0)
    ack = await ann.presses("Stop")
    assert ack is not None
    assert "Nothing" in ack.text
    await world.chats.until(lambda: done(world))
    await ann.says("and?")
    await world.chats.until(lambda: done(world, 2))
    assert [answer.text for answer in world.chats.answers()] == ["The tea leaves settle."] * 2
    assert not any("Interrupted" in answer.note for answer in world.chats.answers())


async def test_what_is_forgotten_gives_its_number_to_nobody(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    ben = await world.joined("ben", Role.USER)
    model.hold = asyncio.Event()
    await ann.says("my secret")
    await world.chats.until(lambda: last_words(world).startswith("The tea leaves"))
    ann.chat = "elsewhere"
    await ann.says("/forget")
    await world.chats.until(lambda: world.titles("Delete all that you said"))
    await ann.presses("Delete all of it")
    await world.chats.until(lambda: world.titles("messages were deleted"))
    # The answer that was being made there ends, too.
    await asyncio.wait_for(model.left.wait(), 10)
    model.hold, model.words = None, ["To ", "ben."]
    await ben.says("mine")
    await world.chats.until(lambda: last_words(world) == "To ben." and done(world, 2))
    assert await state_of(world, 2) in ("", "superseded")
    async with world.app.core.database.reading() as session:  # type: ignore[union-attr]
        texts = list(await session.scalars(select(Turn.text)))
    assert sorted(texts) == ["", "To ben.", "mine"]


async def test_the_same_message_number_in_a_group_that_moved_is_another_question(
    world: World, model: ModelStandIn
) -> None:
    ann = await world.owner()
    assert world.platform is not None
    old = Place(world.platform.name, "team", kind=PlaceKind.GROUP)
    new = Place(world.platform.name, "team-2", kind=PlaceKind.GROUP)
    await world.platform.hand_over(Message("e-a", old, ann.account, MessageRef(old, "7"), "/ask one"))
    await world.chats.until(lambda: done(world))
    await world.platform.hand_over(Moved("moved", old, "team-2"))
    await world.platform.hand_over(Message("e-b", new, ann.account, MessageRef(new, "7"), "/ask two"))
    await world.chats.until(lambda: done(world, 2))
    assert model.requests[-1]["messages"][-1]["content"] == "two"


def _turns(number: int) -> list[Turn]:
    return [Turn(role="user" if at % 2 == 0 else "assistant", text=f"{at:03} " + "x" * 40) for at in range(2 * number)]


@pytest.mark.parametrize("more", [(), (Said("assistant", "y" * 2000),)])
def test_the_newest_that_fits_is_found_by_counting_seldom(more: tuple[Said, ...]) -> None:
    counted = 0

    def count(prompt: object) -> int:
        nonlocal counted
        counted += 1
        assert isinstance(prompt, list)
        return sum(len(said.content) for said in prompt)

    voice = Voice("v", "system", {"max_tokens": 500}, 4000, False, None)  # type: ignore[arg-type]
    for number in range(0, 120, 7):
        counted = 0
        prompt, dropped = fit(voice, _turns(number), "why?", count, more)
        room = 3500 - len("system") - len("why?") - sum(len(said.content) for said in more)
        kept = min(number, room // 88)
        assert (len(prompt) - 2, dropped) == (2 * kept, 2 * (number - kept))
        assert counted <= 9


async def test_a_kill_in_the_middle_leaves_the_context(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    for number, text in enumerate(("one", "two"), 1):
        await ann.says(text)
        await world.chats.until(lambda number=number: done(world, number))  # type: ignore[misc]
    model.hold = asyncio.Event()
    await ann.says("three")
    await world.chats.until(lambda: len(world.chats.answers()) == 3 and last_words(world) == "The tea leaves")
    assert world.app is not None
    async with asyncio.timeout(10):
        while not await text_of(world, 6):  # noqa: ASYNC110 - the database has no event
            await asyncio.sleep(0.01)
    await world.kill()
    model.hold = None
    await world.start()
    await world.chats.until(lambda: "Interrupted" in world.chats.answers()[-1].note)
    ann.platform = world.platform  # type: ignore[assignment]
    await ann.says("four")
    await world.chats.until(lambda: done(world, 4))
    said = [m["content"] for m in model.requests[-1]["messages"] if m["role"] == "user"]
    assert said[:2] == ["one", "two"]
    assert said[-1] == "four"


async def test_what_is_handled_again_is_the_same_better_answer_and_the_same_rating(
    world: World, model: ModelStandIn
) -> None:
    ann = await world.owner()
    await ann.says("hello")
    await world.chats.until(lambda: done(world))
    await ann.presses("✏️")
    assert world.app is not None
    core, ref = world.app.core, MessageRef(ann.place, "m-better")
    member = await core.access.member(ann.account)
    feedback = Feedback(core.database)
    given = await feedback.given(ann.place, member, "Stay.", ref)
    assert given is not None
    assert await feedback.given(ann.place, member, "Stay.", ref) == given
    assert await feedback.given(ann.place, member, "A question.", MessageRef(ann.place, "m-other")) is None
    assert [await feedback.rate(member, 2, 1, event) for event in ("p1", "p1", "p2", "p2", "p3")] == [1, 1, 0, 0, 1]
    assert [row["rated"] for row in await feedback.by(member) if "rated" in row] == [1]
    assert await feedback.rate(member, 2, 1, "p4") == 0
    assert not [row for row in await feedback.by(member) if "rated" in row]


async def test_answer_again_does_not_wait_for_somebody_elses_answer(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    model.finish = "length"
    model.hold = asyncio.Event()
    await ann.says("hello")
    await world.chats.until(lambda: last_words(world).startswith("The tea leaves"))
    model.hold.set()
    await world.chats.until(lambda: done(world))
    model.hold = asyncio.Event()
    await ann.says("first")
    await world.chats.until(lambda: len(model.requests) == 2 and len(world.chats.answers()) == 2)
    await ann.says("second")
    world.chats.troubles.append(Throttled(0.3))
    model.hold.set()
    model.hold = asyncio.Event()
    await ended(world, 4)
    async with asyncio.timeout(5):
        ack = await ann.presses("Continue")
    assert ack is not None
    assert "being written" in ack.text or "under way" in ack.text or "answer" in ack.text
    model.hold.set()
    await world.chats.until(lambda: done(world, 3))


async def test_only_whoever_asked_or_leads_may_go_on_with_an_answer(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    ben = await world.joined("ben", Role.USER)
    carl = await world.joined("carl", Role.USER)
    ann.chat = ben.chat = carl.chat = "team"
    ann.kind = ben.kind = carl.kind = PlaceKind.GROUP
    model.finish = "length"
    await ben.says("/ask hello")
    await world.chats.until(lambda: done(world))
    ack = await carl.presses("Continue")
    assert ack is not None
    assert "Only whoever asked" in ack.text
    assert len(model.requests) == 1
    await ben.presses("Continue")
    await world.chats.until(lambda: done(world, 2))


async def test_an_edit_of_a_question_that_waits_as_a_command_is_its_words_only(
    world: World, model: ModelStandIn
) -> None:
    ann = await world.owner()
    model.hold = asyncio.Event()
    await ann.says("first")
    await asyncio.wait_for(model.spoke.wait(), 10)
    assert world.platform is not None
    ref = MessageRef(ann.place, "m-waits")
    await world.platform.hand_over(Message("e-waits", ann.place, ann.account, ref, "/ask teh road"))
    await world.chats.until(lambda: "One answer at a time" in world.chats.text())
    await world.platform.hand_over(Edit("edit-0", ann.place, ann.account, ref, "/new"))
    await world.platform.hand_over(Edit("edit-1", ann.place, ann.account, ref, "/ask the road"))
    assert world.app is not None
    async with asyncio.timeout(10):
        while await said_in(world, "m-waits") != "the road":  # noqa: ASYNC110 - the database has no event
            await asyncio.sleep(0.01)
    model.hold.set()
    await world.chats.until(lambda: done(world, 2))
    assert model.requests[-1]["messages"][-1]["content"] == "the road"


async def test_who_waits_when_the_context_is_cleared_begins_the_new_one(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    model.hold = asyncio.Event()
    await ann.says("first")
    await asyncio.wait_for(model.spoke.wait(), 10)
    await ann.says("waits")
    await world.chats.until(lambda: "One answer at a time" in world.chats.text())
    model.hold = None
    await ann.says("/new")
    await world.chats.until(lambda: done(world, 2))
    await ann.says("and then?")
    await world.chats.until(lambda: done(world, 3))
    said = [m["content"] for m in model.requests[-1]["messages"] if m["role"] == "user"]
    assert said == ["waits", "and then?"]
    assert all(answer.state is AnswerState.DONE for answer in world.chats.answers())


async def test_where_the_pages_stand_that_came_with_the_last_word_is_known(world: World, model: ModelStandIn) -> None:
    """Or a restart would send them again."""
    ann = await world.owner()
    model.words = [f"w{number:04} " for number in range(1600)]
    model.hold = asyncio.Event()
    world.chats.troubles.append(Throttled(6.0))
    await ann.says("hello")
    await asyncio.wait_for(model.spoke.wait(), 10)
    model.hold.set()
    await ended(world, 2)
    shown = len(world.chats.answers())
    await world.chats.until(lambda: "w1599" in last_words(world) and done(world))
    assert len(world.chats.answers()) == 5 > shown
    await world.stop()
    await world.start()
    assert world.app is not None
    async with world.app.core.database.reading() as session:
        answer = await session.get_one(Turn, 2)
    assert (answer.message, answer.page) == (list(world.chats.messages)[-1], 4)


async def test_a_better_answer_of_before_a_move_swallows_no_question(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    assert world.platform is not None
    old = Place(world.platform.name, "team", kind=PlaceKind.GROUP)
    new = Place(world.platform.name, "team-2", kind=PlaceKind.GROUP)
    ann.chat, ann.kind = "team", PlaceKind.GROUP
    await ann.says("/ask one")
    await world.chats.until(lambda: done(world))
    await ann.presses("✏️")
    await world.platform.hand_over(Message("e-9", old, ann.account, MessageRef(old, "9"), "Better.", addressed=True))
    await world.chats.until(lambda: world.chats.shows("Your answer is kept"))
    await world.platform.hand_over(Moved("moved", old, "team-2"))
    await world.platform.hand_over(Message("e-9b", new, ann.account, MessageRef(new, "9"), "two?", addressed=True))
    await world.chats.until(lambda: done(world, 2))
    assert model.requests[-1]["messages"][-1]["content"] == "two?"
