"""One person, several accounts: codes, and two people who become one, on both databases."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from bot.chat.errors import UserError
from bot.chat.places import Account
from bot.services.access import Access, Member, Role
from bot.services.linking import Linking
from storage.clock import now
from storage.database import Database
from storage.repositories import albums, linking, people
from storage.tables import (
    Album,
    ButtonRow,
    Code,
    Conversation,
    Dataset,
    DatasetShare,
    Person,
    Rating,
    Turn,
)
from tests.services.world import World

TG, DC = Account("telegram", "1001", "Ming"), Account("discord", "9001", "ming_li")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    found = Database(database_url)
    await found.migrate()
    yield found
    await found.close()


@pytest.fixture
def access(database: Database) -> Access:
    return Access(database)


@pytest.fixture
def links(database: Database) -> Linking:
    return Linking(database)


async def enter(access: Access, account: Account, role: Role) -> Member:
    return await access.redeem(await access.invite(role), account)


async def test_a_stranger_with_a_code_is_that_person(access: Access, links: Linking) -> None:
    ming = await enter(access, TG, Role.TRAINER)
    code = await links.issue(ming)
    offer = await links.look(code, DC)
    assert offer is not None
    assert (offer.person, offer.role, offer.platforms, offer.merges) == ("Ming", Role.TRAINER, ("telegram",), False)
    assert await links.accept(offer.key, DC) == "Ming"
    assert await access.member(DC) == await access.member(TG)
    # Again it says the same; for anybody else it is spent.
    assert await links.accept(offer.key, DC) == "Ming"
    with pytest.raises(UserError, match="code_spent"):
        await links.look(code, Account("discord", "9002"))
    with pytest.raises(UserError, match="code_spent"):
        await links.accept(offer.key, Account("discord", "9002"))


async def test_two_who_are_one_become_one(database: Database, access: Access, links: Linking) -> None:
    ming, other, lan = [
        await enter(access, account, role)
        for account, role in ((TG, Role.TRAINER), (DC, Role.LEAD), (Account("web", "w"), Role.USER))
    ]
    assert ming.id is not None
    assert other.id is not None
    at = now()
    async with database.transaction() as session:
        data = [Dataset(owner_id=owner, name=str(owner), created_at=at) for owner in (ming.id, other.id, lan.id)]
        session.add_all(data)
        talk = Conversation(platform="discord", chat="1", thread="", kind="group")
        session.add(talk)
        await session.flush()
        said = [
            Turn(conversation_id=talk.id, language="zh", role="assistant", text=text, state="done", created_at=at)
            for text in ("both", "one")
        ]
        session.add_all(said)
        await session.flush()
        for answer, person, value in ((0, ming.id, 1), (0, other.id, -1), (1, other.id, -1)):
            session.add(Rating(answer_id=said[answer].id, person_id=person, value=value, created_at=at))
        for person, right in ((ming.id, "read"), (other.id, "edit")):
            session.add(DatasetShare(dataset_id=data[2].id, person_id=person, right=right, created_at=at))
        session.add(
            ButtonRow(token="t", action="a", payload={}, person_id=other.id, once=False, created_at=at, used_at=None)
        )
        for person, chat in ((other.id, "private"), (other.id, "team"), (ming.id, "team")):
            await albums.open_album(session, f"{person}:discord:{chat}:", person)
    offer = await links.look(await links.issue(ming), DC)
    assert offer is not None
    assert offer.merges
    await links.accept(offer.key, DC)
    await links.accept(offer.key, DC)
    one = await access.member(DC)
    assert one == await access.member(TG)
    assert (one.id, one.name, one.role) == (ming.id, "Ming", Role.LEAD)
    async with database.transaction() as session:
        assert await linking.became(session, other.id) == ming.id
        assert await people.get(session, other.id) is None
        owners = list(await session.scalars(select(Dataset.owner_id).order_by(Dataset.id)))
        assert owners == [ming.id, ming.id, lan.id]
        ratings = {rating.answer_id: rating.value for rating in await session.scalars(select(Rating))}
        assert ratings == {said[0].id: 1, said[1].id: -1}
        (share,) = await session.scalars(select(DatasetShare))
        assert (share.person_id, share.right) == (ming.id, "edit")
        (button,) = await session.scalars(select(ButtonRow))
        assert button.person_id == ming.id
        keys = sorted(album.open_key or "" for album in await session.scalars(select(Album)))
        assert keys == ["", f"{ming.id}:discord:private:", f"{ming.id}:discord:team:"]


async def test_codes_that_are_wrong_over_or_for_something_else_change_nothing(
    database: Database, access: Access, links: Linking
) -> None:
    ming = await enter(access, TG, Role.USER)
    invite = await access.invite(Role.ADMIN)
    old = await links.issue(ming)
    code = await links.issue(ming)
    for wrong in ("WRONG-CODE", invite, old):
        with pytest.raises(UserError, match="code_unknown"):
            await links.look(wrong, DC)
    assert await links.look(code, TG) is None
    async with database.transaction() as session:
        await session.execute(
            update(Code).where(Code.purpose == "link").values(expires_at=now() - timedelta(seconds=1))
        )
    with pytest.raises(UserError, match="code_expired"):
        await links.look(code, DC)
    assert (await access.member(DC)).id is None


async def test_whoever_was_shut_out_cannot_come_back_by_a_link(access: Access, links: Linking) -> None:
    admin = await enter(access, Account("web", "a"), Role.ADMIN)
    ming, other = await enter(access, TG, Role.USER), await enter(access, DC, Role.USER)
    code = await links.issue(ming)
    offer = await links.look(code, DC)
    assert offer is not None
    assert other.id is not None
    await access.grant(other.id, Role.GUEST, admin)
    for attempt in (links.look(code, DC), links.accept(offer.key, DC)):
        with pytest.raises(UserError, match="link_shut_out"):
            await attempt
    assert (await access.member(DC)).role is Role.GUEST


async def test_a_link_code_is_no_invite_for_somebody_who_is_here(access: Access, links: Linking) -> None:
    """An admin whom somebody makes send the code as an invite must be asked first."""
    ming, admin = await enter(access, TG, Role.USER), await enter(access, DC, Role.ADMIN)
    with pytest.raises(UserError, match="link_use"):
        await access.redeem(await links.issue(ming), DC)
    assert (await access.member(DC)) == admin


async def test_a_servers_role_lets_in_and_lifts_but_never_brings_back(database: Database, access: Access) -> None:
    from dataclasses import replace

    trainer = replace(DC, role="trainer")
    first = await access.member(trainer)
    assert (first.role, first.name) == (Role.TRAINER, "ming_li")
    assert (await access.member(trainer)).id == first.id
    # Without the server's role they are what they were let in as.
    assert (await access.member(DC)).role is Role.USER
    assert (await access.member(replace(Account("discord", "1"), role=None))).id is None
    admin = await enter(access, Account("web", "a"), Role.ADMIN)
    assert first.id is not None
    await access.grant(first.id, Role.GUEST, admin)
    assert (await access.member(trainer)).role is Role.GUEST
    async with database.transaction() as session:
        assert len(list(await session.scalars(select(Person)))) == 2


async def test_linking_as_people_do_it(world: World) -> None:
    ann = await world.owner()
    await ann.says("/invite trainer")
    await world.chats.until(lambda: world.chats.shows("An invite for one trainer"))
    invite = next(block.text for block in world.chats.cards()[-1].blocks if hasattr(block, "text"))
    bob = world.someone("bob")
    await bob.says(invite)
    await world.chats.until(lambda: world.chats.shows("I am Tuneteller"))
    await ann.says("/link")
    await world.chats.until(lambda: world.chats.shows("Your code for another platform"))
    card = world.chats.cards()[-1]
    assert card.personal
    code = next(block.text for block in card.blocks if hasattr(block, "text"))
    await bob.says(f"/link {code}")
    await world.chats.until(lambda: world.chats.shows("Become one with this person?"))
    await bob.presses("Yes, both are me")
    await world.chats.until(lambda: world.chats.shows("you are Ann here too"))
    await bob.says("/whoami")
    await world.chats.until(lambda: "admin" in repr(world.chats.cards()[-1]))
