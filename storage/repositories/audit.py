"""Who did what when: from the rows that tell it anyway, and from the audit's own for what no other row tells."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.clock import now
from storage.repositories import releases
from storage.repositories.ledger import SPEND
from storage.tables import (
    Approval,
    AuditRow,
    BudgetRow,
    Code,
    Dataset,
    Job,
    LedgerRow,
    Linked,
    Release,
    Review,
    TunedModel,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that somebody did. ``person_id``: None where the row names nobody. ``facts`` are its own, by kind."""

    at: datetime
    person_id: int | None
    kind: str
    facts: Mapping[str, Any]


# What is read, newest first, and what each row of it tells.
Source = tuple[Select[*tuple[Any, ...]], Callable[[Any], Entry]]

_TOLD = re.compile(r"told by person (\d+)")


class Act(StrEnum):
    """What the audit's own rows tell, and its facts.

    - ``ROLE``: the role of person ``subject`` went from ``before`` to ``after``
    - ``INVITE``: a code for ``role`` was made
    - ``SHARE``: person ``whom`` (the team for None) may do ``right`` with ``dataset``; nobody may, where that is None
    - ``DELETED``: ``dataset``, by its ``name``
    - ``BACKUP``: the archive ``file``
    - ``EXPORT``: the model ``version``
    """

    ROLE = "role"
    INVITE = "invite"
    SHARE = "share"
    DELETED = "deleted"
    BACKUP = "backup"
    EXPORT = "export"


async def record(session: AsyncSession, act: Act, person_id: int | None, **facts: Any) -> None:
    """Keep that a person did something, with what they did. ``person_id``: None where it is not known who."""
    session.add(AuditRow(at=now(), person_id=person_id, kind=act.value, facts=facts))
    await session.flush()


def _sources() -> list[Source]:
    decided = select(Approval).where(Approval.decided_at.is_not(None)).order_by(Approval.decided_at.desc())
    released = select(Release, TunedModel.version).outerjoin(TunedModel, TunedModel.id == Release.model_id)
    entered = select(Code).where(Code.spent_at.is_not(None), Code.purpose.in_(("owner", "invite")))
    told = select(LedgerRow).where(LedgerRow.kind == SPEND, LedgerRow.source.startswith("told by person "))
    return [
        (select(Job).order_by(Job.created_at.desc()), _job),
        (select(Approval).order_by(Approval.created_at.desc()), _asked),
        (decided, _decided),
        (released.order_by(Release.created_at.desc()), _release),
        (select(BudgetRow).order_by(BudgetRow.set_at.desc()), _budget),
        (told.order_by(LedgerRow.at.desc()), _cost),
        (entered.order_by(Code.spent_at.desc()), _entered),
        (select(Linked).order_by(Linked.at.desc()), _linked),
        (select(Dataset).order_by(Dataset.created_at.desc()), _dataset),
        (select(Review).order_by(Review.created_at.desc()), _review),
        (select(AuditRow).order_by(AuditRow.at.desc(), AuditRow.id.desc()), _own),
    ]


async def newest(session: AsyncSession, limit: int) -> list[Entry]:
    """The newest of all kinds, newest first."""
    found: list[Entry] = []
    for query, told in _sources():
        found += [told(row) for row in await session.execute(query.limit(limit))]
    # Of the same moment always in the same order, so that no page shows what another one had.
    found.sort(key=lambda entry: (entry.at, entry.kind, repr(entry.facts)), reverse=True)
    return found[:limit]


def _job(row: Any) -> Entry:
    job: Job = row[0]
    return Entry(job.created_at, job.person_id, "job", {"job": job.id, "name": job.name, "provider": job.provider})


def _asked(row: Any) -> Entry:
    return Entry(row[0].created_at, row[0].person_id, "approval.asked", {"n": row[0].id})


def _decided(row: Any) -> Entry:
    found: Approval = row[0]
    assert found.decided_at is not None
    return Entry(found.decided_at, found.decided_by, f"approval.{found.state}", {"n": found.id, "job": found.job_id})


def _release(row: Any) -> Entry:
    found: Release = row[0]
    facts = {"version": row[1], "alias": found.alias, "reason": found.reason}
    # Nobody takes a canary back by hand in this way: it went too badly.
    alone = found.action == releases.ROLLED_BACK and found.person_id is None
    action = "canary_returned" if alone else found.action
    return Entry(found.created_at, found.person_id, f"release.{action}", facts)


def _budget(row: Any) -> Entry:
    found: BudgetRow = row[0]
    facts = {"scope": found.scope, "micros": found.micros, "currency": found.currency}
    return Entry(found.set_at, found.set_by, "budget", facts)


def _cost(row: Any) -> Entry:
    found: LedgerRow = row[0]
    named = _TOLD.match(found.source)
    facts = {"job": found.job_id, "micros": found.micros, "currency": found.currency}
    return Entry(found.at, int(named[1]) if named else None, "cost", facts)


def _entered(row: Any) -> Entry:
    found: Code = row[0]
    assert found.spent_at is not None
    return Entry(found.spent_at, found.person_id, f"entered.{found.purpose}", {"role": found.role})


def _linked(row: Any) -> Entry:
    return Entry(row[0].at, row[0].person_id, "linked", {})


def _dataset(row: Any) -> Entry:
    return Entry(row[0].created_at, row[0].owner_id, "dataset", {"dataset": row[0].id, "name": row[0].name})


def _review(row: Any) -> Entry:
    return Entry(row[0].created_at, row[0].person_id, f"review.{row[0].state}", {})


def _own(row: Any) -> Entry:
    found: AuditRow = row[0]
    return Entry(found.at, found.person_id, found.kind, found.facts)
