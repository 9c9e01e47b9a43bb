"""What trainings cost: set aside when they are confirmed, booked when they have ended, never more than was allowed.

The ledger only grows. A price that nobody publishes is never made up: such a run sets nothing aside, and what it cost
is told by whoever sees the bill.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncSession

from bot.chat.errors import UserError
from bot.chat.places import MessageRef, Place, PlaceKind
from bot.services import notices
from bot.services.access import Member, Role
from finetune.errors import ProviderError, ProviderUnavailable
from finetune.providers.abilities import Billing, ability
from finetune.providers.estimates import rate
from finetune.providers.provider import Plan, Price, Provider
from storage.clock import now
from storage.database import Database
from storage.repositories import jobs, ledger, operated, outbox
from storage.repositories.ledger import APPROVAL, TEAM, Shortage, month_of, person
from storage.repositories.restored import end_key
from storage.tables import BudgetRow, Job, OutboxRow

MICROS = 1_000_000
# Fewer former runs say little.
_ENOUGH_RUNS = 3
_MOST = 10_000_000.0
# Seconds for which the notice of a job's end waits for what it cost.
_PATIENCE = 5.0
# Sources of lines in the ledger.
_NEVER, _PERSON = "not submitted", "told by person"
_CURRENCY = re.compile(r"[A-Z]{3}")
_SIGNS: Mapping[str, str] = {"¥": "CNY", "￥": "CNY", "$": "USD", "元": "CNY", "€": "EUR", "RMB": "CNY"}


class NeedsLead(Exception):
    """A run that a lead has to approve."""


@dataclass(frozen=True, slots=True)
class Amount:
    """Money in one currency."""

    micros: int
    currency: str

    def __str__(self) -> str:
        return f"{self.micros / MICROS:,.2f} {self.currency}"

    @classmethod
    def of(cls, text: str) -> "Amount":
        """From ``12.5 CNY``, ``CNY 12.5``, ``¥12.5``, ``12.5元``. Raises ``UserError``."""
        plain = text.strip().upper()
        for sign, currency in _SIGNS.items():
            plain = plain.replace(sign, f" {currency} ")
        words = plain.replace(",", "").split()
        currencies = [word for word in words if _CURRENCY.fullmatch(word)]
        numbers = [word for word in words if re.fullmatch(r"\d+(\.\d{1,6})?", word)]
        if len(words) != 2 or len(currencies) != 1 or len(numbers) != 1 or float(numbers[0]) > _MOST:
            raise UserError("amount_form", value=text.strip()[:40])
        return cls(round(float(numbers[0]) * MICROS), currencies[0])


class By(StrEnum):
    """Who says what a job cost."""

    FREE = "free"  # this machine's
    PROVIDER = "provider"
    LIST = "list"  # its published price for the tokens that it trained
    PERSON = "person"  # from the bill
    ESTIMATE = "estimate"  # nobody: it is booked as it was expected
    NOBODY = "nobody"  # and nothing was expected either
    NEVER_BEGAN = "never_began"
    NOT_YET = "not_yet"  # it is asked for again


@dataclass(frozen=True, slots=True)
class Cost:
    """What a job cost, as far as it is known."""

    by: By
    amount: Amount | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """A month of a person or of the team. By currency: ``spent`` was told, ``assumed`` was not, ``open`` is set
    aside. ``answers``: what was said.
    """

    month: str
    spent: Mapping[str, int]
    assumed: Mapping[str, int]
    open: Mapping[str, int]
    limits: Sequence[BudgetRow]
    answers: Sequence[ledger.Answers]


def estimate(plan: Plan) -> Amount | None:
    """The most that a run is expected to cost; None if there is no price."""
    price = plan.price
    return None if price is None else Amount(round(price.high * MICROS), price.currency)


async def reserve(session: AsyncSession, job: Job, plan: Plan, *, lead: bool) -> None:
    """Set a new job's estimate aside, in the transaction that makes the job.

    Raises :class:`NeedsLead` and ``UserError`` ``over_budget``: the transaction has to be taken back then.
    """
    if plan.free:
        return
    amount = estimate(plan)
    if not lead and await _above(session, amount):
        raise NeedsLead
    if amount is None:
        short = await ledger.nothing_left(session, job.person_id)
        source = ""
    else:
        assert plan.price is not None
        short, source = None, f"{plan.price.source} ({plan.price.dated})"
    if short is None:
        known = amount or Amount(0, "")
        short = await ledger.reserve(session, job, known.micros, known.currency, source)
    if short is not None:
        raise _over(short, amount)


async def _above(session: AsyncSession, amount: Amount | None) -> bool:
    """Whether a lead has to approve. A price that is not known may be above anything."""
    if amount is not None:
        limit = await ledger.budget(session, APPROVAL, amount.currency)
        return limit is not None and amount.micros > limit
    return any(row.scope == APPROVAL for row in await ledger.budgets(session))


def _over(short: Shortage, amount: Amount | None) -> UserError:
    key = "over_budget_team" if short.scope == TEAM else "over_budget"
    wanted = str(amount) if amount else "?"
    return UserError(key, amount=wanted, left=str(Amount(short.left, short.currency)),
                     limit=str(Amount(short.limit, short.currency)))  # fmt: skip


async def learned(database: Database, plan: Plan, provider: str, base: str) -> Plan:
    """The plan with its price stretched by how former runs on this base came out."""
    if plan.price is None:
        return plan
    async with database.transaction() as session:
        former = await operated.ended(session, provider, base)
    ratios = [ratio for job in former if (ratio := _ratio(job)) is not None]
    if len(ratios) < _ENOUGH_RUNS:
        return plan
    price = plan.price
    stretched: Price = replace(price, low=price.low * min(ratios), high=price.high * max(ratios))
    return replace(plan, price=stretched, learned_from=len(ratios))


def _ratio(job: Job) -> float | None:
    """Tokens that were trained against those that were expected."""
    planned, trained = job.plan.get("tokens"), (job.progress or {}).get("trained_tokens")
    if not planned or not trained:
        return None
    return float(trained) / (float(planned) * float(job.hyperparameters["epochs"]))


class Money:
    """Settles what has ended, and answers what was spent."""

    def __init__(self, database: Database, providers: Mapping[str, Provider]) -> None:
        self._database = database
        self._providers = providers

    async def settle(self) -> None:
        """Book what ended: as the provider tells it, else by its price, else as it was expected."""
        async with self._database.transaction() as session:
            found = await ledger.unsettled(session)
        for job in found:
            await self._settle(job)

    async def _settle(self, job: Job) -> None:
        try:
            spent, source = await self._actual(job)
        except ProviderUnavailable:
            return  # it is asked again: what is not known yet is not assumed
        except ProviderError:
            spent, source = None, ""
        async with self._database.transaction() as session:
            fresh = await jobs.get(session, job.id)
            if fresh is not None and await ledger.settle(session, fresh, spent, source):
                await _show_anew(session, fresh)

    async def final(self, job: Job) -> Cost:
        """What a job that has ended cost. Its provider is asked now, if it answers soon; else it is shown later."""
        if not job.plan.get("free"):
            with suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    async with self._database.transaction() as session:
                        settled = await ledger.is_settled(session, job)
                    if not settled:
                        await self._settle(job)
        return await self.cost(job)

    async def _actual(self, job: Job) -> tuple[tuple[int, str] | None, str]:
        if job.handle is None:
            # It was never handed over, so it cost nothing.
            reserved = (job.plan.get("price") or {}).get("currency", "")
            return (0, reserved), _NEVER
        billing = ability(self._providers.get(job.provider), Billing)  # type: ignore[type-abstract]
        if billing is not None:
            told = await billing.cost(job.handle)
            if told is not None:
                return (round(told.amount * MICROS), told.currency), job.provider
        published, tokens = rate(job.provider, job.base), (job.progress or {}).get("trained_tokens")
        if published is not None and tokens:
            price = published.price(float(tokens), float(tokens))
            return (
                round(price.high * MICROS),
                price.currency,
            ), f"{published.source} ({published.dated}), {tokens} tokens"
        return None, ""

    async def tell(self, job_id: int, amount: Amount, member: Member) -> Job:
        """Somebody read the bill. Raises ``UserError``."""
        async with self._database.transaction() as session:
            job = await jobs.get(session, job_id)
            if job is None:
                raise UserError("job_unknown", n=job_id)
            if job.person_id != member.id and member.role < Role.LEAD:
                raise UserError("job_foreign", n=job_id)
            await ledger.told(session, job, amount.micros, amount.currency, f"{_PERSON} {member.id}")
            await _show_anew(session, job)
        return job

    async def cost(self, job: Job) -> Cost:
        """What a job cost, as it is booked by now."""
        if job.plan.get("free"):
            return Cost(By.FREE)
        async with self._database.transaction() as session:
            found = await ledger.cost(session, job.id)
            settled = await ledger.is_settled(session, job)
        if found is None:
            return Cost(By.NOBODY if settled else By.NOT_YET)
        micros, currency, told, source = found
        if source == _NEVER:
            return Cost(By.NEVER_BEGAN)
        if not told:
            return Cost(By.ESTIMATE, Amount(micros, currency))
        by = By.PROVIDER if source == job.provider else By.PERSON if source.startswith(_PERSON) else By.LIST
        return Cost(by, Amount(micros, currency))

    async def usage(self, member: Member | None) -> Usage:
        """This month of a person, or of the team for None."""
        scope = TEAM if member is None else person(member.id or 0)
        month = month_of(now())
        kinds: dict[str, dict[str, int]] = {"spent": {}, "assumed": {}, "open": {}}
        names = {"spend": "spent", "assume": "assumed", "unassume": "assumed", "reserve": "open", "release": "open"}
        async with self._database.transaction() as session:
            for currency, kind, micros in await ledger.sums(session, scope, month):
                part = kinds[names[kind]]
                part[currency] = part.get(currency, 0) + micros
            limits = [row for row in await ledger.budgets(session) if row.scope == scope]
            answers = await ledger.answers(session, scope, month)
        return Usage(month, kinds["spent"], kinds["assumed"], kinds["open"], limits, answers)

    async def limits(self) -> Sequence[BudgetRow]:
        """All limits in force."""
        async with self._database.transaction() as session:
            return await ledger.budgets(session)

    async def limit(self, scope: str, amount: Amount, member: Member, *, off: bool = False) -> None:
        """Another limit of a month (or of what needs no approval) from now on."""
        async with self._database.transaction() as session:
            await ledger.set_budget(session, scope, amount.currency, None if off else amount.micros, member.id)


async def _show_anew(session: AsyncSession, job: Job) -> None:
    """What a job cost is news for the messages that told its end."""
    count = await ledger.lines(session, job.id)
    await notices.edit(session, job, f"job:{job.id}:card:cost:{count}", "job", {"job": job.id})
    told = await outbox.of(session, end_key(job))
    if told is not None and told.message is not None:
        await _revise(session, told, told.message, str(count))


async def arrived(session: AsyncSession, row: OutboxRow, ref: MessageRef) -> None:
    """The end of a job was told. If its cost was booked while that was on its way, the message may not have it."""
    job = await jobs.get(session, row.payload["job"])
    if job is not None and not job.plan.get("free") and await ledger.is_settled(session, job):
        await _revise(session, row, ref.id, "arrived")


async def _revise(session: AsyncSession, row: OutboxRow, message: str, what: str) -> None:
    place = Place(row.platform, row.chat, row.thread, PlaceKind(row.place_kind))
    key = f"{row.key}:cost:{what}"
    edit = notices.entry(place, row.language, key, "edit", row.subject, row.payload, message=message)
    await outbox.add(session, edit)
