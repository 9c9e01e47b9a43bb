"""One person, several accounts: a one-time code from one platform, redeemed on another."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.chat.errors import UserError
from bot.chat.places import Account
from bot.services.access import Member, Role, digest, new_code
from storage.clock import now
from storage.database import Database
from storage.repositories import linking, people
from storage.tables import Code, Person

LINK_MINUTES = 10
_PURPOSE = "link"


@dataclass(frozen=True, slots=True)
class Offer:
    """Whom a code belongs to. ``merges``: whoever redeems it is somebody already, and the two would become one."""

    key: str
    person: str
    role: Role
    platforms: tuple[str, ...]
    merges: bool


class Linking:
    """Codes and what they lead to.

    Two people who become one have the higher of their two roles, and all that either had. Somebody who was shut out
    cannot be linked, on either side; the sides have to be proven both: the code comes from the one, and the other
    confirms with their own account.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def issue(self, member: Member) -> str:
        """A code for this person; a new one replaces an unused older one."""
        assert member.id is not None
        code = new_code()
        row = Code(
            digest=digest(code),
            purpose=_PURPOSE,
            role=member.role.word,
            person_id=member.id,
            created_at=now(),
            expires_at=now() + timedelta(minutes=LINK_MINUTES),
        )
        async with self._database.transaction() as session:
            await people.withdraw_unspent(session, _PURPOSE, member.id)
            await people.add_code(session, row)
        return code

    async def look(self, code: str, account: Account) -> Offer | None:
        """What redeeming it here would do; None if this account is that person's already. Changes nothing.

        Raises ``UserError`` for a code that is wrong, spent, over or not for this.
        """
        async with self._database.transaction() as session:
            row = await self._row(session, digest(code))
            person = await self._person(session, row)
            here = await people.find(session, account.platform, account.id)
            if here is not None and here.id == person.id:
                return None
            if here is not None and here.role == Role.GUEST.word:
                raise UserError("link_shut_out")
            platforms = dict.fromkeys(each.platform for each in await linking.accounts(session, person.id))
            return Offer(row.digest, person.name, Role.of(person.role), tuple(platforms), here is not None)

    async def accept(self, key: str, account: Account) -> str:
        """Make the account (and whoever has it) one with the code's person; returns that person's name.

        Once; again it says the same and changes nothing. Raises ``UserError`` as :meth:`look` does.
        """
        async with self._database.transaction() as session:
            here = await people.find(session, account.platform, account.id)
            spent = await people.code(session, key)
            if here is not None and spent is not None and spent.spent_at is not None and spent.person_id == here.id:
                return here.name
            row = await self._row(session, key)
            person_id = (await self._person(session, row)).id
            # First: of two who use a code at once only one goes on.
            if not await people.spend(session, key):
                raise UserError("code_spent")
            if here is None:
                await people.link(session, person_id, account.platform, account.id)
            elif here.id != person_id:
                await self._merge(session, here.id, person_id)
            found = await people.get(session, person_id)
            assert found is not None
            return found.name

    async def _merge(self, session: AsyncSession, former_id: int, person_id: int) -> None:
        both = {person.id: person for person in await linking.locked(session, former_id, person_id)}
        if len(both) < 2:
            raise UserError("code_unknown")
        former, person = both[former_id], both[person_id]
        if Role.GUEST.word in (former.role, person.role):
            raise UserError("link_shut_out")
        person.role = max(Role.of(former.role), Role.of(person.role)).word
        person.language = person.language or former.language
        await linking.move(session, former, person)

    async def _row(self, session: AsyncSession, key: str) -> Code:
        row = await people.code(session, key)
        if row is None or row.purpose != _PURPOSE or row.person_id is None:
            raise UserError("code_unknown")
        if row.spent_at is not None:
            raise UserError("code_spent")
        if row.expires_at is not None and row.expires_at < now():
            raise UserError("code_expired")
        return row

    async def _person(self, session: AsyncSession, row: Code) -> Person:
        person = await people.get(session, row.person_id) if row.person_id is not None else None
        if person is None:
            raise UserError("code_unknown")
        if person.role == Role.GUEST.word:
            raise UserError("link_shut_out")
        return person
