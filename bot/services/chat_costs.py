"""What an answer cost: booked once, in the transaction that keeps how the answer ended.

Tokens are those that the provider told. Where it told none (it was stopped, or the process died first), or publishes
no price, the line says so, and nothing is made up.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from bot.services.money import MICROS
from finetune.providers.estimates import ChatRate
from storage.repositories import conversations as turns
from storage.repositories import ledger
from storage.tables import Turn

# From a provider and a base to its published price.
Rates = Callable[[str, str], ChatRate | None]


@dataclass(frozen=True, slots=True)
class Spent:
    """Who answered, and the tokens that it told; None where it told none."""

    provider: str = ""
    base: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


async def settle(session: AsyncSession, answer: Turn, person_id: int | None, spent: Spent, rates: Rates) -> None:
    """Book an answer for whoever asked. The same answer again books nothing."""
    if person_id is None:
        return
    rate = rates(spent.provider, spent.base)
    micros, currency, source = 0, "", ""
    if rate is not None and spent.completion_tokens is not None:
        micros = round(rate.price(spent.prompt_tokens or 0, spent.completion_tokens) * MICROS)
        currency, source = rate.currency, f"{rate.source} ({rate.dated})"
    await ledger.answer(
        session,
        # A number that was forgotten may be given again: the moment tells the two answers apart.
        key=f"answer:{answer.id}:{round(answer.created_at.timestamp() * 1_000_000)}",
        month=ledger.month_of(answer.created_at),
        person_id=person_id,
        provider=spent.provider,
        micros=micros,
        currency=currency,
        source=source,
        prompt_tokens=spent.prompt_tokens,
        completion_tokens=spent.completion_tokens,
    )


async def settle_cut_off(session: AsyncSession, answer: Turn, rates: Rates) -> None:
    """Book an answer that a dead process left half-way: what it took was never told."""
    asked = await turns.turn(session, answer.answer_to) if answer.answer_to is not None else None
    await settle(session, answer, asked.person_id if asked else None, Spent(), rates)
