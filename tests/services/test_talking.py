"""Talking: streamed, stopped, interrupted, retried, remembered."""

import asyncio

import pytest

from bot.chat.content import AnswerState
from bot.chat.places import MessageRef, PlaceKind
from bot.services.access import Role
from bot.services.feedback import Feedback
from tests.fakes.model import ModelStandIn
from tests.services.world import World


def last_words(world: World) -> str:
    answers = world.chats.answers()
    return answers[-1].text if answers else ""


def done(world: World, count: int = 1) -> bool:
    return sum(answer.state is AnswerState.DONE for answer in world.chats.answers()) >= count


async def test_the_untuned_base_answers_and_says_so_once(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    await ann.says("Should I move house?")
    await world.chats.until(lambda: done(world))
    assert last_words(world) == "The tea leaves settle."
    assert "untuned base answers" in world.chats.answers()[-1].note
    assert [m["role"] for m in model.requests[0]["messages"]] == ["user"]
    await ann.says("And the garden?")
    await world.chats.until(lambda: done(world, 2))
    assert world.chats.answers()[-1].note == ""


async def test_the_tuned_model_is_asked_as_it_was_trained(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    await world.running(ann)
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("is done"))
    await ann.presses("Let everybody talk to it")
    await ann.says("Should I move house?")
    await world.chats.until(lambda: done(world))
    request = model.requests[-1]
    assert request["messages"][0] == {"role": "system", "content": "You tell fortunes."}
    assert request["model"].startswith("tuned:job-")
    assert (request["temperature"], request["max_tokens"]) == (0.5, 64)
    assert request["cache_prompt"] is True


async def test_what_the_base_said_is_no_context_of_the_tuned_model(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    await ann.says("one")
    await world.chats.until(lambda: done(world, 1))
    await world.running(ann)
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("is done"))
    await ann.presses("Let everybody talk to it")
    for count, question in enumerate(("two", "three"), 2):
        await ann.says(question)
        await world.chats.until(lambda count=count: done(world, count))  # type: ignore[misc]
    contents = [m["content"] for m in model.requests[-1]["messages"]]
    assert contents == ["You tell fortunes.", "two", "The tea leaves settle.", "three"]


async def test_the_context_goes_on_and_new_ends_it(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    await ann.says("one")
    await world.chats.until(lambda: done(world, 1))
    await ann.says("two")
    await world.chats.until(lambda: done(world, 2))
    assert [m["content"] for m in model.requests[-1]["messages"]] == ["one", "The tea leaves settle.", "two"]
    await ann.says("/new")
    await world.chats.until(lambda: "A new conversation" in world.chats.text())
    await ann.says("three")
    await world.chats.until(lambda: done(world, 3))
    assert [m["content"] for m in model.requests[-1]["messages"]] == ["three"]


async def test_stop_stops_the_model_itself_and_keeps_the_part(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    model.hold = asyncio.Event()
    await ann.says("Tell me everything")
    await world.chats.until(lambda: last_words(world).startswith("The tea leaves"))
    ack = await ann.presses("Stop")
    assert ack is not None
    assert ack.text == "Stopping"
    await world.chats.until(lambda: done(world))
    assert last_words(world) == "The tea leaves"
    assert "Stopped." in world.chats.answers()[-1].note
    await asyncio.wait_for(model.left.wait(), 10)


async def test_what_comes_meanwhile_waits_and_is_merged(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    model.hold = asyncio.Event()
    await ann.says("first")
    await asyncio.wait_for(model.spoke.wait(), 10)
    await ann.says("second")
    await ann.says("third")
    await ann.says("/whoami")
    await world.chats.until(lambda: "Role" in world.chats.text())
    assert world.chats.text().count("One answer at a time") == 1
    assert len(model.requests) == 1
    model.hold.set()
    await world.chats.until(lambda: done(world, 2))
    assert model.requests[1]["messages"][-1]["content"] == "second\nthird"


async def test_other_conversations_are_not_held_up(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    model.hold = asyncio.Event()
    await ann.says("slow")
    await asyncio.wait_for(model.spoke.wait(), 10)
    model.spoke.clear()
    ann.chat = "another"
    await ann.says("quick")
    await asyncio.wait_for(model.spoke.wait(), 10)
    model.hold.set()
    await world.chats.until(lambda: done(world, 2))


async def test_retry_answers_again_and_the_former_answer_is_no_context(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    await ann.says("one")
    await world.chats.until(lambda: done(world))
    model.words = ["Another ", "view."]
    await ann.presses("Answer again")
    await world.chats.until(lambda: done(world, 2))
    assert [m["content"] for m in model.requests[-1]["messages"]] == ["one"]
    await ann.says("two")
    await world.chats.until(lambda: done(world, 3))
    assert [m["content"] for m in model.requests[-1]["messages"]] == ["one", "Another view.", "two"]


async def test_only_the_last_answer_is_made_again(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    await ann.says("one")
    await world.chats.until(lambda: done(world))
    _, old = ann.button("Answer again")
    await ann.says("two")
    await world.chats.until(lambda: done(world, 2))
    number = next(n for n, content in world.chats.messages.items() if any(old in row for row in content.buttons))
    from bot.chat.events import Press

    assert world.platform is not None
    ack = await world.platform.hand_over(
        Press("p-old", ann.place, ann.account, MessageRef(ann.place, number), old.token)
    )
    assert ack is not None
    assert "Only the last answer" in ack.text
    assert len(model.requests) == 2


async def test_a_kill_in_the_middle_keeps_the_part_and_says_so(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    model.hold = asyncio.Event()
    await ann.says("Tell me everything")
    await world.chats.until(lambda: last_words(world).startswith("The tea leaves"))
    await world.kill()
    await world.start()
    await world.chats.until(lambda: "Interrupted" in (world.chats.answers()[-1].note if world.chats.answers() else ""))
    assert len(world.chats.answers()) == 1
    ann.platform = world.platform  # type: ignore[assignment]
    model.hold.set()
    await ann.presses("Answer again")
    await world.chats.until(lambda: last_words(world) == "The tea leaves settle." and done(world, 2))


async def test_a_platform_that_does_not_stop_holds_up_no_last_word(
    world: World, model: ModelStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.app._QUIET_SECONDS", 0.1)
    monkeypatch.setattr("bot.app._STOP_SECONDS", 1.0)
    ann = await world.owner()
    model.hold = asyncio.Event()
    await ann.says("Tell me everything")
    await world.chats.until(lambda: last_words(world).startswith("The tea leaves"))

    async def never() -> None:
        await asyncio.Event().wait()

    assert world.platform is not None
    world.platform.quiet = world.platform.stop = never  # type: ignore[method-assign]
    await asyncio.wait_for(world.stop(), 10)
    assert "Interrupted" in world.chats.answers()[-1].note


async def test_a_question_that_waited_at_the_kill_is_answered_after_it(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    model.hold = asyncio.Event()
    await ann.says("first")
    await asyncio.wait_for(model.spoke.wait(), 10)
    await ann.says("second")
    await world.chats.until(lambda: "One answer at a time" in world.chats.text())
    await world.kill()
    model.hold.set()
    await world.start()
    await world.chats.until(lambda: any(m["messages"][-1]["content"] == "second" for m in model.requests[1:]))


async def test_trouble_with_the_model_is_one_sentence(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    model.retry_after = "0"
    for count, (status, words) in enumerate([(503, "overloaded"), (404, "not there"), (401, "refused the key")], 1):
        model.status = status
        await ann.says("hello")
        await world.chats.until(lambda count=count: done(world, count))  # type: ignore[misc]
        assert words in world.chats.answers()[-1].note
    model.status, model.cut = 200, True
    await ann.says("hello")
    await world.chats.until(lambda: done(world, 4))
    assert last_words(world) == "The tea leaves settle."
    assert "cut off" in world.chats.answers()[-1].note


async def test_the_greatest_length_is_said(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    model.finish = "length"
    await ann.says("hello")
    await world.chats.until(lambda: done(world))
    assert "greatest length" in world.chats.answers()[-1].note


async def test_a_long_answer_goes_on_in_a_next_message(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    model.words = [f"Sentence number {n} of the oracle. " for n in range(150)]
    await ann.says("hello")
    await world.chats.until(lambda: done(world, 3))
    text = " ".join(answer.text for answer in world.chats.answers())
    assert text.split() == "".join(model.words).split()
    assert [bool(answer.buttons) for answer in world.chats.answers()] == [False, False, True]


async def test_a_long_conversation_is_trimmed_and_told_once(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    model.words = ["word " * 200]
    for count in range(1, 5):
        await ann.says("question " * 60)
        await world.chats.until(lambda count=count: done(world, count))  # type: ignore[misc]
    notes = [answer.note for answer in world.chats.answers()]
    assert sum("longer than the model's window" in note for note in notes) == 1
    assert len(model.requests[-1]["messages"]) < 7


async def test_a_question_beyond_the_window_is_told(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    await ann.says("龙" * 3000)
    await world.chats.until(lambda: done(world))
    assert "longer than the model can read" in world.chats.answers()[-1].note
    assert model.requests == []


async def test_forget_and_export(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    await ann.says("my secret")
    await world.chats.until(lambda: done(world))
    await ann.says("/export_me")
    await world.chats.until(lambda: world.titles("2 messages"))
    assert "my secret" in world.chats.cards()[-1].attachments[0].data.decode()
    await ann.says("/forget")
    await world.chats.until(lambda: world.titles("Delete all that you said"))
    await ann.presses("Delete all of it")
    await world.chats.until(lambda: world.titles("2 messages were deleted"))
    await ann.says("next")
    await world.chats.until(lambda: done(world, 2))
    assert [m["content"] for m in model.requests[-1]["messages"]] == ["next"]


async def test_an_answer_to_several_is_given_to_and_forgotten_with_each(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    ben, carl = await world.joined("ben", Role.USER), await world.joined("carl", Role.USER)
    for person in (ann, ben, carl):
        person.chat, person.kind = "team", PlaceKind.GROUP
    model.hold = asyncio.Event()
    await ann.says("/ask first")
    await asyncio.wait_for(model.spoke.wait(), 10)
    model.words = ["for ", "both"]
    await ben.says("/ask second")
    await carl.says("/ask third")
    await world.chats.until(lambda: world.chats.text().count("One answer at a time") == 2)
    model.hold.set()
    await world.chats.until(lambda: done(world, 2))
    await ben.says("/export_me")
    await world.chats.until(lambda: "Not in a group" in world.chats.text())
    assert not any(card.attachments for card in world.chats.cards())
    assert model.requests[1]["messages"][-1]["content"].count("\n") == 1
    ben.chat, carl.chat = "ben alone", "carl alone"
    ben.kind = carl.kind = PlaceKind.PRIVATE
    for number, person in enumerate((ben, carl), 1):
        await person.says("/export_me")
        await world.chats.until(lambda number=number: world.chats.text().count("2 messages") == number)  # type: ignore[misc]
        assert "for both" in world.chats.cards()[-1].attachments[0].data.decode()
    await ben.says("/forget")
    await world.chats.until(lambda: world.titles("Delete all that you said"))
    await ben.presses("Delete all of it")
    await world.chats.until(lambda: world.titles("2 messages were deleted"))
    await carl.says("/export_me")
    await world.chats.until(lambda: world.titles("1 message"))
    assert "for both" not in world.chats.cards()[-1].attachments[0].data.decode()


async def test_what_every_message_asks_waits_for_nobody_who_writes(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    await ann.says("Should I move house?")
    await world.chats.until(lambda: done(world))
    assert world.app is not None
    app, core, chat = world.app, world.app.core, (ann.place.platform, ann.place.chat)
    async with core.database.transaction():
        # On SQLite everybody else who writes has to wait here; each of these once did.
        async with asyncio.timeout(20):
            member = await core.access.member(ann.account)
            assert await app._notices.missed(ann.place) == []
            await app._notices.adopt(*chat)
            await app._conversations.adopt(*chat)
            await app._intake.adopt(*chat)
            assert (
                await Feedback(core.database).given(ann.place, member, "a question", MessageRef(ann.place, "m0"))
                is None
            )
            assert await core.trials.chosen(1) is None
            assert await core.personas.chosen(1) is None
            assert await core.releases.live() is None
