"""Two people become one: whatever names the one names the other after."""

from sqlalchemy import ColumnElement, Select, Table, UniqueConstraint, and_, delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.schema import PrimaryKeyConstraint

from storage.clock import now
from storage.tables import AccountRow, Album, DatasetShare, Linked, Person
from storage.tables import Table as Base


async def accounts(session: AsyncSession, person_id: int) -> list[AccountRow]:
    """The accounts of a person."""
    query = select(AccountRow).where(AccountRow.person_id == person_id)
    return list(await session.scalars(query.order_by(AccountRow.platform, AccountRow.external_id)))


async def locked(session: AsyncSession, *person_ids: int) -> list[Person]:
    """These people, by number, nobody else's to change before the transaction ends."""
    query = select(Person).where(Person.id.in_(person_ids)).order_by(Person.id).with_for_update()
    return list(await session.scalars(query.execution_options(populate_existing=True)))


async def became(session: AsyncSession, former_id: int) -> int | None:
    """Who somebody has become."""
    return await session.scalar(select(Linked.person_id).where(Linked.former_id == former_id))


async def move(session: AsyncSession, former: Person, person: Person) -> None:
    """All that is the former one's becomes the other's; the former one is gone.

    Found by the tables' own foreign keys, so that no table can be forgotten. Where only one of the two can stand (both
    rated the same answer), that of ``person`` does; of two rights to a dataset the wider one.
    """
    rank = {"read": 1, "train": 2, "edit": 3}
    theirs = {share.dataset_id: share for share in await session.scalars(_shares(person.id))}
    for share in await session.scalars(_shares(former.id)):
        mine = theirs.get(share.dataset_id)
        if mine is not None:
            mine.right = max(mine.right, share.right, key=lambda word: rank.get(word, 0))
            await session.delete(share)
    for album in await session.scalars(select(Album).where(Album.person_id == former.id, Album.open_key.is_not(None))):
        # An open set goes on under the new name, unless there is one in the same place.
        assert album.open_key is not None
        key = f"{person.id}:{album.open_key.partition(':')[2]}"
        taken = await session.scalar(select(Album.id).where(Album.open_key == key))
        album.open_key = None if taken is not None else key
    await session.flush()
    for table in Base.metadata.sorted_tables:
        for reference in table.foreign_keys:
            if reference.column is Base.metadata.tables["people"].c.id:
                await _move(session, table, reference.parent.name, former.id, person.id)
    session.add(Linked(former_id=former.id, person_id=person.id, at=now()))
    await session.flush()
    await session.execute(delete(Person).where(Person.id == former.id))
    session.expire_all()


def _shares(person_id: int) -> Select[DatasetShare]:
    return select(DatasetShare).where(DatasetShare.person_id == person_id)


async def _move(session: AsyncSession, table: Table, column: str, former: int, person: int) -> None:
    whose = table.c[column]
    for rule in table.constraints:
        if (
            isinstance(rule, UniqueConstraint | PrimaryKeyConstraint)
            and whose in list(rule.columns)
            and len(rule.columns) > 1
        ):
            other = table.alias()
            same: list[ColumnElement[bool]] = [
                other.c[each.name] == each for each in rule.columns if each.name != column
            ]
            double = exists().where(and_(other.c[column] == person, *same))
            await session.execute(delete(table).where(whose == former, double))
    await session.execute(update(table).where(whose == former).values({column: person}))
