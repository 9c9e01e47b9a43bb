"""Who else may read, train on or edit a dataset."""

from dataclasses import dataclass
from enum import IntEnum

from sqlalchemy.ext.asyncio import AsyncSession

from bot.chat.errors import UserError
from bot.services.access import Member, Role
from storage.database import Database
from storage.repositories import audit, datasets, people, shares
from storage.repositories.audit import Act
from storage.tables import Dataset

TEAM = "team"
OFF = "off"


class Right(IntEnum):
    """What somebody may do with a dataset, each including what is before it."""

    READ = 1
    TRAIN = 2
    EDIT = 3

    @property
    def word(self) -> str:
        """As it is stored and typed."""
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> "Right":
        """The right of a word. Raises ``UserError``."""
        try:
            return cls[word.strip().upper()]
        except KeyError:
            raise UserError("right_unknown", value=word[:20]) from None


@dataclass(frozen=True, slots=True)
class Shared:
    """One share: a person's name, or "" for the team."""

    name: str
    right: Right


async def right_of(session: AsyncSession, dataset: Dataset, member: Member) -> Right | None:
    """What a person may do with a dataset; None for nothing at all. Owners and admins may everything."""
    if member.role >= Role.ADMIN or (member.id is not None and dataset.owner_id == member.id):
        return Right.EDIT
    if member.id is None or member.role < Role.TRAINER:
        return None
    words = await shares.rights(session, dataset.id, member.id)
    return max((Right.of(word) for word in words), default=None)


class Sharing:
    """Shares of datasets."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def share(self, dataset_id: int, whom: str, right: Right, member: Member) -> tuple[Dataset, list[Shared]]:
        """Share with ``team``, with a person (``@name``, ``#id`` or ``id``), or with nobody any more (``off``).

        Only the owner of a dataset or an admin may. Raises ``UserError``.
        """
        async with self._database.transaction() as session:
            dataset = await datasets.get(session, dataset_id)
            if dataset is None or await right_of(session, dataset, member) is None:
                raise UserError("dataset_unknown", n=dataset_id)
            if dataset.owner_id != member.id and member.role < Role.ADMIN:
                raise UserError("dataset_not_yours", n=dataset_id)
            person_id = None if whom.lower() in (OFF, TEAM) else await _person(session, whom)
            word = None if whom.lower() == OFF else right.word
            if word is None:
                await shares.take_all(session, dataset_id)
            else:
                await shares.put(session, dataset_id, person_id, word)
            await audit.record(session, Act.SHARE, member.id, dataset=dataset_id, whom=person_id, right=word)
            return dataset, await _listed(session, dataset_id)

    async def listing(self, dataset_id: int) -> list[Shared]:
        """With whom a dataset is shared."""
        async with self._database.transaction() as session:
            return await _listed(session, dataset_id)


async def _listed(session: AsyncSession, dataset_id: int) -> list[Shared]:
    found = []
    for share in await shares.of_dataset(session, dataset_id):
        person = await people.get(session, share.person_id) if share.person_id is not None else None
        found.append(Shared(person.name if person else "", Right.of(share.right)))
    return found


async def _person(session: AsyncSession, whom: str) -> int:
    """The id of a person by number or name. A name that two people have names nobody."""
    plain = whom.lstrip("@#").strip()
    everybody = await people.everybody(session)
    if plain.isascii() and plain.isdigit() and any(person.id == int(plain) for person in everybody):
        return int(plain)
    named = [person.id for person in everybody if person.name.lower() == plain.lower()]
    if len(named) != 1:
        raise UserError("share_person_twice" if named else "share_person_unknown", value=whom[:40])
    return named[0]
