"""Blind pairs for people: which answer is better, without knowing whose it is."""

import hashlib
from dataclasses import dataclass

from bot.chat.errors import UserError
from bot.services.access import Member
from bot.services.measuring import Measuring
from bot.services.proof import Proof
from finetune.evaluation.answers import BASE, PROMPTED
from finetune.evaluation.judging import Pair
from finetune.evaluation.statistics import WinRate
from storage.database import Database
from storage.repositories import evaluations, votes
from storage.tables import TunedModel

PAIRS = 10
CHOICES = ("a", "b", "equal")


@dataclass(frozen=True, slots=True)
class Blind:
    """One pair as a person sees it. ``number`` of ``total``, from 1."""

    model: TunedModel
    evaluation_id: int
    other: str
    key: str
    question: str
    a: str
    b: str
    number: int
    total: int


@dataclass(frozen=True, slots=True)
class Result:
    """What votes say: a person's own and everybody's, and the judge's beside them, never added to them."""

    model: TunedModel
    other: str
    mine: WinRate
    people: WinRate
    judge: WinRate | None


class Comparing:
    """Shows pairs and keeps votes."""

    def __init__(self, database: Database, proof: Proof, measuring: Measuring) -> None:
        self._database = database
        self._proof = proof
        self._measuring = measuring

    async def next(self, model: TunedModel, member: Member) -> Blind | None:
        """The next pair that a person has not voted on; None after the last. Raises ``UserError`` without answers."""
        assert member.id is not None
        other, pairs = await self._pairs(model)
        async with self._database.transaction() as session:
            found = await evaluations.of_model(session, model.id)
            assert found is not None
            mine = {vote.question for vote in await votes.of(session, found.id, other, member.id)}
        for number, pair in enumerate(pairs, 1):
            if pair.key not in mine:
                first = _tuned_first(found.id, pair.key, member.id)
                a, b = (pair.tuned, pair.other) if first else (pair.other, pair.tuned)
                return Blind(model, found.id, other, pair.key, pair.question, a, b, number, len(pairs))
        return None

    async def _pairs(self, model: TunedModel) -> tuple[str, list[Pair]]:
        """Ten pairs with the base where it answered, else with the prompted one; equal answers are no choice."""
        for other in (BASE, PROMPTED):
            pairs = [pair for pair in await self._proof.pairs(model, other) if pair.tuned.strip() != pair.other.strip()]
            if pairs:
                return other, pairs[:PAIRS]
        raise UserError("nothing_to_compare", version=model.version)

    async def vote(self, evaluation_id: int, other: str, key: str, choice: str, member: Member) -> bool:
        """Keep a vote; False if this person had voted on the pair."""
        assert member.id is not None
        winner = "equal"
        if choice != "equal":
            winner = "tuned" if (choice == "a") == _tuned_first(evaluation_id, key, member.id) else "other"
        async with self._database.transaction() as session:
            return await votes.cast(session, evaluation_id, other, key, member.id, winner)

    async def result(self, model: TunedModel, member: Member) -> Result:
        """What the votes say so far."""
        other, _ = await self._pairs(model)
        async with self._database.transaction() as session:
            found = await evaluations.of_model(session, model.id)
            assert found is not None
            cast = await votes.of(session, found.id, other)
        mine = [vote.winner for vote in cast if vote.person_id == member.id]
        shown = await self._proof.shown(model)
        return Result(
            model,
            other,
            await self._measuring.rate(mine, 1),
            await self._measuring.rate([vote.winner for vote in cast], len({vote.person_id for vote in cast})),
            shown.verdict.judges.get(other) if shown.verdict else None,
        )


def _tuned_first(evaluation_id: int, key: str, person_id: int) -> bool:
    """Which side is whose: by chance, but the same whenever this person sees the pair."""
    return hashlib.sha256(f"{evaluation_id}/{key}/{person_id}".encode()).digest()[0] % 2 == 0
