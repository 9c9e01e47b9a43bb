"""What people say of answers becomes the next dataset: of those who agreed, masked, decided on by a trainer."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.chat.errors import UserError
from bot.services.access import Member
from bot.services.library import Held, Library
from bot.services.sharing import Right
from finetune.datasets import Report
from finetune.datasets.personal import masked
from finetune.datasets.rows import rows as rows_of
from storage.database import Database
from storage.repositories import conversations as turns
from storage.repositories import datasets, models, reviews
from storage.repositories import jobs as job_rows
from storage.tables import Suggestion, Turn

_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class Item:
    """Something to decide on, masked. ``key``: ``s12`` for a suggestion, ``a7`` for an answer that people liked."""

    key: str
    question: str
    answer: str
    better: str
    up: int
    down: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Grown:
    """A dataset with accepted rows taken in: (question, answer) pairs; ``repeated`` ones were there already."""

    held: Held
    rows: tuple[dict[str, Any], ...]
    repeated: int


class Flywheel:
    """The review queue and the dataset that comes of it."""

    def __init__(self, database: Database, library: Library) -> None:
        self._database = database
        self._library = library

    async def contribute(self, member: Member, *, agreed: bool) -> None:
        """Keep whether a person agrees that what they say of answers may become training data."""
        assert member.id is not None
        async with self._database.transaction() as session:
            await (reviews.agree if agreed else reviews.disagree)(session, member.id)

    async def contributes(self, member: Member) -> bool:
        """Whether a person agrees now."""
        assert member.id is not None
        async with self._database.transaction() as session:
            return await reviews.agreed(session, member.id)

    async def next(self, after: str = "") -> Item | None:
        """The next thing to decide on, behind the one of a key; None if nothing waits."""
        async with self._database.transaction() as session:
            found = await self._waiting(session)
            keys = [key for key, _, _ in found]
            place = keys.index(after) + 1 if after in keys else 0
            if not found:
                return None
            return await self._item(session, *found[place % len(found)], waiting=len(found))

    async def _waiting(self, session: AsyncSession) -> list[tuple[str, Turn, Suggestion | None]]:
        """What people who agreed said of answers to people who agreed."""
        both: list[tuple[str, Turn, Suggestion | None]] = [
            (f"s{each.id}", answer, each) for each, answer in await reviews.suggestions(session, _LOOKED_AT)
        ]
        both += [(f"a{answer.id}", answer, None) for answer in await reviews.liked(session, _LOOKED_AT)]
        return [one for one in both if await self._may_be_used(session, one[1])]

    async def _may_be_used(self, session: AsyncSession, answer: Turn) -> bool:
        asked = await turns.questions(session, answer)
        people = {turn.person_id for turn in asked}
        if not asked or None in people:
            return False
        return all([await reviews.agreed(session, person) for person in people if person is not None])

    async def _item(
        self, session: AsyncSession, key: str, answer: Turn, suggestion: Suggestion | None, *, waiting: int
    ) -> Item:
        asked = "\n".join(turn.text for turn in await turns.questions(session, answer))
        up, down = await reviews.ratings(session, answer.id)
        better = suggestion.text if suggestion else answer.text
        return Item(key, masked(asked), masked(answer.text), masked(better), up, down, waiting)

    async def decide(self, key: str, member: Member, *, accept: bool, text: str = "") -> bool:
        """Accept (with another text, if one is given) or reject; False if somebody decided before.

        Raises ``UserError`` ``review_gone`` where nothing of that key waits (withdrawn, forgotten, not agreed).
        """
        assert member.id is not None
        suggestion_id = int(key[1:]) if key[:1] == "s" and key[1:].isdigit() else None
        answer_id = int(key[1:]) if key[:1] == "a" and key[1:].isdigit() else None
        async with self._database.transaction() as session:
            if (suggestion_id, answer_id) == (None, None):
                raise UserError("review_gone")
            if await reviews.decided(session, suggestion_id=suggestion_id, answer_id=answer_id):
                return False
            found = next((one for one in await self._waiting(session) if one[0] == key), None)
            if found is None:
                raise UserError("review_gone")
            item = await self._item(session, *found, waiting=0)
            row = None
            if accept:
                better = masked(text.strip()) or item.better
                row = {"question": item.question, "answer": better}
            return await reviews.decide(
                session,
                suggestion_id=suggestion_id,
                answer_id=answer_id,
                person_id=member.id,
                state="accepted" if accept else "rejected",
                row=row,
            )

    async def grow(self, member: Member) -> Grown:
        """Take what was accepted into the next version of the live model's dataset, else of the newest one.

        Raises ``UserError`` where nothing waits or the dataset may not be edited.
        """
        held = await self._library.get(await self._dataset(), member, Right.EDIT)
        prompts = held.report.system_prompts
        system = [{"role": "system", "content": prompts[0][0]}] if prompts else []
        async with self._database.transaction() as session:
            waiting = await reviews.accepted(session)
        if not waiting:
            raise UserError("nothing_accepted")
        ids = [each.id for each in waiting]
        rows = [
            {
                "messages": [
                    *system,
                    {"role": "user", "content": each.row["question"]},
                    {"role": "assistant", "content": each.row["answer"]},
                ]
            }
            for each in waiting
            if each.row is not None
        ]
        there = await asyncio.to_thread(rows_of, self._library.canonical(held.version), 0, held.report.rows)
        fresh = _unlike(rows, there)
        content = await self._library.extended(held, fresh)
        async with self._database.transaction() as session:
            still = {each.id for each in await reviews.accepted(session)}
            if still != set(ids):
                raise UserError("reviews_changed")
            version = await datasets.add_version(session, held.dataset, content)
            await reviews.taken_in(session, ids, version.id)
        grown = Held(held.dataset, version, Report.from_json(version.report))
        return Grown(grown, tuple(fresh), len(rows) - len(fresh))

    async def _dataset(self) -> int | None:
        async with self._database.transaction() as session:
            alias = await models.alias(session)
            model = await models.get(session, alias.model_id) if alias and alias.model_id is not None else None
            job = await job_rows.get(session, model.job_id) if model else None
            if job is None:
                return None
            dataset, _ = await datasets.version(session, job.dataset_version_id)
            return None if dataset.deleted_at else dataset.id


def _unlike(rows: Sequence[dict[str, Any]], there: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that are not there yet, each once."""
    known = {_key(row) for row in there}
    found = []
    for row in rows:
        if _key(row) not in known:
            known.add(_key(row))
            found.append(row)
    return found


def _key(row: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((message["role"], message["content"]) for message in row["messages"])
