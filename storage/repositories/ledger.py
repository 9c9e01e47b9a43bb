"""Money: a ledger that only grows, budgets of a month, and runs that wait for a lead.

Amounts are whole millionths of a currency's unit. Currencies are never added up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from finetune.jobs import ENDED
from storage.clock import now
from storage.repositories import settings
from storage.tables import Approval, BudgetRow, Job, LedgerRow, Setting

TEAM = "team"
APPROVAL = "approval"
RESERVE, RELEASE, ASSUME, UNASSUME, SPEND, CHAT = "reserve", "release", "assume", "unassume", "spend", "chat"
_LOCK = "ledger.lock"


@dataclass(frozen=True, slots=True)
class Shortage:
    """A budget that an amount does not fit into. ``left``: micros, never negative."""

    scope: str
    limit: int
    left: int
    currency: str


@dataclass(frozen=True, slots=True)
class Answers:
    """A sum over answers; ``told``: how many of them had their tokens told."""

    currency: str
    priced: bool
    count: int
    told: int
    prompt_tokens: int
    completion_tokens: int
    micros: int


def person(person_id: int) -> str:
    """The scope of one person."""
    return f"person:{person_id}"


def month_of(at: datetime) -> str:
    """The month that something is booked in, in UTC."""
    return f"{at:%Y-%m}"


async def _locked(session: AsyncSession) -> None:
    """One at a time: whoever reads what is left also takes it. (SQLite's transactions that write are one at a time.)"""
    await settings.first(session, _LOCK, "")
    await session.execute(select(Setting.name).where(Setting.name == _LOCK).with_for_update())


async def reserve(session: AsyncSession, job: Job, micros: int, currency: str, source: str) -> Shortage | None:
    """Set aside an estimate for a job that was just made, in the same transaction; else tell which budget is short.

    The same job again reserves nothing more.
    """
    await _locked(session)
    key = f"job:{job.id}:{RESERVE}:{job.run}"
    if await session.scalar(select(LedgerRow.id).where(LedgerRow.key == key)) is not None:
        return None
    at = now()
    for scope in (person(job.person_id), TEAM):
        limit = await budget(session, scope, currency)
        if limit is None:
            continue
        left = limit - await booked(session, scope, currency, month_of(at))
        if micros > left:
            return Shortage(scope, limit, max(0, left), currency)
    await _book(session, job, RESERVE, key, micros, currency, source, at)
    return None


async def nothing_left(session: AsyncSession, person_id: int) -> Shortage | None:
    """A budget of the person or the team that is used up, whatever the currency: for runs whose price is not known."""
    for scope in (person(person_id), TEAM):
        currencies = await session.scalars(select(BudgetRow.currency).where(BudgetRow.scope == scope).distinct())
        for currency in list(currencies):
            limit = await budget(session, scope, currency)
            if limit is not None and await booked(session, scope, currency, month_of(now())) >= limit:
                return Shortage(scope, limit, 0, currency)
    return None


async def settle(session: AsyncSession, job: Job, spent: tuple[int, str] | None, source: str) -> bool:
    """A job has ended: give back what was set aside, and book what it cost, or the estimate where nobody tells it.

    False if that was done before, or nothing was set aside.
    """
    await _locked(session)
    reserved = await _of(session, job, f"job:{job.id}:{RESERVE}:{job.run}")
    done = f"job:{job.id}:{RELEASE}:{job.run}"
    if reserved is None or await _of(session, job, done) is not None:
        return False
    await _book(session, job, RELEASE, done, -reserved.micros, reserved.currency, "", reserved.at)
    if spent is not None:
        await _book(session, job, SPEND, f"job:{job.id}:{SPEND}:{job.run}", *spent, source, reserved.at)
    elif reserved.micros:
        key = f"job:{job.id}:{ASSUME}:{job.run}"
        await _book(session, job, ASSUME, key, reserved.micros, reserved.currency, reserved.source, reserved.at)
    return True


async def is_settled(session: AsyncSession, job: Job) -> bool:
    """Whether a job's last run was settled."""
    return await _of(session, job, f"job:{job.id}:{RELEASE}:{job.run}") is not None


async def lines(session: AsyncSession, job_id: int) -> int:
    """How many lines are about a job: another number, another thing to show."""
    return await session.scalar(select(func.count()).select_from(LedgerRow).where(LedgerRow.job_id == job_id)) or 0


async def told(session: AsyncSession, job: Job, micros: int, currency: str, source: str) -> None:
    """Somebody told what a job cost: it takes the place of what was assumed, or of what was told before."""
    await _locked(session)
    rows = list(await session.scalars(select(LedgerRow).where(LedgerRow.job_id == job.id).order_by(LedgerRow.id)))
    count = len(rows)
    held: dict[tuple[str, str], int] = {}
    for row in rows:
        if row.kind in (ASSUME, UNASSUME, SPEND):
            about = (SPEND if row.kind == SPEND else UNASSUME, row.currency)
            held[about] = held.get(about, 0) + row.micros
    at = rows[0].at if rows else now()
    for (kind, known), amount in held.items():
        if amount:
            await _book(session, job, kind, f"job:{job.id}:{kind}:back:{count}:{known}", -amount, known, "", at)
    await _book(session, job, SPEND, f"job:{job.id}:{SPEND}:told:{count}", micros, currency, source, at)


async def cost(session: AsyncSession, job_id: int) -> tuple[int, str, bool, str] | None:
    """(micros, currency, whether it was told, by what) of a job; None where nothing is booked but an estimate."""
    rows = list(
        await session.scalars(
            select(LedgerRow)
            .where(LedgerRow.job_id == job_id, LedgerRow.kind.in_((SPEND, ASSUME, UNASSUME)))
            .order_by(LedgerRow.id)
        )
    )
    if not rows:
        return None
    last = rows[-1]
    micros = sum(row.micros for row in rows if row.currency == last.currency)
    return micros, last.currency, last.kind == SPEND, last.source


async def unsettled(session: AsyncSession, limit: int = 50) -> list[Job]:
    """Jobs that ended while their estimate is still set aside."""
    released = aliased(LedgerRow)
    key = func.replace(LedgerRow.key, f":{RESERVE}:", f":{RELEASE}:")
    query = (
        select(Job)
        .join(LedgerRow, (LedgerRow.job_id == Job.id) & (LedgerRow.kind == RESERVE))
        .where(
            Job.state.in_([state.value for state in ENDED]), ~select(released.id).where(released.key == key).exists()
        )
    )
    return list(await session.scalars(query.order_by(Job.id).limit(limit)))


async def booked(session: AsyncSession, scope: str, currency: str, month: str) -> int:
    """Spent, assumed and set aside of a month, in micros; what talking cost among it."""
    query = select(func.coalesce(func.sum(LedgerRow.micros), 0)).where(
        LedgerRow.currency == currency, LedgerRow.month == month
    )
    if scope != TEAM:
        query = query.where(LedgerRow.person_id == int(scope.removeprefix("person:")))
    return int(await session.scalar(query) or 0)


async def sums(session: AsyncSession, scope: str, month: str) -> list[tuple[str, str, int]]:
    """(currency, kind, micros) of a month's trainings."""
    query = select(LedgerRow.currency, LedgerRow.kind, func.sum(LedgerRow.micros)).where(
        LedgerRow.month == month, LedgerRow.kind != CHAT
    )
    if scope != TEAM:
        query = query.where(LedgerRow.person_id == int(scope.removeprefix("person:")))
    rows = await session.execute(query.group_by(LedgerRow.currency, LedgerRow.kind))
    return [(currency, kind, int(micros)) for currency, kind, micros in rows]


async def answer(session: AsyncSession, *, key: str, **values: Any) -> None:
    """Book an answer, once."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    row = {"key": key, "at": now(), "kind": CHAT, **values}
    await session.execute(insert(LedgerRow).values(row).on_conflict_do_nothing())


async def answers(session: AsyncSession, scope: str, month: str) -> list[Answers]:
    """The answers of a month, by currency and by whether a price is known."""
    priced = (LedgerRow.source != "").label("priced")
    query = select(
        LedgerRow.currency,
        priced,
        func.count(),
        func.count(LedgerRow.completion_tokens),
        func.coalesce(func.sum(LedgerRow.prompt_tokens), 0),
        func.coalesce(func.sum(LedgerRow.completion_tokens), 0),
        func.coalesce(func.sum(LedgerRow.micros), 0),
    ).where(LedgerRow.month == month, LedgerRow.kind == CHAT)
    if scope != TEAM:
        query = query.where(LedgerRow.person_id == int(scope.removeprefix("person:")))
    rows = await session.execute(query.group_by(LedgerRow.currency, text("priced")))
    return [Answers(row[0], bool(row[1]), *(int(value or 0) for value in row[2:])) for row in rows]


async def budget(session: AsyncSession, scope: str, currency: str) -> int | None:
    """The limit in force, in micros; None for none."""
    query = select(BudgetRow).where(BudgetRow.scope == scope, BudgetRow.currency == currency)
    row = await session.scalar(query.order_by(BudgetRow.id.desc()).limit(1))
    return row.micros if row else None


async def budgets(session: AsyncSession) -> list[BudgetRow]:
    """All limits in force."""
    newest = select(func.max(BudgetRow.id)).group_by(BudgetRow.scope, BudgetRow.currency)
    query = select(BudgetRow).where(BudgetRow.id.in_(newest), BudgetRow.micros.is_not(None))
    return list(await session.scalars(query.order_by(BudgetRow.scope, BudgetRow.currency)))


async def set_budget(session: AsyncSession, scope: str, currency: str, micros: int | None, by: int | None) -> None:
    """Another limit from now on; the former ones stay on record."""
    session.add(BudgetRow(scope=scope, currency=currency, micros=micros, set_by=by, set_at=now()))
    await session.flush()


async def ask_approval(session: AsyncSession, row: Approval) -> Approval:
    """Keep a run until a lead has decided; the same intent again gives the first one."""
    found = await session.scalar(select(Approval).where(Approval.intent == row.intent))
    if found is not None:
        return found
    session.add(row)
    await session.flush()
    return row


async def approval(session: AsyncSession, number: int, *, locked: bool = False) -> Approval | None:
    """By number. ``locked``: nobody decides on it before the transaction ends."""
    return await session.get(Approval, number, with_for_update=locked or None)


async def pending(session: AsyncSession) -> Sequence[Approval]:
    """What waits for a lead, oldest first."""
    return list(await session.scalars(select(Approval).where(Approval.state == "pending").order_by(Approval.id)))


async def decide(session: AsyncSession, number: int, state: str, by: int | None, job_id: int | None = None) -> bool:
    """Decide, once; False if somebody else was first. ``job_id``: the job that it became."""
    result = await session.execute(
        update(Approval)
        .where(Approval.id == number, Approval.state == "pending")
        .values(state=state, decided_by=by, decided_at=now(), job_id=job_id)
        .returning(Approval.id)
    )
    return result.scalar() is not None


async def _of(session: AsyncSession, job: Job, key: str) -> LedgerRow | None:
    return await session.scalar(select(LedgerRow).where(LedgerRow.job_id == job.id, LedgerRow.key == key))


async def _book(
    session: AsyncSession, job: Job, kind: str, key: str, micros: int, currency: str, source: str, at: datetime
) -> None:
    """``at``: when the money was set aside; what follows from it belongs to the same month."""
    session.add(
        LedgerRow(
            key=key,
            at=now(),
            month=month_of(at),
            person_id=job.person_id,
            job_id=job.id,
            provider=job.provider,
            kind=kind,
            micros=micros,
            currency=currency,
            source=source,
        )
    )
    await session.flush()
