"""What models and people do that is not in the script: overload, silence, repetition, thoughts, second thoughts."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.answering.clock import SystemClock
from bot.chat.content import Answer, AnswerState
from bot.chat.errors import Blocked, Closed, Refused, Unconfirmed
from bot.chat.events import Edit, Moved, Presence, Press
from bot.chat.places import MessageRef, Place, PlaceKind
from bot.locales import translator
from bot.services.access import Role
from storage.repositories import chats
from storage.repositories import conversations as turns
from tests.fakes.model import ModelStandIn
from tests.fakes.platform import Someone
from tests.services.test_continuing import shows_last_words_first
from tests.services.test_talking import done, last_words
from tests.services.world import World


class QuickClock(SystemClock):
    """A clock on which minutes pass in a moment, for those who wait."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / 100)


@pytest.fixture
async def quick(tmp_path: Path, model: ModelStandIn) -> AsyncIterator[World]:
    """A bot whose waits are short."""
    found = World(tmp_path, model.endpoint, clock=QuickClock())
    await found.start()
    yield found
    await found.stop()


async def test_a_model_that_is_busy_is_asked_again_and_people_are_told(quick: World, model: ModelStandIn) -> None:
    ann = await quick.owner()
    model.statuses = [429, 503]
    await ann.says("hello")
    await quick.chats.until(lambda: quick.chats.shows("The model is busy"))
    await quick.chats.until(lambda: done(quick))
    assert last_words(quick) == "The tea leaves settle."
    assert len(model.requests) == 3


async def test_a_model_that_stays_busy_is_given_up_with_a_sentence(quick: World, model: ModelStandIn) -> None:
    ann = await quick.owner()
    model.status = 503
    await ann.says("hello")
    await quick.chats.until(lambda: done(quick))
    assert "overloaded" in quick.chats.answers()[-1].note
    assert [button.label for row in quick.chats.answers()[-1].buttons for button in row] == ["Answer again"]


async def test_no_word_for_long_is_said_and_then_given_up(quick: World, model: ModelStandIn) -> None:
    ann = await quick.owner()
    model.silent = asyncio.Event()
    await ann.says("hello")
    await quick.chats.until(lambda: quick.chats.shows("No word from the model for 30 s"))
    await quick.chats.until(lambda: done(quick))
    assert "did not say a word" in quick.chats.answers()[-1].note
    await asyncio.wait_for(model.left.wait(), 10)


async def test_stop_while_waiting_for_a_busy_model(quick: World, model: ModelStandIn) -> None:
    ann = await quick.owner()
    model.status, model.retry_after = 429, "3600"
    await ann.says("hello")
    await quick.chats.until(lambda: quick.chats.shows("asking again in 60 s"))
    await ann.presses("Stop")
    await quick.chats.until(lambda: done(quick))
    assert "Stopped." in quick.chats.answers()[-1].note


async def test_thoughts_that_go_in_circles_are_cut_off(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    model.thoughts = ["Wait, let me think about that once more. "] * 100
    model.hold = asyncio.Event()
    await ann.says("hello")
    await world.chats.until(lambda: done(world))
    assert "began to repeat itself" in world.chats.answers()[-1].note
    await asyncio.wait_for(model.left.wait(), 10)


async def test_an_answer_that_repeats_itself_is_cut_off(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    model.words = ["The leaves say: ", *(["do not go. "] * 400)]
    model.hold = asyncio.Event()
    await ann.says("hello")
    await world.chats.until(lambda: done(world))
    assert world.chats.answers()[-1].note.endswith("the repetition was cut off.")
    assert len(last_words(world)) < 1000
    assert last_words(world).startswith("The leaves say: do not go.")
    await asyncio.wait_for(model.left.wait(), 10)


@pytest.mark.parametrize("thoughts", [True, False])
async def test_thoughts_are_folded_away_or_not_shown(tmp_path: Path, model: ModelStandIn, thoughts: bool) -> None:
    world = World(tmp_path, model.endpoint, thoughts=thoughts)
    await world.start()
    ann = await world.owner()
    model.thoughts = ["Where is ", "the moon?"]
    model.words = ["<think>And the sun?", "</think>", "Move ", "house."]
    await ann.says("hello")
    await world.chats.until(lambda: done(world))
    answer = world.chats.answers()[-1]
    assert answer.text == "Move house."
    assert answer.thought == ("Where is the moon?And the sun?" if thoughts else "")
    await ann.says("and now?")
    await world.chats.until(lambda: done(world, 2))
    assert model.requests[-1]["messages"][1]["content"] == "Move house."
    await world.stop()


def event(body: object) -> bytes:
    return f"data: {json.dumps(body)}\n\n".encode()


@pytest.mark.parametrize(
    "odd",
    [
        event({"choices": []}),
        event({"choices": [{"index": 0, "delta": {"content": None}}]}),
        event({"choices": [{"index": 0, "delta": None}]}),
        event({"choices": None, "usage": None}),
        b": a comment\n\nevent: ping\ndata: {}\n\n",
        b'data: {"choices":\ndata: []}\n\n',
        b"\r\n\r\n",
    ],
)
async def test_what_says_nothing_is_passed_over(world: World, model: ModelStandIn, odd: bytes) -> None:
    ann = await world.owner()
    model.raw = [odd]
    await ann.says("hello")
    await world.chats.until(lambda: done(world))
    assert last_words(world) == "The tea leaves settle."


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (event({"error": {"code": 500, "message": "no"}}), "cut off in the middle"),
        (b"data: this is not JSON\n\n", "could not be made"),
        (b"data: []\n\n", "could not be made"),
    ],
)
async def test_an_error_in_the_stream_keeps_the_part(
    world: World, model: ModelStandIn, broken: bytes, words: str
) -> None:
    ann = await world.owner()
    model.raw = [event({"choices": [{"index": 0, "delta": {"content": "The part. "}}]}), broken]
    await ann.says("hello")
    await world.chats.until(lambda: done(world))
    assert last_words(world) == "The part."
    assert words in world.chats.answers()[-1].note


async def test_a_rating_is_kept_once_and_taken_back_by_a_second_tap(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    await ann.says("hello")
    await world.chats.until(lambda: done(world))
    texts = [ack.text for label in ("👍", "👎", "👎") if (ack := await ann.presses(label))]
    assert texts == ["Thank you: 👍 kept", "Thank you: 👎 kept", "Your rating was taken back"]
    await ann.presses("👍")
    await ann.says("/export_me")
    await world.chats.until(lambda: world.chats.cards()[-1].attachments)
    rows = [json.loads(line) for line in world.chats.cards()[-1].attachments[0].data.decode().splitlines()]
    assert [row["rated"] for row in rows if "rated" in row] == [1]


async def test_a_better_answer_is_the_next_message_and_can_be_taken_back(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    await ann.says("hello")
    await world.chats.until(lambda: done(world))
    await ann.presses("✏️")
    await world.chats.until(lambda: world.titles("A better answer"))
    await ann.says("Stay where you are, says the moon.")
    await world.chats.until(lambda: world.chats.shows("Your answer is kept"))
    assert len(model.requests) == 1
    await ann.says("/export_me")
    await world.chats.until(lambda: world.chats.cards()[-1].attachments)
    assert "Stay where you are" in world.chats.cards()[-1].attachments[0].data.decode()
    await ann.presses("Take it back")
    await world.chats.until(lambda: world.chats.shows("nothing is kept"))
    await ann.says("and now?")
    await world.chats.until(lambda: done(world, 2))
    assert model.requests[-1]["messages"][-1]["content"] == "and now?"


async def test_never_mind_makes_the_next_message_a_question_again(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    await ann.says("hello")
    await world.chats.until(lambda: done(world))
    await ann.presses("✏️")
    await world.chats.until(lambda: world.titles("A better answer"))
    await ann.presses("Never mind")
    await ann.says("what else?")
    await world.chats.until(lambda: done(world, 2))


async def test_an_edit_of_a_waiting_question_counts(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    model.hold = asyncio.Event()
    await ann.says("first")
    await asyncio.wait_for(model.spoke.wait(), 10)
    await ann.says("secnod")
    await world.chats.until(lambda: world.chats.shows("One answer at a time"))
    assert world.app is not None
    assert world.platform is not None
    async with world.app.core.database.transaction() as session:
        talk = await turns.at(session, ann.place.platform, ann.place.chat, "", "private")
        waiting = await turns.waiting(session, talk.id)
    ref = MessageRef(ann.place, str(waiting[0].message))
    await world.platform.hand_over(Edit("edit-1", ann.place, ann.account, ref, "second"))
    await ann.says("/whoami")
    await world.chats.until(lambda: world.chats.shows("Role"))
    model.hold.set()
    await world.chats.until(lambda: done(world, 2))
    assert model.requests[1]["messages"][-1]["content"] == "second"


async def in_group(world: World, ann: Someone) -> Someone:
    """Somebody else in a group with her."""
    assert world.app is not None
    assert world.platform is not None
    bob = Someone(world.platform, "bob")
    await ann.says("/invite user")
    await world.chats.until(lambda: world.titles("invite") or world.titles("Invite"))
    code = next(block.text for block in world.chats.cards()[-1].blocks if hasattr(block, "text"))
    await bob.says(f"/start {code}")
    await world.chats.until(lambda: len(world.titles("I am Tuneteller")) == 2)
    for person in (ann, bob):
        person.chat, person.kind = "team", PlaceKind.GROUP
    return bob


async def test_only_whoever_asked_or_leads_may_stop_an_answer(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    bob = await in_group(world, ann)
    carl = Someone(world.platform, "carl")  # type: ignore[arg-type]
    ann.chat, ann.kind = "", PlaceKind.PRIVATE
    before = len(world.titles("I am Tuneteller"))
    await ann.says("/invite user")
    await world.chats.until(lambda: len(world.titles("nvit")) == 2)
    code = next(block.text for block in world.chats.cards()[-1].blocks if hasattr(block, "text"))
    await carl.says(f"/start {code}")
    await world.chats.until(lambda: len(world.titles("I am Tuneteller")) > before)
    carl.chat, carl.kind = "team", PlaceKind.GROUP
    model.hold = asyncio.Event()
    await bob.says("/ask where to?")
    await world.chats.until(lambda: last_words(world).startswith("The tea"))
    refused = await carl.presses("Stop")
    assert refused is not None
    assert "Only whoever asked" in refused.text
    ann.chat, ann.kind = "team", PlaceKind.GROUP
    stopped = await ann.presses("Stop")
    assert stopped is not None
    assert stopped.text == "Stopping"
    await world.chats.until(lambda: done(world))


async def test_stop_on_an_old_message_says_so_and_tidies_it(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    await ann.says("hello")
    await world.chats.until(lambda: done(world))
    assert world.app is not None
    assert world.platform is not None
    async with world.app.core.database.transaction() as session:
        talk = await turns.at(session, ann.place.platform, ann.place.chat, "", "private")
        answer = await turns.last_answer(session, talk)
        assert answer is not None
        buttons = await world.app._announcer.during(translator("en"), answer.id, session)
    world.chats.messages["orphan"] = Answer("The tea", AnswerState.STREAMING, "", buttons)
    world.chats.places["orphan"] = ann.place
    ack = await world.platform.hand_over(
        Press("p1", ann.place, ann.account, MessageRef(ann.place, "orphan"), buttons[0][0].token)
    )
    assert ack is not None
    assert "Nothing is being answered" in ack.text
    await world.chats.until(lambda: done(world, 2))
    assert "further down" in world.chats.answers()[-1].note


async def test_a_closed_topic_is_told_in_the_chat_around_it(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    assert world.platform is not None
    model.hold = asyncio.Event()
    await ann.says("hello")
    await asyncio.wait_for(model.spoke.wait(), 10)
    await world.chats.until(lambda: last_words(world).startswith("The tea"))
    world.chats.troubles.append(Closed())
    model.hold.set()
    await world.chats.until(lambda: world.chats.shows("A topic here was closed"))
    await ann.says("/last")
    await world.chats.until(lambda: done(world))
    assert last_words(world) == "The tea leaves settle."


async def test_a_chat_that_shut_the_bot_out_is_marked_and_the_answer_kept(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    model.hold = asyncio.Event()
    await ann.says("hello")
    await asyncio.wait_for(model.spoke.wait(), 10)
    await world.chats.until(lambda: last_words(world).startswith("The tea"))
    world.chats.troubles.append(Blocked())
    model.hold.set()
    assert world.app is not None
    assert world.platform is not None
    for _ in range(200):
        async with world.app.core.database.transaction() as session:
            if await chats.is_shut(session, ann.place.platform, ann.place.chat):
                break
        await asyncio.sleep(0.02)  # the database has no event to wait for
    else:
        raise AssertionError("the chat was never marked")
    await world.platform.hand_over(Presence("presence-1", ann.place, writable=True))
    await ann.says("/last")
    await world.chats.until(lambda: done(world))
    assert last_words(world) == "The tea leaves settle."
    async with world.app.core.database.transaction() as session:
        assert not await chats.is_shut(session, ann.place.platform, ann.place.chat)


async def test_an_answer_that_may_not_have_arrived_is_told(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    shows_last_words_first(world)
    world.chats.after = [Unconfirmed(), Unconfirmed()]
    await ann.says("hello")
    await world.chats.until(lambda: "arrived is not known" in world.chats.text())
    assert len(world.chats.answers()) == 1
    await ann.says("/last")
    await world.chats.until(lambda: len(world.chats.answers()) == 2)
    assert last_words(world) == "The tea leaves settle."


async def test_telling_that_it_may_not_have_arrived_holds_nobody_up_for_ever(quick: World, model: ModelStandIn) -> None:
    ann = await quick.owner()
    shows_last_words_first(quick)
    # All is taken, and no answer of the platform's arrives.
    quick.chats.after = [Unconfirmed() for _ in range(10_000)]
    await ann.says("hello")
    await quick.chats.until(lambda: "arrived is not known" in quick.chats.text())
    await ann.says("and?")
    await quick.chats.until(lambda: len(model.requests) == 2)


async def test_an_answer_that_is_refused_is_told(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    shows_last_words_first(world)
    world.chats.troubles = [Refused()]
    await ann.says("hello")
    await world.chats.until(lambda: "could not be shown here" in world.chats.text())
    assert world.chats.answers() == []


async def test_typing_is_shown_until_the_first_word_not_the_first_thought(quick: World, model: ModelStandIn) -> None:
    ann = await quick.owner()
    model.thoughts, model.words = ["hm", "hm"], ["only word"]
    model.hold = asyncio.Event()
    await ann.says("hello")
    await asyncio.wait_for(model.spoke.wait(), 10)
    await quick.chats.until(lambda: any("Thinking" in each.note for each in quick.chats.answers()))
    before = quick.chats.typing
    await quick.chats.until(lambda: quick.chats.typing > before + 1)
    model.hold.set()
    await quick.chats.until(lambda: done(quick))


async def test_a_hundred_conversations_run_side_by_side(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    ann.kind = PlaceKind.GROUP
    model.hold = asyncio.Event()
    for number in range(100):
        ann.chat = f"team-{number}"
        await ann.says(f"/ask {number}")
    # Each stands before its last word: none waits for another.
    await world.chats.until(lambda: sum(each.text == "The tea leaves" for each in world.chats.answers()) == 100, 60)
    assert len(model.requests) == 100
    model.hold.set()
    await world.chats.until(lambda: done(world, 100), 60)
    assert {each.text for each in world.chats.answers()} == {"The tea leaves settle."}


async def test_everybody_who_waits_is_told_once(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    ben = await world.joined("ben", Role.USER)
    carl = await world.joined("carl", Role.USER)
    for each in (ann, ben, carl):
        each.chat, each.kind = "team", PlaceKind.GROUP
    model.hold = asyncio.Event()
    await ann.says("/ask first")
    await asyncio.wait_for(model.spoke.wait(), 10)
    for asks in (ben, ben, carl):
        await asks.says("/ask me too")
    await world.chats.until(lambda: world.chats.text().count("One answer at a time") == 2)
    model.hold.set()
    await world.chats.until(lambda: done(world, 2))
    assert world.chats.text().count("One answer at a time") == 2
    assert model.requests[-1]["messages"][-1]["content"] == "me too\nme too\nme too"


async def test_a_group_that_moves_keeps_its_conversation(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    ann.chat, ann.kind = "team", PlaceKind.GROUP
    await ann.says("/ask one")
    await world.chats.until(lambda: done(world))
    assert world.platform is not None
    place = Place(world.platform.name, "team", kind=PlaceKind.GROUP)
    await world.platform.hand_over(Moved("moved-1", place, "team-2"))
    ann.chat = "team-2"
    await ann.says("/ask two")
    await world.chats.until(lambda: done(world, 2))
    assert [m["content"] for m in model.requests[-1]["messages"]] == ["one", "The tea leaves settle.", "two"]


async def test_a_restart_before_the_first_word_ends_what_stands_there_or_answers_anew(
    world: World, model: ModelStandIn
) -> None:
    ann = await world.owner()
    model.silent = asyncio.Event()
    await ann.says("hello")
    await world.chats.until(lambda: world.chats.answers())
    await world.kill()
    model.silent.set()
    model.silent = None
    await world.start()
    await world.chats.until(lambda: done(world))
    shown = world.chats.answers()[-1]
    assert (shown.text, shown.note.splitlines()[-1]) in {
        ("", "Interrupted: the bot was restarted."),
        ("The tea leaves settle.", shown.note.splitlines()[-1]),
    }


async def test_deep_links_are_the_commands_that_they_name(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    await world.running(ann)
    (title,) = {card.title for card in world.chats.cards() if "· training" in card.title}
    before = sum(card.title == title for card in world.chats.cards())
    await ann.says("/start job_1")
    await world.chats.until(lambda: sum(card.title == title for card in world.chats.cards()) == before + 1)
    await ann.says("/start nothing_9")
    await world.chats.until(lambda: world.chats.shows("leads nowhere"))


async def test_start_in_a_group_says_what_is_heard_there(world: World) -> None:
    ann = await world.owner()
    ann.chat, ann.kind = "team", PlaceKind.GROUP
    await ann.says("/start")
    await world.chats.until(lambda: world.chats.shows("privacy mode"))


async def test_a_first_piece_that_says_nothing_is_no_first_word(quick: World, model: ModelStandIn) -> None:
    """Servers of OpenAI's kind send one that only tells whose turn it is."""
    ann = await quick.owner()
    model.words, model.hold = ["", "Hello"], asyncio.Event()
    await ann.says("hello")
    await quick.chats.until(lambda: quick.chats.shows("No word from the model for 30 s"))
    await quick.chats.until(lambda: done(quick))
    assert "did not say a word" in quick.chats.answers()[-1].note
    await asyncio.wait_for(model.left.wait(), 10)


async def test_a_model_that_falls_silent_is_left(quick: World, model: ModelStandIn) -> None:
    ann = await quick.owner()
    model.hold = asyncio.Event()
    await ann.says("hello")
    await quick.chats.until(lambda: done(quick))
    assert last_words(quick) == "The tea leaves"
    assert "cut off in the middle" in quick.chats.answers()[-1].note
    await asyncio.wait_for(model.left.wait(), 10)


async def test_a_filter_that_ends_an_answer_is_told(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    model.finish = "content_filter"
    await ann.says("hello")
    await world.chats.until(lambda: done(world))
    assert "filter ended the answer" in world.chats.answers()[-1].note


async def test_an_empty_reason_is_no_end(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    model.raw = [event({"choices": [{"index": 0, "delta": {"content": "The part. "}, "finish_reason": ""}]})]
    model.words, model.cut = [], True
    await ann.says("hello")
    await world.chats.until(lambda: done(world))
    assert "cut off in the middle" in world.chats.answers()[-1].note


async def test_odd_shapes_of_words_are_words(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    halves = (
        b'{"choices":[{"delta":{"content":"A \\ud83d"}}]}',
        b'{"choices":[{"delta":{"content":"\\ude00 b\\ud83d"}}]}',
    )
    parts = [{"type": "text", "text": " and"}, {"type": "image"}]
    odd = event({"choices": [{"delta": {"reasoning_content": "", "content": parts}}]})
    model.raw = [*(b"data: " + half + b"\n\n" for half in halves), odd]
    model.words = [" more"]
    await ann.says("hello")
    await world.chats.until(lambda: done(world))
    assert last_words(world) == "A 😀 b� and more"


@pytest.mark.parametrize("thoughts", [True, False])
async def test_the_end_of_a_thought_whose_beginning_was_not_sent(
    tmp_path: Path, model: ModelStandIn, thoughts: bool
) -> None:
    world = World(tmp_path, model.endpoint, thoughts=thoughts)
    await world.start()
    ann = await world.owner()
    model.words = ["Okay, they ", "ask me.\n</thi", "nk>\n\nMove ", "house."]
    await ann.says("hello")
    await world.chats.until(lambda: done(world))
    assert last_words(world) == "Move house."
    assert world.chats.answers()[-1].thought == ("Okay, they ask me." if thoughts else "")
    for number, words in enumerate((["Write `</think>` ", "there."], ["Write:\n\n```\n</think>\n", "```"]), 2):
        model.words = words
        await ann.says("how?")
        await world.chats.until(lambda number=number: done(world, number))  # type: ignore[misc]
        assert last_words(world) == "".join(words)
    await world.stop()


async def test_a_thought_of_many_pages_whose_beginning_was_not_sent(tmp_path: Path, model: ModelStandIn) -> None:
    world = World(tmp_path, model.endpoint, thoughts=True)
    await world.start()
    ann = await world.owner()
    model.words = [*(f"Thought {number} of a long one. " for number in range(200)), "\n</think>\n\nMove house."]
    model.hold = asyncio.Event()
    await ann.says("hello")
    await world.chats.until(lambda: len(world.chats.answers()) >= 3)
    model.hold.set()
    await world.chats.until(lambda: any(answer.text == "Move house." for answer in world.chats.answers()))
    first, *others = world.chats.answers()
    await world.chats.until(lambda: all(not answer.text for answer in world.chats.answers()[1:]))
    first, *others = world.chats.answers()
    assert first.text == "Move house."
    assert first.thought.startswith("Thought 0 of a long one.")
    assert {(answer.text, answer.note, answer.buttons) for answer in others} == {
        ("", "This was a thought of the model's, not its answer.", ())
    }
    await world.stop()
