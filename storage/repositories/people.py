"""People, their accounts, one-time codes and browser sessions."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from storage.clock import now
from storage.tables import AccountRow, Code, Conversation, Job, Person, Turn, WebSession


async def find(session: AsyncSession, platform: str, external_id: str) -> Person | None:
    """Who has this account."""
    query = select(Person).join(AccountRow, AccountRow.person_id == Person.id)
    return await session.scalar(query.where(AccountRow.platform == platform, AccountRow.external_id == external_id))


async def get(session: AsyncSession, person_id: int) -> Person | None:
    """By number."""
    return await session.get(Person, person_id)


async def forget_choices(session: AsyncSession, person_id: int) -> None:
    """Where and when they wished to be told, their own addresses among it."""
    await session.execute(update(Person).where(Person.id == person_id).values(notify=None))


async def everybody(session: AsyncSession) -> list[Person]:
    """All, oldest first."""
    return list(await session.scalars(select(Person).order_by(Person.id)))


async def create(session: AsyncSession, name: str, role: str, language: str | None) -> Person:
    """A new person, without an account yet."""
    person = Person(name=name[:80], role=role, language=language, created_at=now())
    session.add(person)
    await session.flush()
    return person


async def link(session: AsyncSession, person_id: int, platform: str, external_id: str) -> None:
    """Give a person an account."""
    session.add(AccountRow(platform=platform, external_id=external_id, person_id=person_id))
    await session.flush()


async def reached(session: AsyncSession, platform: str, external_id: str, chat: str) -> None:
    """Note where an account writes to the bot alone."""
    account = await session.get(AccountRow, (platform, external_id))
    if account is not None and account.private_chat != chat:
        account.private_chat = chat


async def private_chat(session: AsyncSession, person_id: int, platform: str) -> tuple[str, str] | None:
    """(platform, chat) in which a person can be written to alone, on this platform if there is one."""
    query = select(AccountRow.platform, AccountRow.private_chat).where(
        AccountRow.person_id == person_id, AccountRow.private_chat.is_not(None)
    )
    here_first = (AccountRow.platform != platform, AccountRow.platform, AccountRow.external_id)
    found = (await session.execute(query.order_by(*here_first).limit(1))).first()
    return (found[0], str(found[1])) if found else None


async def known_in(session: AsyncSession, platform: str, chat: str) -> set[int]:
    """Whoever is known to be in a chat: they talked or trained there."""
    talked = (
        select(Turn.person_id)
        .join(Conversation, Conversation.id == Turn.conversation_id)
        .where(Conversation.platform == platform, Conversation.chat == chat, Turn.person_id.is_not(None))
    )
    trained = select(Job.person_id).where(Job.platform == platform, Job.chat == chat)
    return {person_id for person_id in await session.scalars(talked.union(trained)) if person_id is not None}


async def with_roles(session: AsyncSession, roles: Collection[str]) -> list[Person]:
    """Whoever has one of these roles, oldest first."""
    return list(await session.scalars(select(Person).where(Person.role.in_(roles)).order_by(Person.id)))


async def account_of(session: AsyncSession, person_id: int, platform: str) -> str | None:
    """A person's oldest account on a platform."""
    query = select(AccountRow.external_id).where(AccountRow.person_id == person_id, AccountRow.platform == platform)
    return await session.scalar(query.order_by(AccountRow.external_id).limit(1))


async def count_role(session: AsyncSession, role: str) -> int:
    """How many have this role."""
    return await session.scalar(select(func.count()).select_from(Person).where(Person.role == role)) or 0


async def first_with_role(session: AsyncSession, role: str) -> Person | None:
    """The oldest person with this role."""
    return await session.scalar(select(Person).where(Person.role == role).order_by(Person.id).limit(1))


async def add_code(session: AsyncSession, code: Code) -> None:
    """Keep a one-time code's digest; one that is kept already (processes that start together) stays as it is."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    values = {column.name: getattr(code, column.name) for column in Code.__table__.columns}
    await session.execute(insert(Code).values(values).on_conflict_do_nothing())


async def code(session: AsyncSession, digest: str) -> Code | None:
    """A code by its digest, spent or not."""
    return await session.get(Code, digest)


async def purpose(session: AsyncSession, digest: str) -> str | None:
    """What a code is for."""
    return await session.scalar(select(Code.purpose).where(Code.digest == digest))


async def spend(session: AsyncSession, digest: str) -> bool:
    """Mark a code as used; False if somebody else was first."""
    result = await session.execute(
        update(Code).where(Code.digest == digest, Code.spent_at.is_(None)).values(spent_at=now()).returning(Code.digest)
    )
    return result.scalar() is not None


async def note_spender(session: AsyncSession, digest: str, person_id: int) -> None:
    """Note who used a code."""
    await session.execute(update(Code).where(Code.digest == digest).values(person_id=person_id))


async def spent_by(session: AsyncSession, digest: str, person_id: int) -> bool:
    """Whether this very person has used a code."""
    row = await session.get(Code, digest)
    return row is not None and row.spent_at is not None and row.person_id == person_id


async def withdraw_unspent(session: AsyncSession, purpose: str, person_id: int | None = None) -> None:
    """Forget codes of a purpose that nobody used: all, or those of a person."""
    query = delete(Code).where(Code.purpose == purpose, Code.spent_at.is_(None))
    await session.execute(query if person_id is None else query.where(Code.person_id == person_id))


async def add_session(session: AsyncSession, row: WebSession) -> None:
    """Keep a browser's session."""
    session.add(row)
    await session.flush()


async def browser(session: AsyncSession, digest: str, at: datetime) -> tuple[WebSession, Person] | None:
    """The session and person of a browser, unless it has expired."""
    query = select(WebSession, Person).join(Person, Person.id == WebSession.person_id)
    row = (await session.execute(query.where(WebSession.digest == digest, WebSession.expires_at > at))).first()
    return (row[0], row[1]) if row else None


async def end_session(session: AsyncSession, digest: str) -> None:
    """Sign a browser out."""
    await session.execute(delete(WebSession).where(WebSession.digest == digest))
