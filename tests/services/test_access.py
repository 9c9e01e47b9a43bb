"""Who may: strangers, codes, roles, foreign and old buttons, the two languages."""

import re

import pytest

from bot.chat.events import Press
from bot.chat.places import MessageRef, PlaceKind
from bot.services.access import Role
from tests.fakes.platform import Someone
from tests.services.world import World, dataset


async def replies(world: World, person: Someone, text: str) -> str:
    before = len(world.chats.messages)
    await person.says(text)
    await world.chats.until(lambda: len(world.chats.messages) > before)
    return repr(list(world.chats.messages.values())[-1])


async def test_a_stranger_gets_one_polite_line_and_nothing_else(world: World) -> None:
    await world.owner()
    eve = world.someone("eve")
    for text in ("hello there, how are you", "/train", "/jobs", "/invite admin", "/use_v1", "/ask x"):
        assert "This bot is private" in await replies(world, eve, text)
    before = len(world.chats.messages)
    await eve.sends("x.jsonl", dataset())
    await world.chats.until(lambda: len(world.chats.messages) > before)
    assert "This bot is private" in repr(world.chats.cards()[-1])
    assert "/ds_" not in world.chats.text()


async def test_many_files_at_once_get_one_refusal(world: World) -> None:
    await world.owner()
    ben = await world.joined("ben", Role.USER)
    for number in range(5):
        await ben.sends(f"{number}.jpg", b"picture")
    assert world.app is not None
    # A restart that waits for what is being handled leaves nothing to be said.
    await world.stop()
    assert world.chats.text().count("needs the role trainer") == 1


async def test_the_owners_code_works_once(world: World) -> None:
    assert world.app is not None
    code = await world.app.core.access.issue_owner_code("the-fixed-owner-code")
    assert code == "the-fixed-owner-code"
    ann, eve = world.someone("ann"), world.someone("eve")
    assert "I am Tuneteller" in await replies(world, ann, "/start the-fixed-owner-code")
    assert "used already" in await replies(world, eve, "/start the-fixed-owner-code")
    assert "admin" in await replies(world, ann, "/whoami")
    assert "guest" in await replies(world, eve, "/whoami")
    assert await world.app.core.access.issue_owner_code("the-fixed-owner-code") is None


async def test_a_wrong_code_is_told(world: World) -> None:
    eve = world.someone("eve")
    assert "This code is not known" in await replies(world, eve, "/start WRONG-CODE")
    assert "This code is not known" in await replies(world, eve, "WRONG-CODE-ALONE")


async def test_an_invite_lets_in_one_person_with_its_role(world: World) -> None:
    ann = await world.owner()
    assert "An invite for one trainer" in await replies(world, ann, "/invite trainer")
    code = next(block.text for block in world.chats.cards()[-1].blocks if hasattr(block, "text"))
    bob, eve = world.someone("bob"), world.someone("eve")
    assert "I am Tuneteller" in await replies(world, bob, code)
    assert "used already" in await replies(world, eve, f"/start join_{code}")
    assert "needs the role admin; you are trainer" in await replies(world, bob, "/invite user")


async def test_the_address_of_an_invite_brings_its_code(world: World) -> None:
    ann = await world.owner()
    shown = await replies(world, ann, "/invite user")
    found = re.search(r"https://chats\.test/\?start=([A-Za-z0-9_-]{1,64})(?![\w-])", shown)
    assert found is not None
    bob = world.someone("bob")
    assert "I am Tuneteller" in await replies(world, bob, f"/start {found[1]}")
    copied = [button.copy for row in world.chats.cards()[-2].buttons for button in row if button.copy]
    assert found[0] in copied


async def test_whoever_is_let_in_in_a_group_learns_how_to_be_heard_there(world: World) -> None:
    ann = await world.owner()
    shown = await replies(world, ann, "/invite user")
    found = re.search(r"start=(join_[\w-]+)", shown)
    assert found is not None
    bob = world.someone("bob")
    bob.chat, bob.kind = "team", PlaceKind.GROUP
    assert "/ask" in await replies(world, bob, f"/start {found[1]}")


async def test_an_invite_is_not_shown_in_a_group(world: World) -> None:
    ann = await world.owner()
    ann.chat, ann.kind = "team", PlaceKind.GROUP
    assert "Not in a group" in await replies(world, ann, "/invite user")


async def test_a_button_is_authorised_when_it_is_pressed(world: World) -> None:
    ann = await world.owner()
    await world.running(ann)
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("is done"))
    number, button = ann.button("Let everybody talk to it")
    assert world.platform is not None
    assert world.app is not None
    eve = world.someone("eve")
    ref = MessageRef(ann.place, number)
    ack = await world.platform.hand_over(Press("p1", ann.place, eve.account, ref, button.token))
    assert ack is not None
    assert "This bot is private" in ack.text
    assert await world.app.core.releases.live() is None
    ack = await world.platform.hand_over(Press("p2", ann.place, ann.account, ref, "forged-token"))
    assert ack is not None
    assert "too old" in ack.text


async def test_a_foreign_button_is_refused(world: World) -> None:
    ann = await world.owner()
    await replies(world, ann, "/forget")
    number, button = ann.button("Delete all of it")
    await replies(world, ann, "/invite admin")
    code = next(block.text for block in world.chats.cards()[-1].blocks if hasattr(block, "text"))
    bob = world.someone("bob")
    await replies(world, bob, code)
    assert world.platform is not None
    ack = await world.platform.hand_over(
        Press("p1", ann.place, bob.account, MessageRef(ann.place, number), button.token)
    )
    assert ack is not None
    assert "somebody else's" in ack.text


async def test_roles_are_given_and_taken(world: World) -> None:
    ann = await world.owner()
    assert "stays admin" in await replies(world, ann, "/grant 1 user")
    await replies(world, ann, "/invite user")
    code = next(block.text for block in world.chats.cards()[-1].blocks if hasattr(block, "text"))
    bob = world.someone("bob")
    await replies(world, bob, code)
    assert "needs the role trainer; you are user" in await replies(world, bob, "/train")
    assert "Bob is now: trainer" in await replies(world, ann, "/grant 2 trainer")
    assert "no dataset yet" in await replies(world, bob, "/train")
    await replies(world, ann, "/revoke 2")
    assert "This bot is private" in await replies(world, bob, "/jobs")


@pytest.mark.parametrize(
    ("client", "words"), [("zh-hans", "这个机器人只对受邀的人开放"), ("en", "This bot is private"), ("fr", "This bot")]
)
async def test_a_stranger_is_answered_in_their_clients_language(world: World, client: str, words: str) -> None:
    assert words in await replies(world, world.someone("eve", client), "!!!")


async def test_somebody_with_a_regional_language_is_answered_after_they_came_in(world: World) -> None:
    owner = await world.owner(language="zh-hans")
    assert "还没有。发送 /train" in await replies(world, owner, "/jobs")


async def test_without_a_client_language_the_text_decides(world: World) -> None:
    assert "受邀" in await replies(world, world.someone("eve", None), "你好，请问怎么用？")


async def test_the_choice_of_a_language_wins_and_stays(world: World) -> None:
    ann = await world.owner()
    assert "以后我说中文" in await replies(world, ann, "/lang 中文")
    assert "还没有。发送 /train" in await replies(world, ann, "/jobs")
    await world.kill()
    await world.start()
    again = world.someone("ann")
    assert "还没有。发送 /train" in await replies(world, again, "/jobs")


async def test_a_mistyped_command_names_its_neighbour(world: World) -> None:
    ann = await world.owner()
    assert "Did you mean /train" in await replies(world, ann, "/trian")
    assert "no command /zzqqxx" in await replies(world, ann, "/zzqqxx")


async def test_a_repeated_update_is_handled_once(world: World) -> None:
    ann = await world.owner()
    await ann.says("/jobs", event="the-same")
    await world.chats.until(lambda: world.titles("Jobs"))
    await ann.says("/jobs", event="the-same")
    assert "None yet" in await replies(world, ann, "/models")
    assert len(world.titles("Jobs")) == 1


async def test_other_peoples_talk_in_a_group_is_not_ours(world: World) -> None:
    ann = await world.owner()
    ann.chat, ann.kind = "team", PlaceKind.GROUP
    before = len(world.chats.messages)
    await ann.says("shall we have lunch?", addressed=False)
    await ann.says("/whoami")
    await world.chats.until(lambda: world.titles("This is you"))
    assert len(world.chats.messages) == before + 1
