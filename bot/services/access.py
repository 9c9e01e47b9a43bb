"""Who may: people, roles, one-time codes. Everything is decided here, on the server, by id."""

import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import IntEnum

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from bot.chat.errors import UserError
from bot.chat.places import Account, Place, PlaceKind
from storage.clock import now
from storage.database import Database
from storage.repositories import audit, people
from storage.repositories.audit import Act
from storage.tables import Code, Person, WebSession

_INVITE_DAYS = 7
_SESSION_DAYS = 90
# Without 0/O and 1/I/L: codes are read from a terminal and typed on a phone.
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"


class Role(IntEnum):
    """What a person may, each including what is before it."""

    GUEST = 0
    USER = 1
    TRAINER = 2
    LEAD = 3
    ADMIN = 4

    @property
    def word(self) -> str:
        """As it is stored and typed."""
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> "Role":
        """The role of a word. Raises ``UserError``."""
        try:
            return cls[word.strip().upper()]
        except KeyError:
            raise UserError("role_unknown", value=word, known="user, trainer, lead, admin") from None


@dataclass(frozen=True, slots=True)
class Member:
    """Whoever is asking: a person who was let in, or a guest (``id`` None)."""

    id: int | None
    name: str
    role: Role
    language: str | None

    def must_be(self, least: Role) -> None:
        """Raise ``UserError`` unless this role suffices."""
        if self.role < least:
            if self.role is Role.GUEST:
                raise UserError("guest")
            raise UserError("role_needed", needed=least.word, have=self.role.word)


def digest(code: str) -> str:
    """What is stored of a code: enough to recognise it, not to read it."""
    plain = "".join(code.upper().split()).replace("-", "")
    return hashlib.sha256(plain.encode()).hexdigest()


def new_code() -> str:
    """A code of 60 bits, in groups of four."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(12))
    return "-".join(letters[i : i + 4] for i in range(0, 12, 4))


def _member(person: Person) -> Member:
    return Member(person.id, person.name, Role.of(person.role), person.language)


class Access:
    """People, roles and codes of one installation."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # Where accounts were seen to write alone, so that it is stored only when it changes.
        self._reached: dict[tuple[str, str], str] = {}

    async def reached(self, account: Account, place: Place) -> None:
        """Note where somebody who was let in can be written to alone."""
        key = (account.platform, account.id)
        if place.kind is PlaceKind.PRIVATE and self._reached.get(key) != place.chat:
            async with self._database.transaction() as session:
                await people.reached(session, *key, place.chat)
            self._reached[key] = place.chat

    async def member(self, account: Account) -> Member:
        """Whoever has this account; a guest if nobody."""
        async with self._database.reading() as session:
            person = await people.find(session, account.platform, account.id)
        if person is None and account.role is not None:
            person = await self._let_in(account)
        if person is None:
            return Member(None, account.name, Role.GUEST, None)
        member = _member(person)
        if account.role is None or member.role is Role.GUEST:
            # Whoever was shut out stays out, whatever a platform says.
            return member
        return replace(member, role=max(member.role, Role.of(account.role)))

    async def _let_in(self, account: Account) -> Person | None:
        """Somebody whom the operator's rules for their platform let in: a user; more only while those rules say so."""
        try:
            async with self._database.transaction() as session:
                person = await people.create(session, account.name or "?", Role.USER.word, None)
                await people.link(session, person.id, account.platform, account.id)
                return person
        except IntegrityError:
            # Two of their messages came at once.
            async with self._database.transaction() as session:
                return await people.find(session, account.platform, account.id)

    async def operator(self, account: Account) -> Member:
        """Whoever works on the machine itself: a lead, made when first asked for."""
        async with self._database.transaction() as session:
            person = await people.find(session, account.platform, account.id)
            if person is None:
                person = await people.create(session, account.name, Role.LEAD.word, None)
                await people.link(session, person.id, account.platform, account.id)
            return _member(person)

    async def name(self, person_id: int) -> str:
        """What a person is called."""
        async with self._database.reading() as session:
            person = await people.get(session, person_id)
        return person.name if person else ""

    async def everybody(self) -> list[Member]:
        """All who were let in."""
        async with self._database.transaction() as session:
            return [_member(person) for person in await people.everybody(session)]

    async def has_owner(self) -> bool:
        """Whether somebody is admin already."""
        async with self._database.transaction() as session:
            return await people.count_role(session, Role.ADMIN.word) > 0

    async def issue_owner_code(self, fixed: str | None) -> str | None:
        """The code that makes the first admin; None once there is one. A new code replaces an unused older one."""
        async with self._database.transaction() as session:
            if await people.count_role(session, Role.ADMIN.word):
                await people.withdraw_unspent(session, "owner")
                return None
            await people.withdraw_unspent(session, "owner")
            code = fixed or new_code()
            await self._keep(session, code, "owner", Role.ADMIN, None, None)
            return code

    async def issue_signin_code(self, person_id: int | None = None) -> str | None:
        """A code with which a person signs in on another browser: the oldest admin, or whose number is given.

        None if there is no admin. Raises ``UserError`` for a number that nobody has, or somebody who was shut out.
        """
        async with self._database.transaction() as session:
            if person_id is None:
                person = await people.first_with_role(session, Role.ADMIN.word)
                if person is None:
                    return None
            else:
                person = await people.get(session, person_id)
                if person is None or person.role == Role.GUEST.word:
                    raise UserError("person_unknown", value=person_id)
            code = new_code()
            await people.withdraw_unspent(session, "signin", person.id)
            await self._keep(session, code, "signin", Role.of(person.role), person.id, timedelta(hours=1))
            return code

    async def invite(self, role: Role, by: Member | None = None) -> str:
        """A one-time code that lets one person in with a role."""
        if role is Role.GUEST:
            raise UserError("role_unknown", value=role.word, known="user, trainer, lead, admin")
        code = new_code()
        async with self._database.transaction() as session:
            await self._keep(session, code, "invite", role, None, timedelta(days=_INVITE_DAYS))
            await audit.record(session, Act.INVITE, by.id if by else None, role=role.word)
        return code

    async def _keep(
        self, session: AsyncSession, code: str, purpose: str, role: Role, person_id: int | None, life: timedelta | None
    ) -> None:
        row = Code(
            digest=digest(code),
            purpose=purpose,
            role=role.word,
            person_id=person_id,
            created_at=now(),
            expires_at=now() + life if life else None,
        )
        await people.add_code(session, row)

    async def redeem(self, code: str, account: Account) -> Member:
        """Let an account in by a one-time code. Raises ``UserError``; a wrong code changes nothing.

        Somebody who is in already may use a code that raises their role. Whoever spent a code may send it again (a
        process that died may have spent it for them): that changes nothing and is no error.
        """
        async with self._database.transaction() as session:
            person = await people.find(session, account.platform, account.id)
            if person is not None and await people.spent_by(session, digest(code), person.id):
                return _member(person)
            if person is not None and await people.purpose(session, digest(code)) == "link":
                # Two people would become one: that is asked first.
                raise UserError("link_use")
            row = await self._spend(session, code)
            if person is None and row.person_id is not None:
                person = await people.get(session, row.person_id)
                # One account a platform: a second browser opens the same room.
                if await people.account_of(session, row.person_id, account.platform) is None:
                    await people.link(session, row.person_id, account.platform, account.id)
            elif person is None:
                person = await people.create(session, account.name or "?", row.role, None)
                await people.link(session, person.id, account.platform, account.id)
            elif Role.of(row.role) > Role.of(person.role):
                person.role = row.role
            assert person is not None
            await people.note_spender(session, row.digest, person.id)
            return _member(person)

    async def _spend(self, session: AsyncSession, code: str) -> Code:
        row = await people.code(session, digest(code))
        if row is None:
            raise UserError("code_unknown")
        if row.spent_at is not None:
            raise UserError("code_spent")
        if row.expires_at is not None and row.expires_at < now():
            raise UserError("code_expired")
        if not await people.spend(session, row.digest):
            raise UserError("code_spent")
        return row

    async def choose_language(self, member: Member, language: str) -> None:
        """Keep a person's choice."""
        async with self._database.transaction() as session:
            person = await people.get(session, member.id) if member.id is not None else None
            if person is not None:
                person.language = language

    async def grant(self, person_id: int, role: Role, by: Member) -> Member:
        """Give a person a role (``guest`` shuts them out). The last admin stays admin."""
        async with self._database.transaction() as session:
            person = await people.get(session, person_id)
            if person is None:
                raise UserError("person_unknown", value=person_id)
            last = await people.count_role(session, Role.ADMIN.word) == 1
            if person.role == Role.ADMIN.word and role is not Role.ADMIN and last:
                raise UserError("last_admin")
            if person.role != role.word:
                await audit.record(session, Act.ROLE, by.id, subject=person.id, before=person.role, after=role.word)
            person.role = role.word
            return _member(person)

    async def open_session(self, member: Member, account: str) -> str:
        """A token for a browser; only its digest is kept."""
        assert member.id is not None
        token = secrets.token_urlsafe(32)
        row = WebSession(
            digest=hashlib.sha256(token.encode()).hexdigest(),
            account=account,
            person_id=member.id,
            created_at=now(),
            expires_at=now() + timedelta(days=_SESSION_DAYS),
        )
        async with self._database.transaction() as session:
            await people.add_session(session, row)
        return token

    async def session(self, token: str) -> tuple[str, Member] | None:
        """The web account and person of a browser's token."""
        key = hashlib.sha256(token.encode()).hexdigest()
        async with self._database.reading() as session:
            found = await people.browser(session, key, now())
        return (found[0].account, _member(found[1])) if found else None

    async def close_session(self, token: str) -> None:
        """Sign a browser out."""
        async with self._database.transaction() as session:
            await people.end_session(session, hashlib.sha256(token.encode()).hexdigest())

    async def web_account(self, person_id: int) -> str | None:
        """A person's account on the web page, if they have one."""
        async with self._database.transaction() as session:
            return await people.account_of(session, person_id, "web")
